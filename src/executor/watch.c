/* See watch.h. */
#include "executor/watch.h"

#include "lib/copy.h"

void watch_init(struct watch *watch, void *storage, size_t bytes)
{
    ASSERT(bytes > 0 && bytes <= COPY_BYTES_MAX);
    *watch = (struct watch){.value = storage, .bytes = bytes};
    waiters_init(&watch->waiters);
}

void watch_set(struct watch *watch, const void *value)
{
    uint64_t flags = critical_enter();

    copy_value(watch->value, value, watch->bytes);
    watch->version++;
    waiters_wake_all(&watch->waiters, WAITER_OUT, flags);
}

uint64_t watch_get(struct watch *watch, void *value)
{
    uint64_t flags = critical_enter();
    uint64_t version = watch->version;

    if (version)
        copy_value(value, watch->value, watch->bytes);
    critical_leave(flags);
    return version;
}

static enum poll changed_poll(struct future *future, struct waker *waker)
{
    struct watch_changed *self = container_of(future, struct watch_changed, future);
    uint64_t flags = critical_enter();
    bool changed = self->watch->version != self->seen;

    if (changed)
        (void)waiter_leave(&self->waiter);
    else
        waiters_wait(&self->watch->waiters, &self->waiter, waker);
    critical_leave(flags);
    return changed ? POLL_READY : POLL_PENDING;
}

static void changed_drop(struct future *future)
{
    struct watch_changed *self = container_of(future, struct watch_changed, future);
    uint64_t flags = critical_enter();

    (void)waiter_leave(&self->waiter);
    critical_leave(flags);
}

struct watch_changed watch_changed(struct watch *watch, uint64_t seen)
{
    return (struct watch_changed){.future = {changed_poll, changed_drop}, .watch = watch, .seen = seen};
}
