/* The misuses that docs/async.md lists, and what each panic says. What must not compile is in tests/compile. */
#include "bridge/block_on.h"
#include "bridge/join.h"
#include "executor/channel.h"
#include "executor/sleep.h"
#include "executor/task_join.h"
#include "executor/task_pool.h"
#include "guide.h"
#include "machine.h"

static void begin(void)
{
    guide_begin();
    machine_start(10 * MS);
}

TestSuite(guide_misuse, .init = begin);

/* Polled by the executor on the test's own thread, as by executor_thread. */
static void spawn_and_poll(struct future *future)
{
    static struct task task;

    executor_spawn(&executor, &task, "wrong", future);
    thread_current()->may_not_park = true;
    run();
    thread_current()->may_not_park = false;
}

/* ---- waiting in a poll ------------------------------------------------------------------------------------------- */

static struct yield_now yield;

static enum poll blocking_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    yield = yield_now();
    block_on(&yield.future);
    return POLL_READY;
}

static void blocks(void)
{
    static struct future future = {.poll = blocking_poll};

    spawn_and_poll(&future);
}

static enum poll blocking_until_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    yield = yield_now();
    return block_on_until(&yield.future, 0) == STATUS_OK ? POLL_READY : POLL_PENDING;
}

static void blocks_until(void)
{
    static struct future future = {.poll = blocking_until_poll};

    spawn_and_poll(&future);
}

static enum poll nesting_poll(struct future *future, struct waker *waker)
{
    static struct executor inner;

    (void)future;
    (void)waker;
    yield = yield_now();
    (void)executor_block_on(&inner, &yield.future);
    return POLL_READY;
}

static void nests(void)
{
    static struct future future = {.poll = nesting_poll};

    spawn_and_poll(&future);
}

static enum poll sleeping_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    thread_sleep_until(5 * MS);
    return POLL_READY;
}

static void sleeps(void)
{
    static struct future future = {.poll = sleeping_poll};

    spawn_and_poll(&future);
}

static enum poll joining_poll(struct future *future, struct waker *waker)
{
    static struct task done = {.done.waiter = &completion_done_mark};

    (void)future;
    (void)waker;
    (void)task_join_wait(&done);
    return POLL_READY;
}

static void joins(void)
{
    static struct future future = {.poll = joining_poll};

    spawn_and_poll(&future);
}

Test(guide_misuse, waits_inside_a_poll)
{
    expect_panic(blocks, "thread boot waits for a future inside a poll");
    expect_panic(blocks_until, "thread boot waits for a future inside a poll");
    expect_panic(nests, "thread boot waits for a future inside a poll");
    expect_panic(sleeps, "thread boot waits inside a poll");
    expect_panic(joins, "thread boot waits for a task inside a poll");
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

struct wrong {
    struct async async;
    struct sleep sleep;
    unsigned which;
};

static enum poll switched_poll(struct future *future, struct waker *waker)
{
    struct wrong *self = container_of(future, struct wrong, async.future);

    ASYNC (&self->async) {
        switch (self->which) {
        default:
            self->sleep = sleep_ns(1 * MS);
            AWAIT(&self->sleep.future);
        }
        ASYNC_RETURN;
    }
}

static void awaits_under_a_switch(void)
{
    static struct wrong body = {.async = ASYNC_BODY(switched_poll)};

    spawn_and_poll(&body.async.future);
}

static enum poll endless_poll(struct future *future, struct waker *waker)
{
    struct wrong *self = container_of(future, struct wrong, async.future);

    ASYNC (&self->async) {
        self->sleep = sleep_ns(1 * MS);
        AWAIT(&self->sleep.future);
    }
}

static void forgets_to_return(void)
{
    static struct wrong body = {.async = ASYNC_BODY(endless_poll)};

    spawn_and_poll(&body.async.future);
}

static enum poll breaking_poll(struct future *future, struct waker *waker)
{
    struct wrong *self = container_of(future, struct wrong, async.future);

    (void)waker;
    ASYNC (&self->async) {
        if (self->which == 0)
            break;
        ASYNC_RETURN;
    }
}

static void breaks_out(void)
{
    static struct wrong body = {.async = ASYNC_BODY(breaking_poll)};

    spawn_and_poll(&body.async.future);
}

static enum poll right_poll(struct future *future, struct waker *waker)
{
    struct wrong *self = container_of(future, struct wrong, async.future);

    ASYNC (&self->async) {
        self->sleep = sleep_ns(1 * MS);
        AWAIT(&self->sleep.future);
        ASYNC_RETURN;
    }
}

static void polls_after_ready(void)
{
    static struct wrong body = {.async = ASYNC_BODY(right_poll)};
    struct task task;

    run_task("once", &body.async.future);
    executor_spawn(&executor, &task, "twice", &body.async.future);
    run();
}

static void moves_a_frame(void)
{
    static struct wrong body = {.async = ASYNC_BODY(right_poll)}, moved;
    struct task task;

    executor_spawn(&executor, &task, "moved", &body.async.future);
    run_until(0);
    moved = body;
    task.future = &moved.async.future;
    run();
}

Test(guide_misuse, breaks_the_rules_of_bodies)
{
    expect_panic(awaits_under_a_switch, "cannot resume at line");
    expect_panic(forgets_to_return, "a body ended without ASYNC_RETURN, after line");
    expect_panic(breaks_out, "a body ended without ASYNC_RETURN, after line 0");
    expect_panic(polls_after_ready, "polled after ready");
    expect_panic(moves_a_frame, "a future was moved after its first poll");
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static enum poll valued_poll(struct future *future, struct waker *waker)
{
    struct wrong *self = container_of(future, struct wrong, async.future);

    ASYNC (&self->async)
        ASYNC_RETURN_VALUE(7);
}

struct nested {
    struct async async;
    struct wrong child;
};

static enum poll nested_poll(struct future *future, struct waker *waker)
{
    struct nested *self = container_of(future, struct nested, async.future);

    ASYNC (&self->async) {
        self->child = (struct wrong){.async = ASYNC_BODY(valued_poll)};
        AWAIT(&self->child.async.future);
        ASYNC_RETURN;
    }
}

static void returns_anothers_value(void)
{
    static struct nested body = {.async = ASYNC_BODY(nested_poll)};

    spawn_and_poll(&body.async.future);
}

static void returns_a_threads_value(void)
{
    static struct wrong body = {.async = ASYNC_BODY(valued_poll)};

    block_on(&body.async.future);
}

static void sleeps_without_an_executor(void)
{
    static struct wrong body = {.async = ASYNC_BODY(right_poll)};

    block_on(&body.async.future);
}

static TASK_SLOTS(struct wrong) slots[1];
static struct task_pool pool;

static struct task_handle pooled(void)
{
    struct wrong *frame;

    task_pool_init(&pool, &executor, "pooled", slots, sizeof(slots[0]), ARRAY_SIZE(slots));
    frame = task_pool_take(&pool);
    *frame = (struct wrong){.async = ASYNC_BODY(right_poll)};
    return task_pool_spawn(&pool, frame);
}

static void joins_twice(void)
{
    struct task_handle handle = pooled();

    run();
    (void)task_handle_join_wait(handle);
    (void)task_handle_join_wait(handle);
}

static void detaches_what_was_joined(void)
{
    struct task_handle handle = pooled();

    run();
    (void)task_handle_join_wait(handle);
    task_handle_detach(handle);
}

static void detaches_twice(void)
{
    struct task_handle handle = pooled();

    task_handle_detach(handle);
    task_handle_detach(handle);
}

Test(guide_misuse, breaks_the_rules_of_tasks)
{
    expect_panic(returns_anothers_value, "a future returns a value, but it is not the task's own: wrong's");
    expect_panic(returns_a_threads_value, "a future returns a value, but it is polled by no executor's task");
    expect_panic(sleeps_without_an_executor, "a sleep is polled by no executor's task");
    expect_panic(joins_twice, "a task is joined that was joined or detached before");
    expect_panic(detaches_what_was_joined, "a task is detached that was joined or detached before");
    expect_panic(detaches_twice, "a task is detached that somebody joins, or detached before: pooled");
}

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

static struct channel channel;
static uint32_t storage[1], message;

static void receive_in_interrupt(void)
{
    static struct channel_receive receive;

    receive = channel_receive(&channel, &message);
    (void)future_poll(&receive.future, &thread_current()->waker);
}

static void polls_in_an_interrupt(void)
{
    channel_init(&channel, storage, sizeof(storage[0]), 1);
    machine_interrupt(receive_in_interrupt);
}

static void block_in_interrupt(void)
{
    yield = yield_now();
    block_on(&yield.future);
}

static void blocks_in_an_interrupt(void)
{
    machine_interrupt(block_in_interrupt);
}

static void sleep_in_interrupt(void)
{
    thread_sleep_until(5 * MS);
}

static void sleeps_in_an_interrupt(void)
{
    machine_interrupt(sleep_in_interrupt);
}

static void waits_without_preemption(void)
{
    preempt_disable();
    thread_park();
}

Test(guide_misuse, waits_where_nothing_may)
{
    expect_panic(polls_in_an_interrupt, "critical_interrupted()");
    expect_panic(blocks_in_an_interrupt, "cpu->irq_depth == 0");
    expect_panic(sleeps_in_an_interrupt, "thread boot waits in an interrupt");
    expect_panic(waits_without_preemption, "thread boot waits while preemption is disabled");
}
