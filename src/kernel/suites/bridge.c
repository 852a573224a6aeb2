/* Tasks and threads that wait for each other, and executors that come and go, on the real machine. */
#include "bridge/block_on.h"
#include "bridge/join.h"

#include "executor/async.h"
#include "executor/combine.h"
#include "kernel/bench_async_number.h"
#include "kernel/console.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"

enum { SLOTS = 100, CHURN = 10000 };

static struct executor *normal(void)
{
    return &executor_at(THREAD_PRIORITY_NORMAL)->executor;
}

/* ---- a thread waits ---------------------------------------------------------------------------------------------- */

struct napper {
    struct async async;
    struct sleep nap;
    uint64_t duration_ns;
    uintptr_t value;
    unsigned *drops;
};

static enum poll napper_poll(struct future *future, struct waker *waker)
{
    struct napper *self = container_of(future, struct napper, async.future);

    ASYNC (&self->async) {
        self->nap = sleep_ns(self->duration_ns);
        AWAIT(&self->nap.future);
        ASYNC_RETURN_VALUE(self->value);
    }
}

static void napper_drop(struct future *future)
{
    struct napper *self = container_of(future, struct napper, async.future);

    ++*self->drops;
    async_drop(future);
}

static unsigned drops;

static struct napper napper(uint64_t duration_ns, uintptr_t value)
{
    return (struct napper){
        .async.future = {napper_poll, napper_drop}, .duration_ns = duration_ns, .value = value, .drops = &drops};
}

static struct executor own;

TEST(blocked_on, "bridge.block_on")
{
    struct napper nap = napper(3 * MS, 1855);
    uint64_t before = clock_now_ns();

    CHECK_EQUAL(executor_block_on(&own, &nap.async.future), 1855);
    CHECK(clock_now_ns() - before >= 3 * MS);
}

static enum poll blocking_poll(struct future *future, struct waker *waker)
{
    struct napper nap = napper(MS, 1);

    (void)future;
    (void)waker;
    (void)executor_block_on(&own, &nap.async.future);
    return POLL_READY;
}

TEST_PANICS(blocked_in_a_poll, "panic.block_on_in_a_poll", "thread suite-normal waits for a future inside a poll")
{
    struct task task;
    struct future future = {.poll = blocking_poll};

    executor_spawn(normal(), &task, "blocking", &future);
    task_wait(&task);
}

TEST(joined_by_thread, "bridge.thread_joins_tasks")
{
    static TASK_SLOTS(struct napper) slots[2];
    static struct task_pool pool;
    struct napper nap = napper(2 * MS, 5);
    struct task task;
    struct task_handle handle;
    struct napper *frame;

    task_pool_init(&pool, &executor_at(THREAD_PRIORITY_NORMAL)->executor, "napper", slots, sizeof(slots[0]), 2);
    executor_spawn(normal(), &task, "napper", &nap.async.future);
    CHECK_EQUAL(task_join_wait(&task), 5);
    frame = task_pool_take(&pool);
    *frame = napper(MS, 6);
    handle = task_pool_spawn(&pool, frame);
    CHECK_EQUAL(task_handle_join_wait(handle), 6);
    CHECK_EQUAL(task_pool_used(&pool), 0);
}

/* ---- a task waits ------------------------------------------------------------------------------------------------ */

static void *adds(void *number)
{
    sleep_for(2 * MS);
    return (char *)number + 1;
}

static struct waits_for_thread {
    struct async async;
    struct thread_join_future join;
} waits_for_thread;

static enum poll waits_for_thread_poll(struct future *future, struct waker *waker)
{
    struct waits_for_thread *self = container_of(future, struct waits_for_thread, async.future);

    ASYNC (&self->async) {
        AWAIT(&self->join.future);
        ASYNC_RETURN_VALUE((uintptr_t)self->join.result);
    }
}

TEST(thread_joined, "bridge.task_joins_a_thread")
{
    static struct thread thread;
    struct task task;

    start(&thread, "adds", THREAD_PRIORITY_NORMAL, adds, (void *)41);
    waits_for_thread = (struct waits_for_thread){.async = ASYNC_BODY(waits_for_thread_poll),
                                                 .join = thread_join_future(&thread)};
    executor_spawn(normal(), &task, "waits", &waits_for_thread.async.future);
    CHECK_EQUAL(task_join_wait(&task), 42);
}

TEST(thread_given_up, "bridge.task_gives_a_thread_up")
{
    static struct thread thread;
    struct task task;

    start(&thread, "adds", THREAD_PRIORITY_NORMAL, adds, (void *)41);
    waits_for_thread = (struct waits_for_thread){.async = ASYNC_BODY(waits_for_thread_poll),
                                                 .join = thread_join_future(&thread)};
    executor_spawn(normal(), &task, "waits", &waits_for_thread.async.future);
    sleep_for(MS / 2);
    task_cancel(&task);
    CHECK_EQUAL(task_join_wait(&task), TASK_CANCELLED_VALUE);
    CHECK_EQUAL((uintptr_t)thread_join(&thread), 42);
}

/* ---- cancelling, from everywhere --------------------------------------------------------------------------------- */

static struct task victims[3];
static struct napper naps[3];

static void cancel_first(unsigned vector)
{
    (void)vector;
    task_cancel(&victims[0]);
}

static enum poll cancel_second(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    task_cancel(&victims[1]);
    return POLL_READY;
}

TEST(cancelled, "executor.cancelled_from_anywhere")
{
    struct future canceller = {.poll = cancel_second};
    struct task task;

    drops = 0;
    for (unsigned i = 0; i < 3; i++) {
        naps[i] = napper(10000 * (uint64_t)MS, 1);
        executor_spawn(normal(), &victims[i], "victim", &naps[i].async.future);
    }
    sleep_for(MS);
    interrupt_set(SUITE_VECTOR, cancel_first);
    raise_40();
    executor_spawn(&executor_at(THREAD_PRIORITY_HIGH)->executor, &task, "canceller", &canceller);
    task_cancel(&victims[2]);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(task_join_wait(&victims[i]), TASK_CANCELLED_VALUE);
    task_wait(&task);
    CHECK_EQUAL(drops, 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK(!timer_queued(&naps[i].nap.timer));
}

/* ---- executors and pools that come and go ------------------------------------------------------------------------ */

static TASK_SLOTS(struct napper) churn_slots[SLOTS];
static struct task_pool churn_pool;
static unsigned churn_full;

static void spawn_from_interrupt(unsigned vector)
{
    struct napper *frame = task_pool_take(&churn_pool);

    (void)vector;
    if (!frame) {
        churn_full++;
        return;
    }
    *frame = napper(1, 1);
    task_pool_spawn_detached(&churn_pool, frame);
}

TEST(executors_come_and_go, "executor.stopped_once_it_is_empty")
{
    static struct executor_thread executor;
    struct memory_mark mark = memory_mark();

    drops = 0;
    for (unsigned round = 0; round < 3; round++) {
        if (executor_thread_start(&executor, "passing", THREAD_PRIORITY_NORMAL) != STATUS_OK)
            panic("no stack for a test's executor");
        task_pool_init(&churn_pool, &executor.executor, "napper", churn_slots, sizeof(churn_slots[0]), SLOTS);
        for (unsigned i = 0; i < SLOTS; i++) {
            struct napper *frame = task_pool_take(&churn_pool);

            *frame = napper(i * (uint64_t)10 * US, i);
            task_pool_spawn_detached(&churn_pool, frame);
        }
        executor_thread_stop(&executor);
        CHECK_EQUAL(task_pool_used(&churn_pool), 0);
        CHECK(executor_polls(&executor.executor) >= 2 * SLOTS - 1);
    }
    CHECK_EQUAL(drops, 0);
    memory_check(&mark);
}

TEST(churn, "executor.10000_spawned_by_interrupts")
{
    static struct executor_thread executor;

    if (executor_thread_start(&executor, "churn", THREAD_PRIORITY_HIGH) != STATUS_OK)
        panic("no stack for a test's executor");
    task_pool_init(&churn_pool, &executor.executor, "napper", churn_slots, sizeof(churn_slots[0]), SLOTS);
    churn_full = 0;
    interrupt_set(SUITE_VECTOR, spawn_from_interrupt);
    for (unsigned i = 0; i < CHURN; i++)
        raise_40();
    executor_thread_stop(&executor);
    CHECK_EQUAL(task_pool_used(&churn_pool), 0);
    CHECK(churn_full < CHURN / 2);
    CHECK(executor_polls(&executor.executor) >= CHURN - churn_full);
}

/* ---- the simplest executor --------------------------------------------------------------------------------------- */

TEST(simple, "executor.simple")
{
    struct async_number result = async_number_run();

    CHECK_EQUAL(result.polls, 2);
    CHECK_EQUAL(result.number, 42);
}
