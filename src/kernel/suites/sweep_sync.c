/* Scenarios of the sweep: what threads wait for each other with. */
#include "kernel/suites/support.h"
#include "kernel/suites/sweep.h"
#include "thread/mutex.h"
#include "thread/semaphore.h"

enum { PRIORITY_MIDDLE = 20 };

static struct rival high, middle, low;
static struct mutex mutex;

/* ---- whoever holds the mutex changes both, one after the other -----------------------------------------------------
 */

static volatile unsigned left_hand, right_hand;
static unsigned torn;

static void change_both(void)
{
    torn += left_hand != right_hand;
    left_hand++;
    right_hand++;
}

static void lock_and_change(void)
{
    mutex_lock(&mutex);
    torn += mutex_owner(&mutex) != thread_current();
    change_both();
    mutex_unlock(&mutex);
    torn += thread_current()->priority != thread_current()->base_priority;
}

static void mutex_set_up(void)
{
    mutex_init(&mutex);
    left_hand = right_hand = torn = 0;
    rival_start(&high, THREAD_PRIORITY_HIGH, lock_and_change);
}

static void call_high(void)
{
    rival_call(&high);
}

static void mutex_changed(unsigned times)
{
    SWEEP_CHECK(torn == 0);
    SWEEP_CHECK(left_hand == times && right_hand == times);
    SWEEP_CHECK(!mutex_owner(&mutex));
    SWEEP_CHECK(list_empty(&mutex.queue.threads));
    SWEEP_CHECK(list_empty(&thread_current()->contended));
}

static void lock_window(void)
{
    sweep_open();
    lock_and_change();
    sweep_close();
}

static void lock_check(void)
{
    rival_end(&high);
    mutex_changed(2);
}

SWEEP(mutex, mutex_set_up, lock_window, call_high, lock_check)

/* ---- inheritance: a less urgent owner, whom others keep from running unless it inherits ----------------------------
 */

static volatile unsigned turns;
static unsigned middle_turn, high_turn;

static void take_middle_turn(void)
{
    middle_turn = ++turns;
}

static void take_high_turn(void)
{
    lock_and_change();
    high_turn = ++turns;
}

static void hold_and_wait(void)
{
    mutex_lock(&mutex);
    thread_park(); /* until the test's own thread waits for the mutex, or is about to */
    change_both();
    mutex_unlock(&mutex);
}

static void inherit_set_up(void)
{
    mutex_set_up();
    turns = middle_turn = high_turn = 0;
    high.act = take_high_turn;
    rival_start(&middle, PRIORITY_MIDDLE, take_middle_turn);
    rival_start(&low, PRIORITY_LOW, hold_and_wait);
    rival_call(&low);
    while (!mutex_owner(&mutex))
        sleep_for(US);
    sleep_for(US);
}

static void inherit_window(void)
{
    sweep_open();
    thread_wake(&low.thread);
    lock_and_change();
    sweep_close();
}

/* Whoever comes too early for the owner to be on its way would find it asleep. */
static void call_both(void)
{
    thread_wake(&low.thread);
    rival_call(&middle);
    rival_call(&high);
}

static void inherit_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    rival_end(&low);
    mutex_changed(3);
    SWEEP_CHECK(high_turn == 1 && middle_turn == 2);
}

SWEEP(inheritance, inherit_set_up, inherit_window, call_both, inherit_check)

/* ---- a lock that times out, and takes its lent priority with it ----------------------------------------------------
 */

static enum status waited;

static void timeout_window(void)
{
    sweep_open();
    waited = mutex_lock_until(&mutex, sweep_deadline_ns());
    sweep_close();
}

static void timeout_set_up(void)
{
    mutex_set_up();
    rival_start(&low, PRIORITY_LOW, hold_and_wait);
    rival_call(&low);
    while (!mutex_owner(&mutex))
        sleep_for(US);
    sleep_for(US);
}

static void timeout_check(void)
{
    SWEEP_CHECK(waited == STATUS_TIMEOUT);
    SWEEP_CHECK(low.thread.priority == PRIORITY_LOW);
    SWEEP_CHECK(!timer_queued(&thread_current()->deadline));
    thread_wake(&low.thread);
    rival_end(&low);
    rival_end(&high);
    mutex_changed(1);
}

SWEEP(mutex_timeout, timeout_set_up, timeout_window, sched_timer_interrupt, timeout_check)

/* The owner unlocks just when the waiter's time is up: the waiter has the mutex, or has not, and says so. */
static void unlock_at_deadline(void)
{
    thread_wake(&low.thread);
    sched_timer_interrupt();
}

static void wake_and_expire_check(void)
{
    thread_wake(&low.thread);
    if (waited == STATUS_OK) {
        SWEEP_CHECK(mutex_owner(&mutex) == thread_current());
        mutex_unlock(&mutex);
    }
    SWEEP_CHECK(waited == STATUS_OK || waited == STATUS_TIMEOUT);
    SWEEP_CHECK(!timer_queued(&thread_current()->deadline));
    rival_end(&low);
    rival_end(&high);
    mutex_changed(1);
}

static void unlock_window(void)
{
    sweep_open();
    thread_wake(&low.thread);
    waited = mutex_lock_until(&mutex, sweep_deadline_ns());
    sweep_close();
}

SWEEP(mutex_in_time, timeout_set_up, unlock_window, unlock_at_deadline, wake_and_expire_check)

/* ---- semaphores: units are neither lost nor made --------------------------------------------------------------------
 */

static struct semaphore semaphore;
static atomic_uint given, taken; /* by threads and interrupts */

static void give(void)
{
    atomic_fetch_add(&given, 1);
    semaphore_give(&semaphore);
}

static void take(void)
{
    semaphore_take(&semaphore);
    atomic_fetch_add(&taken, 1);
}

static void semaphore_set_up(void)
{
    semaphore_init(&semaphore, 0);
    atomic_store(&given, 0);
    atomic_store(&taken, 0);
}

static void semaphore_settled(void)
{
    SWEEP_CHECK(list_empty(&semaphore.queue.threads));
    SWEEP_CHECK(atomic_load(&given) == atomic_load(&taken) + semaphore_units(&semaphore));
}

static void take_window(void)
{
    sweep_open();
    take();
    sweep_close();
}

static void take_check(void)
{
    SWEEP_CHECK(atomic_load(&taken) == 1);
    semaphore_settled();
}

SWEEP(semaphore_take, semaphore_set_up, take_window, give, take_check)

static void give_window(void)
{
    sweep_open();
    give();
    take();
    give();
    sweep_close();
}

/* The opposite: who takes what is being given. */
static void steal(void)
{
    atomic_fetch_add(&taken, semaphore_try(&semaphore));
    give();
}

static void give_check(void)
{
    semaphore_settled();
    SWEEP_CHECK(atomic_load(&given) == 3 && atomic_load(&taken) <= 2);
}

SWEEP(semaphore_give, semaphore_set_up, give_window, steal, give_check)

/* Somebody waits, so that giving is handing over; and somebody more urgent comes. */
static void hand_set_up(void)
{
    semaphore_set_up();
    rival_start(&high, THREAD_PRIORITY_HIGH, take);
    rival_start(&middle, PRIORITY_MIDDLE, take);
    rival_call(&middle);
}

static void hand_window(void)
{
    sweep_open();
    give();
    give();
    sweep_close();
}

static void hand_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&taken) == 2);
    semaphore_settled();
}

SWEEP(semaphore_hand_over, hand_set_up, hand_window, call_high, hand_check)

/* A unit that comes just when the time is up: taken, or there. */
static void take_until_window(void)
{
    sweep_open();
    waited = semaphore_take_until(&semaphore, sweep_deadline_ns());
    atomic_fetch_add(&taken, waited == STATUS_OK);
    sweep_close();
}

static void expire_and_give(void)
{
    sched_timer_interrupt();
    give();
}

static void take_until_check(void)
{
    SWEEP_CHECK(waited == (atomic_load(&taken) ? STATUS_OK : STATUS_TIMEOUT));
    SWEEP_CHECK(!timer_queued(&thread_current()->deadline));
    semaphore_settled();
}

static void give_and_expire(void)
{
    give();
    sched_timer_interrupt();
}

SWEEP(semaphore_timeout, semaphore_set_up, take_until_window, expire_and_give, take_until_check)
SWEEP(semaphore_in_time, semaphore_set_up, take_until_window, give_and_expire, take_until_check)
