/* See join.h. Each is this short because both halves know nothing but wakers. */
#include "bridge/join.h"

uintptr_t task_join_wait(struct task *task)
{
    if (unlikely(thread_current()->may_not_park))
        panic("thread %s waits for a task inside a poll", thread_current()->name);
    while (completion_register(&task->done, &thread_current()->waker))
        thread_park();
    return task_take_value(task);
}

uintptr_t task_handle_join_wait(struct task_handle handle)
{
    if (!task_handle_valid(handle))
        panic("a task is joined that was joined or detached before");
    return task_join_wait(handle.task);
}

static enum poll thread_join_poll(struct future *future, struct waker *waker)
{
    struct thread_join_future *self = container_of(future, struct thread_join_future, future);

    if (completion_register(&self->thread->done, waker)) {
        self->waker = waker;
        return POLL_PENDING;
    }
    self->result = thread_join(self->thread); /* it has ended: this does not wait */
    return POLL_READY;
}

static void thread_join_drop(struct future *future)
{
    struct thread_join_future *self = container_of(future, struct thread_join_future, future);
    struct waker *waker = self->waker;

    if (waker)
        (void)atomic_compare_exchange_strong(&self->thread->done.waiter, &waker, NULL);
}

struct thread_join_future thread_join_future(struct thread *thread)
{
    return (struct thread_join_future){.future = {thread_join_poll, thread_join_drop}, .thread = thread};
}
