/* The leaf futures of executor/sleep.h. */
#include "executor/sleep.h"

#include "executor/internal.h"

static void sleep_begin(struct sleep *self, struct waker *waker)
{
    if (unlikely(!is_tasks_waker(waker)))
        panic("a sleep is polled by no executor's task");
    self->executor = task_of_waker(waker)->executor;
    if (self->duration_ns)
        self->deadline_ns = executor_now(self->executor) + self->duration_ns;
}

static enum poll sleep_poll(struct future *future, struct waker *waker)
{
    struct sleep *self = container_of(future, struct sleep, future);

    if (!self->executor)
        sleep_begin(self, waker);
    if (self->executor->now_ns >= self->deadline_ns) {
        timer_queue_remove(&self->executor->timers, &self->timer);
        return POLL_READY;
    }
    if (!timer_queued(&self->timer))
        executor_timer_start(self->executor, &self->timer, self->deadline_ns, waker);
    return POLL_PENDING;
}

static void sleep_drop(struct future *future)
{
    struct sleep *self = container_of(future, struct sleep, future);

    if (self->executor)
        timer_queue_remove(&self->executor->timers, &self->timer);
}

struct sleep sleep_until(struct executor *executor, uint64_t deadline_ns)
{
    return (struct sleep){.future = {sleep_poll, sleep_drop}, .executor = executor, .deadline_ns = deadline_ns};
}

struct sleep sleep_ns(uint64_t duration_ns)
{
    return (struct sleep){.future = {sleep_poll, sleep_drop}, .duration_ns = duration_ns};
}

static enum poll yield_now_poll(struct future *future, struct waker *waker)
{
    struct yield_now *self = container_of(future, struct yield_now, future);

    if (self->yielded)
        return POLL_READY;
    self->yielded = true;
    waker_wake(waker);
    return POLL_PENDING;
}

struct yield_now yield_now(void)
{
    return (struct yield_now){.future = {.poll = yield_now_poll}};
}
