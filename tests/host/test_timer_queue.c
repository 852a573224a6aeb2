/* The timer queue against a sorted list, how long its calls are, and what a waker may do while its timer expires. */
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

enum { ALARMS = 1000, CLOCKS = 4 };

static struct alarm alarms[ALARMS];
static unsigned naive[ALARMS]; /* ids, the one to expire first in front */
static unsigned naive_count;
static uint64_t seed, model_now_ns;
static unsigned model_alarms; /* how many of them take part */
static unsigned model_woken_count;

/* Criterion's own assertions are too slow for millions. */
static void require_at(bool condition, int line, const char *text)
{
    if (!condition)
        cr_assert_fail("line %d: %s", line, text);
}

#define require(condition) require_at(condition, __LINE__, #condition)

static uint64_t random_below(uint64_t limit)
{
    return (support_random(&seed) >> 16) % limit;
}

static uint64_t naive_deadline(unsigned at)
{
    return alarms[naive[at]].timer.deadline_ns;
}

static void naive_insert(unsigned id, uint64_t deadline_ns)
{
    unsigned low = 0, high = naive_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (naive_deadline(middle) <= deadline_ns)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&naive[low + 1], &naive[low], (naive_count++ - low) * sizeof(naive[0]));
    naive[low] = id;
}

static void naive_remove(unsigned id)
{
    unsigned at = 0;

    while (naive[at] != id)
        at++;
    memmove(&naive[at], &naive[at + 1], (--naive_count - at) * sizeof(naive[0]));
}

static uint64_t saturating_sum(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t random_deadline(void)
{
    uint64_t boundary = (UINT64_C(1) << random_below(11) * TIMER_DIGIT_BITS) - 1;

    switch (random_below(16)) {
    case 0:
        return UINT64_MAX - random_below(2);
    case 1:
        return random_below(2) * model_now_ns / 2;
    case 2:
        return model_now_ns - (model_now_ns < 100 ? 0 : random_below(100));
    case 3:
        return saturating_sum(model_now_ns | boundary, random_below(3));
    case 4:
    case 5:
        return naive_count ? naive_deadline((unsigned)random_below(naive_count)) : 0;
    case 6:
    case 7:
        return saturating_sum(model_now_ns, support_random(&seed) >> random_below(64));
    case 8:
    case 9:
        return saturating_sum(model_now_ns, random_below(UINT64_C(1) << 30));
    case 10:
    case 11:
    case 12: /* many in one slot */
        return saturating_sum(model_now_ns | 4095, 1 + random_below(20) * 17);
    default:
        return saturating_sum(model_now_ns, random_below(300));
    }
}

static void model_insert(unsigned id)
{
    uint64_t deadline_ns = random_deadline();

    naive_insert(id, deadline_ns < queue.past_ns ? queue.past_ns : deadline_ns);
    alarm_set(&alarms[id], id, deadline_ns);
}

static void model_remove(unsigned id)
{
    naive_remove(id);
    timer_queue_remove(&queue, &alarms[id].timer);
    require(!timer_queued(&alarms[id].timer));
}

/* The first or the last timer of those that move. */
static unsigned random_moving(void)
{
    struct timer *first = queue.slots[queue.moving];

    return container_of(random_below(2) ? first : first->prev, struct alarm, timer)->id;
}

/* Queues an alarm that is not queued, and removes one that is, at times one of the earliest or one where those that
 * move begin or end. */
static void model_toggle(void)
{
    unsigned id = (unsigned)random_below(model_alarms);

    if (queue.moving && random_below(4) == 0)
        id = random_moving();
    else if (naive_count && random_below(8) == 0)
        id = naive[random_below(naive_count) % 3 % naive_count];
    if (!timer_queued(&alarms[id].timer))
        model_insert(id);
    else if (random_below(3))
        model_remove(id);
}

static void model_wake(struct alarm *alarm)
{
    woken_count = 0;
    require(naive_count > 0 && naive[0] == alarm->id);
    require(alarm->timer.deadline_ns <= model_now_ns);
    require(alarm->timer.deadline_ns == queue.past_ns);
    memmove(&naive[0], &naive[1], --naive_count * sizeof(naive[0]));
    model_woken_count++;
    if (random_below(8) == 0)
        model_toggle();
}

/* One timer in its place, neither earlier than what may be nor than the slot's first, if that is the earliest. */
static void check_timer(const struct timer *timer, size_t place, const struct timer *first)
{
    size_t level = place / TIMER_SLOTS, shift = level * TIMER_DIGIT_BITS;
    uint64_t above = (timer->deadline_ns ^ queue.base_ns) >> shift >> TIMER_DIGIT_BITS;
    bool sure = place != queue.moving && !(queue.unsure[level] >> place % TIMER_SLOTS & 1);

    require(timer->deadline_ns >= queue.past_ns);
    require(above == 0 && (timer->deadline_ns >> shift) % TIMER_SLOTS == place % TIMER_SLOTS);
    require(level == 0 || place == queue.moving || (queue.base_ns >> shift) % TIMER_SLOTS != place % TIMER_SLOTS);
    require(!sure || timer->deadline_ns >= first->deadline_ns);
    require(!queue.first || timer->deadline_ns >= queue.first->deadline_ns);
    require(timer->next ? timer->next->prev == timer : first->prev == timer);
}

/* The structure is sound and holds so many timers as the model. */
static void check_queue(void)
{
    unsigned count = queue.first != NULL;

    require(queue.base_ns <= queue.past_ns && queue.past_ns <= model_now_ns);
    for (size_t place = 0; place < TIMER_LEVELS * TIMER_SLOTS; place++) {
        size_t level = place / TIMER_SLOTS;
        bool occupied = queue.occupied[level] >> place % TIMER_SLOTS & 1;

        require((queue.levels >> level & 1) == (queue.occupied[level] != 0));
        require(occupied || (place != queue.moving || place == 0));
        require(occupied || !(queue.unsure[level] >> place % TIMER_SLOTS & 1));
        for (const struct timer *timer = occupied ? queue.slots[place] : NULL; timer; timer = timer->next, count++)
            check_timer(timer, place, queue.slots[place]);
    }
    require(count == naive_count);
}

/* `at_once`: an answer that asks for a call now need not be exact. */
static void check_answer(uint64_t answer_ns, bool at_once)
{
    uint64_t exact_ns = naive_count ? naive_deadline(0) : TIMER_NEVER;

    require(answer_ns <= exact_ns);
    require(answer_ns != TIMER_NEVER || exact_ns == TIMER_NEVER);
    require(answer_ns == exact_ns || model_alarms > TIMER_STEPS || (at_once && answer_ns <= model_now_ns));
}

static uint64_t model_expire(void)
{
    uint64_t answer_ns;

    model_woken_count = 0;
    answer_ns = timer_queue_expire(&queue, model_now_ns);
    require(model_woken_count <= TIMER_STEPS);
    check_answer(answer_ns, true);
    return answer_ns;
}

/* Nothing due is left, after a number of calls that fits what there was to do. */
static void model_expire_all(void)
{
    unsigned calls = 0;

    while (model_expire() <= model_now_ns && naive_count > 0)
        require(++calls < 1000);
}

/* Mostly to what the queue asks for, or just before. */
static void model_advance(void)
{
    uint64_t next_ns = timer_queue_next_deadline(&queue);
    uint64_t to_ns = model_now_ns;
    uint64_t far_ns = naive_count ? naive_deadline((unsigned)random_below(naive_count)) : 0;

    switch (random_below(8)) {
    case 0:
        to_ns = saturating_sum(to_ns, random_below(UINT64_C(1) << random_below(32)));
        break;
    case 1:
        to_ns = next_ns - (next_ns > 0);
        break;
    case 2:
        to_ns = far_ns - model_now_ns < UINT64_C(1) << 40 ? far_ns : next_ns;
        break;
    default:
        to_ns = next_ns;
    }
    if (to_ns > model_now_ns && to_ns - model_now_ns < UINT64_C(1) << 50)
        model_now_ns = to_ns;
    if (random_below(4))
        model_expire_all();
    else
        model_expire();
}

static void model_run(unsigned count, uint64_t start_ns, unsigned operations)
{
    model_alarms = count;
    model_now_ns = start_ns;
    for (unsigned i = 0; i < count; i++)
        alarms[i].wake = model_wake;
    for (unsigned operation = 0; operation < operations; operation++) {
        unsigned choice = (unsigned)random_below(16);

        if (choice == 0)
            model_advance();
        else
            model_toggle();
        if (choice < 8)
            check_answer(timer_queue_next_deadline(&queue), false);
        if (operation % 128 == 0)
            check_queue();
    }
    model_now_ns = TIMER_NEVER;
    model_expire_all();
    require(naive_count == 0);
    check_queue();
}

static void model_test(unsigned count, unsigned operations)
{
    static const uint64_t starts_ns[CLOCKS] = {0, 1000000007, UINT64_C(1) << 42, UINT64_MAX - (UINT64_C(1) << 36)};

    for (unsigned i = 0; i < CLOCKS; i++) {
        seed = count + i;
        memset(&queue, 0, sizeof(queue));
        model_run(count, starts_ns[i], operations / CLOCKS);
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
    model_test(ALARMS, 1000000);
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
