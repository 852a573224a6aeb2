/* See async_mutex.h. */
#include "executor/async_mutex.h"

static enum poll guard_poll(struct future *future, struct waker *waker)
{
    struct async_mutex_guard *self = container_of(future, struct async_mutex_guard, future);

    ASSERT(!self->locked);
    self->locked = future_poll(&self->take.future, waker) == POLL_READY;
    return self->locked ? POLL_READY : POLL_PENDING;
}

static void guard_drop(struct future *future)
{
    struct async_mutex_guard *self = container_of(future, struct async_mutex_guard, future);

    if (self->locked)
        async_mutex_unlock(self);
    else
        future_drop(&self->take.future);
}

struct async_mutex_guard async_mutex_lock(struct async_mutex *mutex)
{
    return (struct async_mutex_guard){.future = {guard_poll, guard_drop},
                                      .take = async_semaphore_take(&mutex->free, 1)};
}

bool async_mutex_try(struct async_mutex *mutex, struct async_mutex_guard *guard)
{
    *guard = async_mutex_lock(mutex);
    guard->locked = async_semaphore_try(&mutex->free, 1);
    return guard->locked;
}

void async_mutex_unlock(struct async_mutex_guard *guard)
{
    ASSERT(guard->locked);
    guard->locked = false;
    async_semaphore_give(guard->take.semaphore, 1);
}
