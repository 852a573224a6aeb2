/* Follows struct async's `child`, believing nothing that it cannot check. */
#include "executor/async_trace.h"

size_t async_trace(struct future *future, struct async_wait *waits, size_t most,
                   bool (*readable)(const void *address, size_t bytes), bool (*has_body)(uintptr_t poll))
{
    size_t count = 0;

    while (future && count < most && readable(future, sizeof(*future))) {
        const struct async *async = container_of(future, struct async, future);
        struct async_wait *wait = &waits[count++];

        *wait = (struct async_wait){.future = future};
        if (!has_body((uintptr_t)future->poll) || !readable(async, sizeof(*async)))
            break;
        wait->body = true;
        wait->line = async->line;
        future = async->child;
    }
    return count;
}
