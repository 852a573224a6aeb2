/* The sleep future in an executor whose time the test sets. */
#include "executor/sleep.h"

#include "support.h"

struct sleeper {
    struct future future;
    struct task task;
    struct sleep sleep;
};

static struct executor executor;

static void wake_nobody(struct waker *waker)
{
    (void)waker;
}

static struct waker parent = {wake_nobody};

static enum poll sleeper_poll(struct future *future, struct waker *waker)
{
    struct sleeper *self = container_of(future, struct sleeper, future);
    enum poll result = future_poll(&self->sleep.future, waker);

    support_trace("%s%s", self->task.name, result == POLL_READY ? "!" : "");
    return result;
}

static void spawn(struct sleeper *sleeper, const char *name, uint64_t deadline_ns)
{
    *sleeper = (struct sleeper){.future = {.poll = sleeper_poll}, .sleep = sleep_until(&executor, deadline_ns)};
    executor_spawn(&executor, &sleeper->task, name, &sleeper->future);
}

/* At this time exactly these are polled, those with a mark are done, and this is the time to poll again. */
static void expect_at(uint64_t now_ns, const char *polled, uint64_t again_ns)
{
    support_trace_clear();
    cr_assert_eq(executor_poll(&executor, now_ns), again_ns);
    cr_assert_str_eq(support_trace_text(), polled);
}

static void init(void)
{
    executor_init(&executor, &parent);
}

TestSuite(sleep, .init = init);

Test(sleep, is_nothing_but_a_struct_until_it_is_polled)
{
    struct sleep sleep = sleep_until(&executor, 100);

    cr_assert_not(timer_queued(&sleep.timer));
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
}

Test(sleep, leaves_no_timer_behind_when_it_is_dropped)
{
    struct sleep never_polled = sleep_until(&executor, 100);
    struct sleeper a;

    future_drop(&never_polled.future);
    spawn(&a, "a", 100);
    expect_at(0, "a", 100);
    future_drop(&a.sleep.future);
    cr_assert_not(timer_queued(&a.sleep.timer));
    expect_at(200, "", TIMER_NEVER);
}

Test(sleep, ends_at_its_deadline_and_not_before)
{
    struct sleeper a;

    spawn(&a, "a", 100);
    expect_at(0, "a", 100);
    expect_at(99, "", 100);
    expect_at(100, "a!", TIMER_NEVER);
    cr_assert(completion_done(&a.task.done));
}

Test(sleep, is_ready_at_once_when_its_deadline_has_passed)
{
    struct sleeper a, b;

    spawn(&a, "a", 100);
    spawn(&b, "b", 101);
    expect_at(100, "a! b", 101);
    cr_assert_not(timer_queued(&a.sleep.timer));
}

Test(sleep, ends_in_the_order_of_the_deadlines)
{
    struct sleeper a, b, c;

    spawn(&a, "a", 300);
    spawn(&b, "b", 100);
    spawn(&c, "c", 200);
    expect_at(0, "a b c", 100);
    expect_at(500, "b! c! a!", TIMER_NEVER);
}

Test(sleep, ends_in_the_order_of_falling_asleep_when_the_deadlines_are_equal)
{
    struct sleeper a, b, c;

    spawn(&b, "b", 100);
    spawn(&c, "c", 100);
    spawn(&a, "a", 100);
    expect_at(0, "b c a", 100);
    expect_at(100, "b! c! a!", TIMER_NEVER);
}

Test(sleep, goes_on_after_an_early_wake_with_the_one_timer_it_has)
{
    struct sleeper a;

    spawn(&a, "a", 100);
    expect_at(0, "a", 100);
    for (uint64_t now = 10; now < 100; now += 10) {
        waker_wake(&a.task.waker);
        expect_at(now, "a", 100);
    }
    expect_at(100, "a!", TIMER_NEVER);
}

Test(sleep, leaves_no_timer_behind_when_its_owner_shortens_it)
{
    struct sleeper a;

    spawn(&a, "a", 100);
    expect_at(0, "a", 100);
    a.sleep.deadline_ns = 50;
    waker_wake(&a.task.waker);
    expect_at(60, "a!", TIMER_NEVER);
    cr_assert_not(timer_queued(&a.sleep.timer));
}

Test(sleep, wakes_each_of_a_thousand_at_its_own_time)
{
    enum { COUNT = 1000 };
    static struct sleeper sleepers[COUNT];
    uint64_t now = 0;
    unsigned done = 0;

    for (unsigned i = 0; i < COUNT; i++)
        spawn(&sleepers[i], "", 1 + i * 7919 % COUNT);
    while (done < COUNT) {
        uint64_t again_ns = executor_poll(&executor, now);

        support_trace_clear();
        done = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            cr_assert_eq(completion_done(&sleepers[i].task.done), sleepers[i].sleep.deadline_ns <= now);
            done += completion_done(&sleepers[i].task.done);
        }
        cr_assert_eq(again_ns, now < COUNT ? now + 1 : TIMER_NEVER);
        now++;
    }
}
