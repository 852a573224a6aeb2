/*
 * A future: a plain struct that can be polled until it is ready.
 *
 * Nothing runs until it is polled, by one poller. A poll that returns POLL_PENDING has left the waker where it will be
 * woken when polling again makes sense. After POLL_READY a future is not polled again. Its address is its identity from
 * the first poll on: it does not move. The parent owns the child by value.
 *
 * A future that was polled and is not ready may have left itself somewhere: a timer, a waiter in a list. Its memory may
 * be reused only once it is ready, or dropped.
 */
#ifndef DUET_EXECUTOR_FUTURE_H
#define DUET_EXECUTOR_FUTURE_H

#include "lib/base.h"
#include "lib/waker.h"

enum poll {
    POLL_PENDING,
    POLL_READY,
};

struct future {
    enum poll (*poll)(struct future *self, struct waker *waker);
    void (*drop)(struct future *self); /* takes back what polls left elsewhere; NULL: they leave nothing */
};

static inline enum poll future_poll(struct future *future, struct waker *waker)
{
    return future->poll(future, waker);
}

/* Ends a future that is not ready, polled or not; it is not polled again. Context: as its poll's. */
static inline void future_drop(struct future *future)
{
    if (future->drop)
        future->drop(future);
}

#endif
