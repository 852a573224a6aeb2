/* See executor_model.h. */
#include "executor_model.h"

#include <stdlib.h>

#include "executor/channel.h"
#include "executor/sleep.h"
#include "executor/task_join.h"
#include "support.h"

enum { TASKS = 24, QUEUE_MAX = 64, CHANNELS = 2, CAPACITY_MAX = 3, STATUS_BASE = 100 };

/* So many timers are woken by one expiry, wherever they are. */
enum { SURELY_EXPIRE = 4 };

enum act {
    ACT_PEND,
    ACT_SLEEP,
    ACT_WAKE_SELF,
    ACT_WAKE_OTHER,
    ACT_CANCEL_OTHER,
    ACT_SEND,
    ACT_RECEIVE,
    ACT_CLOSE,
    ACT_END,
    ACT_WAKE_AND_END,
};

/* What a task has begun and may go on with, or drop. */
enum busy { BUSY_NOT, BUSY_SENDING, BUSY_RECEIVING };

/* The thing under test: a future that does what it was told to do at its next poll. */
struct subject {
    struct future future;
    unsigned number;
    enum busy busy;
    uint32_t message;
    struct sleep sleep;
    struct channel_send send;
    struct channel_receive receive;
};

static struct executor executor;
static struct task_pool pool;
static TASK_SLOTS(struct subject) slots[TASKS];
static struct channel channels[CHANNELS];
static uint32_t storage[CHANNELS][CAPACITY_MAX];
static const uint32_t capacities[CHANNELS] = {1, CAPACITY_MAX};

/* The reference. */
static struct model {
    bool alive, queued, cancelled, sleeping, over; /* over: ready, but queued */
    uint64_t deadline_ns, sequence;
    enum busy busy;
    bool granted; /* room or a message is held for it */
    unsigned busy_with;
    uint32_t sending;

    /* what it is told to do at its next poll */
    enum act act;
    bool goes_on; /* with what it is busy with */
    unsigned other, channel;
    uint32_t message;
    uint64_t duration_ns;

    struct task_handle handle;
    unsigned polls, drops;
    bool dropped;
} model[TASKS];

/* Whose turn it is, first come first served. */
struct turns {
    unsigned tasks[TASKS];
    size_t count;
};

static struct model_channel {
    uint32_t messages[CAPACITY_MAX]; /* oldest first */
    uint32_t count, promised, rooms; /* of those; promised to receivers; kept free for senders */
    bool closed;
    struct turns senders, receivers;
} model_channels[CHANNELS];

static uint32_t last_message;
static unsigned queue[QUEUE_MAX];
static size_t queue_length;
static uint64_t now_ns, sequence;
static uint64_t random_state;

/* What happened, to be compared: poll n or drop n, and what a send or receive came to. */
static int happened[QUEUE_MAX * 4], expected[QUEUE_MAX * 4];
static size_t happened_count, expected_count;
static uint64_t sends, receives, lost_grants; /* by tasks; and dropped with something held for them */

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

static void subject_let_go(struct subject *self)
{
    future_drop(&self->sleep.future);
    if (self->busy == BUSY_SENDING)
        future_drop(&self->send.future);
    if (self->busy == BUSY_RECEIVING)
        future_drop(&self->receive.future);
    self->busy = BUSY_NOT;
}

static void subject_communicate(struct subject *self, struct waker *waker)
{
    bool sends_it = self->busy == BUSY_SENDING;

    if (future_poll(sends_it ? &self->send.future : &self->receive.future, waker) == POLL_PENDING)
        return;
    happened[happened_count++] = STATUS_BASE + (int)(sends_it ? self->send.status : self->receive.status);
    if (!sends_it && self->receive.status == STATUS_OK)
        happened[happened_count++] = (int)self->message;
    self->busy = BUSY_NOT;
}

static enum poll subject_poll(struct future *future, struct waker *waker)
{
    struct subject *self = container_of(future, struct subject, future);
    const struct model *told = &model[self->number];

    happened[happened_count++] = (int)self->number;
    if (self->busy && told->goes_on) {
        subject_communicate(self, waker);
        return POLL_PENDING;
    }
    subject_let_go(self);
    switch (told->act) {
    case ACT_SEND:
        self->busy = BUSY_SENDING;
        self->message = told->message;
        self->send = channel_send(&channels[told->channel], &self->message);
        subject_communicate(self, waker);
        return POLL_PENDING;
    case ACT_RECEIVE:
        self->busy = BUSY_RECEIVING;
        self->receive = channel_receive(&channels[told->channel], &self->message);
        subject_communicate(self, waker);
        return POLL_PENDING;
    case ACT_CLOSE:
        channel_close(&channels[told->channel]);
        return POLL_PENDING;
    case ACT_WAKE_AND_END:
        waker_wake(waker);
        return task_return(future, waker, 1000 + self->number);
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
    subject_let_go(self);
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

static void turns_quit(struct turns *turns, unsigned number)
{
    size_t kept = 0;

    for (size_t i = 0; i < turns->count; i++)
        if (turns->tasks[i] != number)
            turns->tasks[kept++] = turns->tasks[i];
    turns->count = kept;
}

static bool turns_has(const struct turns *turns, unsigned number)
{
    for (size_t i = 0; i < turns->count; i++)
        if (turns->tasks[i] == number)
            return true;
    return false;
}

static void turns_wake_all(struct turns *turns)
{
    for (size_t i = 0; i < turns->count; i++)
        model_wake(turns->tasks[i]);
    turns->count = 0;
}

/* Whoever waits is granted what there is for it; and told if there will be nothing. */
static void model_serve(unsigned number)
{
    struct model_channel *self = &model_channels[number];

    while (self->receivers.count && self->count > self->promised) {
        unsigned first = self->receivers.tasks[0];

        self->promised++;
        model[first].granted = true;
        turns_quit(&self->receivers, first);
        model_wake(first);
    }
    while (self->senders.count && self->count + self->rooms < capacities[number] && !self->closed) {
        unsigned first = self->senders.tasks[0];

        self->rooms++;
        model[first].granted = true;
        turns_quit(&self->senders, first);
        model_wake(first);
    }
    if (self->closed) {
        turns_wake_all(&self->senders);
        if (self->count == 0)
            turns_wake_all(&self->receivers);
    }
}

static enum status model_send(unsigned number, uint32_t message)
{
    struct model_channel *self = &model_channels[number];

    if (self->closed)
        return STATUS_CLOSED;
    if (self->count + self->rooms == capacities[number])
        return STATUS_AGAIN;
    self->messages[self->count++] = message;
    return STATUS_OK;
}

static enum status model_receive(unsigned number, uint32_t *message)
{
    struct model_channel *self = &model_channels[number];

    if (self->count == self->promised)
        return self->closed && self->count == 0 ? STATUS_CLOSED : STATUS_AGAIN;
    *message = self->messages[0];
    self->count--;
    for (uint32_t i = 0; i < self->count; i++)
        self->messages[i] = self->messages[i + 1];
    return STATUS_OK;
}

/* Its own turn: what was held for it is free, for it first. */
static void model_take_back(struct model *self)
{
    struct model_channel *channel = &model_channels[self->busy_with];

    if (self->granted && self->busy == BUSY_SENDING)
        channel->rooms--;
    if (self->granted && self->busy == BUSY_RECEIVING)
        channel->promised--;
    self->granted = false;
}

static void model_communicate(unsigned number)
{
    struct model *self = &model[number];
    struct model_channel *channel = &model_channels[self->busy_with];
    struct turns *turns = self->busy == BUSY_SENDING ? &channel->senders : &channel->receivers;
    uint32_t message = 0;
    enum status status;

    model_take_back(self);
    status = self->busy == BUSY_SENDING ? model_send(self->busy_with, self->sending)
                                        : model_receive(self->busy_with, &message);
    if (status == STATUS_AGAIN) {
        if (!turns_has(turns, number))
            turns->tasks[turns->count++] = number;
    } else {
        expected[expected_count++] = STATUS_BASE + (int)status;
        if (self->busy == BUSY_RECEIVING && status == STATUS_OK)
            expected[expected_count++] = (int)message;
        *(self->busy == BUSY_SENDING ? &sends : &receives) += status == STATUS_OK;
        self->busy = BUSY_NOT;
    }
    model_serve(self->busy_with);
}

static void model_let_go(unsigned number)
{
    struct model *self = &model[number];
    struct model_channel *channel = &model_channels[self->busy_with];

    self->sleeping = false;
    if (!self->busy)
        return;
    lost_grants += self->granted;
    model_take_back(self);
    turns_quit(&channel->senders, number);
    turns_quit(&channel->receivers, number);
    self->busy = BUSY_NOT;
    model_serve(self->busy_with);
}

static void model_expire(unsigned limit)
{
    while (limit--) {
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
    if (self->busy && self->goes_on) {
        model_communicate(number);
        return;
    }
    model_let_go(number);
    switch (self->act) {
    case ACT_SEND:
    case ACT_RECEIVE:
        self->busy = self->act == ACT_SEND ? BUSY_SENDING : BUSY_RECEIVING;
        self->busy_with = self->channel;
        self->sending = self->message;
        model_communicate(number);
        break;
    case ACT_CLOSE:
        model_channels[self->channel].closed = true;
        model_serve(self->channel);
        break;
    case ACT_WAKE_AND_END:
        model_wake(number);
        self->over = true;
        break;
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
        self->alive = false;
        break;
    case ACT_PEND:
    default:
        break;
    }
}

/* The round's trace, and the time to poll again at. So many timers expire, if so many are due. */
static uint64_t model_round(unsigned expires)
{
    unsigned batch[QUEUE_MAX];
    size_t length;
    uint64_t next_ns = TIMER_NEVER;

    model_expire(expires);
    length = queue_length;
    for (size_t i = 0; i < length; i++)
        batch[i] = queue[i];
    queue_length = 0;
    for (size_t i = 0; i < length; i++) {
        struct model *self = &model[batch[i]];

        self->queued = false;
        if (self->over) {
            self->alive = false;
        } else if (self->cancelled) {
            expected[expected_count++] = -1 - (int)batch[i];
            self->drops++;
            self->alive = false;
            model_let_go(batch[i]);
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
    static const enum act acts[] = {ACT_PEND,       ACT_SLEEP,        ACT_SLEEP,   ACT_SLEEP,        ACT_WAKE_SELF,
                                    ACT_WAKE_OTHER, ACT_CANCEL_OTHER, ACT_SEND,    ACT_SEND,         ACT_SEND,
                                    ACT_RECEIVE,    ACT_RECEIVE,      ACT_RECEIVE, ACT_WAKE_AND_END, ACT_END};

    model[number].act = pick(100) ? acts[pick(ARRAY_SIZE(acts))] : ACT_CLOSE;
    model[number].goes_on = pick(4);
    model[number].channel = (unsigned)pick(CHANNELS);
    model[number].message = ++last_message;
    model[number].duration_ns = 1 + pick(pick(2) ? 50 : 100000);
    model[number].other = (number + 1 + (unsigned)pick(TASKS - 1)) % TASKS;
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

/* All that a round of the reference changes. */
static struct snapshot {
    struct model model[TASKS];
    struct model_channel channels[CHANNELS];
    unsigned queue[QUEUE_MAX];
    size_t queue_length;
    uint64_t sequence, sends, receives, lost_grants;
} snapshot;

static void save(void)
{
    snapshot.queue_length = queue_length;
    snapshot.sequence = sequence;
    snapshot.sends = sends;
    snapshot.receives = receives;
    snapshot.lost_grants = lost_grants;
    memcpy(snapshot.model, model, sizeof(model));
    memcpy(snapshot.channels, model_channels, sizeof(model_channels));
    memcpy(snapshot.queue, queue, sizeof(queue));
}

static void restore(void)
{
    queue_length = snapshot.queue_length;
    sequence = snapshot.sequence;
    sends = snapshot.sends;
    receives = snapshot.receives;
    lost_grants = snapshot.lost_grants;
    memcpy(model, snapshot.model, sizeof(model));
    memcpy(model_channels, snapshot.channels, sizeof(model_channels));
    memcpy(queue, snapshot.queue, sizeof(queue));
    expected_count = 0;
}

static bool as_expected(uint64_t again_ns, uint64_t expected_ns)
{
    return again_ns == expected_ns && happened_count == expected_count &&
           memcmp(happened, expected, happened_count * sizeof(happened[0])) == 0;
}

/* An expiry ends after so many steps, and to move a timer of a full slot is one, too: it may wake some of those that
 * are due, the earliest, and leave the others for the next poll, which is then wanted at once. */
static void operation_round(void)
{
    unsigned due = 0, sleeping = 0;
    uint64_t again_ns;

    happened_count = expected_count = 0;
    again_ns = executor_poll(&executor, now_ns);
    for (unsigned i = 0; i < TASKS; i++) {
        sleeping += model[i].alive && model[i].sleeping;
        due += model[i].alive && model[i].sleeping && model[i].deadline_ns <= now_ns;
    }
    save();
    while (!as_expected(again_ns, model_round(due))) {
        cr_assert(due > 0 && again_ns == 0 && sleeping > SURELY_EXPIRE, "no round is like it");
        restore();
        due--;
    }
    reap();
    for (unsigned i = 0; i < TASKS; i++)
        tell(i);
}

/* A closed channel that nobody waits for, or is about to come to, is made a new one. */
static void reopen(unsigned number)
{
    for (unsigned i = 0; i < TASKS; i++)
        if (model[i].alive && model[i].busy && model[i].busy_with == number)
            return;
    model_channels[number] = (struct model_channel){0};
    channel_init(&channels[number], storage[number], sizeof(storage[number][0]), capacities[number]);
}

/* As an interrupt or a thread would, between polls. */
static void operation_channel(unsigned number)
{
    uint32_t message = ++last_message, received = 0, received_by_model = 0;

    switch (pick(16)) {
    case 0:
        channel_close(&channels[number]);
        model_channels[number].closed = true;
        break;
    case 1:
    case 2:
    case 3:
        if (model_channels[number].closed)
            reopen(number);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        cr_assert_eq(channel_send_try(&channels[number], &message), model_send(number, message));
        break;
    default:
        cr_assert_eq(channel_receive_try(&channels[number], &received), model_receive(number, &received_by_model));
        cr_assert_eq(received, received_by_model);
        break;
    }
    model_serve(number);
}

void executor_model_operate(void)
{
    unsigned number = (unsigned)pick(TASKS);

    switch (pick(9)) {
    case 5:
        operation_channel((unsigned)pick(CHANNELS));
        break;
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
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        cr_assert_eq(channel_count(&channels[channel]), model_channels[channel].count);
}

void executor_model_begin(uint64_t seed)
{
    random_state = seed;
    memset(model, 0, sizeof(model));
    memset(slots, 0, sizeof(slots));
    last_message = 0;
    queue_length = 0;
    now_ns = sequence = 0;
    sends = receives = lost_grants = 0;
    executor_init(&executor, &parent);
    task_pool_init(&pool, &executor, "subject", slots, sizeof(slots[0]), TASKS);
    for (unsigned i = 0; i < CHANNELS; i++)
        reopen(i);
}

void executor_model_end(struct executor_model_counts *counts)
{
    for (unsigned i = 0; i < TASKS; i++) {
        if (model[i].handle.task)
            task_handle_cancel(model[i].handle);
        model_cancel(i);
    }
    operation_round();
    operation_round();
    cr_assert_eq(task_pool_used(&pool), 0);
    cr_assert_eq(timer_queue_next_deadline(&executor.timers), TIMER_NEVER);
    cr_assert(waiters_empty(&channels[0].senders) && waiters_empty(&channels[0].receivers));
    cr_assert(waiters_empty(&channels[1].senders) && waiters_empty(&channels[1].receivers));
    *counts = (struct executor_model_counts){sends, receives, lost_grants};
}
