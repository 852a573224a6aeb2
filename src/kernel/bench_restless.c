/*
 * Single figures of what never rests: a task that wakes itself in every poll, which its neighbours and other threads
 * must not notice, and the executor that polls whether anything woke its tasks or not, beside the one that waits.
 */
#include "bridge/join.h"
#include "executor/simple_executor.h"
#include "kernel/bench.h"
#include "kernel/bench_async_number.h"
#include "kernel/x86_64/cpu.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    PRIORITY_OF_LOW = 8,
    AFTER_NS = 10000, /* a deadline comes so long after the last, and a little more, at random */
    RANDOM_NS = 1024,
    SIMPLE_TASKS = 10,
    SIMPLE_POLLS = 100, /* of each */
    AWAITED_NS = 1000000,
};

static uint64_t random_state = 88172645463325252;

static uint64_t next_deadline(void)
{
    random_state = bench_random(random_state);
    return clock_now_ns() + AFTER_NS + random_state % RANDOM_NS;
}

/* ---- beside a task that wakes itself for ever -------------------------------------------------------------------- */

static struct restless {
    struct future future;
    struct task task;
    atomic_bool stop;
} restless;

static enum poll restless_poll(struct future *future, struct waker *waker)
{
    struct restless *self = container_of(future, struct restless, future);

    if (atomic_load_explicit(&self->stop, memory_order_relaxed))
        return POLL_READY;
    waker_wake(waker);
    return POLL_PENDING;
}

static void restless_start(struct executor *executor)
{
    restless = (struct restless){.future = {.poll = restless_poll}};
    executor_spawn(executor, &restless.task, "restless", &restless.future);
}

static void restless_end(void)
{
    ASSERT(restless.task.polls > SAMPLES);
    atomic_store(&restless.stop, true);
    (void)task_join_wait(&restless.task);
}

/* A task that a timer interrupt wakes again and again. */
static struct neighbour {
    struct future future;
    struct task task;
    struct timer timer;
} neighbour;

static enum poll neighbour_poll(struct future *future, struct waker *waker)
{
    struct neighbour *self = container_of(future, struct neighbour, future);

    if (self->task.polls > 1)
        bench_sample(clock_now_ns() - self->timer.deadline_ns);
    if (bench_samples() == SAMPLES)
        return POLL_READY;
    sched_timer_start(&self->timer, next_deadline(), waker);
    return POLL_PENDING;
}

static void bench_neighbour(void)
{
    struct executor *executor = &bench_executors[PRIORITY_EQUAL].executor;

    restless_start(executor);
    neighbour = (struct neighbour){.future = {.poll = neighbour_poll}};
    executor_spawn(executor, &neighbour.task, "neighbour", &neighbour.future);
    (void)task_join_wait(&neighbour.task);
    restless_end();
    bench_report("task.delay_restless", "ns");
}

/* This thread, which is more urgent than the executor. */
static void bench_thread(void)
{
    static struct executor_thread low;

    if (executor_thread_start(&low, "low", PRIORITY_OF_LOW) != STATUS_OK)
        bench_no_memory("an executor's stack");
    restless_start(&low.executor);
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t deadline_ns = next_deadline();

        thread_sleep_until(deadline_ns);
        bench_sample(clock_now_ns() - deadline_ns);
    }
    restless_end();
    executor_thread_stop(&low);
    bench_report("task.delay_restless_thread", "ns");
}

/* ---- an executor that polls all the time ------------------------------------------------------------------------- */

static struct countdown {
    struct future future;
    struct simple_task task;
    unsigned left;
} countdowns[SIMPLE_TASKS];

static enum poll countdown_poll(struct future *future, struct waker *waker)
{
    struct countdown *self = container_of(future, struct countdown, future);

    (void)waker;
    return --self->left ? POLL_PENDING : POLL_READY;
}

static void bench_simple_poll(void)
{
    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        struct simple_executor executor = {0};
        uint64_t before;

        for (unsigned task = 0; task < SIMPLE_TASKS; task++) {
            countdowns[task] = (struct countdown){.future = {.poll = countdown_poll}, .left = SIMPLE_POLLS};
            simple_executor_spawn(&executor, &countdowns[task].task, &countdowns[task].future);
        }
        before = rdtsc();
        simple_executor_run(&executor);
        bench_sample((rdtsc() - before) / executor.polls);
        ASSERT(executor.polls == SIMPLE_TASKS * SIMPLE_POLLS);
    }
    bench_report("task.simple_poll", "instructions");
}

/* Ready once a timer interrupt has come, a while after the first poll. */
static struct awaited {
    struct future future;
    struct waker due;
    struct waker *waker; /* NULL: not polled yet */
    struct timer timer;
    atomic_bool came;
} awaited;

static void awaited_due(struct waker *waker)
{
    struct awaited *self = container_of(waker, struct awaited, due);

    atomic_store(&self->came, true);
    waker_wake(self->waker);
}

static enum poll awaited_poll(struct future *future, struct waker *waker)
{
    struct awaited *self = container_of(future, struct awaited, future);

    if (!self->waker) {
        self->waker = waker;
        sched_timer_start(&self->timer, clock_now_ns() + AWAITED_NS, &self->due);
    }
    return atomic_load(&self->came) ? POLL_READY : POLL_PENDING;
}

static void bench_awaited(void)
{
    static struct task task;
    struct simple_executor simple = {0};
    struct simple_task simple_task;

    awaited = (struct awaited){.future = {.poll = awaited_poll}, .due = {awaited_due}};
    simple_executor_spawn(&simple, &simple_task, &awaited.future);
    simple_executor_run(&simple);
    bench_report_one("task.simple_polls_1ms", simple.polls, "polls");
    awaited = (struct awaited){.future = {.poll = awaited_poll}, .due = {awaited_due}};
    executor_spawn(&bench_executors[PRIORITY_EQUAL].executor, &task, "awaited", &awaited.future);
    (void)task_join_wait(&task);
    bench_report_one("task.polls_1ms", task.polls, "polls");
}

void bench_restless(void)
{
    bench_neighbour();
    bench_thread();
    ASSERT(async_number_run().number == 42);
    bench_simple_poll();
    bench_awaited();
}
