/* The executor: an inbox of woken tasks, and the loop that polls them in batches. */
#include "executor/executor.h"

/* Puts a task whose `queued` the caller has just set onto the inbox. Context: any. */
static void executor_push(struct executor *executor, struct task *task)
{
    struct task *first = atomic_load_explicit(&executor->inbox, memory_order_relaxed); /* the exchange orders */

    do
        task->next = first;
    while (!atomic_compare_exchange_weak(&executor->inbox, &first, task));
    if (!first)
        waker_wake(executor->parent);
}

static void task_wake(struct waker *waker)
{
    struct task *task = task_of_waker(waker);

    if (!atomic_exchange(&task->queued, true))
        executor_push(task->executor, task);
}

void executor_init(struct executor *executor, struct waker *parent)
{
    *executor = (struct executor){.parent = parent};
}

void executor_spawn(struct executor *executor, struct task *task, const char *name, struct future *future)
{
    *task = (struct task){.waker = {task_wake}, .future = future, .executor = executor, .name = name};
    waker_wake(&task->waker);
}

/* The inbox is a stack; reversed, it is the order in which the tasks were woken. */
static struct task *executor_take_inbox(struct executor *executor)
{
    struct task *task = atomic_exchange(&executor->inbox, NULL);
    struct task *batch = NULL;

    while (task) {
        struct task *next = task->next;

        task->next = batch;
        batch = task;
        task = next;
    }
    return batch;
}

static void executor_unlist(struct executor *executor, struct task *task)
{
    struct task **link = &executor->all;

    while (*link != task)
        link = &(*link)->all;
    *link = task->all;
}

/* The last thing the executor has to do with a task: from then on its memory is its owner's. */
static void task_finish(struct executor *executor, struct task *task)
{
    executor_unlist(executor, task);
    completion_signal(&task->done);
}

static void task_poll(struct executor *executor, struct task *task)
{
    enum poll result;

    if (task->polls++ == 0) {
        task->all = executor->all;
        executor->all = task;
    }
    /* Cleared before the poll, so that a wake during it queues the task again. Pairs with task_wake. */
    atomic_store(&task->queued, false);
    executor->current = task;
    result = future_poll(task->future, &task->waker);
    executor->current = NULL;
    executor->polls++;
    if (result == POLL_PENDING)
        return;
    task->future = NULL;
    /* Queued for good. If a wake came first the inbox still links the task: it is let go when it comes round. */
    if (!atomic_exchange(&task->queued, true))
        task_finish(executor, task);
}

uint64_t executor_poll(struct executor *executor, uint64_t now_ns)
{
    struct task *task;

    executor->now_ns = now_ns;
    timer_queue_expire(&executor->timers, now_ns);
    task = executor_take_inbox(executor);
    while (task) {
        struct task *next = task->next; /* read first: a poll may queue the task again */

        if (likely(task->future))
            task_poll(executor, task);
        else
            task_finish(executor, task);
        task = next;
    }
    if (atomic_load(&executor->inbox))
        return 0;
    return timer_queue_next_deadline(&executor->timers);
}
