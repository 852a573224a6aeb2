/* See task_join.h. */
#include "executor/task_join.h"

#include "executor/internal.h"

uintptr_t task_take_value(struct task *task)
{
    uintptr_t value = task->value;

    ASSERT(completion_done(&task->done));
    if (atomic_load(&task->state) & TASK_POOLED)
        task_pool_release(task);
    return value;
}

static enum poll task_join_poll(struct future *future, struct waker *waker)
{
    struct task_join *self = container_of(future, struct task_join, future);

    if (completion_register(&self->task->done, waker)) {
        self->waker = waker;
        return POLL_PENDING;
    }
    self->value = task_take_value(self->task);
    return POLL_READY;
}

/* The task may signal while this runs: then there is nothing to take back. */
static void task_join_drop(struct future *future)
{
    struct task_join *self = container_of(future, struct task_join, future);
    struct waker *waker = self->waker;

    if (waker)
        (void)atomic_compare_exchange_strong(&self->task->done.waiter, &waker, NULL);
}

struct task_join task_join(struct task *task)
{
    return (struct task_join){.future = {task_join_poll, task_join_drop}, .task = task};
}

struct task_join task_handle_join(struct task_handle handle)
{
    if (!task_handle_valid(handle))
        panic("a task is joined that was joined or detached before");
    return task_join(handle.task);
}
