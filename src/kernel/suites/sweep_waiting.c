/* Scenarios of the sweep: events, message queues, condition variables, reader-writer locks, waits for a condition. */
#include "kernel/suites/support.h"
#include "kernel/suites/sweep.h"
#include "thread/condvar.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/rwlock.h"

enum { PRIORITY_MIDDLE = 20 };

static struct rival high, middle, low;
static atomic_uint passed;
static enum status waited;

static void call_high(void)
{
    rival_call(&high);
}

static void pass(void)
{
    atomic_fetch_add(&passed, 1);
}

static void no_timer_left(void)
{
    SWEEP_CHECK(!timer_queued(&thread_current()->deadline));
}

/* ---- events: a signal lets one through, and is not lost ------------------------------------------------------------
 */

static struct event event;

static void event_pass(void)
{
    event_wait(&event);
    pass();
}

static void signal_event(void)
{
    event_signal(&event);
}

static void automatic_set_up(void)
{
    event_init(&event, true);
    atomic_store(&passed, 0);
}

static void event_window(void)
{
    sweep_open();
    event_pass();
    sweep_close();
}

static void event_check(void)
{
    SWEEP_CHECK(atomic_load(&passed) == 1 && !event_is_set(&event));
    SWEEP_CHECK(list_empty(&event.queue.threads));
}

SWEEP(event_wait, automatic_set_up, event_window, signal_event, event_check)

/* One waits already, the other comes at any moment of the two signals. */
static void waited_set_up(void)
{
    rival_start(&high, THREAD_PRIORITY_HIGH, event_pass);
    rival_start(&middle, PRIORITY_MIDDLE, event_pass);
    rival_call(&middle);
}

static void signal_set_up(void)
{
    automatic_set_up();
    waited_set_up();
}

static void signal_window(void)
{
    sweep_open();
    event_signal(&event);
    event_signal(&event);
    sweep_close();
}

static void signal_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&passed) == 2 && !event_is_set(&event));
    SWEEP_CHECK(list_empty(&event.queue.threads));
}

SWEEP(event_signal, signal_set_up, signal_window, call_high, signal_check)

static void manual_set_up(void)
{
    event_init(&event, false);
    atomic_store(&passed, 0);
    waited_set_up();
}

static void manual_window(void)
{
    sweep_open();
    event_signal(&event);
    event_reset(&event);
    event_signal(&event);
    sweep_close();
}

static void manual_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&passed) == 2 && event_is_set(&event));
}

SWEEP(event_manual, manual_set_up, manual_window, call_high, manual_check)

static void event_until_window(void)
{
    sweep_open();
    waited = event_wait_until(&event, sweep_deadline_ns());
    sweep_close();
}

static void expire_and_signal(void)
{
    sched_timer_interrupt();
    event_signal(&event);
}

static void event_until_check(void)
{
    SWEEP_CHECK(waited == (event_is_set(&event) ? STATUS_TIMEOUT : STATUS_OK));
    no_timer_left();
}

static void signal_and_expire(void)
{
    event_signal(&event);
    sched_timer_interrupt();
}

SWEEP(event_timeout, automatic_set_up, event_until_window, expire_and_signal, event_until_check)
SWEEP(event_in_time, automatic_set_up, event_until_window, signal_and_expire, event_until_check)

/* ---- message queues: every message once, in order, and whole -------------------------------------------------------
 */

enum { CAPACITY = 2 };

struct message {
    uint64_t number, inverse;
};

static struct message_queue queue;
static struct message storage[CAPACITY];
static uint64_t sent;
static _Atomic uint64_t received;

static struct message next_message(void)
{
    sent++;
    return (struct message){sent, ~sent};
}

static void message_came(const struct message *message)
{
    uint64_t number = atomic_fetch_add(&received, 1) + 1;

    SWEEP_CHECK(message->number == number && message->inverse == ~number);
}

static void queue_set_up(void)
{
    message_queue_init(&queue, storage, sizeof(storage[0]), CAPACITY);
    sent = 0;
    atomic_store(&received, 0);
}

static void send_one(void)
{
    struct message message = next_message();

    message_queue_send(&queue, &message);
}

static void send_in_interrupt(void)
{
    struct message message = next_message();

    SWEEP_CHECK(message_queue_send_try(&queue, &message));
}

static void queue_check(void)
{
    struct message message;

    while (message_queue_receive_try(&queue, &message))
        message_came(&message);
    SWEEP_CHECK(sent == atomic_load(&received) && message_queue_count(&queue) == 0);
    SWEEP_CHECK(list_empty(&queue.receivers.threads) && list_empty(&queue.senders.threads));
    no_timer_left();
}

static void receive_window(void)
{
    struct message message;

    sweep_open();
    message_queue_receive(&queue, &message);
    sweep_close();
    message_came(&message);
}

SWEEP(message_receive, queue_set_up, receive_window, send_in_interrupt, queue_check)

/* More than there is room for: the interrupt makes room. */
static void send_window(void)
{
    sweep_open();
    for (unsigned i = 0; i < CAPACITY + 1; i++)
        send_one();
    sweep_close();
}

static void send_set_up(void)
{
    queue_set_up();
    send_one();
}

static void send_less_window(void)
{
    sweep_open();
    for (unsigned i = 0; i < CAPACITY; i++)
        send_one();
    sweep_close();
}

static void receive_in_interrupt(void)
{
    struct message message;

    SWEEP_CHECK(message_queue_receive_try(&queue, &message));
    message_came(&message);
}

SWEEP(message_send, send_set_up, send_less_window, receive_in_interrupt, queue_check)

/* Handed over, to one who waits, and to one who comes. */
static void receive_one(void)
{
    struct message message;

    message_queue_receive(&queue, &message);
    SWEEP_CHECK(message.inverse == ~message.number);
    atomic_fetch_add(&received, 1);
}

static void hand_set_up(void)
{
    queue_set_up();
    rival_start(&high, THREAD_PRIORITY_HIGH, receive_one);
    rival_start(&middle, PRIORITY_MIDDLE, receive_one);
    rival_call(&middle);
}

static void hand_check(void)
{
    struct message message;

    rival_end(&middle);
    rival_end(&high);
    SWEEP_CHECK(message_queue_receive_try(&queue, &message));
    SWEEP_CHECK(message.number == CAPACITY + 1);
    atomic_fetch_add(&received, 1);
    queue_check();
}

SWEEP(message_hand_over, hand_set_up, send_window, call_high, hand_check)

static void receive_until_window(void)
{
    struct message message;

    sweep_open();
    waited = message_queue_receive_until(&queue, &message, sweep_deadline_ns());
    sweep_close();
    if (waited == STATUS_OK)
        message_came(&message);
}

static void expire_and_send(void)
{
    sched_timer_interrupt();
    send_in_interrupt();
}

static void receive_until_check(void)
{
    SWEEP_CHECK(waited == (message_queue_count(&queue) ? STATUS_TIMEOUT : STATUS_OK));
    queue_check();
}

SWEEP(message_timeout, queue_set_up, receive_until_window, expire_and_send, receive_until_check)

/* ---- what is only changed, and read, as a whole --------------------------------------------------------------------
 */

static volatile unsigned left_hand, right_hand;
static unsigned torn;

static void change_both(void)
{
    torn += left_hand != right_hand;
    left_hand++;
    right_hand++;
}

static void read_both(void)
{
    torn += left_hand != right_hand;
    pass();
}

static void hands_set_up(void)
{
    left_hand = right_hand = torn = 0;
    atomic_store(&passed, 0);
}

/* ---- condition variables: no signal falls between the look and the wait --------------------------------------------
 */

static struct mutex mutex;
static struct condvar condvar;

static void make_true(void)
{
    mutex_lock(&mutex);
    change_both();
    condvar_broadcast(&condvar);
    mutex_unlock(&mutex);
}

static void make_true_for_one(void)
{
    mutex_lock(&mutex);
    change_both();
    condvar_signal(&condvar);
    mutex_unlock(&mutex);
}

static void wait_for_it(void)
{
    mutex_lock(&mutex);
    while (!left_hand)
        condvar_wait(&condvar, &mutex);
    torn += mutex_owner(&mutex) != thread_current();
    read_both();
    mutex_unlock(&mutex);
}

static void condvar_set_up(void)
{
    hands_set_up();
    mutex_init(&mutex);
    condvar_init(&condvar);
    rival_start(&high, THREAD_PRIORITY_HIGH, make_true_for_one);
}

static void condvar_window(void)
{
    sweep_open();
    wait_for_it();
    sweep_close();
}

static void condvar_settled(unsigned waiters)
{
    SWEEP_CHECK(torn == 0 && atomic_load(&passed) == waiters);
    SWEEP_CHECK(!mutex_owner(&mutex) && list_empty(&mutex.queue.threads) && list_empty(&condvar.queue.threads));
    no_timer_left();
}

static void condvar_check(void)
{
    rival_end(&high);
    condvar_settled(1);
}

SWEEP(condvar_wait, condvar_set_up, condvar_window, call_high, condvar_check)

static void broadcast_set_up(void)
{
    condvar_set_up();
    high.act = wait_for_it;
    rival_start(&middle, PRIORITY_MIDDLE, wait_for_it);
    rival_start(&low, THREAD_PRIORITY_NORMAL, wait_for_it);
    rival_call(&middle);
    rival_call(&low);
    thread_yield();
}

static void broadcast_window(void)
{
    sweep_open();
    make_true();
    sweep_close();
}

static void broadcast_check(void)
{
    rival_end(&low);
    rival_end(&middle);
    rival_end(&high);
    condvar_settled(3);
}

SWEEP(condvar_broadcast, broadcast_set_up, broadcast_window, call_high, broadcast_check)

/* The time is up while another signals: the mutex is back either way. */
static void condvar_wait_for(uint64_t deadline_ns)
{
    mutex_lock(&mutex);
    waited = condvar_wait_until(&condvar, &mutex, deadline_ns);
    torn += mutex_owner(&mutex) != thread_current();
    read_both();
    mutex_unlock(&mutex);
    sweep_close();
}

static void condvar_until_window(void)
{
    sweep_open();
    condvar_wait_for(sweep_deadline_ns());
}

static void expire_and_call_high(void)
{
    sched_timer_interrupt();
    rival_call(&high);
}

static void condvar_until_check(void)
{
    SWEEP_CHECK(waited == STATUS_OK || waited == STATUS_TIMEOUT);
    condvar_check();
}

/* Signalled before the time is up, unless that was before the wait; the mutex is to be had only afterwards. */
static void signal_and_keep(void)
{
    mutex_lock(&mutex);
    change_both();
    condvar_signal(&condvar);
    sleep_for(2 * MS);
    mutex_unlock(&mutex);
}

static void kept_set_up(void)
{
    condvar_set_up();
    high.act = signal_and_keep;
}

static void condvar_in_time_window(void)
{
    sweep_open();
    condvar_wait_for(sweep_deadline_ns() + MS);
}

SWEEP(condvar_timeout, condvar_set_up, condvar_until_window, expire_and_call_high, condvar_until_check)
SWEEP(condvar_in_time, kept_set_up, condvar_in_time_window, call_high, condvar_until_check)

/* ---- reader-writer locks --------------------------------------------------------------------------------------------
 */

static struct rwlock rwlock;

static void write_it(void)
{
    rwlock_write_lock(&rwlock);
    torn += rwlock_writer(&rwlock) != thread_current();
    change_both();
    rwlock_write_unlock(&rwlock);
}

static void read_it(void)
{
    rwlock_read_lock(&rwlock);
    torn += rwlock_readers(&rwlock) == 0;
    read_both();
    rwlock_read_unlock(&rwlock);
}

static void rwlock_set_up(void (*high_does)(void), void (*middle_does)(void))
{
    hands_set_up();
    rwlock_init(&rwlock);
    rival_start(&high, THREAD_PRIORITY_HIGH, high_does);
    rival_start(&middle, PRIORITY_MIDDLE, middle_does);
}

static void call_high_and_middle(void)
{
    rival_call(&high);
    rival_call(&middle);
}

static void rwlock_settled(unsigned writes, unsigned reads)
{
    SWEEP_CHECK(torn == 0 && left_hand == writes && right_hand == writes);
    SWEEP_CHECK(atomic_load(&passed) == reads);
    SWEEP_CHECK(!rwlock_writer(&rwlock) && rwlock_readers(&rwlock) == 0);
    no_timer_left();
}

static void readers_meet_set_up(void)
{
    rwlock_set_up(write_it, read_it);
}

static void read_window(void)
{
    sweep_open();
    read_it();
    sweep_close();
}

static void read_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    rwlock_settled(1, 2);
}

SWEEP(rwlock_read, readers_meet_set_up, read_window, call_high_and_middle, read_check)

static void writers_meet_set_up(void)
{
    rwlock_set_up(read_it, write_it);
}

static void write_window(void)
{
    sweep_open();
    write_it();
    sweep_close();
}

static void write_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    rwlock_settled(2, 1);
}

SWEEP(rwlock_write, writers_meet_set_up, write_window, call_high_and_middle, write_check)

/* Nobody writes between the writing and the reading of who does both. */
static void downgrade_window(void)
{
    unsigned written;

    sweep_open();
    rwlock_write_lock(&rwlock);
    change_both();
    written = left_hand;
    rwlock_downgrade(&rwlock);
    torn += left_hand != written;
    read_both();
    rwlock_read_unlock(&rwlock);
    sweep_close();
}

static void downgrade_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    rwlock_settled(2, 2);
}

SWEEP(rwlock_downgrade, readers_meet_set_up, downgrade_window, call_high_and_middle, downgrade_check)

/* A writer whose time is up while another reads; whoever came to read meanwhile is let in then. */
static void read_and_park(void)
{
    rwlock_read_lock(&rwlock);
    thread_park();
    read_both();
    rwlock_read_unlock(&rwlock);
}

static void writer_gives_up_set_up(void)
{
    rwlock_set_up(read_it, read_it);
    rival_start(&low, PRIORITY_LOW, read_and_park);
    rival_call(&low);
    while (rwlock_readers(&rwlock) == 0)
        sleep_for(US);
    sleep_for(US);
}

static void writer_gives_up_window(void)
{
    sweep_open();
    waited = rwlock_write_lock_until(&rwlock, sweep_deadline_ns() + MS);
    sweep_close();
}

static void writer_gives_up_check(void)
{
    SWEEP_CHECK(waited == STATUS_TIMEOUT);
    SWEEP_CHECK(atomic_load(&high.acts) == atomic_load(&high.calls));
    rival_end(&middle);
    rival_end(&high);
    thread_wake(&low.thread);
    rival_end(&low);
    rwlock_settled(0, 2);
}

SWEEP(rwlock_timeout, writer_gives_up_set_up, writer_gives_up_window, call_high, writer_gives_up_check)

/* ---- a wait for a condition
 * ------------------------------------------------------------------------------------------ */

static struct wait_queue condition_queue;
static bool condition;

static bool take_condition(void *unused)
{
    bool held = condition;

    (void)unused;
    condition = false;
    return held;
}

static void condition_set_up(void)
{
    wait_queue_init(&condition_queue);
    condition = false;
    atomic_store(&passed, 0);
}

static void condition_window(void)
{
    sweep_open();
    wait_queue_wait(&condition_queue, take_condition, NULL);
    pass();
    sweep_close();
}

static void make_condition(void)
{
    condition = true;
    wait_queue_wake_all(&condition_queue);
}

static void condition_check(void)
{
    SWEEP_CHECK(atomic_load(&passed) == 1 && !condition && list_empty(&condition_queue.threads));
}

SWEEP(condition, condition_set_up, condition_window, make_condition, condition_check)
