/* The timer queue against a sorted list, how long its calls are, and what a waker may do while its timer expires. */
#include "lib/timer_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "timer_model.h"

struct alarm {
    struct waker waker;
    struct timer timer;
    unsigned id;
    void (*wake)(struct alarm *alarm);
};

static struct timer_queue queue;
static unsigned woken[20000], woken_count;

static void alarm_wake(struct waker *waker)
{
    struct alarm *alarm = container_of(waker, struct alarm, waker);

    cr_assert_not(timer_queued(&alarm->timer), "still queued when woken");
    woken[woken_count++] = alarm->id;
    if (alarm->wake)
        alarm->wake(alarm);
}

static void alarm_set(struct alarm *alarm, unsigned id, uint64_t deadline_ns)
{
    alarm->id = id;
    alarm->waker.wake = alarm_wake;
    timer_queue_insert(&queue, &alarm->timer, deadline_ns, &alarm->waker);
}

/* Calls until nothing is due; returns the last call's answer. */
static uint64_t expire_all(uint64_t now_ns)
{
    uint64_t again_ns;

    do
        again_ns = timer_queue_expire(&queue, now_ns);
    while (again_ns <= now_ns && again_ns != TIMER_NEVER);
    return again_ns;
}

/* Expires at `now_ns`; exactly these alarms are woken, in this order. */
static void expect_woken(uint64_t now_ns, const char *ids)
{
    char text[256];
    size_t length = 0;

    text[0] = '\0';
    woken_count = 0;
    cr_assert_eq(timer_queue_expire(&queue, now_ns), timer_queue_next_deadline(&queue));
    for (unsigned i = 0; i < woken_count; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%u", i ? " " : "", woken[i]);
    cr_assert_str_eq(text, ids);
}

Test(timer_queue, expires_nothing_when_empty)
{
    cr_assert_eq(timer_queue_next_deadline(&queue), TIMER_NEVER);
    expect_woken(TIMER_NEVER, "");
}

Test(timer_queue, expires_at_its_deadline_and_not_before)
{
    struct alarm alarm = {0};

    cr_assert_not(timer_queued(&alarm.timer));
    alarm_set(&alarm, 1, 100);
    cr_assert(timer_queued(&alarm.timer));
    cr_assert_eq(timer_queue_next_deadline(&queue), 100);
    expect_woken(99, "");
    expect_woken(100, "1");
    expect_woken(101, "");
    cr_assert_eq(timer_queue_next_deadline(&queue), TIMER_NEVER);
}

Test(timer_queue, wakes_the_earliest_first_whatever_the_order_of_insertion)
{
    static const uint64_t deadlines[] = {50, 10, 40, 20, 60, 30};
    struct alarm alarms[6] = {0};

    for (unsigned i = 0; i < 6; i++)
        alarm_set(&alarms[i], (unsigned)deadlines[i], deadlines[i]);
    cr_assert_eq(timer_queue_next_deadline(&queue), 10);
    expect_woken(35, "10 20 30");
    cr_assert_eq(timer_queue_next_deadline(&queue), 40);
    expect_woken(60, "40 50 60");
}

Test(timer_queue, wakes_equal_deadlines_in_the_order_of_insertion)
{
    struct alarm alarms[12] = {0};

    for (unsigned i = 0; i < 12; i++)
        alarm_set(&alarms[i], i, i % 3 == 2 ? 5 : 7);
    expect_woken(7, "2 5 8 11 0 1 3 4 6 7 9 10");
}

Test(timer_queue, forgets_a_removed_timer_wherever_it_is)
{
    for (unsigned removed = 0; removed < 7; removed++) {
        struct alarm alarms[7] = {0};
        unsigned expected = 0;

        queue = (struct timer_queue){0};
        for (unsigned i = 0; i < 7; i++)
            alarm_set(&alarms[i], i, 10 + i * 4 % 7);
        timer_queue_expire(&queue, 10);
        timer_queue_remove(&queue, &alarms[removed].timer);
        cr_assert_not(timer_queued(&alarms[removed].timer));
        woken_count = 0;
        timer_queue_expire(&queue, 20);
        for (unsigned deadline = 11; deadline < 17; deadline++) {
            unsigned id = (deadline - 10) * 2 % 7;

            if (id != removed)
                cr_assert_eq(woken[expected++], id);
        }
        cr_assert_eq(woken_count, expected);
    }
}

Test(timer_queue, leaves_alone_what_is_not_queued)
{
    struct alarm queued = {0}, never = {0};

    alarm_set(&queued, 1, 10);
    timer_queue_remove(&queue, &never.timer);
    timer_queue_remove(&queue, &queued.timer);
    timer_queue_remove(&queue, &queued.timer);
    expect_woken(TIMER_NEVER, "");
}

Test(timer_queue, takes_a_timer_again_once_it_is_out)
{
    struct alarm alarm = {0};

    alarm_set(&alarm, 1, 10);
    timer_queue_remove(&queue, &alarm.timer);
    alarm_set(&alarm, 1, 20);
    expect_woken(20, "1");
    alarm_set(&alarm, 1, 15);
    expect_woken(20, "1");
}

Test(timer_queue, panics_at_a_timer_inserted_twice, .exit_code = PANIC_EXIT)
{
    struct alarm alarm = {0};

    alarm_set(&alarm, 1, 10);
    alarm_set(&alarm, 1, 20);
}

static struct alarm others[2];

static void insert_others(struct alarm *alarm)
{
    (void)alarm;
    alarm_set(&others[0], 7, 10);
    alarm_set(&others[1], 8, 11);
}

Test(timer_queue, expires_what_a_waker_inserts_if_it_is_due)
{
    struct alarm alarm = {.wake = insert_others};

    alarm_set(&alarm, 1, 10);
    expect_woken(10, "1 7");
    expect_woken(11, "8");
}

static void remove_others(struct alarm *alarm)
{
    (void)alarm;
    timer_queue_remove(&queue, &others[0].timer);
}

Test(timer_queue, does_not_wake_what_a_waker_removes)
{
    struct alarm alarm = {.wake = remove_others};

    alarm_set(&alarm, 1, 10);
    alarm_set(&others[0], 2, 10);
    alarm_set(&others[1], 3, 10);
    expect_woken(10, "1 3");
}

static void insert_itself(struct alarm *alarm)
{
    alarm_set(alarm, alarm->id, 20);
}

Test(timer_queue, lets_a_waker_queue_its_own_timer_again)
{
    struct alarm alarm = {.wake = insert_itself};

    alarm_set(&alarm, 1, 10);
    expect_woken(10, "1");
    alarm.wake = NULL;
    expect_woken(20, "1");
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

enum { CLOCKS = 4 };

static void model_test(unsigned count, unsigned operations)
{
    static const uint64_t starts_ns[CLOCKS] = {0, 1000000007, UINT64_C(1) << 42, UINT64_MAX - (UINT64_C(1) << 36)};

    for (unsigned i = 0; i < CLOCKS; i++) {
        timer_model_begin(count, starts_ns[i], count + i);
        for (unsigned operation = 0; operation < operations / CLOCKS; operation++) {
            timer_model_operate();
            if (operation % 128 == 0)
                timer_model_check();
        }
        timer_model_end();
    }
}

Test(timer_queue, does_what_a_sorted_list_would_with_few)
{
    model_test(3, 500000);
    model_test(TIMER_STEPS, 1500000);
}

Test(timer_queue, does_what_a_sorted_list_would_with_many)
{
    model_test(300, 1000000);
    model_test(TIMER_MODEL_ALARMS, 1000000);
}

/* ---- how long a call is ------------------------------------------------------------------------------------------ */

enum { MANY = 5000 };

static struct alarm many[MANY];
static struct timer before[MANY];

static void note_all(void)
{
    for (unsigned i = 0; i < MANY; i++)
        before[i] = many[i].timer;
}

/* Timers that are not what they were. One that is woken or moved has two neighbours. */
static void expect_few_touched(void)
{
    unsigned touched = 0;

    for (unsigned i = 0; i < MANY; i++)
        touched += memcmp(&before[i], &many[i].timer, sizeof(before[i])) != 0;
    cr_assert_leq(touched, 3 * TIMER_STEPS + 3, "%u timers at once", touched);
}

/* Deadlines `apart_ns` from each other far ahead expire in the end, in order, and no call touches more than a few. */
static void expect_short_calls(uint64_t apart_ns)
{
    uint64_t start_ns = queue.past_ns + 5000000000, now_ns = start_ns;
    unsigned calls = 0;

    woken_count = 0;
    for (unsigned i = 0; i < MANY; i++)
        alarm_set(&many[i], i, start_ns + i * apart_ns);
    while (now_ns != TIMER_NEVER) {
        unsigned woken_before = woken_count;
        uint64_t again_ns;

        note_all();
        again_ns = timer_queue_expire(&queue, now_ns);
        expect_few_touched();
        cr_assert_leq(woken_count - woken_before, TIMER_STEPS);
        now_ns = again_ns < now_ns ? now_ns : again_ns;
        calls++;
    }
    for (unsigned i = 0; i < MANY; i++)
        cr_assert_eq(woken[i], i);
    cr_assert_eq(woken_count, MANY);
    cr_assert_leq(calls, apart_ns ? 2 * MANY : MANY / TIMER_STEPS * 5, "%u calls", calls);
}

Test(timer_queue, does_a_bounded_amount_of_work_a_call)
{
    expect_short_calls(0);
    expect_short_calls(1);
    expect_short_calls(1000);
    expect_short_calls(1000000);
}

Test(timer_queue, is_exact_again_once_time_reaches_a_slot_whose_earliest_was_removed)
{
    uint64_t next_ns;
    unsigned calls = 0;

    timer_queue_expire(&queue, 1);
    for (unsigned i = 0; i < 100; i++)
        alarm_set(&many[i], i, 1000000 + 100 - i);
    for (unsigned i = 99; i > 50; i--) {
        timer_queue_remove(&queue, &many[i].timer);
        next_ns = timer_queue_next_deadline(&queue);
        cr_assert_leq(next_ns, 1000000 + 100 - i + 1);
        cr_assert_geq(next_ns, 3 << 18, "earlier than the slot");
    }
    cr_assert_eq(next_ns, 3 << 18, "more than a few were looked at");
    woken_count = 0;
    for (uint64_t now_ns = next_ns; woken_count<2; now_ns = next_ns> now_ns ? next_ns : now_ns) {
        next_ns = timer_queue_expire(&queue, now_ns);
        if (woken_count > 0)
            cr_assert_eq(now_ns, 1000049 + woken_count, "late");
        cr_assert_lt(++calls, 20);
    }
    cr_assert_eq(woken[0], 50);
    cr_assert_eq(woken[1], 49);
}

/* A list of this length would overflow a stack that recursed along it, and take minutes if it were searched. */
Test(timer_queue, sorts_ten_thousand_timers)
{
    enum { COUNT = 10000 };
    struct alarm *thousands = calloc(COUNT, sizeof(*thousands));

    for (unsigned order = 0; order < 3; order++) {
        for (unsigned i = 0; i < COUNT; i++) {
            unsigned id = order == 0 ? i : order == 1 ? COUNT - 1 - i : (unsigned)(i * UINT64_C(7919) % COUNT);

            alarm_set(&thousands[id], id, queue.past_ns + id);
        }
        woken_count = 0;
        cr_assert_eq(expire_all(queue.past_ns + COUNT), TIMER_NEVER);
        cr_assert_eq(woken_count, COUNT);
        for (unsigned i = 0; i < COUNT; i++)
            cr_assert_eq(woken[i], i);
    }
    free(thousands);
}
