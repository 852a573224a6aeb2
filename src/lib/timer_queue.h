/*
 * Deadlines and the wakers they call: an intrusive pairing heap.
 *
 * Insert and next_deadline are O(1), expire and remove O(log n) amortised; nothing is allocated. Equal deadlines expire
 * in the order they were inserted. The queue neither reads a clock nor locks: its owner passes the time and protects
 * it.
 */
#ifndef DUET_LIB_TIMER_QUEUE_H
#define DUET_LIB_TIMER_QUEUE_H

#include "lib/base.h"
#include "lib/waker.h"

#define TIMER_NEVER UINT64_MAX

struct timer {
    uint64_t deadline_ns;
    uint64_t sequence;
    struct waker *waker;
    struct timer *child;   /* first child */
    struct timer *sibling; /* next child of the same parent */
    struct timer *prev;    /* previous sibling, or the parent of a first child, or itself for the root */
};

struct timer_queue {
    struct timer *root;
    uint64_t next_sequence;
};

/* True while the timer is in a queue. A zeroed timer is not. */
static inline bool timer_queued(const struct timer *timer)
{
    return timer->prev != NULL;
}

/* Queues `timer` to wake `waker` at `deadline_ns`. The timer belongs to the queue until it expires or is removed. */
void timer_queue_insert(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns, struct waker *waker);

/* Takes `timer` out; one that is not queued is left alone. */
void timer_queue_remove(struct timer_queue *queue, struct timer *timer);

/* Removes every timer whose deadline has come and wakes its waker, earliest first. A waker may insert or remove timers.
 * Returns how many expired. */
unsigned timer_queue_expire(struct timer_queue *queue, uint64_t now_ns);

/* The earliest deadline, or TIMER_NEVER. */
static inline uint64_t timer_queue_next_deadline(const struct timer_queue *queue)
{
    return queue->root ? queue->root->deadline_ns : TIMER_NEVER;
}

#endif
