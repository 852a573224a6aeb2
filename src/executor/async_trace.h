/*
 * Where a task waits: the chain of futures from its own to the one that is not an ASYNC body, which is what everything
 * else waits for. The backtrace of a flow that has no stack.
 *
 * Which futures are the first member of a struct async is nowhere in them, so that they need no room for it: the caller
 * says it of their poll functions, which in the kernel the table of symbols knows.
 */
#ifndef DUET_EXECUTOR_ASYNC_TRACE_H
#define DUET_EXECUTOR_ASYNC_TRACE_H

#include "executor/async.h"

struct async_wait {
    struct future *future;
    bool body;     /* it is a struct async's, and the next one is what it awaits */
    uint32_t line; /* of a body: struct async's */
};

/*
 * Lists the futures from `future` on, outermost first, and returns how many: at most `most`. The last one is no body,
 * awaits nothing, or cannot be read. readable() says whether memory can be read, has_body() whether a poll function has
 * an ASYNC body. Context: any; the task is not being polled, or by whom this interrupts.
 */
size_t async_trace(struct future *future, struct async_wait *waits, size_t most,
                   bool (*readable)(const void *address, size_t bytes), bool (*has_body)(uintptr_t poll));

#endif
