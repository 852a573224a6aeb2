/*
 * An executor, its timers, its pool and cancels, driven by random operations against a naive reference.
 *
 * The reference knows of each task only what it was told: whether it is ready, in what order, when it is due, whether
 * it is cancelled. It predicts the trace of every round. DUET_MODEL_OPERATIONS and DUET_MODEL_SEED in the environment
 * choose another count and seed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "executor/sleep.h"
#include "executor/task_join.h"
#include "support.h"

enum { TASKS = 24, OPERATIONS = 100000, QUEUE_MAX = 64 };

enum act { ACT_PEND, ACT_SLEEP, ACT_WAKE_SELF, ACT_WAKE_OTHER, ACT_CANCEL_OTHER, ACT_END };

/* The thing under test: a future that does what it was told to do at its next poll. */
struct subject {
    struct future future;
    unsigned number;
    struct sleep sleep;
};

static struct executor executor;
static struct task_pool pool;
static TASK_SLOTS(struct subject) slots[TASKS];

/* The reference. */
static struct model {
    bool alive, queued, cancelled, sleeping, new_born, ended_queued;
    uint64_t deadline_ns, sequence;
    enum act act;
    unsigned other;
    uint64_t duration_ns;
    struct task_handle handle;
    unsigned polls, drops;
    bool dropped;
} model[TASKS];

static unsigned queue[QUEUE_MAX];
static size_t queue_length;
static uint64_t now_ns, sequence;
static uint64_t random_state;

/* What happened, to be compared: poll n or drop n. */
static int happened[QUEUE_MAX * 4], expected[QUEUE_MAX * 4];
static size_t happened_count, expected_count;

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}
static struct waker parent = {wake_nothing};

static uint64_t pick(uint64_t count)
{
    return support_random(&random_state) % count;
}

/* ---- under test -------------------------------------------------------------------------------------------------- */

static enum poll subject_poll(struct future *future, struct waker *waker)
{
    struct subject *self = container_of(future, struct subject, future);
    const struct model *told = &model[self->number];

    happened[happened_count++] = (int)self->number;
    future_drop(&self->sleep.future);
    switch (told->act) {
    case ACT_SLEEP:
        self->sleep = sleep_until(&executor, executor.now_ns + told->duration_ns);
        if (future_poll(&self->sleep.future, waker) == POLL_READY)
            abort();
        return POLL_PENDING;
    case ACT_WAKE_SELF:
        waker_wake(waker);
        return POLL_PENDING;
    case ACT_WAKE_OTHER:
        waker_wake(&slots[told->other].task.waker); /* of a live task, or one that is long over */
        return POLL_PENDING;
    case ACT_CANCEL_OTHER:
        if (model[told->other].handle.task)
            task_handle_cancel(model[told->other].handle);
        return POLL_PENDING;
    case ACT_END:
        return task_return(future, waker, 1000 + self->number);
    case ACT_PEND:
    default:
        return POLL_PENDING;
    }
}

static void subject_drop(struct future *future)
{
    struct subject *self = container_of(future, struct subject, future);

    happened[happened_count++] = -1 - (int)self->number;
    future_drop(&self->sleep.future);
}

/* ---- the reference ----------------------------------------------------------------------------------------------- */

static void model_wake(unsigned number)
{
    if (!model[number].alive || model[number].queued)
        return;
    model[number].queued = true;
    queue[queue_length++] = number;
}

static void model_cancel(unsigned number)
{
    if (!model[number].alive)
        return;
    model[number].cancelled = true;
    model_wake(number);
}

static void model_expire(void)
{
    for (;;) {
        struct model *first = NULL;

        for (unsigned i = 0; i < TASKS; i++) {
            struct model *at = &model[i];

            if (at->alive && at->sleeping && at->deadline_ns <= now_ns &&
                (!first || at->deadline_ns < first->deadline_ns ||
                 (at->deadline_ns == first->deadline_ns && at->sequence < first->sequence)))
                first = at;
        }
        if (!first)
            return;
        first->sleeping = false;
        model_wake((unsigned)(first - model));
    }
}

static void model_poll(unsigned number)
{
    struct model *self = &model[number];

    expected[expected_count++] = (int)number;
    self->polls++;
    self->sleeping = false;
    switch (self->act) {
    case ACT_SLEEP:
        self->sleeping = true;
        self->deadline_ns = now_ns + self->duration_ns;
        self->sequence = sequence++;
        break;
    case ACT_WAKE_SELF:
        model_wake(number);
        break;
    case ACT_WAKE_OTHER:
        model_wake(self->other);
        break;
    case ACT_CANCEL_OTHER:
        model_cancel(self->other);
        break;
    case ACT_END:
        self->alive = self->queued;
        self->ended_queued = self->queued;
        break;
    case ACT_PEND:
    default:
        break;
    }
}

/* The round's trace, and the time to poll again at. */
static uint64_t model_round(void)
{
    unsigned batch[QUEUE_MAX];
    size_t length;
    uint64_t next_ns = TIMER_NEVER;

    model_expire();
    length = queue_length;
    for (size_t i = 0; i < length; i++)
        batch[i] = queue[i];
    queue_length = 0;
    for (size_t i = 0; i < length; i++) {
        struct model *self = &model[batch[i]];

        self->queued = false;
        if (self->cancelled) {
            expected[expected_count++] = -1 - (int)batch[i];
            self->drops++;
            self->alive = false;
            self->sleeping = false;
        } else {
            model_poll(batch[i]);
        }
    }
    if (queue_length)
        return 0;
    for (unsigned i = 0; i < TASKS; i++)
        if (model[i].alive && model[i].sleeping && model[i].deadline_ns < next_ns)
            next_ns = model[i].deadline_ns;
    return next_ns > now_ns ? next_ns : 0;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void tell(unsigned number)
{
    static const enum act acts[] = {ACT_PEND,      ACT_SLEEP,      ACT_SLEEP,        ACT_SLEEP,
                                    ACT_WAKE_SELF, ACT_WAKE_OTHER, ACT_CANCEL_OTHER, ACT_END};

    model[number].act = acts[pick(ARRAY_SIZE(acts))];
    model[number].duration_ns = 1 + pick(pick(2) ? 50 : 100000);
    do
        model[number].other = (unsigned)pick(TASKS);
    while (model[number].other == number);
}

static void operation_spawn(void)
{
    struct subject *frame = task_pool_take(&pool);
    unsigned number, ended = 0;

    if (!frame) {
        for (unsigned i = 0; i < TASKS; i++)
            ended += !model[i].alive && !model[i].dropped;
        cr_assert_eq(ended, 0, "the pool is full, but not all live");
        return;
    }
    number = (unsigned)((struct task *)frame - 1 == &slots[0].task
                            ? 0
                            : ((char *)frame - (char *)&slots[0].frame) / (long)sizeof(slots[0]));
    cr_assert_not(model[number].alive);
    *frame = (struct subject){.future = {subject_poll, subject_drop}, .number = number};
    model[number] = (struct model){.alive = true};
    tell(number);
    model[number].handle = task_pool_spawn(&pool, frame);
    model_wake(number);
}

/* Takes what tasks that have ended leave: their value and their slot. */
static void reap(void)
{
    for (unsigned i = 0; i < TASKS; i++) {
        struct model *self = &model[i];

        if (!self->handle.task || self->dropped)
            continue;
        cr_assert_eq(task_handle_ended(self->handle), !self->alive);
        if (self->alive)
            continue;
        cr_assert_eq(self->handle.task->polls, self->polls);
        cr_assert_leq(self->drops, 1);
        cr_assert_eq(task_take_value(self->handle.task), self->drops ? TASK_CANCELLED_VALUE : 1000 + i);
        self->dropped = true;
    }
}

static void operation_round(void)
{
    uint64_t again_ns, expected_ns;

    happened_count = expected_count = 0;
    again_ns = executor_poll(&executor, now_ns);
    expected_ns = model_round();
    cr_assert_eq(happened_count, expected_count);
    for (size_t i = 0; i < happened_count; i++)
        cr_assert_eq(happened[i], expected[i]);
    cr_assert_eq(again_ns, expected_ns);
    reap();
    for (unsigned i = 0; i < TASKS; i++)
        tell(i);
}

static void operate(void)
{
    unsigned number = (unsigned)pick(TASKS);

    switch (pick(8)) {
    case 0:
        operation_spawn();
        break;
    case 1:
        if (model[number].handle.task)
            task_handle_cancel(model[number].handle); /* of this life, or of one that is over */
        model_cancel(number);
        break;
    case 2:
    case 3:
        waker_wake(&slots[number].task.waker);
        model_wake(number);
        break;
    case 4:
        now_ns += pick(pick(2) ? 60 : 50000);
        break;
    default:
        operation_round();
        break;
    }
}

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : standard;
}

Test(executor_model, agrees_with_a_naive_reference_at_every_operation, .timeout = 600)
{
    uint64_t operations = setting("DUET_MODEL_OPERATIONS", OPERATIONS);

    random_state = setting("DUET_MODEL_SEED", 20240101);
    executor_init(&executor, &parent);
    task_pool_init(&pool, &executor, "subject", slots, sizeof(slots[0]), TASKS);
    for (uint64_t i = 0; i < operations; i++)
        operate();
    for (unsigned i = 0; i < TASKS; i++) {
        if (model[i].handle.task)
            task_handle_cancel(model[i].handle);
        model_cancel(i);
    }
    operation_round();
    operation_round();
    cr_assert_eq(task_pool_used(&pool), 0);
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
}
