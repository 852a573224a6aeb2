/* See timer_model.h. */
#include "timer_model.h"

#include <string.h>

#include "lib/timer_queue.h"
#include "support.h"

struct alarm {
    struct waker waker;
    struct timer timer;
    unsigned id;
};

static struct timer_queue queue;
static struct alarm alarms[TIMER_MODEL_ALARMS];
static unsigned naive[TIMER_MODEL_ALARMS]; /* ids, the one to expire first in front */
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
    timer_queue_insert(&queue, &alarms[id].timer, deadline_ns, &alarms[id].waker);
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

static void model_wake(struct waker *waker)
{
    struct alarm *alarm = container_of(waker, struct alarm, waker);

    require(!timer_queued(&alarm->timer));
    require(naive_count > 0 && naive[0] == alarm->id);
    require(alarm->timer.deadline_ns <= model_now_ns);
    require(alarm->timer.deadline_ns == queue.past_ns);
    memmove(&naive[0], &naive[1], --naive_count * sizeof(naive[0]));
    model_woken_count++;
    if (random_below(8) == 7)
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

void timer_model_check(void)
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

void timer_model_begin(unsigned count, uint64_t start_ns, uint64_t new_seed)
{
    seed = new_seed;
    memset(&queue, 0, sizeof(queue));
    memset(alarms, 0, sizeof(alarms));
    naive_count = 0;
    model_alarms = count;
    model_now_ns = start_ns;
    for (unsigned i = 0; i < count; i++)
        alarms[i] = (struct alarm){.waker = {model_wake}, .id = i};
}

void timer_model_operate(void)
{
    unsigned choice = (unsigned)random_below(16);

    if (choice == 0)
        model_advance();
    else
        model_toggle();
    if (choice < 8)
        check_answer(timer_queue_next_deadline(&queue), false);
}

void timer_model_end(void)
{
    model_now_ns = TIMER_NEVER;
    model_expire_all();
    require(naive_count == 0);
    timer_model_check();
}
