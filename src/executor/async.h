/*
 * Sequential bodies for futures: three macros and no more.
 *
 *      struct blink { struct async async; struct sleep pause; unsigned count; };
 *
 *      static enum poll blink_poll(struct future *future, struct waker *waker)
 *      {
 *          struct blink *self = container_of(future, struct blink, async.future);
 *
 *          ASYNC (&self->async) {
 *              for (self->count = 0; self->count < 3; self->count++) {
 *                  self->pause = sleep_until(...);
 *                  AWAIT(&self->pause.future);
 *              }
 *              ASYNC_RETURN;
 *          }
 *      }
 *
 * The body is a block, so it indents and folds; what must live across an AWAIT lives in the frame. Two awaits on one
 * line do not compile (duplicate case), nor does an initialised local that spans an await (-Wjump-misses-init). An
 * AWAIT under a switch of the body's own panics on its first resume, as does a poll after READY, or of a frame that was
 * moved, and a body that ends without ASYNC_RETURN. `line` and `child` say where a frame waits and for what: a
 * backtrace of a task that is not running.
 */
#ifndef DUET_EXECUTOR_ASYNC_H
#define DUET_EXECUTOR_ASYNC_H

#include "executor/future.h"

struct async {
    struct future future;
    struct future *child; /* what it awaits, NULL between awaits */
    uint32_t line;        /* where it resumes: 0 at the start, ASYNC_DONE after ASYNC_RETURN */
    uint32_t where;       /* the lower half of its address, from the first poll on */
};
_Static_assert(sizeof(struct async) <= 32, "a body's own state is half a cache line");

#define ASYNC_DONE UINT32_MAX

/* Drops what the body awaits. A body that holds more than futures in its frame has a drop of its own, which calls this
 * one. */
static inline void async_drop(struct future *future)
{
    struct async *async = container_of(future, struct async, future);

    if (async->child)
        future_drop(async->child);
    async->child = NULL;
    async->line = ASYNC_DONE;
}

/* The initial value of a body's struct async. */
#define ASYNC_BODY(poll_)               \
    {                                   \
        .future = { poll_, async_drop } \
    }

/* The first poll of a body, or one at another address than the first: its children, and whom they left their wakers
 * with, know the old one. */
static inline void async_place(struct async *async)
{
    if (async->where)
        panic("a future was moved after its first poll, at line %u", async->line);
    async->where = (uint32_t)(uintptr_t)async;
}

static inline struct async *async_enter(struct async *async)
{
    if (unlikely(async->where != (uint32_t)(uintptr_t)async))
        async_place(async);
    return async;
}

/* A body came to its end, or to a break that is in none of its loops. */
_Noreturn static inline void async_fell_off(const struct async *async)
{
    panic("a body ended without ASYNC_RETURN, after line %u", async->line);
}

/* Opens the body. The enclosing function is a poll function whose second parameter is called `waker`. */
#define ASYNC(frame)                                                                                             \
    for (struct async *const async_ = async_enter(frame);; async_fell_off(async_))                               \
        switch (async_->line)                                                                                    \
        case 0:                                                                                                  \
            if (false) {                                                                                         \
            default:                                                                                             \
                panic("cannot resume at line %u: polled after ready, or an await under a switch", async_->line); \
            } else

/* Polls `future_` now and at every resume until it is ready; meanwhile the body is pending. */
#define AWAIT(future_) ASYNC_AWAIT(future_poll, async_->child, future_)

/* The same where `poll_` is known to be the future's own poll function, and so may be inline. */
#define AWAIT_BY(poll_, future_) ASYNC_AWAIT(poll_, future_, future_)

#define ASYNC_AWAIT(poll_, polled_, future_)       \
    do {                                           \
        async_->child = (future_);                 \
        async_->line = __LINE__;                   \
        __attribute__((fallthrough));              \
    case __LINE__:                                 \
        if (poll_(polled_, waker) == POLL_PENDING) \
            return POLL_PENDING;                   \
        async_->child = NULL;                      \
    } while (0)

/* AWAIT, and the early end of the body with what its child failed with: `to` is the body's own status, in its frame,
 * and `from` where the child leaves its. */
#define AWAIT_OK(future_, from, to) \
    do {                            \
        AWAIT(future_);             \
        (to) = (from);              \
        if ((to) != STATUS_OK)      \
            ASYNC_RETURN;           \
    } while (0)

/* Ends the body: the future is ready. A body ends in no other way. */
#define ASYNC_RETURN               \
    do {                           \
        async_->line = ASYNC_DONE; \
        return POLL_READY;         \
    } while (0)

/* The same for a task's own body, with a value for who joins it (executor/executor.h). */
#define ASYNC_RETURN_VALUE(value)                            \
    do {                                                     \
        async_->line = ASYNC_DONE;                           \
        return task_return(&async_->future, waker, (value)); \
    } while (0)

#endif
