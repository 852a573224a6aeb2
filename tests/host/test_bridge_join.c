/* Threads that wait for tasks, tasks that wait for threads, and a thread that is an executor for a while. */
#include "bridge/join.h"

#include "bridge/block_on.h"
#include "executor/async.h"
#include "executor/sleep.h"
#include "lib/clock.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static const unsigned priorities[] = {THREAD_PRIORITY_NORMAL - 1, THREAD_PRIORITY_NORMAL, THREAD_PRIORITY_HIGH};

/* An executor that is a thread, as the kernel's are, until nobody is left. */
static struct {
    struct thread thread;
    struct executor executor;
} bridge;

static uint64_t now_ns(void)
{
    return clock_now_ns();
}

static void park(struct executor *executor, uint64_t until_ns)
{
    (void)executor;
    bridge.thread.may_not_park = false;
    thread_park_until(until_ns);
    bridge.thread.may_not_park = true;
}

static void *bridge_main(void *unused)
{
    bridge.thread.may_not_park = true;
    (void)executor_run(&bridge.executor);
    bridge.thread.may_not_park = false;
    return unused;
}

static void bridge_start(unsigned priority)
{
    executor_init(&bridge.executor, &bridge.thread.waker);
    bridge.executor.clock = now_ns;
    bridge.executor.park = park;
    cr_assert_eq(thread_start(&bridge.thread, "executor", priority, bridge_main, NULL), STATUS_OK);
}

static void bridge_end(void)
{
    executor_stop(&bridge.executor);
    (void)thread_join(&bridge.thread);
}

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
}

TestSuite(bridge_join, .init = init);
TestSuite(executor_block_on, .init = init);

/* Sleeps, and has a value. */
struct napper {
    struct async async;
    struct sleep sleep;
    uint64_t duration_ns;
    uintptr_t value;
};

static enum poll napper_poll(struct future *future, struct waker *waker)
{
    struct napper *self = container_of(future, struct napper, async.future);

    ASYNC (&self->async) {
        self->sleep = sleep_ns(self->duration_ns);
        AWAIT(&self->sleep.future);
        ASYNC_RETURN_VALUE(self->value);
    }
}

static struct napper napper(uint64_t duration_ns, uintptr_t value)
{
    return (struct napper){.async = ASYNC_BODY(napper_poll), .duration_ns = duration_ns, .value = value};
}

/* ---- a thread waits for a task ----------------------------------------------------------------------------------- */

Test(bridge_join, a_thread_waits_for_a_task_of_any_priority)
{
    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        struct napper nap = napper(7 * MS, 42);
        struct task task;
        uint64_t begun_ns;

        init();
        begun_ns = support_clock_ns;
        bridge_start(priorities[p]);
        executor_spawn(&bridge.executor, &task, "nap", &nap.async.future);
        cr_assert_eq(task_join_wait(&task), 42);
        cr_assert_eq(support_clock_ns - begun_ns, 7 * MS);
        bridge_end();
    }
}

Test(bridge_join, a_thread_need_not_wait_for_a_task_that_has_ended)
{
    struct napper nap = napper(2 * MS, 43);
    struct task task;
    unsigned halts;

    bridge_start(THREAD_PRIORITY_NORMAL);
    executor_spawn(&bridge.executor, &task, "nap", &nap.async.future);
    thread_sleep_until(5 * MS);
    halts = machine.halts;
    cr_assert_eq(task_join_wait(&task), 43);
    cr_assert_eq(machine.halts, halts);
    cr_assert_eq(support_clock_ns, 5 * MS);
    bridge_end();
}

static TASK_SLOTS(struct napper) slots[1];
static struct task_pool pool;

static struct task_handle spawn_pooled(uint64_t duration_ns)
{
    struct napper *frame = task_pool_take(&pool);

    cr_assert_not_null(frame);
    *frame = napper(duration_ns, 44);
    return task_pool_spawn(&pool, frame);
}

Test(bridge_join, a_thread_that_joins_by_a_handle_frees_the_slot)
{
    struct task_handle handle;

    bridge_start(THREAD_PRIORITY_NORMAL);
    task_pool_init(&pool, &bridge.executor, "nap", slots, sizeof(slots[0]), 1);
    for (unsigned round = 0; round < 3; round++) {
        handle = spawn_pooled(3 * MS);
        cr_assert_eq(task_handle_join_wait(handle), 44);
        cr_assert_eq(task_pool_used(&pool), 0);
        cr_assert_not(task_handle_valid(handle));
    }
    bridge_end();
}

Test(bridge_join, a_thread_is_told_of_a_cancel)
{
    struct task_handle handle;

    bridge_start(THREAD_PRIORITY_NORMAL);
    task_pool_init(&pool, &bridge.executor, "nap", slots, sizeof(slots[0]), 1);
    handle = spawn_pooled(TIMER_NEVER / 2);
    thread_sleep_until(5 * MS);
    task_handle_cancel(handle);
    cr_assert_eq(task_handle_join_wait(handle), TASK_CANCELLED_VALUE);
    cr_assert_eq(support_clock_ns, 5 * MS);
    bridge_end();
}

Test(bridge_join, panics_when_a_handle_is_joined_twice, .exit_code = PANIC_EXIT)
{
    struct task_handle handle;

    bridge_start(THREAD_PRIORITY_NORMAL);
    task_pool_init(&pool, &bridge.executor, "nap", slots, sizeof(slots[0]), 1);
    handle = spawn_pooled(MS);
    if (task_handle_join_wait(handle) != 44)
        exit(1);
    (void)task_handle_join_wait(handle);
}

/* An interrupt makes the task ready at any instruction of the join. */
struct gate {
    struct future future;
    atomic_bool open;
    struct waker_slot slot;
};

static enum poll gate_poll(struct future *future, struct waker *waker)
{
    struct gate *self = container_of(future, struct gate, future);

    if (atomic_load(&self->open))
        return task_return(future, waker, 45);
    waker_slot_register(&self->slot, waker);
    return atomic_load(&self->open) ? task_return(future, waker, 45) : POLL_PENDING;
}

static struct gate gate;

static void gate_open(void)
{
    atomic_store(&gate.open, true);
    waker_slot_wake(&gate.slot);
}

static void join_at_gate(unsigned priority)
{
    struct task task;

    init();
    gate = (struct gate){.future.poll = gate_poll};
    bridge_start(priority);
    executor_spawn(&bridge.executor, &task, "gate", &gate.future);
    machine_window_open();
    cr_assert_eq(task_join_wait(&task), 45, "%s", machine_place());
    machine_window_close();
    bridge_end();
}

static void join_at_gate_lower(void)
{
    join_at_gate(THREAD_PRIORITY_NORMAL - 1);
}

static void join_at_gate_higher(void)
{
    join_at_gate(THREAD_PRIORITY_HIGH);
}

Test(bridge_join, loses_no_end_of_a_task_at_any_instruction)
{
    cr_assert_gt(machine_explore(join_at_gate_lower, gate_open), 50);
    cr_assert_gt(machine_explore(join_at_gate_higher, gate_open), 50);
}

/* ---- a task waits for a thread ----------------------------------------------------------------------------------- */

struct joiner {
    struct async async;
    struct task task;
    struct thread_join_future join;
};

static enum poll joiner_poll(struct future *future, struct waker *waker)
{
    struct joiner *self = container_of(future, struct joiner, async.future);

    ASYNC (&self->async) {
        AWAIT(&self->join.future);
        support_trace("joined");
        ASYNC_RETURN_VALUE((uintptr_t)self->join.result);
    }
}

static struct joiner joiner(struct thread *thread)
{
    return (struct joiner){.async = ASYNC_BODY(joiner_poll), .join = thread_join_future(thread)};
}

static void *sleep_long(void *result)
{
    thread_sleep_until(20 * MS);
    return result;
}

static int found;

Test(bridge_join, a_task_waits_for_a_thread_and_has_what_it_returned)
{
    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        struct thread thread;
        struct joiner body = joiner(&thread);
        unsigned stacks;

        init();
        bridge_start(THREAD_PRIORITY_NORMAL);
        stacks = machine.stacks;
        cr_assert_eq(thread_start(&thread, "t", priorities[p], sleep_long, &found), STATUS_OK);
        executor_spawn(&bridge.executor, &body.task, "joiner", &body.async.future);
        cr_assert_eq(task_join_wait(&body.task), (uintptr_t)&found);
        cr_assert_eq(support_clock_ns, 20 * MS);
        cr_assert_eq(machine.stacks, stacks, "it is a join: the stack is free");
        bridge_end();
    }
}

Test(bridge_join, a_task_need_not_wait_for_a_thread_that_has_ended)
{
    struct thread thread;
    struct joiner body = joiner(&thread);

    cr_assert_eq(thread_start(&thread, "t", THREAD_PRIORITY_NORMAL, sleep_long, &found), STATUS_OK);
    thread_sleep_until(25 * MS);
    bridge_start(THREAD_PRIORITY_NORMAL);
    executor_spawn(&bridge.executor, &body.task, "joiner", &body.async.future);
    cr_assert_eq(task_join_wait(&body.task), (uintptr_t)&found);
    cr_assert_eq(body.task.polls, 1);
    bridge_end();
}

Test(bridge_join, a_task_that_is_dropped_leaves_the_thread_to_be_joined)
{
    struct thread thread;
    struct joiner body = joiner(&thread);

    cr_assert_eq(thread_start(&thread, "t", THREAD_PRIORITY_NORMAL, sleep_long, &found), STATUS_OK);
    bridge_start(THREAD_PRIORITY_NORMAL);
    executor_spawn(&bridge.executor, &body.task, "joiner", &body.async.future);
    thread_sleep_until(5 * MS);
    cr_assert_eq(atomic_load(&thread.done.waiter), &body.task.waker);
    task_cancel(&body.task);
    cr_assert_eq(task_join_wait(&body.task), TASK_CANCELLED_VALUE);
    cr_assert_null(atomic_load(&thread.done.waiter));
    cr_assert_eq(thread_join(&thread), &found);
    cr_assert_eq(support_clock_ns, 20 * MS);
    bridge_end();
    cr_assert_str_eq(support_trace_text(), "");
}

Test(bridge_join, is_dropped_before_its_first_poll_and_after_the_threads_end)
{
    struct thread thread;
    struct thread_join_future join = thread_join_future(&thread);

    cr_assert_eq(thread_start(&thread, "t", THREAD_PRIORITY_NORMAL, sleep_long, &found), STATUS_OK);
    future_drop(&join.future);
    cr_assert_eq(future_poll(&join.future, &machine.boot.waker), POLL_PENDING);
    thread_sleep_until(25 * MS);
    future_drop(&join.future);
    cr_assert(completion_done(&thread.done), "which the drop leaves alone");
    cr_assert_eq(thread_join(&thread), &found);
}

/* The thread ends at any instruction of the executor's turn, and of its way to sleep. */
static struct thread ending;

static void *end_at_token(void *result)
{
    thread_park();
    return result;
}

static void wake_ending(void)
{
    thread_wake(&ending);
}

static void join_ending(void)
{
    static struct executor executor;
    struct joiner body = joiner(&ending);

    init();
    cr_assert_eq(thread_start(&ending, "ending", THREAD_PRIORITY_HIGH, end_at_token, &found), STATUS_OK);
    machine_window_open();
    cr_assert_eq(executor_block_on(&executor, &body.async.future), (uintptr_t)&found, "%s", machine_place());
    machine_window_close();
}

Test(bridge_join, loses_no_end_of_a_thread_at_any_instruction)
{
    cr_assert_gt(machine_explore(join_ending, wake_ending), 100);
}

/* ---- a thread as an executor ------------------------------------------------------------------------------------- */

static struct executor own;

Test(executor_block_on, sleeps_to_the_nanosecond_and_returns_the_value)
{
    struct napper nap = napper(1234567, 46);

    support_clock_ns = 3;
    cr_assert_eq(executor_block_on(&own, &nap.async.future), 46);
    cr_assert_eq(support_clock_ns, 1234570);
    cr_assert_not(machine.boot.may_not_park);
    cr_assert_not(timer_queued(&machine.boot.deadline));
    cr_assert_eq(executor_next_task(&own, NULL), NULL);
}

static void *say_and_compute(void *unused)
{
    support_trace("low");
    machine_run(2 * MS);
    return unused;
}

Test(executor_block_on, lets_less_urgent_threads_run_meanwhile)
{
    struct napper nap = napper(10 * MS, 47);
    struct thread thread;

    cr_assert_eq(thread_start(&thread, "low", THREAD_PRIORITY_NORMAL - 1, say_and_compute, NULL), STATUS_OK);
    cr_assert_eq(executor_block_on(&own, &nap.async.future), 47);
    cr_assert_str_eq(support_trace_text(), "low");
    cr_assert_eq(support_clock_ns, 10 * MS);
    (void)thread_join(&thread);
}

/* Spawns another task, and awaits nothing of it. */
struct parent {
    struct async async;
    struct task task;
    struct napper child;
    struct sleep sleep;
};

static enum poll parent_poll(struct future *future, struct waker *waker)
{
    struct parent *self = container_of(future, struct parent, async.future);

    ASYNC (&self->async) {
        self->child = napper(4 * MS, 48);
        executor_spawn(&own, &self->task, "child", &self->child.async.future);
        self->sleep = sleep_ns(9 * MS);
        AWAIT(&self->sleep.future);
        ASYNC_RETURN;
    }
}

Test(executor_block_on, polls_other_tasks_of_its_executor_too)
{
    struct parent body = {.async = ASYNC_BODY(parent_poll)};

    (void)executor_block_on(&own, &body.async.future);
    cr_assert(completion_done(&body.task.done));
    cr_assert_eq(task_take_value(&body.task), 48);
    cr_assert_eq(support_clock_ns, 9 * MS);
}

Test(executor_block_on, runs_one_after_the_other)
{
    for (uintptr_t i = 0; i < 5; i++) {
        struct napper nap = napper(MS, i);

        cr_assert_eq(executor_block_on(&own, &nap.async.future), i);
    }
    cr_assert_eq(support_clock_ns, 5 * MS);
}

static void block_at_gate(void)
{
    init();
    gate = (struct gate){.future.poll = gate_poll};
    machine_window_open();
    cr_assert_eq(executor_block_on(&own, &gate.future), 45, "%s", machine_place());
    machine_window_close();
    cr_assert_not(machine.boot.may_not_park, "%s", machine_place());
}

Test(executor_block_on, loses_no_wake_at_any_instruction)
{
    cr_assert_gt(machine_explore(block_at_gate, gate_open), 100);
}

static enum poll cancelling_poll(struct future *future, struct waker *waker)
{
    (void)future;
    task_cancel(task_of_waker(waker));
    return POLL_PENDING;
}

Test(executor_block_on, returns_when_its_future_was_cancelled)
{
    struct future future = {.poll = cancelling_poll};

    cr_assert_eq(executor_block_on(&own, &future), TASK_CANCELLED_VALUE);
}
