/* See async_semaphore.h. */
#include "executor/async_semaphore.h"

void async_semaphore_init(struct async_semaphore *semaphore, uint32_t units)
{
    semaphore->units = units;
    waiters_init(&semaphore->waiters);
}

/* In a critical section, as what follows. Zero units are there for whoever is first. */
static uint32_t wanted_first(const struct async_semaphore *semaphore)
{
    return container_of(waiters_first(&semaphore->waiters), struct async_semaphore_take, waiter)->units;
}

/* Grants what can be granted now that there are more units, or another is first, and ends the critical section. In its
 * pauses whoever comes finds somebody waiting, and is not served first. */
static void settle(struct async_semaphore *semaphore, uint64_t flags)
{
    unsigned woken = 0;

    while (!waiters_empty(&semaphore->waiters) && wanted_first(semaphore) <= semaphore->units) {
        semaphore->units -= wanted_first(semaphore);
        waiters_wake_first(&semaphore->waiters, WAITER_GRANTED);
        if (++woken % WAITERS_AT_ONCE == 0)
            critical_pause(flags);
    }
    critical_leave_woken(flags);
}

static bool take_now(struct async_semaphore *semaphore, uint32_t units)
{
    if (semaphore->units < units || !waiters_empty(&semaphore->waiters))
        return false;
    semaphore->units -= units;
    return true;
}

bool async_semaphore_try(struct async_semaphore *semaphore, uint32_t units)
{
    uint64_t flags = critical_enter();
    bool taken = take_now(semaphore, units);

    critical_leave(flags);
    return taken;
}

void async_semaphore_give(struct async_semaphore *semaphore, uint32_t units)
{
    uint64_t flags = critical_enter();

    ASSERT(units <= UINT32_MAX - semaphore->units);
    semaphore->units += units;
    settle(semaphore, flags);
}

uint32_t async_semaphore_units(struct async_semaphore *semaphore)
{
    uint64_t flags = critical_enter();
    uint32_t units = semaphore->units;

    critical_leave(flags);
    return units;
}

static enum poll take_poll(struct future *future, struct waker *waker)
{
    struct async_semaphore_take *self = container_of(future, struct async_semaphore_take, future);
    uint64_t flags = critical_enter();
    bool taken = self->waiter.state == WAITER_GRANTED ||
                 (self->waiter.state == WAITER_OUT && take_now(self->semaphore, self->units));

    if (taken)
        (void)waiter_leave(&self->waiter);
    else
        waiters_wait(&self->semaphore->waiters, &self->waiter, waker);
    critical_leave(flags);
    return taken ? POLL_READY : POLL_PENDING;
}

static void take_drop(struct future *future)
{
    struct async_semaphore_take *self = container_of(future, struct async_semaphore_take, future);
    uint64_t flags = critical_enter();

    if (waiter_leave(&self->waiter) == WAITER_GRANTED)
        self->semaphore->units += self->units;
    settle(self->semaphore, flags);
}

struct async_semaphore_take async_semaphore_take(struct async_semaphore *semaphore, uint32_t units)
{
    return (struct async_semaphore_take){.future = {take_poll, take_drop}, .semaphore = semaphore, .units = units};
}
