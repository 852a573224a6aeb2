/* The bridge between the two halves: it is this short because a thread's waker is all that an executor needs. */
#include "kernel/executor_thread.h"

#include "lib/clock.h"

struct executor_thread *executor_thread_all;

_Noreturn static void *executor_thread_main(void *argument)
{
    struct executor_thread *self = argument;

    for (;;) {
        uint64_t deadline_ns;

        self->thread.may_not_park = true; /* a future that blocked would stop every other one */
        deadline_ns = executor_poll(&self->executor, clock_now_ns());
        self->thread.may_not_park = false;
        thread_park_until(deadline_ns);
    }
}

enum status executor_thread_start(struct executor_thread *self, const char *name, unsigned priority)
{
    enum status status;

    executor_init(&self->executor, &self->thread.waker);
    status = thread_start(&self->thread, name, priority, executor_thread_main, self);
    if (status != STATUS_OK)
        return status;
    self->next = executor_thread_all;
    executor_thread_all = self;
    return STATUS_OK;
}

const struct task *executor_thread_task(void)
{
    const struct thread *current = thread_current();

    for (const struct executor_thread *at = executor_thread_all; at; at = at->next)
        if (&at->thread == current)
            return at->executor.current;
    return NULL;
}
