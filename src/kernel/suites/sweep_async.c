/* Scenarios of the sweep: what tasks, threads and interrupts communicate by. */
#include "bridge/block_on.h"
#include "executor/async.h"
#include "executor/async_event.h"
#include "executor/async_mutex.h"
#include "executor/broadcast.h"
#include "executor/channel.h"
#include "executor/oneshot.h"
#include "executor/watch.h"
#include "kernel/executor_thread.h"
#include "kernel/suites/support.h"
#include "kernel/suites/sweep.h"

enum { CAPACITY = 2 };

static struct rival high;
static atomic_uint passed;
static enum status waited;

static void pass(void)
{
    atomic_fetch_add(&passed, 1);
}

static void spawn(unsigned priority, struct task *task, struct async *async)
{
    executor_spawn(&executor_at(priority)->executor, task, "swept", &async->future);
}

static bool poll_here(struct future *future)
{
    return future_poll(future, &thread_current()->waker) == POLL_READY;
}

static void no_timer_left(void)
{
    SWEEP_CHECK(!timer_queued(&thread_current()->deadline));
}

/* ---- channels: every message that was sent once, and whole ------------------------------------------------------- */

struct message {
    uint64_t number, inverse;
};

static struct channel channel;
static struct message storage[CAPACITY];
static uint64_t sent, sent_sum;
static _Atomic uint64_t received, received_sum;

static void message_came(const struct message *message)
{
    SWEEP_CHECK(message->inverse == ~message->number);
    atomic_fetch_add(&received, 1);
    atomic_fetch_add(&received_sum, message->number);
}

/* Counted only if it was sent: the interrupt counts between a thread's send and its count, if it comes there. */
static enum status send_try(uint64_t number)
{
    enum status status = channel_send_try(&channel, &(struct message){number, ~number});
    uint64_t flags = critical_enter();

    if (status == STATUS_OK) {
        sent++;
        sent_sum += number;
    }
    critical_leave(flags);
    return status;
}

static void send_in_interrupt(void)
{
    SWEEP_CHECK(send_try(1000) == STATUS_OK);
}

static void send_in_interrupt_unless_closed(void)
{
    enum status status = send_try(1000);

    SWEEP_CHECK(status == STATUS_OK || status == STATUS_CLOSED);
}

static void receive_in_interrupt(void)
{
    struct message message;

    SWEEP_CHECK(channel_receive_try(&channel, &message) == STATUS_OK);
    message_came(&message);
}

static void channel_set_up(void)
{
    channel_init(&channel, storage, sizeof(storage[0]), CAPACITY);
    sent = sent_sum = 0;
    atomic_store(&received, 0);
    atomic_store(&received_sum, 0);
}

static void channel_check(void)
{
    struct message message;

    while (channel_receive_try(&channel, &message) == STATUS_OK)
        message_came(&message);
    SWEEP_CHECK(sent == atomic_load(&received) && sent_sum == atomic_load(&received_sum));
    SWEEP_CHECK(channel_count(&channel) == 0 && channel.promised == 0);
    SWEEP_CHECK(waiters_empty(&channel.receivers) && waiters_empty(&channel.senders));
    no_timer_left();
}

static void receive_window(void)
{
    struct message message;
    struct channel_receive receive = channel_receive(&channel, &message);

    sweep_open();
    block_on(&receive.future);
    sweep_close();
    message_came(&message);
}

SWEEP(async_receive, channel_set_up, receive_window, send_in_interrupt, channel_check)

static void full_set_up(void)
{
    channel_set_up();
    for (uint64_t i = 1; i <= CAPACITY; i++)
        SWEEP_CHECK(send_try(i) == STATUS_OK);
}

static void send_window(void)
{
    struct message message = {3, ~UINT64_C(3)};
    struct channel_send send = channel_send(&channel, &message);

    sweep_open();
    block_on(&send.future);
    sweep_close();
    sent++;
    sent_sum += 3;
}

SWEEP(async_send, full_set_up, send_window, receive_in_interrupt, channel_check)

static void receive_until_window(void)
{
    struct message message;
    struct channel_receive receive = channel_receive(&channel, &message);

    sweep_open();
    waited = block_on_until(&receive.future, sweep_deadline_ns());
    sweep_close();
    if (waited == STATUS_OK)
        message_came(&message);
}

static void expire_and_send(void)
{
    sched_timer_interrupt();
    send_in_interrupt();
}

static void send_and_expire(void)
{
    send_in_interrupt();
    sched_timer_interrupt();
}

static void receive_until_check(void)
{
    SWEEP_CHECK(waited == (atomic_load(&received) ? STATUS_OK : STATUS_TIMEOUT));
    channel_check();
}

SWEEP(async_timeout, channel_set_up, receive_until_window, expire_and_send, receive_until_check)
SWEEP(async_in_time, channel_set_up, receive_until_window, send_and_expire, receive_until_check)

/* A task that takes what comes until there is no more. */
static struct taker {
    struct async async;
    struct task task;
    struct channel_receive receive;
    struct message message;
} taker;

static enum poll taker_poll(struct future *future, struct waker *waker)
{
    struct taker *self = container_of(future, struct taker, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&channel, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            message_came(&self->message);
        }
    }
}

static void taker_start(void)
{
    taker = (struct taker){.async = ASYNC_BODY(taker_poll)};
    spawn(THREAD_PRIORITY_HIGH, &taker.task, &taker.async);
}

static void taker_set_up(void)
{
    channel_set_up();
    taker_start();
}

static void taker_check(void)
{
    uint64_t sent_before;

    channel_close(&channel);
    task_wait(&taker.task);
    sent_before = atomic_load(&received);
    channel_check();
    SWEEP_CHECK(sent_before == atomic_load(&received)); /* the task had taken all */
}

static void to_task_window(void)
{
    sweep_open();
    SWEEP_CHECK(send_try(1) == STATUS_OK);
    SWEEP_CHECK(send_try(2) == STATUS_OK);
    sweep_close();
}

SWEEP(async_to_task, taker_set_up, to_task_window, send_in_interrupt, taker_check)

static void first_poll_window(void)
{
    sweep_open();
    taker_start();
    sweep_close();
}

SWEEP(async_task_receive, channel_set_up, first_poll_window, send_in_interrupt, taker_check)

static void close_window(void)
{
    sweep_open();
    SWEEP_CHECK(send_try(1) == STATUS_OK);
    channel_close(&channel);
    sweep_close();
}

SWEEP(async_close, taker_set_up, close_window, send_in_interrupt_unless_closed, taker_check)

/* The first who waits gives up, perhaps with a message promised: the task behind it gets it. */
static void cancel_window(void)
{
    struct message message;
    struct channel_receive receive = channel_receive(&channel, &message);

    sweep_open();
    if (poll_here(&receive.future)) {
        message_came(&message);
        taker_start();
    } else {
        taker_start();
        future_drop(&receive.future);
    }
    sweep_close();
}

SWEEP(async_cancel, channel_set_up, cancel_window, send_in_interrupt, taker_check)

/* Of two who wait to send the first gives up, perhaps with room promised. */
static void send_behind(void)
{
    struct message message = {4, ~UINT64_C(4)};
    struct channel_send send = channel_send(&channel, &message);

    block_on(&send.future);
    sent++;
    sent_sum += 4;
}

static void cancel_send_set_up(void)
{
    full_set_up();
    rival_start(&high, THREAD_PRIORITY_HIGH, send_behind);
}

static void cancel_send_window(void)
{
    struct message message = {3, ~UINT64_C(3)};
    struct channel_send send = channel_send(&channel, &message);

    sweep_open();
    if (poll_here(&send.future)) {
        sent++;
        sent_sum += 3;
        receive_in_interrupt();
        rival_call(&high);
    } else {
        rival_call(&high);
        future_drop(&send.future);
    }
    sweep_close();
}

/* More urgent than this thread, it has done it by now; its end would wake it. */
static void end_rival(void)
{
    SWEEP_CHECK(atomic_load(&high.acts) == 1);
    rival_end(&high);
}

static void cancel_send_check(void)
{
    end_rival();
    channel_check();
}

SWEEP(async_cancel_send, cancel_send_set_up, cancel_send_window, receive_in_interrupt, cancel_send_check)

/* ---- oneshots ---------------------------------------------------------------------------------------------------- */

static struct oneshot oneshot;
static uint64_t value;

static void oneshot_set_up(void)
{
    value = 0;
    waited = STATUS_AGAIN;
    oneshot_init(&oneshot, &value, sizeof(value));
}

static void oneshot_send_7(void)
{
    SWEEP_CHECK(oneshot_send(&oneshot, &(uint64_t){7}) == STATUS_OK);
}

static void oneshot_window(void)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    sweep_open();
    block_on(&receive.future);
    sweep_close();
    waited = receive.status;
}

static void oneshot_check(void)
{
    SWEEP_CHECK(waited == STATUS_OK && value == 7);
}

SWEEP(async_oneshot, oneshot_set_up, oneshot_window, oneshot_send_7, oneshot_check)

/* A receive is dropped, another one follows. */
static void oneshot_cancel_window(void)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    sweep_open();
    if (!poll_here(&receive.future))
        future_drop(&receive.future);
    receive = oneshot_receive(&oneshot);
    block_on(&receive.future);
    sweep_close();
    waited = receive.status;
}

SWEEP(async_oneshot_cancel, oneshot_set_up, oneshot_cancel_window, oneshot_send_7, oneshot_check)

static struct asker {
    struct async async;
    struct task task;
    struct oneshot_receive receive;
} asker;

static enum poll asker_poll(struct future *future, struct waker *waker)
{
    struct asker *self = container_of(future, struct asker, async.future);

    ASYNC (&self->async) {
        self->receive = oneshot_receive(&oneshot);
        AWAIT(&self->receive.future);
        waited = self->receive.status;
        ASYNC_RETURN;
    }
}

static void asker_window(void)
{
    sweep_open();
    asker = (struct asker){.async = ASYNC_BODY(asker_poll)};
    spawn(THREAD_PRIORITY_HIGH, &asker.task, &asker.async);
    sweep_close();
}

static void asker_check(void)
{
    task_wait(&asker.task);
    oneshot_check();
}

SWEEP(async_oneshot_task, oneshot_set_up, asker_window, oneshot_send_7, asker_check)

/* ---- watches and broadcasts -------------------------------------------------------------------------------------- */

enum { LAST = 4 };

static struct watch watch;
static struct broadcast broadcast;
static struct message watch_storage, broadcast_storage[CAPACITY];

/* A task that follows both to their ends. */
static struct follower {
    struct async async;
    struct task task;
    struct watch_changed changed;
    struct broadcast_receiver receiver;
    struct broadcast_receive receive;
    struct message message;
    uint64_t version, taken;
} follower;

static enum poll watcher_poll(struct future *future, struct waker *waker)
{
    struct follower *self = container_of(future, struct follower, async.future);

    ASYNC (&self->async) {
        while (self->version < LAST) {
            self->changed = watch_changed(&watch, self->version);
            AWAIT(&self->changed.future);
            self->version = watch_get(&watch, &self->message);
            SWEEP_CHECK(self->message.inverse == ~self->message.number);
        }
        ASYNC_RETURN;
    }
}

static void watch_set_up(void)
{
    watch_init(&watch, &watch_storage, sizeof(watch_storage));
    follower = (struct follower){.async = ASYNC_BODY(watcher_poll)};
    spawn(THREAD_PRIORITY_HIGH, &follower.task, &follower.async);
}

static void watch_set_number(uint64_t number)
{
    watch_set(&watch, &(struct message){number, ~number});
}

static void watch_strike(void)
{
    watch_set_number(1000);
}

static void watch_window(void)
{
    sweep_open();
    for (uint64_t i = 1; i < LAST; i++)
        watch_set_number(i);
    sweep_close();
}

static void watch_check(void)
{
    task_wait(&follower.task);
    SWEEP_CHECK(follower.version == LAST && waiters_empty(&watch.waiters));
}

SWEEP(async_watch, watch_set_up, watch_window, watch_strike, watch_check)

static enum poll listener_poll(struct future *future, struct waker *waker)
{
    struct follower *self = container_of(future, struct follower, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = broadcast_receive(&self->receiver, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            SWEEP_CHECK(self->message.inverse == ~self->message.number);
            self->taken++;
        }
    }
}

/* An equal, so that it may lag. */
static void broadcast_set_up(void)
{
    broadcast_init(&broadcast, broadcast_storage, sizeof(broadcast_storage[0]), CAPACITY);
    follower = (struct follower){.async = ASYNC_BODY(listener_poll), .receiver = broadcast_subscribe(&broadcast)};
    spawn(THREAD_PRIORITY_NORMAL, &follower.task, &follower.async);
    thread_yield();
}

static void broadcast_number(uint64_t number)
{
    SWEEP_CHECK(broadcast_send(&broadcast, &(struct message){number, ~number}) == STATUS_OK);
}

static void broadcast_strike(void)
{
    broadcast_number(1000);
}

static void broadcast_window(void)
{
    sweep_open();
    for (uint64_t i = 1; i <= CAPACITY + 2; i++)
        broadcast_number(i);
    thread_yield();
    sweep_close();
}

static void broadcast_check(void)
{
    sleep_for(US);
    SWEEP_CHECK(broadcast.sent == CAPACITY + 3 && follower.taken + follower.receiver.lost == broadcast.sent);
    broadcast_close(&broadcast);
    task_wait(&follower.task);
    SWEEP_CHECK(waiters_empty(&broadcast.waiters));
}

SWEEP(async_broadcast, broadcast_set_up, broadcast_window, broadcast_strike, broadcast_check)

/* ---- semaphores, mutexes, events: who gives up passes on what it was granted ---------------------------------------
 */

static struct async_semaphore semaphore;
static struct async_mutex mutex;
static struct async_mutex_guard owner;
static struct async_event event;

static void take_unit(void)
{
    struct async_semaphore_take take = async_semaphore_take(&semaphore, 1);

    block_on(&take.future);
    pass();
}

static void rival_set_up(void (*act)(void))
{
    atomic_store(&passed, 0);
    rival_start(&high, THREAD_PRIORITY_HIGH, act);
}

/* Waits, lets the rival wait behind, gives up; `undo` gives back what there was to have at once. */
static void give_up(struct future *future, void (*undo)(void))
{
    sweep_open();
    if (poll_here(future)) {
        undo();
        rival_call(&high);
    } else {
        rival_call(&high);
        future_drop(future);
    }
    sweep_close();
}

static void give_unit(void)
{
    async_semaphore_give(&semaphore, 1);
}

static void semaphore_set_up(void)
{
    async_semaphore_init(&semaphore, 0);
    rival_set_up(take_unit);
}

static void semaphore_window(void)
{
    struct async_semaphore_take take = async_semaphore_take(&semaphore, 1);

    give_up(&take.future, give_unit);
}

static void semaphore_check(void)
{
    end_rival();
    SWEEP_CHECK(atomic_load(&passed) == 1 && async_semaphore_units(&semaphore) == 0);
    SWEEP_CHECK(waiters_empty(&semaphore.waiters));
}

SWEEP(async_semaphore, semaphore_set_up, semaphore_window, give_unit, semaphore_check)

/* Units for more than are woken at once: the interrupt comes in between, and is not served first. */
enum { MANY = WAITERS_AT_ONCE + 2 };
static struct async_semaphore_take takes[MANY];

static void many_set_up(void)
{
    async_semaphore_init(&semaphore, 0);
    for (unsigned i = 0; i < MANY; i++) {
        takes[i] = async_semaphore_take(&semaphore, 1);
        SWEEP_CHECK(!poll_here(&takes[i].future));
    }
}

static void many_window(void)
{
    sweep_open();
    async_semaphore_give(&semaphore, MANY);
    sweep_close();
}

static void try_in_interrupt(void)
{
    SWEEP_CHECK(!async_semaphore_try(&semaphore, 1));
}

static void many_check(void)
{
    for (unsigned i = 0; i < MANY; i++)
        SWEEP_CHECK(poll_here(&takes[i].future));
    SWEEP_CHECK(async_semaphore_units(&semaphore) == 0);
}

SWEEP(async_semaphore_many, many_set_up, many_window, try_in_interrupt, many_check)

static void lock_and_unlock(void)
{
    struct async_mutex_guard guard = async_mutex_lock(&mutex);

    block_on(&guard.future);
    pass();
    async_mutex_unlock(&guard);
}

static void mutex_set_up(void)
{
    async_mutex_init(&mutex);
    SWEEP_CHECK(async_mutex_try(&mutex, &owner));
    rival_set_up(lock_and_unlock);
}

static struct async_mutex_guard second;

static void unlock_second(void)
{
    async_mutex_unlock(&second);
}

static void mutex_window(void)
{
    second = async_mutex_lock(&mutex);
    give_up(&second.future, unlock_second);
}

static void unlock_in_interrupt(void)
{
    async_mutex_unlock(&owner);
}

static void mutex_check(void)
{
    end_rival();
    SWEEP_CHECK(atomic_load(&passed) == 1 && !second.locked && async_semaphore_units(&mutex.free) == 1);
}

SWEEP(async_mutex, mutex_set_up, mutex_window, unlock_in_interrupt, mutex_check)

static void wait_for_signal(void)
{
    struct async_event_wait wait = async_event_wait(&event);

    block_on(&wait.future);
    pass();
}

static void signal_event(void)
{
    async_event_signal(&event);
}

static void event_set_up(void)
{
    async_event_init(&event, true);
    rival_set_up(wait_for_signal);
}

static void event_window(void)
{
    struct async_event_wait wait = async_event_wait(&event);

    give_up(&wait.future, signal_event);
}

static void event_check(void)
{
    end_rival();
    SWEEP_CHECK(atomic_load(&passed) == 1 && !event.set && waiters_empty(&event.waiters));
}

SWEEP(async_event, event_set_up, event_window, signal_event, event_check)
