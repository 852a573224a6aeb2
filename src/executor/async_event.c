/* See async_event.h. */
#include "executor/async_event.h"

void async_event_init(struct async_event *event, bool automatic)
{
    *event = (struct async_event){.automatic = automatic};
    waiters_init(&event->waiters);
}

/* In a critical section. */
static bool pass(struct async_event *event)
{
    bool set = event->set;

    if (event->automatic)
        event->set = false;
    return set;
}

bool async_event_try(struct async_event *event)
{
    uint64_t flags = critical_enter();
    bool set = pass(event);

    critical_leave(flags);
    return set;
}

void async_event_signal(struct async_event *event)
{
    uint64_t flags = critical_enter();

    if (!event->automatic) {
        event->set = true;
        waiters_wake_all(&event->waiters, WAITER_GRANTED, flags);
        return;
    }
    if (waiters_empty(&event->waiters))
        event->set = true;
    else
        waiters_wake_first(&event->waiters, WAITER_GRANTED);
    critical_leave_woken(flags);
}

void async_event_reset(struct async_event *event)
{
    event->set = false; /* one store, which no interrupt comes amid */
}

static enum poll wait_poll(struct future *future, struct waker *waker)
{
    struct async_event_wait *self = container_of(future, struct async_event_wait, future);
    uint64_t flags = critical_enter();
    bool through = self->waiter.state == WAITER_GRANTED || pass(self->event);

    if (through)
        (void)waiter_leave(&self->waiter);
    else
        waiters_wait(&self->event->waiters, &self->waiter, waker);
    critical_leave(flags);
    return through ? POLL_READY : POLL_PENDING;
}

static void wait_drop(struct future *future)
{
    struct async_event_wait *self = container_of(future, struct async_event_wait, future);
    uint64_t flags = critical_enter();
    bool had_signal = waiter_leave(&self->waiter) == WAITER_GRANTED && self->event->automatic;

    critical_leave(flags);
    if (had_signal)
        async_event_signal(self->event);
}

struct async_event_wait async_event_wait(struct async_event *event)
{
    return (struct async_event_wait){.future = {wait_poll, wait_drop}, .event = event};
}
