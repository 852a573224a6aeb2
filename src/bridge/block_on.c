/* See block_on.h. */
#include "bridge/block_on.h"

#include "lib/clock.h"
#include "thread/sched.h"

/* From here to leave_poll() nothing waits, as in an executor: a future never blocks, and one executor never stops
 * another. */
static void enter_poll(struct thread *current)
{
    const struct cpu *cpu = cpu_this();

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    if (unlikely(current->may_not_park))
        panic("thread %s waits for a future inside a poll", current->name);
    current->may_not_park = true;
}

static void leave_poll(struct thread *current)
{
    current->may_not_park = false;
}

static bool poll_ready(struct future *future, struct thread *current)
{
    enum poll result;

    enter_poll(current);
    result = future_poll(future, &current->waker);
    leave_poll(current);
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

        enter_poll(current);
        until_ns = executor_run(executor);
        leave_poll(current);
        if (completion_done(&task.done))
            return task.value;
        thread_park_until(until_ns);
    }
}
