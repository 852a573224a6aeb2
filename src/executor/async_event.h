/*
 * Events for tasks, and for threads by bridge/block_on.h: something that has happened, or not yet. As thread/event.h:
 * an automatic event lets one waiter through a signal, the one that came first, or else whoever comes next; a manual
 * one stays set until it is reset, and lets everybody through.
 *
 * Cancel safety: a wait that is dropped after an automatic event let it through signals the event again.
 */
#ifndef DUET_EXECUTOR_ASYNC_EVENT_H
#define DUET_EXECUTOR_ASYNC_EVENT_H

#include "executor/future.h"
#include "lib/waiters.h"

struct async_event {
    bool set;       /* and then nobody waits but who has yet to be woken. Critical sections */
    bool automatic; /* set once */
    struct waiters waiters;
};

/* Ready once it is let through. */
struct async_event_wait {
    struct future future;
    struct async_event *event;
    struct waiter waiter;
};

/* Not set. Nobody may be using it. */
void async_event_init(struct async_event *event, bool automatic);

/* Context: task, thread. */
struct async_event_wait async_event_wait(struct async_event *event);

/* True if it is set; resets it if it is automatic. Context: any. */
bool async_event_try(struct async_event *event) must_check;

/* Sets it, or lets who waits through: all who wait for a manual event, some at a time. Context: any. */
void async_event_signal(struct async_event *event);

/* Takes back a signal that let nobody through, or ends that of a manual event. Context: any. */
void async_event_reset(struct async_event *event);

#endif
