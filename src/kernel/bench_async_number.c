/* See bench_async_number.h. */
#include "kernel/bench_async_number.h"

#include "executor/async.h"
#include "executor/simple_executor.h"
#include "executor/sleep.h"
#include "kernel/console.h"

struct number {
    struct async async;
    struct yield_now yield;
    unsigned number;
};

static enum poll async_number(struct future *future, struct waker *waker)
{
    struct number *self = container_of(future, struct number, async.future);

    ASYNC (&self->async) {
        self->yield = yield_now();
        AWAIT(&self->yield.future);
        self->number = 42;
        ASYNC_RETURN;
    }
}

static struct example {
    struct async async;
    struct number number;
} example;

static enum poll example_task(struct future *future, struct waker *waker)
{
    struct example *self = container_of(future, struct example, async.future);

    ASYNC (&self->async) {
        self->number.async = (struct async)ASYNC_BODY(async_number);
        AWAIT(&self->number.async.future);
        console_print("async number: %u\n", self->number.number);
        ASYNC_RETURN;
    }
}

struct async_number async_number_run(void)
{
    struct simple_executor executor = {0};
    struct simple_task task;

    example.async = (struct async)ASYNC_BODY(example_task);
    simple_executor_spawn(&executor, &task, &example.async.future);
    simple_executor_run(&executor);
    return (struct async_number){example.number.number, executor.polls};
}
