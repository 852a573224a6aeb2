/* See simple_executor.h. */
#include "executor/simple_executor.h"

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

static void push(struct simple_executor *executor, struct simple_task *task)
{
    task->next = NULL;
    if (executor->first)
        executor->last->next = task;
    else
        executor->first = task;
    executor->last = task;
}

void simple_executor_spawn(struct simple_executor *executor, struct simple_task *task, struct future *future)
{
    task->future = future;
    push(executor, task);
}

void simple_executor_run(struct simple_executor *executor)
{
    struct waker nobody = {wake_nothing};

    while (executor->first) {
        struct simple_task *task = executor->first;

        executor->first = task->next;
        executor->polls++;
        if (future_poll(task->future, &nobody) == POLL_PENDING)
            push(executor, task);
    }
}
