/* See combine.h. */
#include "executor/combine.h"

/* ---- all --------------------------------------------------------------------------------------------------------- */

static enum poll join_all_poll(struct future *future, struct waker *waker)
{
    struct join_all *self = container_of(future, struct join_all, future);
    size_t left = 0;

    for (size_t i = 0; i < self->count; i++) {
        if (self->futures[i] && future_poll(self->futures[i], waker) == POLL_READY)
            self->futures[i] = NULL;
        left += self->futures[i] != NULL;
    }
    return left ? POLL_PENDING : POLL_READY;
}

static void join_all_drop(struct future *future)
{
    struct join_all *self = container_of(future, struct join_all, future);

    for (size_t i = 0; i < self->count; i++) {
        if (self->futures[i])
            future_drop(self->futures[i]);
        self->futures[i] = NULL;
    }
}

struct join_all join_all(struct future **futures, size_t count)
{
    return (struct join_all){.future = {join_all_poll, join_all_drop}, .futures = futures, .count = count};
}

/* ---- one --------------------------------------------------------------------------------------------------------- */

static void drop_but(struct race *self, size_t spared)
{
    for (size_t i = 0; i < self->count; i++)
        if (i != spared)
            future_drop(self->futures[i]);
}

static enum poll race_poll(struct future *future, struct waker *waker)
{
    struct race *self = container_of(future, struct race, future);
    size_t at = self->first;

    self->first = at + 1 == self->count ? 0 : at + 1;
    for (size_t i = 0; i < self->count; i++) {
        if (future_poll(self->futures[at], waker) == POLL_READY) {
            self->winner = at;
            drop_but(self, at);
            return POLL_READY;
        }
        at = at + 1 == self->count ? 0 : at + 1;
    }
    return POLL_PENDING;
}

static void race_drop(struct future *future)
{
    struct race *self = container_of(future, struct race, future);

    drop_but(self, self->count);
}

struct race race(struct future **futures, size_t count)
{
    ASSERT(count > 0);
    return (struct race){.future = {race_poll, race_drop}, .futures = futures, .count = count};
}

void race_again(struct race *race)
{
    race->first = race->winner + 1 == race->count ? 0 : race->winner + 1;
}

/* ---- in time ----------------------------------------------------------------------------------------------------- */

static enum poll timeout_poll(struct future *future, struct waker *waker)
{
    struct timeout *self = container_of(future, struct timeout, future);

    if (future_poll(self->inner, waker) == POLL_READY) {
        future_drop(&self->sleep.future);
        return POLL_READY;
    }
    if (future_poll(&self->sleep.future, waker) == POLL_PENDING)
        return POLL_PENDING;
    future_drop(self->inner);
    self->expired = true;
    return POLL_READY;
}

static void timeout_drop(struct future *future)
{
    struct timeout *self = container_of(future, struct timeout, future);

    future_drop(self->inner);
    future_drop(&self->sleep.future);
}

struct timeout timeout_at(struct future *inner, uint64_t deadline_ns)
{
    return (struct timeout){
        .future = {timeout_poll, timeout_drop}, .inner = inner, .sleep = sleep_until(NULL, deadline_ns)};
}

struct timeout timeout_after(struct future *inner, uint64_t duration_ns)
{
    return (struct timeout){.future = {timeout_poll, timeout_drop}, .inner = inner, .sleep = sleep_ns(duration_ns)};
}

/* ---- again and again --------------------------------------------------------------------------------------------- */

struct interval interval(uint64_t first_ns, uint64_t period_ns)
{
    ASSERT(period_ns > 0);
    return (struct interval){.next_ns = first_ns, .period_ns = period_ns};
}

struct sleep interval_next(struct interval *interval, uint64_t now_ns)
{
    uint64_t next_ns = interval->next_ns;

    if (next_ns < now_ns) {
        uint64_t missed = (now_ns - next_ns + interval->period_ns - 1) / interval->period_ns;

        interval->missed += missed;
        next_ns += missed * interval->period_ns;
    }
    interval->next_ns = next_ns + interval->period_ns;
    return sleep_until(NULL, next_ns);
}
