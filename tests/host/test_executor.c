/* The executor: order, coalescing, fairness, the end of a task, and wakes at every instruction. */
#include "executor/executor.h"

#include <stdlib.h>
#include <string.h>

#include "executor/sleep.h"
#include "machine.h"
#include "support.h"

/* A task that says its name when it is polled, acts, and pends as often as it is told. */
struct actor {
    struct future future;
    struct task task;
    unsigned pends;
    void (*act)(struct actor *self);
    struct actor *other; /* for act */
    struct waker *waker; /* of the latest poll */
};

static struct executor executor;
static unsigned parent_wakes;

static void wake_parent(struct waker *waker)
{
    (void)waker;
    parent_wakes++;
}

static struct waker parent = {wake_parent};

static enum poll actor_poll(struct future *future, struct waker *waker)
{
    struct actor *self = container_of(future, struct actor, future);

    support_trace("%s", self->task.name);
    cr_assert_eq(waker, &self->task.waker);
    cr_assert_eq(task_of_waker(waker), &self->task);
    cr_assert_eq(executor.current, &self->task);
    self->waker = waker;
    if (self->act)
        self->act(self);
    if (self->pends == 0)
        return POLL_READY;
    self->pends--;
    return POLL_PENDING;
}

static void spawn(struct actor *actor, const char *name)
{
    actor->future.poll = actor_poll;
    executor_spawn(&executor, &actor->task, name, &actor->future);
}

static void wake(struct actor *actor)
{
    waker_wake(&actor->task.waker);
}

/* One round, which polls exactly these, and then this is the time to poll again. */
static void expect_round(const char *polled, uint64_t again_ns)
{
    support_trace_clear();
    cr_assert_eq(executor_poll(&executor, 0), again_ns);
    cr_assert_str_eq(support_trace_text(), polled);
    cr_assert_null(executor.current);
}

static void init(void)
{
    executor_init(&executor, &parent);
}

TestSuite(executor, .init = init);

Test(executor, has_nothing_to_poll_at_first)
{
    expect_round("", TIMER_NEVER);
    cr_assert_eq(parent_wakes, 0);
    cr_assert_null(executor.all);
}

Test(executor, polls_what_is_spawned_not_before_and_once)
{
    struct actor a = {.pends = 9};

    support_trace_clear();
    spawn(&a, "a");
    cr_assert_str_eq(support_trace_text(), "");
    expect_round("a", TIMER_NEVER);
    expect_round("", TIMER_NEVER);
    cr_assert_not(completion_done(&a.task.done));
}

Test(executor, polls_a_task_again_when_it_is_woken)
{
    struct actor a = {.pends = 2};

    spawn(&a, "a");
    expect_round("a", TIMER_NEVER);
    wake(&a);
    expect_round("a", TIMER_NEVER);
    wake(&a);
    expect_round("a", TIMER_NEVER);
    cr_assert(completion_done(&a.task.done));
    cr_assert_eq(a.task.polls, 3);
    cr_assert_eq(executor_polls(&executor), 3);
}

Test(executor, polls_in_the_order_of_the_wakes)
{
    struct actor a = {.pends = 9}, b = {.pends = 9}, c = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    spawn(&c, "c");
    expect_round("a b c", TIMER_NEVER);
    wake(&b);
    wake(&c);
    wake(&a);
    expect_round("b c a", TIMER_NEVER);
    wake(&c);
    wake(&b);
    expect_round("c b", TIMER_NEVER);
}

Test(executor, coalesces_wakes_between_polls)
{
    struct actor a = {.pends = 9}, b = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", TIMER_NEVER);
    for (unsigned i = 0; i < 3; i++) {
        wake(&b);
        wake(&a);
    }
    expect_round("b a", TIMER_NEVER);
    expect_round("", TIMER_NEVER);
}

Test(executor, wakes_its_parent_once_when_it_has_something_to_poll)
{
    struct actor a = {.pends = 9}, b = {.pends = 9}, c = {.pends = 9};

    spawn(&a, "a");
    cr_assert_eq(parent_wakes, 1);
    spawn(&b, "b");
    spawn(&c, "c");
    cr_assert_eq(parent_wakes, 1);
    executor_poll(&executor, 0);
    cr_assert_eq(parent_wakes, 1);
    wake(&b);
    cr_assert_eq(parent_wakes, 2);
    wake(&b);
    wake(&c);
    cr_assert_eq(parent_wakes, 2);
}

static void look_into_inbox(struct waker *waker)
{
    parent_wakes++;
    cr_assert_eq(waker, &parent);
    cr_assert_gt((uintptr_t)executor.inbox, (uintptr_t)EXECUTOR_ASLEEP, "there is nothing to poll yet");
}

Test(executor, wakes_its_parent_after_the_task_is_in_the_inbox)
{
    struct actor a = {.pends = 9};

    parent.wake = look_into_inbox;
    spawn(&a, "a");
    executor_poll(&executor, 0);
    wake(&a);
    cr_assert_eq(parent_wakes, 2);
}

static void wake_itself(struct actor *self)
{
    waker_wake(self->waker);
}

static void wake_other(struct actor *self)
{
    waker_wake(&self->other->task.waker);
}

Test(executor, polls_again_a_task_that_is_woken_during_its_poll)
{
    struct actor a = {.pends = 2, .act = wake_itself};

    spawn(&a, "a");
    expect_round("a", 0);
    expect_round("a", 0);
    a.act = NULL;
    expect_round("a", TIMER_NEVER);
    cr_assert(completion_done(&a.task.done));
}

Test(executor, polls_no_task_twice_before_every_other_ready_one_once)
{
    struct actor a = {.pends = 9, .act = wake_itself}, b = {.pends = 9, .act = wake_itself}, c = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    spawn(&c, "c");
    expect_round("a b c", 0);
    expect_round("a b", 0);
    expect_round("a b", 0);
}

Test(executor, polls_no_task_twice_a_round_with_urgent_ones_either)
{
    struct actor a = {.pends = 9, .act = wake_itself}, b = {.pends = 9, .act = wake_itself}, urgent = {.pends = 9};

    urgent.future.poll = actor_poll;
    executor_spawn_urgent(&executor, &urgent.task, "urgent", &urgent.future);
    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("urgent a b", 0);
    expect_round("a b", 0);
    wake(&urgent);
    expect_round("urgent a b", 0);
}

Test(executor, polls_next_round_what_a_poll_wakes)
{
    struct actor a = {.pends = 9, .act = wake_other}, b = {.pends = 9}, c = {.pends = 9, .act = wake_other};

    a.other = &b;
    c.other = &a;
    spawn(&b, "b");
    spawn(&a, "a");
    spawn(&c, "c");
    expect_round("b a c", 0);
    expect_round("b a", 0); /* a woke b, and then c woke a */
    expect_round("b", TIMER_NEVER);
}

Test(executor, leaves_alone_a_later_task_of_the_batch_that_an_earlier_one_wakes)
{
    struct actor a = {.pends = 9, .act = wake_other}, b = {.pends = 9};

    a.other = &b;
    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", TIMER_NEVER);
}

static void spawn_other(struct actor *self)
{
    spawn(self->other, "spawned");
}

Test(executor, polls_next_round_what_a_poll_spawns)
{
    struct actor spawned = {.pends = 0}, a = {.pends = 9, .act = spawn_other, .other = &spawned}, b = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", 0);
    expect_round("spawned", TIMER_NEVER);
    cr_assert(completion_done(&spawned.task.done));
}

Test(executor, finishes_a_task_that_is_ready_at_once)
{
    struct actor a = {.pends = 0};

    spawn(&a, "a");
    cr_assert_not(completion_done(&a.task.done));
    expect_round("a", TIMER_NEVER);
    cr_assert(completion_done(&a.task.done));
    cr_assert_null(executor.all);
}

Test(executor, is_not_disturbed_by_wakes_of_a_finished_task)
{
    struct actor a = {.pends = 0}, b = {.pends = 1};

    spawn(&a, "a");
    expect_round("a", TIMER_NEVER);
    for (unsigned i = 0; i < 3; i++)
        wake(&a);
    cr_assert_eq(parent_wakes, 1);
    expect_round("", TIMER_NEVER);
    spawn(&b, "b");
    wake(&a);
    expect_round("b", TIMER_NEVER);
}

/* The inbox still links it. */
Test(executor, keeps_a_task_woken_during_its_last_poll_until_it_comes_round)
{
    struct actor a = {.pends = 0, .act = wake_itself}, b = {.pends = 9};

    spawn(&a, "a");
    spawn(&b, "b");
    expect_round("a b", 0);
    cr_assert_not(completion_done(&a.task.done));
    cr_assert_not_null(executor.all);
    expect_round("", TIMER_NEVER);
    cr_assert(completion_done(&a.task.done));
    wake(&a);
    expect_round("", TIMER_NEVER);
    cr_assert_eq(a.task.polls, 1);
    cr_assert_eq(executor_polls(&executor), 2);
}

static bool listed(const struct task *task)
{
    for (const struct task *at = executor.all; at; at = at->all)
        if (at == task)
            return true;
    return false;
}

Test(executor, lists_the_tasks_it_has_polled_and_not_finished)
{
    /* From the list's head, middle and tail. */
    static const unsigned orders[][3] = {{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}};

    for (size_t order = 0; order < ARRAY_SIZE(orders); order++) {
        struct actor actors[3] = {{.pends = 1}, {.pends = 1}, {.pends = 1}};

        for (unsigned i = 0; i < 3; i++)
            spawn(&actors[i], "a");
        executor_poll(&executor, 0);
        for (unsigned ended = 0; ended < 3; ended++) {
            wake(&actors[orders[order][ended]]);
            executor_poll(&executor, 0);
            for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(listed(&actors[orders[order][i]].task), i > ended);
        }
        cr_assert_null(executor.all);
    }
}

struct owner {
    struct waker waker;
    struct actor actor;
};

static void owner_free(struct waker *waker)
{
    struct owner *owner = container_of(waker, struct owner, waker);

    cr_assert_not(listed(&owner->actor.task), "its joiner is woken while the executor still lists it");
    memset(owner, 0xa5, sizeof(*owner));
    free(owner);
    support_trace("freed");
}

/* With the address sanitizer, whatever touches it afterwards fails. */
Test(executor, lets_go_of_a_task_before_it_wakes_its_joiner)
{
    for (unsigned woken_late = 0; woken_late < 2; woken_late++) {
        struct owner *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));
        struct actor last = {.pends = 9};

        first->waker.wake = second->waker.wake = owner_free;
        second->actor.act = woken_late ? wake_itself : NULL;
        spawn(&first->actor, "first");
        spawn(&second->actor, "second");
        spawn(&last, "last");
        cr_assert(completion_register(&first->actor.task.done, &first->waker));
        cr_assert(completion_register(&second->actor.task.done, &second->waker));
        if (woken_late) {
            expect_round("first freed second last", 0);
            expect_round("freed", TIMER_NEVER);
        } else {
            expect_round("first freed second freed last", TIMER_NEVER);
        }
        init();
    }
}

static void respawn(struct waker *waker)
{
    struct owner *owner = container_of(waker, struct owner, waker);

    owner->actor.act = NULL;
    spawn(&owner->actor, "again");
}

Test(executor, takes_a_task_again_as_soon_as_it_is_done)
{
    struct owner owner = {.waker = {respawn}, .actor = {.pends = 0}};
    struct actor b = {.pends = 9};

    spawn(&owner.actor, "a");
    spawn(&b, "b");
    cr_assert(completion_register(&owner.actor.task.done, &owner.waker));
    expect_round("a b", 0);
    cr_assert_not(completion_done(&owner.actor.task.done));
    expect_round("again", TIMER_NEVER);
    cr_assert(completion_done(&owner.actor.task.done));
}

Test(executor, polls_again_at_its_earliest_timer)
{
    struct actor a = {.pends = 9};
    struct timer early = {0}, late = {0};

    spawn(&a, "a");
    expect_round("a", TIMER_NEVER);
    executor_timer_start(&executor, &late, 70, &a.task.waker);
    executor_timer_start(&executor, &early, 50, &a.task.waker);
    support_trace_clear();
    cr_assert_eq(executor_poll(&executor, 49), 50);
    cr_assert_str_eq(support_trace_text(), "");
    cr_assert_eq(executor.now_ns, 49);
    cr_assert_eq(executor_poll(&executor, 50), 70);
    cr_assert_str_eq(support_trace_text(), "a");
    cr_assert_eq(executor_poll(&executor, 1000), TIMER_NEVER);
    cr_assert_str_eq(support_trace_text(), "a a");
}

static void start_a_timer_that_is_due(struct actor *self)
{
    static struct timer timer;

    if (self->pends)
        executor_timer_start(&executor, &timer, executor.now_ns, &self->task.waker);
}

Test(executor, is_to_be_polled_at_once_for_a_timer_that_is_due)
{
    struct actor a = {.pends = 1, .act = start_a_timer_that_is_due};

    spawn(&a, "a");
    cr_assert_eq(executor_poll(&executor, 50), 0);
    cr_assert_eq(executor_poll(&executor, 50), TIMER_NEVER);
    cr_assert(completion_done(&a.task.done));
}

Test(executor, polls_at_once_what_is_woken_however_far_its_timers_are)
{
    struct actor a = {.pends = 9, .act = wake_itself};
    struct timer timer = {0};

    spawn(&a, "a");
    executor_timer_start(&executor, &timer, 70, &a.task.waker);
    expect_round("a", 0);
}

/* ---- ten thousand ------------------------------------------------------------------------------------------------ */

enum { MANY = 10000, TURNS = 5 };

struct turner {
    struct future future;
    struct task task;
    unsigned turns;
};

static struct turner turners[MANY];
static unsigned expected_next;

/* In round robin: whoever is polled out of turn fails. */
static enum poll turner_poll(struct future *future, struct waker *waker)
{
    struct turner *self = container_of(future, struct turner, future);

    cr_assert_eq(self, &turners[expected_next]);
    expected_next = (expected_next + 1) % MANY;
    if (++self->turns == TURNS)
        return POLL_READY;
    waker_wake(waker);
    return POLL_PENDING;
}

Test(executor, polls_ten_thousand_tasks_in_turn)
{
    for (unsigned i = 0; i < MANY; i++) {
        turners[i].future.poll = turner_poll;
        executor_spawn(&executor, &turners[i].task, "turner", &turners[i].future);
    }
    for (unsigned turn = 1; turn <= TURNS; turn++) {
        cr_assert_eq(executor_poll(&executor, 0), turn < TURNS ? 0 : TIMER_NEVER);
        cr_assert_eq(executor_polls(&executor), turn * MANY);
        cr_assert_eq(expected_next, 0);
    }
    for (unsigned i = 0; i < MANY; i++)
        cr_assert(completion_done(&turners[i].task.done));
    cr_assert_null(executor.all);
    cr_assert_eq(parent_wakes, 1, "it is awake, and looks again by itself");
}

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

static volatile unsigned happened;
static struct waker_slot device;
static struct thread thread;

static void device_interrupt(void)
{
    happened++;
    waker_slot_wake(&device);
}

/* A task that waits for the device to have interrupted. */
struct waiter {
    struct future future;
    struct task task;
    unsigned polls;
};

static struct waiter waiter;

static enum poll waiter_poll(struct future *future, struct waker *waker)
{
    container_of(future, struct waiter, future)->polls++;
    if (happened)
        return POLL_READY;
    waker_slot_register(&device, waker);
    return happened ? POLL_READY : POLL_PENDING;
}

static struct turner beside[2];

static bool all_done(void)
{
    return completion_done(&waiter.task.done) && completion_done(&beside[0].task.done) &&
           completion_done(&beside[1].task.done);
}

/* As the kernel's executor thread, but that it ends with its tasks. */
static void *poll_for_ever(void *argument)
{
    (void)argument;
    machine_window_open();
    while (!all_done()) {
        uint64_t deadline_ns;

        thread_current()->may_not_park = true;
        deadline_ns = executor_poll(&executor, 0);
        thread_current()->may_not_park = false;
        if (!all_done())
            thread_park_until(deadline_ns);
    }
    machine_window_close();
    return NULL;
}

static enum poll beside_poll(struct future *future, struct waker *waker)
{
    struct turner *self = container_of(future, struct turner, future);

    if (++self->turns == 2)
        return POLL_READY;
    waker_wake(waker);
    return POLL_PENDING;
}

static void wait_in_a_task(void)
{
    machine_start(SCHED_QUANTUM_NS);
    happened = 0;
    waker_slot_clear(&device);
    executor_init(&executor, &thread.waker);
    cr_assert_eq(thread_start(&thread, "executor", THREAD_PRIORITY_NORMAL, poll_for_ever, NULL), STATUS_OK);
    waiter = (struct waiter){.future = {.poll = waiter_poll}};
    for (unsigned i = 0; i < 2; i++) {
        beside[i] = (struct turner){.future = {.poll = beside_poll}};
        if (i)
            executor_spawn(&executor, &waiter.task, "waiter", &waiter.future);
        executor_spawn(&executor, &beside[i].task, "beside", &beside[i].future);
    }
    thread_join(&thread);
    cr_assert_eq(happened, 1, "%s", machine_place());
    cr_assert_leq(waiter.polls, 2, "%s", machine_place());
}

/* A wake that is lost deadlocks the machine, which fails. */
Test(executor, loses_no_wake_that_comes_at_any_instruction)
{
    cr_assert_gt(machine_explore(wait_in_a_task, device_interrupt), 300);
}

static struct actor woken_by_interrupt;

static void wake_actor(void)
{
    happened++;
    wake(&woken_by_interrupt);
}

/* A wake during a round: the task is polled again, this round or the next, and the parent is told if the round is over
 * for who polls. */
static void poll_one_round(void)
{
    unsigned polls, wakes;
    uint64_t again_ns;

    init();
    support_trace_clear();
    happened = 0;
    woken_by_interrupt = (struct actor){.pends = 9};
    spawn(&woken_by_interrupt, "a");
    executor_poll(&executor, 0);
    wake(&woken_by_interrupt);
    parent_wakes = 0;
    machine_window_open();
    again_ns = executor_poll(&executor, 0);
    machine_window_close();
    polls = woken_by_interrupt.task.polls;
    wakes = parent_wakes;
    if (!happened)
        return;
    cr_assert_eq(polls, 2);
    executor_poll(&executor, 0);
    if (woken_by_interrupt.task.polls == 2) {
        cr_assert_eq(wakes, 0, "woken for nothing; %s", machine_place()); /* it was still queued: coalesced */
        cr_assert_eq(again_ns, TIMER_NEVER);
    } else {
        cr_assert_eq(woken_by_interrupt.task.polls, 3);
        cr_assert_eq(wakes, again_ns == TIMER_NEVER, "%s", machine_place());
    }
}

Test(executor, wakes_its_parent_exactly_once_for_a_wake_at_any_instruction_of_a_round)
{
    cr_assert_gt(machine_explore(poll_one_round, wake_actor), 50);
}

/* ---- yielding ---------------------------------------------------------------------------------------------------- */

Test(yield_now, is_ready_at_the_second_poll_and_wakes_its_task_at_the_first)
{
    struct yield_now yield = yield_now();

    parent_wakes = 0;
    cr_assert_eq(future_poll(&yield.future, &parent), POLL_PENDING);
    cr_assert_eq(parent_wakes, 1);
    cr_assert_eq(future_poll(&yield.future, &parent), POLL_READY);
    cr_assert_eq(parent_wakes, 1);
}

struct yielder {
    struct actor actor;
    struct yield_now yield;
};

static enum poll yielder_poll(struct future *future, struct waker *waker)
{
    struct yielder *self = container_of(future, struct yielder, actor.future);

    support_trace("%s", self->actor.task.name);
    return future_poll(&self->yield.future, waker);
}

Test(yield_now, lets_every_other_ready_task_be_polled_in_between)
{
    struct yielder yielder = {.yield = yield_now()};
    struct actor a = {.pends = 9, .act = wake_itself}, b = {.pends = 9};

    init();
    spawn(&a, "a");
    yielder.actor.future.poll = yielder_poll;
    executor_spawn(&executor, &yielder.actor.task, "yielder", &yielder.actor.future);
    spawn(&b, "b");
    expect_round("a yielder b", 0);
    expect_round("a yielder", 0);
    cr_assert(completion_done(&yielder.actor.task.done));
}
