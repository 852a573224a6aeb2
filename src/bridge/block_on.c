/* See block_on.h. */
#include "bridge/block_on.h"

#include "lib/clock.h"
#include "thread/sched.h"

static bool poll_ready(struct future *future, struct thread *current)
{
    const struct cpu *cpu = cpu_this();
    enum poll result;

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    ASSERT(!current->may_not_park);
    current->may_not_park = true; /* as in an executor: a future never blocks */
    result = future_poll(future, &current->waker);
    current->may_not_park = false;
    return result == POLL_READY;
}

void block_on(struct future *future)
{
    struct thread *current = thread_current();

    while (!poll_ready(future, current))
        thread_park();
}

enum status block_on_until(struct future *future, uint64_t deadline_ns)
{
    struct thread *current = thread_current();

    while (!poll_ready(future, current)) {
        if (clock_now_ns() >= deadline_ns || thread_cancelled()) {
            future_drop(future);
            return STATUS_TIMEOUT;
        }
        thread_park_until(deadline_ns);
    }
    return STATUS_OK;
}
