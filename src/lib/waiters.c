/* See waiters.h. */
#include "lib/waiters.h"

void waiters_wake_all(struct waiters *waiters, enum waiter_state state, uint64_t flags)
{
    struct waiters woken;

    waiters_init(&woken);
    waiters_move(&woken, waiters);
    for (unsigned count = 1; !waiters_empty(&woken); count++) {
        waiters_wake_first(&woken, state);
        if (count % WAITERS_AT_ONCE == 0)
            critical_pause(flags);
    }
    critical_leave_woken(flags);
}
