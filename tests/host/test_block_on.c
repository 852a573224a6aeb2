/* The bridge: whatever a task awaits, a thread waits for, and they meet in the middle. */
#include "bridge/block_on.h"

#include "comm.h"
#include "executor/async.h"
#include "executor/async_event.h"
#include "executor/async_mutex.h"
#include "executor/broadcast.h"
#include "executor/channel.h"
#include "executor/executor.h"
#include "executor/oneshot.h"
#include "executor/sleep.h"
#include "executor/watch.h"
#include "lib/clock.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

enum { CAPACITY = 3, MESSAGES = 50 };

/* An executor that is a thread, as the kernel's are, until it is told to end and has nothing to poll. */
static struct {
    struct thread thread;
    struct executor executor;
    bool over;
} bridge;

static struct channel channel;
static uint64_t storage[CAPACITY];

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    channel_init(&channel, storage, sizeof(uint64_t), CAPACITY);
}

TestSuite(block_on, .init = init);

static void *bridge_main(void *unused)
{
    for (;;) {
        uint64_t deadline_ns;

        bridge.thread.may_not_park = true;
        deadline_ns = executor_poll(&bridge.executor, clock_now_ns());
        bridge.thread.may_not_park = false;
        if (bridge.over && deadline_ns)
            return unused;
        thread_park_until(deadline_ns);
    }
}

static void bridge_start(unsigned priority)
{
    bridge.over = false;
    executor_init(&bridge.executor, &bridge.thread.waker);
    cr_assert_eq(thread_start(&bridge.thread, "executor", priority, bridge_main, NULL), STATUS_OK);
}

static void bridge_end(void)
{
    bridge.over = true;
    thread_wake(&bridge.thread);
    thread_join(&bridge.thread);
}

static const unsigned priorities[] = {THREAD_PRIORITY_NORMAL - 1, THREAD_PRIORITY_NORMAL, THREAD_PRIORITY_HIGH};

/* ---- channels ---------------------------------------------------------------------------------------------------- */

struct receiving {
    struct async async;
    struct task task;
    struct channel_receive receive;
    uint64_t message, count, sum;
    bool in_order;
};

static enum poll receiving_poll(struct future *future, struct waker *waker)
{
    struct receiving *self = container_of(future, struct receiving, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&channel, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            self->in_order &= self->message == ++self->count;
            self->sum += self->message;
        }
    }
}

struct sending {
    struct async async;
    struct task task;
    struct channel_send send;
    uint64_t message;
};

static enum poll sending_poll(struct future *future, struct waker *waker)
{
    struct sending *self = container_of(future, struct sending, async.future);

    ASYNC (&self->async) {
        for (self->message = 1; self->message <= MESSAGES; self->message++) {
            self->send = channel_send(&channel, &self->message);
            AWAIT(&self->send.future);
        }
        channel_close(&channel);
        ASYNC_RETURN;
    }
}

Test(block_on, sends_from_a_thread_to_a_task_of_any_priority)
{
    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        struct receiving task = {.async = ASYNC_BODY(receiving_poll), .in_order = true};

        init();
        bridge_start(priorities[p]);
        executor_spawn(&bridge.executor, &task.task, "receiving", &task.async.future);
        for (uint64_t i = 1; i <= MESSAGES; i++) {
            struct channel_send send = channel_send(&channel, &i);

            block_on(&send.future);
            cr_assert_eq(send.status, STATUS_OK);
        }
        channel_close(&channel);
        bridge_end();
        cr_assert(completion_done(&task.task.done));
        cr_assert(task.in_order);
        cr_assert_eq(task.count, MESSAGES);
    }
}

Test(block_on, receives_in_a_thread_from_a_task_of_any_priority)
{
    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        struct sending task = {.async = ASYNC_BODY(sending_poll)};
        uint64_t message = 0, count = 0;

        init();
        bridge_start(priorities[p]);
        executor_spawn(&bridge.executor, &task.task, "sending", &task.async.future);
        for (;;) {
            struct channel_receive receive = channel_receive(&channel, &message);

            block_on(&receive.future);
            if (receive.status == STATUS_CLOSED)
                break;
            cr_assert_eq(message, ++count);
        }
        bridge_end();
        cr_assert_eq(count, MESSAGES);
    }
}

/* Several of both styles at both ends, preempting each other: every message once. */
static uint64_t thread_sum;
static bool sender_done[2];

static void *send_many(void *number)
{
    uint64_t which = *(uint64_t *)number;

    for (uint64_t i = 1; i <= MESSAGES; i++) {
        uint64_t message = i * 1000 + which;
        struct channel_send send = channel_send(&channel, &message);

        machine_run(i % 7 * MS);
        block_on(&send.future);
    }
    sender_done[which] = true;
    if (sender_done[!which])
        channel_close(&channel);
    return NULL;
}

static void *receive_many(void *unused)
{
    for (;;) {
        uint64_t message;
        struct channel_receive receive = channel_receive(&channel, &message);

        block_on(&receive.future);
        if (receive.status == STATUS_CLOSED)
            return unused;
        thread_sum += message;
        machine_run(3 * MS);
    }
}

Test(block_on, shares_a_channel_between_two_threads_and_two_tasks)
{
    static uint64_t numbers[] = {0, 1};
    struct receiving tasks[2] = {{.async = ASYNC_BODY(receiving_poll)}, {.async = ASYNC_BODY(receiving_poll)}};
    struct thread senders[2], receiver;

    bridge_start(THREAD_PRIORITY_NORMAL);
    for (unsigned i = 0; i < 2; i++)
        executor_spawn(&bridge.executor, &tasks[i].task, "receiving", &tasks[i].async.future);
    cr_assert_eq(thread_start(&receiver, "receiver", THREAD_PRIORITY_NORMAL, receive_many, NULL), STATUS_OK);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(thread_start(&senders[i], "sender", THREAD_PRIORITY_NORMAL, send_many, &numbers[i]), STATUS_OK);
    thread_join(&senders[0]);
    thread_join(&senders[1]);
    thread_join(&receiver);
    bridge_end();
    cr_assert_gt(thread_sum, 0);
    cr_assert_gt(tasks[0].sum, 0);
    cr_assert_gt(tasks[1].sum, 0);
    cr_assert_eq(thread_sum + tasks[0].sum + tasks[1].sum, 2 * 1000 * MESSAGES * (MESSAGES + 1) / 2 + MESSAGES);
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static struct oneshot question, answer;
static uint64_t question_value, answer_value;

/* A task that answers what a thread asks. */
struct answering {
    struct async async;
    struct task task;
    struct oneshot_receive receive;
};

static enum poll answering_poll(struct future *future, struct waker *waker)
{
    struct answering *self = container_of(future, struct answering, async.future);

    ASYNC (&self->async) {
        self->receive = oneshot_receive(&question);
        AWAIT(&self->receive.future);
        question_value++;
        cr_assert_eq(oneshot_send(&answer, &question_value), STATUS_OK);
        ASYNC_RETURN;
    }
}

Test(block_on, asks_a_task_and_gets_its_answer)
{
    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        struct answering task = {.async = ASYNC_BODY(answering_poll)};
        struct oneshot_receive receive = oneshot_receive(&answer);

        init();
        oneshot_init(&question, &question_value, sizeof(question_value));
        oneshot_init(&answer, &answer_value, sizeof(answer_value));
        bridge_start(priorities[p]);
        executor_spawn(&bridge.executor, &task.task, "answering", &task.async.future);
        cr_assert_eq(oneshot_send(&question, &(uint64_t){41}), STATUS_OK);
        block_on(&receive.future);
        cr_assert_eq(receive.status, STATUS_OK);
        cr_assert_eq(answer_value, 42);
        bridge_end();
    }
}

/* A task that follows a watch and a broadcast until both say 9. */
static struct watch watch;
static struct broadcast broadcast;
static uint64_t watch_storage, broadcast_storage[2];

struct following {
    struct async async;
    struct task task;
    struct watch_changed changed;
    struct broadcast_receiver receiver;
    struct broadcast_receive receive;
    uint64_t version, value, message, received;
};

static enum poll following_poll(struct future *future, struct waker *waker)
{
    struct following *self = container_of(future, struct following, async.future);

    ASYNC (&self->async) {
        while (self->value != 9) {
            self->changed = watch_changed(&watch, self->version);
            AWAIT(&self->changed.future);
            self->version = watch_get(&watch, &self->value);
        }
        for (;;) {
            self->receive = broadcast_receive(&self->receiver, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            self->received++;
        }
    }
}

Test(block_on, tells_a_task_the_latest_of_a_value_and_how_much_it_missed)
{
    for (size_t p = 0; p < ARRAY_SIZE(priorities); p++) {
        struct following task = {.async = ASYNC_BODY(following_poll)};

        init();
        watch_init(&watch, &watch_storage, sizeof(watch_storage));
        broadcast_init(&broadcast, broadcast_storage, sizeof(uint64_t), 2);
        task.receiver = broadcast_subscribe(&broadcast);
        bridge_start(priorities[p]);
        executor_spawn(&bridge.executor, &task.task, "following", &task.async.future);
        for (uint64_t i = 1; i <= 9; i++) {
            cr_assert_eq(broadcast_send(&broadcast, &i), STATUS_OK);
            watch_set(&watch, &i);
        }
        broadcast_close(&broadcast);
        bridge_end();
        cr_assert(completion_done(&task.task.done));
        cr_assert_eq(task.message, 9);
        cr_assert_eq(task.received + task.receiver.lost, 9);
        cr_assert_eq(task.receiver.lost, 7);
    }
}

/* A task and threads that take turns in a mutex, each holding it while time passes. */
static struct async_mutex mutex;
static unsigned inside, entered;

struct entering {
    struct async async;
    struct task task;
    struct async_mutex_guard guard;
    struct sleep sleep;
    unsigned i;
};

static enum poll entering_poll(struct future *future, struct waker *waker)
{
    struct entering *self = container_of(future, struct entering, async.future);

    ASYNC (&self->async) {
        for (self->i = 0; self->i < 10; self->i++) {
            self->guard = async_mutex_lock(&mutex);
            AWAIT(&self->guard.future);
            cr_assert_eq(inside++, 0);
            self->sleep = sleep_until(&bridge.executor, clock_now_ns() + 2 * MS);
            AWAIT(&self->sleep.future);
            cr_assert_eq(--inside, 0);
            entered++;
            async_mutex_unlock(&self->guard);
        }
        ASYNC_RETURN;
    }
}

static void *enter(void *unused)
{
    for (unsigned i = 0; i < 10; i++) {
        struct async_mutex_guard guard = async_mutex_lock(&mutex);

        block_on(&guard.future);
        cr_assert_eq(inside++, 0);
        machine_run(3 * MS);
        cr_assert_eq(--inside, 0);
        entered++;
        async_mutex_unlock(&guard);
    }
    return unused;
}

Test(block_on, shares_a_mutex_between_threads_and_tasks)
{
    struct entering tasks[2] = {{.async = ASYNC_BODY(entering_poll)}, {.async = ASYNC_BODY(entering_poll)}};
    struct thread threads[2];

    async_mutex_init(&mutex);
    bridge_start(THREAD_PRIORITY_NORMAL);
    for (unsigned i = 0; i < 2; i++)
        executor_spawn(&bridge.executor, &tasks[i].task, "entering", &tasks[i].async.future);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(thread_start(&threads[i], "enter", THREAD_PRIORITY_NORMAL, enter, NULL), STATUS_OK);
    for (unsigned i = 0; i < 2; i++)
        thread_join(&threads[i]);
    thread_sleep_until(clock_now_ns() + 100 * MS);
    bridge_end();
    cr_assert_eq(entered, 40);
}

/* An event that a task and a thread wait for, and an interrupt signals. */
static struct async_event event;

struct awaiting {
    struct async async;
    struct task task;
    struct async_event_wait wait;
};

static enum poll awaiting_poll(struct future *future, struct waker *waker)
{
    struct awaiting *self = container_of(future, struct awaiting, async.future);

    ASYNC (&self->async) {
        self->wait = async_event_wait(&event);
        AWAIT(&self->wait.future);
        ASYNC_RETURN;
    }
}

static void signal_event(void)
{
    async_event_signal(&event);
}

Test(block_on, lets_a_task_and_a_thread_through_a_gate_that_an_interrupt_opens)
{
    struct awaiting task = {.async = ASYNC_BODY(awaiting_poll)};
    struct async_event_wait wait = async_event_wait(&event);

    async_event_init(&event, false);
    bridge_start(THREAD_PRIORITY_NORMAL);
    executor_spawn(&bridge.executor, &task.task, "awaiting", &task.async.future);
    machine_at(5 * MS, signal_event);
    block_on(&wait.future);
    cr_assert_eq(support_clock_ns, 5 * MS);
    bridge_end();
    cr_assert(completion_done(&task.task.done));
}

/* A task that is dropped where it awaits takes nothing with it. */
Test(block_on, takes_nothing_from_a_thread_that_sent_to_a_task_which_is_dropped)
{
    struct receiving task = {.async = ASYNC_BODY(receiving_poll)};
    uint64_t message = 7, got = 0;
    struct channel_send send = channel_send(&channel, &message);

    cr_assert_not(poll_as(&task.async.future, 'a'));
    block_on(&send.future);
    expect_woken("a");
    future_drop(&task.async.future);
    cr_assert_eq(channel_receive_try(&channel, &got), STATUS_OK);
    cr_assert_eq(got, 7);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

Test(block_on, gives_up_at_the_deadline_and_leaves_nothing_behind)
{
    uint64_t message = 0;
    struct channel_receive receive = channel_receive(&channel, &message);

    cr_assert_eq(block_on_until(&receive.future, 5 * MS), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 5 * MS);
    cr_assert(waiters_empty(&channel.receivers));
    cr_assert_not(timer_queued(&machine.boot.deadline));
}

Test(block_on, polls_once_even_if_the_deadline_is_past)
{
    uint64_t message = 7;
    struct channel_send send = channel_send(&channel, &message);
    struct channel_receive receive = channel_receive(&channel, &message);

    support_clock_ns = 5 * MS;
    cr_assert_eq(block_on_until(&send.future, 3 * MS), STATUS_OK);
    cr_assert_eq(block_on_until(&receive.future, 0), STATUS_OK);
    receive = channel_receive(&channel, &message);
    cr_assert_eq(block_on_until(&receive.future, 0), STATUS_TIMEOUT);
}

static void put_7(void)
{
    cr_assert_eq(channel_send_try(&channel, &(uint64_t){7}), STATUS_OK);
}

Test(block_on, is_ready_before_the_deadline_when_an_interrupt_sends)
{
    uint64_t message = 0;
    struct channel_receive receive = channel_receive(&channel, &message);

    machine_at(3 * MS, put_7);
    cr_assert_eq(block_on_until(&receive.future, 5 * MS), STATUS_OK);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(message, 7);
    cr_assert_not(timer_queued(&machine.boot.deadline));
}

static enum status cancelled_with;

static void *wait_cancelled(void *unused)
{
    uint64_t message;
    struct channel_receive receive = channel_receive(&channel, &message);

    cancelled_with = block_on_until(&receive.future, TIMER_NEVER);
    return unused;
}

Test(block_on, ends_a_wait_with_a_deadline_when_its_thread_is_cancelled)
{
    struct thread thread;

    cr_assert_eq(thread_start(&thread, "t", THREAD_PRIORITY_HIGH, wait_cancelled, NULL), STATUS_OK);
    cr_assert_not(waiters_empty(&channel.receivers));
    thread_cancel(&thread);
    thread_join(&thread);
    cr_assert_eq(cancelled_with, STATUS_TIMEOUT);
    cr_assert(waiters_empty(&channel.receivers));
}

/* ---- where it may not be ----------------------------------------------------------------------------------------- */

static enum poll block_in_poll(struct future *future, struct waker *waker)
{
    struct yield_now yield = yield_now();

    (void)future;
    (void)waker;
    block_on(&yield.future);
    return POLL_READY;
}

Test(block_on, is_not_for_polls, .exit_code = PANIC_EXIT)
{
    struct future future = {.poll = block_in_poll};

    block_on(&future);
}

static void block_in_interrupt(void)
{
    uint64_t message = 7;
    struct channel_send send = channel_send(&channel, &message);

    block_on(&send.future);
}

Test(block_on, is_not_for_interrupts_even_if_it_need_not_wait, .exit_code = PANIC_EXIT)
{
    machine_interrupt(block_in_interrupt);
}

Test(block_on, is_not_for_threads_that_keep_the_cpu, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    block_in_interrupt();
}

static void wait_in_interrupt(void)
{
    uint64_t message;
    struct channel_receive receive = channel_receive(&channel, &message);

    (void)poll_as(&receive.future, 'a');
}

Test(block_on, nor_may_an_interrupt_wait_by_a_poll_of_its_own, .exit_code = PANIC_EXIT)
{
    machine_interrupt(wait_in_interrupt);
}
