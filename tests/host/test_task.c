/* The lives of tasks: cancelled, joined, pooled, urgent; seen by their executor's list. */
#include <stdlib.h>
#include <string.h>

#include "executor/async.h"
#include "executor/simple_executor.h"
#include "executor/task_join.h"
#include "machine.h"
#include "support.h"

static struct executor executor;
static unsigned parent_wakes;

static void wake_parent(struct waker *waker)
{
    (void)waker;
    parent_wakes++;
}

static struct waker parent = {wake_parent};

/* Says its name when polled and in capitals when dropped; acts; and is ready after so many polls. */
struct actor {
    struct future future;
    struct task task;
    unsigned pends;
    unsigned drops;
    uintptr_t value;
    void (*act)(struct actor *self);
    struct waker *waker;
};

static enum poll actor_poll(struct future *future, struct waker *waker)
{
    struct actor *self = container_of(future, struct actor, future);

    support_trace("%s", self->task.name);
    self->waker = waker;
    if (self->act)
        self->act(self);
    if (self->pends == 0)
        return self->value ? task_return(future, waker, self->value) : POLL_READY;
    self->pends--;
    return POLL_PENDING;
}

static void actor_drop(struct future *future)
{
    struct actor *self = container_of(future, struct actor, future);

    support_trace("drop:%s", self->task.name);
    self->drops++;
}

static void spawn(struct actor *actor, const char *name)
{
    actor->future = (struct future){actor_poll, actor_drop};
    executor_spawn(&executor, &actor->task, name, &actor->future);
}

static void expect_round(const char *trace, uint64_t again_ns)
{
    support_trace_clear();
    cr_assert_eq(executor_poll(&executor, 0), again_ns);
    cr_assert_str_eq(support_trace_text(), trace);
}

static void init(void)
{
    executor_init(&executor, &parent);
    parent_wakes = 0;
}

TestSuite(task, .init = init);
TestSuite(task_pool, .init = init);
TestSuite(urgent, .init = init);
TestSuite(simple_executor);

/* ---- values ------------------------------------------------------------------------------------------------------ */

Test(task, has_the_value_that_its_future_returns)
{
    struct actor a = {.pends = 1, .value = 42}, b = {.pends = 0};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", TIMER_NEVER);
    cr_assert_eq(task_take_value(&b.task), (uintptr_t)&b.future, "none was said");
    waker_wake(a.waker);
    expect_round("a", TIMER_NEVER);
    cr_assert_eq(task_take_value(&a.task), 42);
}

Test(task, panics_when_its_value_is_taken_before_its_end, .exit_code = PANIC_EXIT)
{
    struct actor a = {.pends = 1};

    spawn(&a, "a");
    (void)task_take_value(&a.task);
}

struct inner {
    struct async async;
};

static enum poll inner_poll(struct future *future, struct waker *waker)
{
    struct inner *self = container_of(future, struct inner, async.future);

    ASYNC (&self->async)
        ASYNC_RETURN_VALUE(7);
}

Test(task, has_the_value_that_its_body_returns)
{
    struct inner inner = {ASYNC_BODY(inner_poll)};
    struct task task;

    executor_spawn(&executor, &task, "inner", &inner.async.future);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(task_take_value(&task), 7);
}

struct outer {
    struct async async;
    struct inner inner;
};

static enum poll outer_poll(struct future *future, struct waker *waker)
{
    struct outer *self = container_of(future, struct outer, async.future);

    ASYNC (&self->async) {
        AWAIT(&self->inner.async.future);
        ASYNC_RETURN;
    }
}

Test(task, panics_when_a_future_that_is_not_its_own_returns_its_value, .exit_code = PANIC_EXIT)
{
    struct outer outer = {ASYNC_BODY(outer_poll), {ASYNC_BODY(inner_poll)}};
    struct task task;

    executor_spawn(&executor, &task, "outer", &outer.async.future);
    (void)executor_poll(&executor, 0);
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static void expect_cancelled(struct actor *actor)
{
    cr_assert(completion_done(&actor->task.done));
    cr_assert_eq(actor->drops, 1);
    cr_assert_eq(task_take_value(&actor->task), TASK_CANCELLED_VALUE);
}

Test(task, is_dropped_and_not_polled_once_it_is_cancelled)
{
    struct actor a = {.pends = 9}, b = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", TIMER_NEVER);
    task_cancel(&a.task);
    task_cancel(&a.task);
    cr_assert_eq(parent_wakes, 2);
    cr_assert_eq(a.drops, 0, "by the executor, not by who cancels");
    expect_round("drop:a", TIMER_NEVER);
    expect_cancelled(&a);
    waker_wake(a.waker);
    task_cancel(&a.task);
    expect_round("", TIMER_NEVER);
    cr_assert_eq(a.drops, 1);
    cr_assert_eq(executor.all, &b.task);
}

Test(task, is_cancelled_in_its_place_in_the_queue)
{
    struct actor a = {.pends = 9}, b = {.pends = 9}, c = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    spawn(&c, "c");
    expect_round("a b c", TIMER_NEVER);
    waker_wake(a.waker);
    waker_wake(b.waker);
    waker_wake(c.waker);
    task_cancel(&b.task);
    expect_round("a drop:b c", TIMER_NEVER);
    expect_cancelled(&b);
}

Test(task, is_cancelled_before_its_first_poll)
{
    struct actor a = {.pends = 9};

    spawn(&a, "a");
    task_cancel(&a.task);
    expect_round("drop:a", TIMER_NEVER);
    expect_cancelled(&a);
    cr_assert_eq(a.task.polls, 0);
    cr_assert_null(executor.all);
}

static void cancel_itself(struct actor *self)
{
    task_cancel(&self->task);
}

Test(task, that_cancels_itself_in_its_first_poll_or_later_is_dropped_next_round)
{
    struct actor a = {.pends = 9, .act = cancel_itself}, b = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", 0);
    cr_assert_eq(a.drops, 0);
    b.act = cancel_itself;
    waker_wake(b.waker);
    expect_round("drop:a b", 0);
    expect_cancelled(&a);
    expect_round("drop:b", TIMER_NEVER);
    expect_cancelled(&b);
    cr_assert_null(executor.all);
}

Test(task, that_is_ready_in_the_poll_it_was_cancelled_in_keeps_its_value)
{
    struct actor a = {.pends = 0, .act = cancel_itself, .value = 5}, b = {.pends = 1, .value = 6};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", 0);
    cr_assert_not(completion_done(&a.task.done), "the inbox links it");
    cr_assert_null(task_future(&a.task));
    b.act = cancel_itself;
    waker_wake(b.waker);
    expect_round("b", 0);
    expect_round("", TIMER_NEVER);
    cr_assert_eq(a.drops + b.drops, 0);
    cr_assert_eq(task_take_value(&a.task), 5);
    cr_assert_eq(task_take_value(&b.task), 6);
    cr_assert_null(executor.all);
}

Test(task, without_a_drop_is_cancelled_too)
{
    struct actor a = {.pends = 9};

    spawn(&a, "a");
    a.future.drop = NULL;
    expect_round("a", TIMER_NEVER);
    task_cancel(&a.task);
    expect_round("", TIMER_NEVER);
    cr_assert_eq(task_take_value(&a.task), TASK_CANCELLED_VALUE);
}

/* An interrupt that cancels at any instruction of a round: the drop comes once, and no poll after it. */
static struct actor victim;
static bool struck;

static void cancel_victim(void)
{
    struck = true;
    task_cancel(&victim.task);
}

static void round_with_cancel(void)
{
    init();
    support_trace_clear();
    struck = false;
    victim = (struct actor){.pends = 2};
    spawn(&victim, "a");
    (void)executor_poll(&executor, 0);
    waker_wake(victim.waker);
    machine_window_open();
    (void)executor_poll(&executor, 0);
    machine_window_close();
    if (!struck)
        return;
    (void)executor_poll(&executor, 0);
    (void)executor_poll(&executor, 0);
    cr_assert(completion_done(&victim.task.done), "%s", machine_place());
    cr_assert_eq(victim.drops, 1, "%s", machine_place());
    cr_assert_leq(victim.task.polls, 2, "%s", machine_place());
    cr_assert_null(executor.all, "%s", machine_place());
}

Test(task, is_cancelled_at_any_instruction_of_a_round)
{
    cr_assert_gt(machine_explore(round_with_cancel, cancel_victim), 50);
}

/* The first half of a wake: whoever it is has not come to the second one yet. */
static void begin_wake(struct actor *self)
{
    cr_assert_not(atomic_fetch_or(&self->task.state, TASK_QUEUED) & TASK_QUEUED);
}

static void begin_wake_in_drop(struct future *future)
{
    begin_wake(container_of(future, struct actor, future));
}

Test(task, that_ends_while_its_wake_is_under_way_is_waited_for)
{
    for (unsigned cancelled = 0; cancelled < 2; cancelled++) {
        struct actor a = {.pends = 0, .act = begin_wake};

        init();
        spawn(&a, "a");
        if (cancelled) {
            task_cancel(&a.task);
            a.act = NULL;
            a.task.future->drop = begin_wake_in_drop;
        }
        executor_stop(&executor);
        (void)executor_poll(&executor, 0);
        cr_assert_not(completion_done(&a.task.done));
        cr_assert_not(executor_stopped(&executor), "its wake would find no executor");
        executor_push(&executor, &a.task);
        (void)executor_poll(&executor, 0);
        cr_assert(completion_done(&a.task.done));
        cr_assert(executor_stopped(&executor));
        cr_assert_null(executor.all);
    }
}

/* Whoever waits for the end gives up at any instruction of it, and is gone: nobody wakes it after that. */
static struct waker leaver;
static bool gone;

static void wake_leaver(struct waker *waker)
{
    (void)waker;
    cr_assert_not(gone, "%s", machine_place());
}

static void leave_waiting(void)
{
    if (completion_unregister(&victim.task.done, &leaver))
        cr_assert_not(completion_done(&victim.task.done));
    gone = true;
}

static void round_of_an_end(void)
{
    init();
    gone = false;
    leaver.wake = wake_leaver;
    victim = (struct actor){.pends = 0};
    spawn(&victim, "a");
    cr_assert(completion_register(&victim.task.done, &leaver));
    machine_window_open();
    (void)executor_poll(&executor, 0);
    machine_window_close();
    cr_assert(completion_done(&victim.task.done));
}

Test(task, wakes_nobody_who_gave_up_waiting_for_its_end_at_any_instruction)
{
    cr_assert_gt(machine_explore(round_of_an_end, leave_waiting), 50);
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

struct joiner {
    struct async async;
    struct task task;
    struct task_join join;
    uintptr_t value;
};

static enum poll joiner_poll(struct future *future, struct waker *waker)
{
    struct joiner *self = container_of(future, struct joiner, async.future);

    ASYNC (&self->async) {
        AWAIT(&self->join.future);
        self->value = self->join.value;
        support_trace("joined");
        ASYNC_RETURN;
    }
}

static void join(struct joiner *joiner, struct task_join join)
{
    *joiner = (struct joiner){.async = ASYNC_BODY(joiner_poll), .join = join};
    executor_spawn(&executor, &joiner->task, "joiner", &joiner->async.future);
}

Test(task_join, is_ready_with_the_value_once_the_task_is, .init = init)
{
    struct actor a = {.pends = 1, .value = 1855}, ready = {.pends = 0, .value = 3};
    struct joiner joiner;

    spawn(&a, "a");
    join(&joiner, task_join(&a.task));
    expect_round("a", TIMER_NEVER);
    waker_wake(a.waker);
    expect_round("a", 0);
    expect_round("joined", TIMER_NEVER);
    cr_assert_eq(joiner.value, 1855);
    spawn(&ready, "ready");
    (void)executor_poll(&executor, 0);
    join(&joiner, task_join(&ready.task));
    expect_round("joined", TIMER_NEVER);
    cr_assert_eq(joiner.value, 3);
}

Test(task_join, is_told_of_a_cancel, .init = init)
{
    struct actor a = {.pends = 1};
    struct joiner joiner;

    spawn(&a, "a");
    join(&joiner, task_join(&a.task));
    expect_round("a", TIMER_NEVER);
    task_cancel(&a.task);
    expect_round("drop:a", 0);
    expect_round("joined", TIMER_NEVER);
    cr_assert_eq(joiner.value, TASK_CANCELLED_VALUE);
}

Test(task_join, that_is_dropped_leaves_the_task_to_others, .init = init)
{
    struct actor a = {.pends = 1, .value = 4};
    struct joiner *first = malloc(sizeof(*first)), second;

    spawn(&a, "a");
    join(first, task_join(&a.task));
    expect_round("a", TIMER_NEVER);
    task_cancel(&first->task);
    expect_round("", TIMER_NEVER);
    cr_assert(completion_done(&first->task.done));
    free(first);
    waker_wake(a.waker);
    expect_round("a", TIMER_NEVER);
    join(&second, task_join(&a.task));
    expect_round("joined", TIMER_NEVER);
    cr_assert_eq(second.value, 4);
    join(&second, task_join(&a.task));
    future_drop(&second.join.future); /* before its first poll */
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

struct pooled {
    struct future future;
    unsigned pends;
    uintptr_t value;
    unsigned *drops;
};

static enum poll pooled_poll(struct future *future, struct waker *waker)
{
    struct pooled *self = container_of(future, struct pooled, future);

    support_trace("%u", (unsigned)self->value);
    if (self->pends-- == 0)
        return task_return(future, waker, self->value);
    return POLL_PENDING;
}

static void pooled_drop(struct future *future)
{
    ++*container_of(future, struct pooled, future)->drops;
}

enum { SLOTS = 3 };
static TASK_SLOTS(struct pooled) slots[SLOTS];
static struct task_pool pool;
static unsigned drops;

static struct pooled *take(unsigned pends, uintptr_t value)
{
    struct pooled *frame = task_pool_take(&pool);

    if (frame)
        *frame = (struct pooled){{pooled_poll, pooled_drop}, pends, value, &drops};
    return frame;
}

static void pool_init(void)
{
    init();
    drops = 0;
    task_pool_init(&pool, &executor, "pooled", slots, sizeof(slots[0]), SLOTS);
}

Test(task_pool, has_so_many_slots_and_no_more, .init = pool_init)
{
    for (unsigned i = 0; i < SLOTS; i++)
        cr_assert_eq(take(0, i), &slots[i].frame);
    cr_assert_null(take(0, 0));
}

Test(task_pool, gives_back_the_slots_of_detached_tasks_that_end, .init = pool_init)
{
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < SLOTS; i++)
            task_pool_spawn_detached(&pool, take(0, i));
        cr_assert_eq(task_pool_used(&pool), SLOTS);
        expect_round("0 1 2", TIMER_NEVER);
        cr_assert_eq(task_pool_used(&pool), 0);
    }
    cr_assert_eq(executor_polls(&executor), 5 * SLOTS);
}

Test(task_pool, keeps_the_slot_of_a_task_until_it_is_joined, .init = pool_init)
{
    struct task_handle handle = task_pool_spawn(&pool, take(0, 8));
    struct joiner joiner;

    expect_round("8", TIMER_NEVER);
    cr_assert(task_handle_ended(handle));
    cr_assert(task_handle_valid(handle));
    cr_assert_eq(task_pool_used(&pool), 1);
    join(&joiner, task_handle_join(handle));
    expect_round("joined", TIMER_NEVER);
    cr_assert_eq(joiner.value, 8);
    cr_assert_eq(task_pool_used(&pool), 0);
    cr_assert_not(task_handle_valid(handle));
    cr_assert(task_handle_ended(handle));
}

Test(task_pool, detaches_a_task_that_runs_or_has_ended, .init = pool_init)
{
    struct task_handle first = task_pool_spawn(&pool, take(0, 1)), second = task_pool_spawn(&pool, take(1, 2));

    expect_round("1 2", TIMER_NEVER);
    cr_assert_not(task_handle_ended(second));
    task_handle_detach(first);
    cr_assert_eq(task_pool_used(&pool), 1);
    task_handle_detach(second);
    waker_wake(&second.task->waker);
    expect_round("2", TIMER_NEVER);
    cr_assert_eq(task_pool_used(&pool), 0);
}

Test(task_pool, does_nothing_for_a_handle_or_a_waker_that_is_too_old, .init = pool_init)
{
    struct task_handle old = task_pool_spawn(&pool, take(0, 1)), now;

    expect_round("1", TIMER_NEVER);
    task_handle_detach(old);
    task_handle_cancel(old);
    waker_wake(&old.task->waker);
    cr_assert_eq(take(0, 2), (struct pooled *)(old.task + 1));
    task_handle_cancel(old);
    waker_wake(&old.task->waker);
    expect_round("", TIMER_NEVER);
    now = task_pool_spawn(&pool, (struct pooled *)(old.task + 1));
    ((struct pooled *)(old.task + 1))->pends = 1;
    cr_assert_neq(now.generation, old.generation);
    task_handle_cancel(old);
    expect_round("2", TIMER_NEVER);
    waker_wake(&old.task->waker);
    expect_round("2", TIMER_NEVER); /* polled, maybe for nothing */
    cr_assert_eq(drops, 0);
    cr_assert(task_handle_ended(now));
}

Test(task_pool, cancels_by_handle_whatever_the_task_waits_for, .init = pool_init)
{
    struct task_handle waiting = task_pool_spawn(&pool, take(5, 1)), fresh;

    expect_round("1", TIMER_NEVER);
    fresh = task_pool_spawn(&pool, take(5, 2));
    task_handle_cancel(waiting);
    task_handle_cancel(waiting);
    task_handle_cancel(fresh);
    expect_round("", TIMER_NEVER);
    cr_assert_eq(drops, 2);
    cr_assert(task_handle_ended(waiting) && task_handle_ended(fresh));
    cr_assert_eq(task_take_value(waiting.task), TASK_CANCELLED_VALUE);
    task_handle_detach(fresh);
    cr_assert_eq(task_pool_used(&pool), 0);
}

Test(task_pool, numbers_generations_over_and_over, .init = pool_init)
{
    uint32_t first = atomic_load(&slots[0].task.state) & TASK_GENERATION_MASK;

    atomic_store(&slots[0].task.state, (TASK_GENERATION_MASK) | TASK_FREE | TASK_POOLED | TASK_QUEUED);
    task_pool_spawn_detached(&pool, take(0, 1));
    expect_round("1", TIMER_NEVER);
    cr_assert_eq(atomic_load(&slots[0].task.state) & (TASK_GENERATION_MASK | TASK_SPECIAL), first);
}

Test(task_pool, panics_at_slots_too_small_for_a_task, .exit_code = PANIC_EXIT, .init = pool_init)
{
    static struct task_pool small;

    task_pool_init(&small, &executor, "small", slots, sizeof(struct task), 1);
}

Test(task_pool, panics_at_slots_of_more_bytes_than_it_can_count, .exit_code = PANIC_EXIT, .init = pool_init)
{
    static struct task_pool large;

    task_pool_init(&large, &executor, "large", slots, sizeof(slots[0]), UINT32_MAX / sizeof(slots[0]) + 1);
}

Test(task_pool, panics_when_a_handle_is_joined_twice, .exit_code = PANIC_EXIT, .init = pool_init)
{
    struct task_handle handle = task_pool_spawn(&pool, take(0, 1));

    (void)executor_poll(&executor, 0);
    (void)task_take_value(handle.task);
    (void)task_handle_join(handle);
}

Test(task_pool, panics_when_a_handle_is_detached_twice, .exit_code = PANIC_EXIT, .init = pool_init)
{
    struct task_handle handle = task_pool_spawn(&pool, take(1, 1));

    task_handle_detach(handle);
    task_handle_detach(handle);
}

Test(task_pool, panics_when_a_handle_is_detached_that_was_joined, .exit_code = PANIC_EXIT, .init = pool_init)
{
    struct task_handle handle = task_pool_spawn(&pool, take(0, 1));

    (void)executor_poll(&executor, 0);
    (void)task_take_value(handle.task);
    task_handle_detach(handle);
}

Test(task_pool, panics_when_a_frame_is_of_another_pool, .exit_code = PANIC_EXIT, .init = pool_init)
{
    static TASK_SLOTS(struct pooled) others[1];
    struct task_pool other;

    task_pool_init(&other, &executor, "other", others, sizeof(others[0]), 1);
    task_pool_spawn_detached(&other, take(0, 0));
}

Test(task_pool, lists_its_tasks_after_the_others, .init = pool_init)
{
    static TASK_SLOTS(struct pooled) others[2];
    struct task_pool other;
    struct actor a = {.pends = 9}, b = {.pends = 9};
    const struct task *seen[8] = {0};
    size_t count = 0;

    task_pool_init(&other, &executor, "other", others, sizeof(others[0]), 2);
    cr_assert_null(executor_next_task(&executor, NULL));
    spawn(&a, "a");
    spawn(&b, "b");
    for (unsigned i = 0; i < SLOTS; i++)
        task_pool_spawn_detached(&pool, take(i == 1 ? 0 : 9, i));
    (void)executor_poll(&executor, 0);
    for (const struct task *task = NULL; (task = executor_next_task(&executor, task)) != NULL;)
        seen[count++] = task;
    cr_assert_eq(count, 4);
    cr_assert(seen[0] == &b.task && seen[1] == &a.task);
    cr_assert(seen[2] == &slots[0].task && seen[3] == &slots[2].task);
    cr_assert_eq(executor_polls(&executor), 5);
}

Test(task_pool, lists_no_task_that_has_ended_and_waits_to_be_joined, .init = pool_init)
{
    struct task_handle handle = task_pool_spawn(&pool, take(0, 0));

    task_pool_spawn_detached(&pool, take(9, 1));
    expect_round("0 1", TIMER_NEVER);
    cr_assert_eq(executor_next_task(&executor, NULL), &slots[1].task);
    cr_assert_null(executor_next_task(&executor, &slots[1].task));
    task_handle_detach(handle);
}

Test(task_pool, does_nothing_for_a_handle_whose_number_came_round_to_a_free_slot, .init = pool_init)
{
    struct task_handle handle = task_pool_spawn(&pool, take(0, 1));
    uint32_t state;

    expect_round("1", TIMER_NEVER);
    task_handle_detach(handle);
    state = handle.generation | TASK_FREE | TASK_POOLED | TASK_QUEUED;
    atomic_store(&handle.task->state, state);
    cr_assert_not(task_handle_valid(handle));
    task_handle_cancel(handle);
    cr_assert_eq(atomic_load(&handle.task->state), state);
}

/* An interrupt that wakes the task at any instruction of its cancel: it is dropped once all the same. */
static struct task_handle victim_handle;

static void wake_pooled(void)
{
    waker_wake(&victim_handle.task->waker);
}

static void cancel_by_handle(void)
{
    pool_init();
    support_trace_clear();
    victim_handle = task_pool_spawn(&pool, take(5, 1));
    (void)executor_poll(&executor, 0);
    machine_window_open();
    task_handle_cancel(victim_handle);
    machine_window_close();
    (void)executor_poll(&executor, 0);
    cr_assert_eq(drops, 1, "%s", machine_place());
    cr_assert(completion_done(&victim_handle.task->done), "%s", machine_place());
    cr_assert_eq(victim_handle.task->polls, 1, "%s", machine_place());
    cr_assert_eq(task_take_value(victim_handle.task), TASK_CANCELLED_VALUE, "%s", machine_place());
    cr_assert_eq(task_pool_used(&pool), 0, "%s", machine_place());
}

Test(task_pool, cancels_by_handle_whenever_an_interrupt_wakes_the_task)
{
    cr_assert_gt(machine_explore(cancel_by_handle, wake_pooled), 10);
}

/* An interrupt that takes a slot and spawns, at any instruction of the round that gives one back. */
static void spawn_another(void)
{
    struct pooled *frame = take(0, 2);

    cr_assert_not_null(frame, "%s", machine_place());
    task_pool_spawn_detached(&pool, frame);
}

static void give_a_slot_back(void)
{
    pool_init();
    support_trace_clear();
    task_pool_spawn_detached(&pool, take(0, 1));
    machine_window_open();
    (void)executor_poll(&executor, 0);
    machine_window_close();
    (void)executor_poll(&executor, 0);
    cr_assert_eq(task_pool_used(&pool), 0, "%s", machine_place());
    for (unsigned i = 0; i < SLOTS; i++)
        cr_assert_not_null(take(0, i), "%s", machine_place());
    cr_assert_null(take(0, 0), "%s", machine_place());
}

Test(task_pool, loses_no_slot_whenever_an_interrupt_takes_one)
{
    cr_assert_gt(machine_explore(give_a_slot_back, spawn_another), 50);
}

/* ---- the urgent lane --------------------------------------------------------------------------------------------- */

static void spawn_urgent(struct actor *actor, const char *name)
{
    actor->future = (struct future){actor_poll, actor_drop};
    executor_spawn_urgent(&executor, &actor->task, name, &actor->future);
}

static struct actor *woken;

static void wake_woken(struct actor *self)
{
    (void)self;
    waker_wake(&woken->task.waker);
}

Test(urgent, tasks_go_first)
{
    struct actor a = {.pends = 9}, b = {.pends = 9}, u = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    spawn_urgent(&u, "u");
    expect_round("u a b", TIMER_NEVER);
    waker_wake(b.waker);
    waker_wake(a.waker);
    waker_wake(u.waker);
    expect_round("u b a", TIMER_NEVER);
}

Test(urgent, tasks_that_are_woken_in_a_batch_go_before_its_rest)
{
    struct actor a = {.pends = 9}, b = {.pends = 9}, u = {.pends = 9};

    spawn_urgent(&u, "u");
    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("u a b", TIMER_NEVER);
    woken = &u;
    a.act = wake_woken;
    waker_wake(a.waker);
    waker_wake(b.waker);
    expect_round("a u b", TIMER_NEVER);
}

static void wake_itself(struct actor *self)
{
    waker_wake(self->waker);
}

Test(urgent, tasks_that_never_rest_leave_every_ninth_turn_to_others)
{
    struct actor a = {.pends = 99, .act = wake_itself}, b = {.pends = 99, .act = wake_itself},
                 u = {.pends = 99, .act = wake_itself};

    spawn(&a, "a");
    spawn(&b, "b");
    spawn_urgent(&u, "u");
    support_trace_clear();
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(executor_poll(&executor, 0), 0);
    cr_assert_geq(a.task.polls, 3);
    cr_assert_leq(u.task.polls, (a.task.polls + b.task.polls + 1) * EXECUTOR_URGENT_POLLS);
    cr_assert(a.task.polls - b.task.polls <= 1 || b.task.polls - a.task.polls <= 1);
}

Test(urgent, task_alone_that_never_rests_lets_a_round_end)
{
    struct actor u = {.pends = 99, .act = wake_itself};

    spawn_urgent(&u, "u");
    cr_assert_eq(executor_poll(&executor, 0), 0);
    cr_assert_leq(u.task.polls, EXECUTOR_URGENT_POLLS);
}

Test(urgent, tasks_are_cancelled_too)
{
    struct actor u = {.pends = 9};

    spawn_urgent(&u, "u");
    expect_round("u", TIMER_NEVER);
    task_cancel(&u.task);
    expect_round("drop:u", TIMER_NEVER);
    expect_cancelled(&u);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static uint64_t clock_now(void)
{
    return support_clock_ns;
}

static unsigned parks;

static void park(struct executor *self, uint64_t until_ns)
{
    parks++;
    if (until_ns != TIMER_NEVER)
        support_clock_ns = until_ns;
    else if (parks < 3)
        waker_wake(&woken->task.waker);
    else
        executor_stop(self);
}

Test(executor_run, polls_until_nothing_is_ready, .init = init)
{
    struct actor a = {.pends = 3, .act = wake_itself};

    spawn(&a, "a");
    cr_assert_eq(executor_run(&executor), TIMER_NEVER);
    cr_assert_eq(a.task.polls, 4);
}

Test(executor_run, parks_until_it_is_stopped_and_empty, .init = init)
{
    struct actor a = {.pends = 9}, late = {.pends = 0};

    executor.park = park;
    executor.clock = clock_now;
    parks = 0;
    woken = &a;
    spawn(&a, "a");
    support_trace_clear();
    a.pends = 2;
    cr_assert_eq(executor_run(&executor), TIMER_NEVER);
    cr_assert_str_eq(support_trace_text(), "a a a");
    cr_assert_eq(parks, 3);
    cr_assert(executor_stopped(&executor));
    spawn(&late, "late");
    cr_assert_not(executor_stopped(&executor));
    cr_assert_eq(executor_run(&executor), TIMER_NEVER);
    cr_assert(completion_done(&late.task.done));
}

Test(executor_run, asks_its_clock_for_its_timers, .init = init)
{
    struct actor a = {.pends = 1};
    struct timer timer = {0};

    executor.park = park;
    executor.clock = clock_now;
    parks = 5;
    support_clock_ns = 10;
    spawn(&a, "a");
    cr_assert_eq(executor_now(&executor), 10);
    executor_timer_start(&executor, &timer, 70, &a.task.waker);
    (void)executor_run(&executor);
    cr_assert_eq(support_clock_ns, 70);
    cr_assert_eq(a.task.polls, 2);
}

/* ---- the simplest one -------------------------------------------------------------------------------------------- */

static enum poll number_poll(struct future *future, struct waker *waker)
{
    struct actor *self = container_of(future, struct actor, future);

    waker_wake(waker);
    support_trace("%s", self->task.name);
    return self->pends-- ? POLL_PENDING : POLL_READY;
}

Test(simple_executor, polls_all_in_turn_until_they_are_ready)
{
    struct actor a = {.future = {.poll = number_poll}, .task.name = "a", .pends = 2},
                 b = {.future = {.poll = number_poll}, .task.name = "b"};
    struct simple_task tasks[2];
    struct simple_executor simple = {0};

    support_trace_clear();
    simple_executor_run(&simple);
    simple_executor_spawn(&simple, &tasks[0], &a.future);
    simple_executor_spawn(&simple, &tasks[1], &b.future);
    simple_executor_run(&simple);
    cr_assert_str_eq(support_trace_text(), "a b a a");
    cr_assert_eq(simple.polls, 4);
}
