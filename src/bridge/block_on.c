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

static uint64_t now_ns(void)
{
    return clock_now_ns();
}

uintptr_t executor_block_on(struct executor *executor, struct future *future)
{
    struct thread *current = thread_current();
    struct task task;

    executor_init(executor, &current->waker);
    executor->clock = now_ns;
    executor_spawn(executor, &task, current->name, future);
    for (;;) {
        uint64_t until_ns;

        ASSERT(!current->may_not_park); /* else one executor would stop another */
        current->may_not_park = true;
        until_ns = executor_run(executor);
        current->may_not_park = false;
        if (completion_done(&task.done))
            return task.value;
        thread_park_until(until_ns);
    }
}
