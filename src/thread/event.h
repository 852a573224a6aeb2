/*
 * Events: something that has happened, or not yet.
 *
 * An automatic event lets one thread through a signal: the most urgent of those that wait, and of equals the one that
 * came first, or else whoever comes next; then it is gone. Signals do not count: two that nobody waited for are one. A
 * manual event stays set until it is reset, and lets everybody through.
 */
#ifndef DUET_THREAD_EVENT_H
#define DUET_THREAD_EVENT_H

#include <stdatomic.h>

#include "thread/thread.h"
#include "thread/wait_queue.h"

enum event_state {
    EVENT_AWAITED = -1, /* threads may wait, and it is not set */
    EVENT_CLEAR = 0,
    EVENT_SET = 1,
};

struct event {
    _Atomic int32_t state; /* enum event_state */
    bool automatic;        /* set once */
    struct wait_queue queue;
};

#define EVENT_INIT(event, is_automatic)                                      \
    {                                                                        \
        .automatic = (is_automatic), .queue = WAIT_QUEUE_INIT((event).queue) \
    }

/* Not set. Nobody may be using it. */
static inline void event_init(struct event *event, bool automatic)
{
    atomic_init(&event->state, EVENT_CLEAR);
    event->automatic = automatic;
    wait_queue_init(&event->queue);
}

/* Waits until it is set, or takes a signal of its own. Context: thread, not in a poll. */
void event_wait(struct event *event);

/* The same, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if no signal came until then. A deadline already
 * past takes what is there. Context: thread, not in a poll. */
enum status event_wait_until(struct event *event, uint64_t deadline_ns) must_check;

/* True if it is set; resets it if it is automatic. Context: any. */
bool event_try(struct event *event) must_check;

/*
 * Sets it, or lets who waits through. A more urgent thread that was let through runs before this returns; called with
 * interrupts off, once they are on and something else is woken or an interrupt ends. Of a manual event, all who wait
 * are made ready before any of them runs, some 50 instructions each, with preemption off; a thread that has interrupts
 * on lets them in after each. Context: any.
 */
void event_signal(struct event *event);

/* Takes back a signal that let nobody through, or ends that of a manual event. Context: any. */
void event_reset(struct event *event);

/* Context: any. */
static inline bool event_is_set(struct event *event)
{
    return atomic_load_explicit(&event->state, memory_order_acquire) == EVENT_SET;
}

#endif
