/* What tasks, threads and interrupts communicate by, with real ones of each, preempting each other. */
#include "bridge/block_on.h"
#include "executor/async.h"
#include "executor/async_event.h"
#include "executor/async_mutex.h"
#include "executor/broadcast.h"
#include "executor/channel.h"
#include "executor/oneshot.h"
#include "executor/sleep.h"
#include "executor/watch.h"
#include "kernel/executor_thread.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"

enum {
    MESSAGES = 5000,
    CAPACITY = 4,
    SIDES = 3, /* senders, and receivers */
    TICKS = 300,
    ROUNDS = 500,
};

static struct executor *executor(unsigned priority)
{
    return &executor_at(priority)->executor;
}

/* ---- what is sent ------------------------------------------------------------------------------------------------ */

struct message {
    uint32_t sender, number;
    uint64_t check;
};

static struct channel channel;
static struct message storage[CAPACITY];

static struct message message_of(uint32_t sender, uint32_t number)
{
    return (struct message){sender, number, ((uint64_t)sender << 32 | number) * UINT64_C(0x9e3779b97f4a7c15)};
}

/* What a receiver has got: of each sender its messages in order, perhaps not all. */
struct tally {
    uint64_t count, wrong;
    uint32_t latest[SIDES];
};

static void tally_add(struct tally *tally, const struct message *message)
{
    struct message expected = message_of(message->sender, message->number);

    tally->count++;
    if (message->sender >= SIDES || message->check != expected.check) {
        tally->wrong++;
        return;
    }
    tally->wrong += message->number <= tally->latest[message->sender];
    tally->latest[message->sender] = message->number;
}

/* ---- both styles of either end ----------------------------------------------------------------------------------- */

static struct sender {
    struct async async;
    struct task task;
    struct thread thread;
    struct channel_send send;
    struct message message;
    uint32_t name, number;
} senders[SIDES];

static struct receiver {
    struct async async;
    struct task task;
    struct thread thread;
    struct channel_receive receive;
    struct message message;
    struct tally tally;
} receivers[SIDES];

static enum poll sender_poll(struct future *future, struct waker *waker)
{
    struct sender *self = container_of(future, struct sender, async.future);

    ASYNC (&self->async) {
        for (self->number = 1; self->number <= MESSAGES; self->number++) {
            self->message = message_of(self->name, self->number);
            self->send = channel_send(&channel, &self->message);
            AWAIT(&self->send.future);
        }
        ASYNC_RETURN;
    }
}

static void *sender_main(void *sender)
{
    struct sender *self = sender;

    for (self->number = 1; self->number <= MESSAGES; self->number++) {
        self->message = message_of(self->name, self->number);
        self->send = channel_send(&channel, &self->message);
        block_on(&self->send.future);
    }
    return NULL;
}

static enum poll receiver_poll(struct future *future, struct waker *waker)
{
    struct receiver *self = container_of(future, struct receiver, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&channel, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            tally_add(&self->tally, &self->message);
        }
    }
}

static void *receiver_main(void *receiver)
{
    struct receiver *self = receiver;

    for (;;) {
        self->receive = channel_receive(&channel, &self->message);
        block_on(&self->receive.future);
        if (self->receive.status == STATUS_CLOSED)
            return NULL;
        tally_add(&self->tally, &self->message);
    }
}

enum end { TASK, URGENT_TASK, THREAD, URGENT_THREAD };

static unsigned priority_of(enum end end)
{
    return end == URGENT_TASK || end == URGENT_THREAD ? THREAD_PRIORITY_HIGH : THREAD_PRIORITY_NORMAL;
}

static bool is_task(enum end end)
{
    return end == TASK || end == URGENT_TASK;
}

static void sender_start(struct sender *self, uint32_t name, enum end end)
{
    *self = (struct sender){.async = ASYNC_BODY(sender_poll), .name = name};
    if (is_task(end))
        executor_spawn(executor(priority_of(end)), &self->task, "sender", &self->async.future);
    else
        start(&self->thread, "sender", priority_of(end), sender_main, self);
}

static void receiver_start(struct receiver *self, enum end end)
{
    *self = (struct receiver){.async = ASYNC_BODY(receiver_poll)};
    if (is_task(end))
        executor_spawn(executor(priority_of(end)), &self->task, "receiver", &self->async.future);
    else
        start(&self->thread, "receiver", priority_of(end), receiver_main, self);
}

static void sender_wait(struct sender *self, enum end end)
{
    if (is_task(end))
        task_wait(&self->task);
    else
        thread_join(&self->thread);
}

static void receiver_wait(struct receiver *self, enum end end)
{
    if (is_task(end))
        task_wait(&self->task);
    else
        thread_join(&self->thread);
}

static void channel_check(unsigned sides)
{
    uint64_t count = 0, wrong = 0;

    for (unsigned i = 0; i < sides; i++) {
        count += receivers[i].tally.count;
        wrong += receivers[i].tally.wrong;
    }
    CHECK_EQUAL(count, sides * MESSAGES);
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(channel_count(&channel), 0);
}

/* As many of each: all messages of a sender come, in their order, whoever gets them. */
static void connect(const enum end from[], const enum end to[], unsigned sides)
{
    channel_init(&channel, storage, sizeof(storage[0]), CAPACITY);
    for (unsigned i = 0; i < sides; i++)
        receiver_start(&receivers[i], to[i]);
    for (unsigned i = 0; i < sides; i++)
        sender_start(&senders[i], i, from[i]);
    for (unsigned i = 0; i < sides; i++)
        sender_wait(&senders[i], from[i]);
    channel_close(&channel);
    for (unsigned i = 0; i < sides; i++)
        receiver_wait(&receivers[i], to[i]);
    channel_check(sides);
}

TEST(every_pair, "async.channel_of_every_two_ends")
{
    for (enum end from = TASK; from <= URGENT_THREAD; from++)
        for (enum end to = TASK; to <= URGENT_THREAD; to++)
            connect(&from, &to, 1);
}

/* Quanta of microseconds, so that threads lose the CPU amid everything. */
TEST(crowd, "async.channel_of_many_preempted")
{
    static const enum end from[SIDES] = {THREAD, TASK, URGENT_THREAD};
    static const enum end to[SIDES] = {TASK, THREAD, THREAD};
    uint64_t quantum = quantum_set(3 * US);

    connect(from, to, SIDES);
    connect(to, from, SIDES);
    quantum_set(quantum);
}

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

/* Sends from the timer interrupt until all is sent: what finds no room is sent at the next tick. */
static struct {
    struct waker waker;
    struct timer timer;
    uint32_t number, full;
} ticker;

static void ticker_wake(struct waker *waker)
{
    struct message message = message_of(0, ticker.number + 1);

    (void)waker;
    if (channel_send_try(&channel, &message) == STATUS_OK)
        ticker.number++;
    else
        ticker.full++;
    if (ticker.number < TICKS)
        sched_timer_start(&ticker.timer, clock_now_ns() + 5 * US, &ticker.waker);
    else
        channel_close(&channel);
}

static void tick_to(enum end to)
{
    channel_init(&channel, storage, sizeof(storage[0]), CAPACITY);
    receiver_start(&receivers[0], to);
    ticker.number = 0;
    ticker.waker.wake = ticker_wake;
    sched_timer_start(&ticker.timer, clock_now_ns() + US, &ticker.waker);
    receiver_wait(&receivers[0], to);
    CHECK_EQUAL(receivers[0].tally.count, TICKS);
    CHECK_EQUAL(receivers[0].tally.wrong, 0);
}

TEST(interrupt_sends, "async.channel_from_interrupts")
{
    for (enum end to = TASK; to <= URGENT_THREAD; to++)
        tick_to(to);
}

/* ---- giving up --------------------------------------------------------------------------------------------------- */

/* A thread that receives with deadlines so short that most pass, and a task that takes what it leaves. */
static unsigned timeouts;

static void *impatient_main(void *tally)
{
    struct message message;

    for (;;) {
        struct channel_receive receive = channel_receive(&channel, &message);

        if (block_on_until(&receive.future, clock_now_ns() + 2 * US) != STATUS_OK) {
            timeouts++;
            continue;
        }
        if (receive.status == STATUS_CLOSED)
            return NULL;
        tally_add(tally, &message);
    }
}

TEST(impatient, "async.timeouts_swallow_nothing")
{
    static struct tally tally;
    struct thread impatient;

    tally = (struct tally){.count = 0};
    timeouts = 0;
    channel_init(&channel, storage, sizeof(storage[0]), CAPACITY);
    start(&impatient, "impatient", THREAD_PRIORITY_NORMAL, impatient_main, &tally);
    receiver_start(&receivers[0], TASK);
    ticker.number = 0;
    ticker.waker.wake = ticker_wake;
    sched_timer_start(&ticker.timer, clock_now_ns() + US, &ticker.waker);
    thread_join(&impatient);
    receiver_wait(&receivers[0], TASK);
    CHECK_EQUAL(tally.count + receivers[0].tally.count, TICKS);
    CHECK_EQUAL(tally.wrong + receivers[0].tally.wrong, 0);
    CHECK(timeouts > TICKS / 4);
}

/* ---- questions and answers --------------------------------------------------------------------------------------- */

static struct request {
    struct oneshot oneshot;
    uint64_t value, answer;
} request;

static struct channel requests;
static struct request *request_storage[CAPACITY];

static struct server {
    struct async async;
    struct task task;
    struct channel_receive receive;
    struct request *request;
} server;

static enum poll server_poll(struct future *future, struct waker *waker)
{
    struct server *self = container_of(future, struct server, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&requests, &self->request);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            if (self->request->value % 7 == 0)
                oneshot_abandon(&self->request->oneshot);
            else
                (void)oneshot_send(&self->request->oneshot, &(uint64_t){self->request->value * self->request->value});
        }
    }
}

/* A request is its thread's, and holds the oneshot for the answer. */
static bool ask(uint64_t value)
{
    struct request *mine = &request;
    struct channel_send send = channel_send(&requests, &mine);
    struct oneshot_receive receive = oneshot_receive(&request.oneshot);

    request.value = value;
    oneshot_init(&request.oneshot, &request.answer, sizeof(request.answer));
    block_on(&send.future);
    block_on(&receive.future);
    return value % 7 == 0 ? receive.status == STATUS_CLOSED
                          : receive.status == STATUS_OK && request.answer == value * value;
}

TEST(answers, "async.oneshots_answer_requests")
{
    static const unsigned priorities[] = {THREAD_PRIORITY_NORMAL, THREAD_PRIORITY_HIGH};
    unsigned wrong = 0;

    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        channel_init(&requests, request_storage, sizeof(struct request *), CAPACITY);
        server = (struct server){.async = ASYNC_BODY(server_poll)};
        executor_spawn(executor(priorities[p]), &server.task, "server", &server.async.future);
        for (uint64_t i = 1; i <= ROUNDS; i++)
            wrong += !ask(i);
        channel_close(&requests);
        task_wait(&server.task);
    }
    CHECK_EQUAL(wrong, 0);
}

/* ---- one to many ------------------------------------------------------------------------------------------------- */

static struct broadcast broadcast;
static struct watch watch;
static struct message broadcast_storage[CAPACITY], watch_storage;

/* Some sleep in between, so that they lag. */
static struct listener {
    struct async async;
    struct task task;
    struct broadcast_receiver receiver;
    struct broadcast_receive receive;
    struct watch_changed changed;
    struct sleep sleep;
    struct message message;
    uint64_t received, missed, wrong, expected, version, pause_ns;
} listeners[SIDES];

static enum poll listener_poll(struct future *future, struct waker *waker)
{
    struct listener *self = container_of(future, struct listener, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = broadcast_receive(&self->receiver, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            self->received++;
            self->missed += self->receiver.missed;
            self->expected += self->receiver.missed + 1;
            self->wrong += self->message.number != self->expected;
            if (self->pause_ns) {
                self->sleep = sleep_until(executor(THREAD_PRIORITY_HIGH), clock_now_ns() + self->pause_ns);
                AWAIT(&self->sleep.future);
            }
        }
    }
}

static void listener_start(struct listener *self, uint64_t pause_ns)
{
    *self = (struct listener){
        .async = ASYNC_BODY(listener_poll), .receiver = broadcast_subscribe(&broadcast), .pause_ns = pause_ns};
    executor_spawn(executor(THREAD_PRIORITY_HIGH), &self->task, "listener", &self->async.future);
}

TEST(lag, "async.broadcast_counts_the_lag")
{
    broadcast_init(&broadcast, broadcast_storage, sizeof(broadcast_storage[0]), CAPACITY);
    for (unsigned i = 0; i < SIDES; i++)
        listener_start(&listeners[i], i * 50 * (uint64_t)US);
    for (uint32_t number = 1; number <= ROUNDS; number++) {
        struct message message = message_of(0, number);

        CHECK_EQUAL(broadcast_send(&broadcast, &message), STATUS_OK);
        spin_for(10 * US);
    }
    broadcast_close(&broadcast);
    for (unsigned i = 0; i < SIDES; i++) {
        task_wait(&listeners[i].task);
        CHECK_EQUAL(listeners[i].received + listeners[i].missed, ROUNDS);
        CHECK_EQUAL(listeners[i].receiver.lost, listeners[i].missed);
        CHECK_EQUAL(listeners[i].wrong, 0);
    }
    CHECK(listeners[SIDES - 1].missed > 0);
    if (clock_is_exact())
        CHECK_EQUAL(listeners[0].missed, 0);
}

static enum poll watcher_poll(struct future *future, struct waker *waker)
{
    struct listener *self = container_of(future, struct listener, async.future);

    ASYNC (&self->async) {
        while (self->message.number < ROUNDS) {
            self->changed = watch_changed(&watch, self->version);
            AWAIT(&self->changed.future);
            self->version = watch_get(&watch, &self->message);
            self->received++;
            self->wrong += self->message.check != message_of(0, self->message.number).check;
        }
        ASYNC_RETURN;
    }
}

static void *watcher_main(void *listener)
{
    struct listener *self = listener;

    while (self->message.number < ROUNDS) {
        self->changed = watch_changed(&watch, self->version);
        block_on(&self->changed.future);
        self->version = watch_get(&watch, &self->message);
        self->received++;
        self->wrong += self->message.check != message_of(0, self->message.number).check;
    }
    return NULL;
}

TEST(latest, "async.watch_ends_with_the_latest")
{
    struct listener *task = &listeners[0], *follower = &listeners[1];
    struct thread thread;

    watch_init(&watch, &watch_storage, sizeof(watch_storage));
    *task = (struct listener){.async = ASYNC_BODY(watcher_poll)};
    *follower = (struct listener){.version = 0};
    executor_spawn(executor(THREAD_PRIORITY_HIGH), &task->task, "watcher", &task->async.future);
    start(&thread, "watcher", THREAD_PRIORITY_NORMAL, watcher_main, follower);
    for (uint32_t number = 1; number <= ROUNDS; number++) {
        struct message message = message_of(0, number);

        watch_set(&watch, &message);
    }
    task_wait(&task->task);
    thread_join(&thread);
    CHECK_EQUAL(task->received, ROUNDS); /* it is more urgent than who sets it */
    CHECK(follower->received >= 1 && follower->received <= ROUNDS);
    CHECK_EQUAL(task->wrong + follower->wrong, 0);
    CHECK_EQUAL(follower->version, ROUNDS);
}

/* ---- taking turns ------------------------------------------------------------------------------------------------ */

static struct async_mutex mutex;
static unsigned inside, clashes, entered;

static void enter(void)
{
    clashes += inside++ != 0;
}

static void leave(void)
{
    inside--;
    entered++;
}

static struct guest {
    struct async async;
    struct task task;
    struct thread thread;
    struct async_mutex_guard guard;
    struct yield_now yield;
    unsigned i;
} guests[2 * SIDES];

static enum poll guest_poll(struct future *future, struct waker *waker)
{
    struct guest *self = container_of(future, struct guest, async.future);

    ASYNC (&self->async) {
        for (self->i = 0; self->i < ROUNDS; self->i++) {
            self->guard = async_mutex_lock(&mutex);
            AWAIT(&self->guard.future);
            enter();
            self->yield = yield_now();
            AWAIT(&self->yield.future);
            leave();
            async_mutex_unlock(&self->guard);
        }
        ASYNC_RETURN;
    }
}

/* Every third time it gives up soon. */
static void *guest_main(void *guest)
{
    struct guest *self = guest;

    for (self->i = 0; self->i < ROUNDS;) {
        uint64_t deadline_ns = self->i % 3 == 0 ? clock_now_ns() + 3 * US : TIMER_NEVER;

        self->guard = async_mutex_lock(&mutex);
        if (block_on_until(&self->guard.future, deadline_ns) != STATUS_OK)
            continue;
        enter();
        thread_yield();
        leave();
        async_mutex_unlock(&self->guard);
        self->i++;
    }
    return NULL;
}

TEST(turns, "async.mutex_of_tasks_and_threads")
{
    uint64_t quantum = quantum_set(5 * US);

    async_mutex_init(&mutex);
    inside = clashes = entered = 0;
    for (unsigned i = 0; i < 2 * SIDES; i++) {
        guests[i] = (struct guest){.async = ASYNC_BODY(guest_poll)};
        if (i < SIDES)
            executor_spawn(executor(THREAD_PRIORITY_NORMAL), &guests[i].task, "guest", &guests[i].async.future);
        else
            start(&guests[i].thread, "guest", THREAD_PRIORITY_NORMAL, guest_main, &guests[i]);
    }
    for (unsigned i = 0; i < 2 * SIDES; i++) {
        if (i < SIDES)
            task_wait(&guests[i].task);
        else
            thread_join(&guests[i].thread);
    }
    quantum_set(quantum);
    CHECK_EQUAL(clashes, 0);
    CHECK_EQUAL(entered, 2 * SIDES * ROUNDS);
    CHECK_EQUAL(async_semaphore_units(&mutex.free), 1);
}

/* ---- events from interrupts -------------------------------------------------------------------------------------- */

static struct async_event event;

static struct counting {
    struct async async;
    struct task task;
    struct async_event_wait wait;
    unsigned passed;
} counting;

static enum poll counting_poll(struct future *future, struct waker *waker)
{
    struct counting *self = container_of(future, struct counting, async.future);

    ASYNC (&self->async) {
        for (self->passed = 0; self->passed < TICKS; self->passed++) {
            self->wait = async_event_wait(&event);
            AWAIT(&self->wait.future);
        }
        ASYNC_RETURN;
    }
}

static void signal_event(unsigned vector)
{
    (void)vector;
    async_event_signal(&event);
}

TEST(signals, "async.event_from_interrupts")
{
    async_event_init(&event, true);
    counting = (struct counting){.async = ASYNC_BODY(counting_poll)};
    executor_spawn(executor(THREAD_PRIORITY_HIGH), &counting.task, "counting", &counting.async.future);
    interrupt_set(SUITE_VECTOR, signal_event);
    for (unsigned i = 0; i < TICKS; i++) {
        CHECK_EQUAL(counting.passed, i);
        raise_40();
    }
    task_wait(&counting.task);
    CHECK_EQUAL(counting.passed, TICKS);
}

/* ---- where it may not be ----------------------------------------------------------------------------------------- */

static void poll_in_interrupt(unsigned vector)
{
    struct message message;
    struct channel_receive receive = channel_receive(&channel, &message);

    (void)vector;
    (void)future_poll(&receive.future, &thread_current()->waker);
}

TEST_PANICS(waits_in_interrupt, "panic.future_waits_in_interrupt", "critical_interrupted()")
{
    channel_init(&channel, storage, sizeof(storage[0]), CAPACITY);
    interrupt_set(SUITE_VECTOR, poll_in_interrupt);
    raise_40();
}

static void block_in_interrupt(unsigned vector)
{
    struct yield_now yield = yield_now();

    (void)vector;
    block_on(&yield.future);
}

TEST_PANICS(blocks_in_interrupt, "panic.block_on_in_interrupt", "irq_depth == 0")
{
    interrupt_set(SUITE_VECTOR, block_in_interrupt);
    raise_40();
}
