/*
 * Whoever waits for one thing, first come first served: what channels, semaphores and the like are made of.
 *
 * A waiter is part of what waits, so nothing is allocated. Being granted is not being ready: what was granted is held
 * for the waiter until it comes for it, and goes to another if it never does. Everything here is in a critical section.
 */
#ifndef DUET_LIB_WAITERS_H
#define DUET_LIB_WAITERS_H

#include "lib/critical.h"
#include "lib/list.h"
#include "lib/waker.h"

enum waiter_state {
    WAITER_OUT, /* zero-initialised: waits for nothing, and nothing is held for it */
    WAITER_WAITING,
    WAITER_GRANTED, /* no longer in the list */
};

struct waiter {
    struct list node;    /* while waiting */
    struct waker *waker; /* of the latest poll */
    enum waiter_state state;
};

struct waiters {
    struct list list;
};

static inline void waiters_init(struct waiters *waiters)
{
    list_init(&waiters->list);
}

static inline bool waiters_empty(const struct waiters *waiters)
{
    return list_empty(&waiters->list);
}

/* The one that has waited longest; there is one. */
static inline struct waiter *waiters_first(const struct waiters *waiters)
{
    return container_of(waiters->list.next, struct waiter, node);
}

/* Waits, behind all others; one that waits already keeps its place and is woken by its latest waker. Not in an
 * interrupt. */
static inline void waiters_wait(struct waiters *waiters, struct waiter *waiter, struct waker *waker)
{
    ASSERT(!critical_interrupted());
    waiter->waker = waker;
    if (waiter->state == WAITER_WAITING)
        return;
    waiter->state = WAITER_WAITING;
    list_push_back(&waiters->list, &waiter->node);
}

/* Waits no more, and nothing is held for it. Returns what it did. */
static inline enum waiter_state waiter_leave(struct waiter *waiter)
{
    enum waiter_state state = waiter->state;

    if (state == WAITER_WAITING)
        list_remove(&waiter->node);
    waiter->state = WAITER_OUT;
    return state;
}

/* Ends the wait of the first, in one of the other states, and wakes it; there is one. */
static inline void waiters_wake_first(struct waiters *waiters, enum waiter_state state)
{
    struct waiter *waiter = waiters_first(waiters);

    list_remove(&waiter->node);
    waiter->state = state;
    waker_wake(waiter->waker);
}

/* Moves all of `from` behind those of `to`. */
static inline void waiters_move(struct waiters *to, struct waiters *from)
{
    if (waiters_empty(from))
        return;
    from->list.next->prev = to->list.prev;
    to->list.prev->next = from->list.next;
    from->list.prev->next = &to->list;
    to->list.prev = from->list.prev;
    waiters_init(from);
}

/* As waiters_wake_first(), for all that wait now. Ends the critical section, and lets interrupts in after each few of
 * them, so that it stays short; whoever waits from then on is not among them. */
enum { WAITERS_AT_ONCE = 8 };
void waiters_wake_all(struct waiters *waiters, enum waiter_state state, uint64_t flags);

#endif
