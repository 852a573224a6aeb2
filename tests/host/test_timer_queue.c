/* The timer queue against a sorted list, and what a waker may do while its timer expires. */
#include "lib/timer_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

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

/* Expires at `now_ns`; exactly these alarms are woken, in this order. */
static void expect_woken(uint64_t now_ns, const char *ids)
{
    char text[256];
    size_t length = 0;

    text[0] = '\0';
    woken_count = 0;
    cr_assert_eq(timer_queue_expire(&queue, now_ns), woken_count);
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

enum { ALARMS = 300, OPERATIONS = 100000 };

static struct alarm alarms[ALARMS];
static unsigned naive[ALARMS]; /* ids, the one to expire first in front */
static unsigned naive_count;

static void naive_insert(unsigned id, uint64_t deadline_ns)
{
    unsigned at = 0;

    while (at < naive_count && alarms[naive[at]].timer.deadline_ns <= deadline_ns)
        at++;
    memmove(&naive[at + 1], &naive[at], (naive_count++ - at) * sizeof(naive[0]));
    naive[at] = id;
}

static void naive_remove(unsigned id)
{
    unsigned at = 0;

    while (naive[at] != id)
        at++;
    memmove(&naive[at], &naive[at + 1], (--naive_count - at) * sizeof(naive[0]));
}

static void expire_both(uint64_t now_ns)
{
    unsigned due = 0;

    while (due < naive_count && alarms[naive[due]].timer.deadline_ns <= now_ns)
        due++;
    woken_count = 0;
    cr_assert_eq(timer_queue_expire(&queue, now_ns), due);
    cr_assert_eq(woken_count, due);
    cr_assert_arr_eq(woken, naive, due * sizeof(naive[0]));
    naive_count -= due;
    memmove(&naive[0], &naive[due], naive_count * sizeof(naive[0]));
}

static bool naive_holds(unsigned id)
{
    for (unsigned i = 0; i < naive_count; i++)
        if (naive[i] == id)
            return true;
    return false;
}

Test(timer_queue, does_what_a_sorted_list_would)
{
    uint64_t seed = 1, now_ns = 0;

    for (unsigned operation = 0; operation < OPERATIONS; operation++) {
        unsigned id = (unsigned)(support_random(&seed) >> 32) % ALARMS;
        unsigned choice = (unsigned)(support_random(&seed) >> 32) % 16;

        cr_assert_eq(timer_queued(&alarms[id].timer), naive_holds(id));
        if (choice == 0) {
            now_ns += support_random(&seed) % 40;
            expire_both(now_ns);
        } else if (!timer_queued(&alarms[id].timer)) {
            uint64_t deadline_ns = now_ns + support_random(&seed) % 200;

            naive_insert(id, deadline_ns);
            alarm_set(&alarms[id], id, deadline_ns);
        } else if (choice < 9) {
            naive_remove(id);
            timer_queue_remove(&queue, &alarms[id].timer);
        }
        cr_assert_eq(timer_queue_next_deadline(&queue), naive_count ? alarms[naive[0]].timer.deadline_ns : TIMER_NEVER);
    }
    expire_both(TIMER_NEVER);
}

/* A list of this length would overflow a stack that recursed along it, and take minutes if it were searched. */
Test(timer_queue, sorts_ten_thousand_timers)
{
    enum { COUNT = 10000 };
    struct alarm *many = calloc(COUNT, sizeof(*many));

    for (unsigned order = 0; order < 3; order++) {
        for (unsigned i = 0; i < COUNT; i++) {
            unsigned id = order == 0 ? i : order == 1 ? COUNT - 1 - i : (unsigned)(i * UINT64_C(7919) % COUNT);

            alarm_set(&many[id], id, id);
        }
        woken_count = 0;
        cr_assert_eq(timer_queue_expire(&queue, COUNT), COUNT);
        for (unsigned i = 0; i < COUNT; i++)
            cr_assert_eq(woken[i], i);
    }
    free(many);
}
