/* Scenarios of the sweep: the scheduler, and the life of threads. */
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/suites/sweep.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/stacks.h"
#include "thread/arch.h"
#include "thread/semaphore.h"

enum {
    PRIORITY_MIDDLE = 20,
    FEW = 3,
};

#define NEVER_NS (TIMER_NEVER - 1) /* a deadline, but one that does not come */

static struct rival high, middle, equal;
static atomic_uint done;

static void count(void)
{
    atomic_fetch_add(&done, 1);
}

static void call_high(void)
{
    rival_call(&high);
}

static void high_counts(void)
{
    atomic_store(&done, 0);
    rival_start(&high, THREAD_PRIORITY_HIGH, count);
}

static void high_counted(void)
{
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&done) == 1);
}

/* ---- every register and flag, known values in all of them ---------------------------------------------------------
 */

static struct registers pattern;

static void spin_set_up(void)
{
    high_counts();
    registers_init(&pattern, 5, FLAGS_ALL);
    atomic_store(&pattern.stop, true);
}

static void spin_window(void)
{
    sweep_open();
    registers_spin(&pattern);
    sweep_close();
}

static void spin_check(void)
{
    SWEEP_CHECK(pattern.mismatches == 0 && pattern.rounds == 1);
    high_counted();
}

SWEEP(registers, spin_set_up, spin_window, call_high, spin_check)

/* ---- yield ---------------------------------------------------------------------------------------------------------
 */

static void yield_few(void)
{
    for (unsigned i = 0; i < FEW; i++)
        thread_yield();
    count();
}

static void yield_set_up(void)
{
    high_counts();
    rival_start(&equal, THREAD_PRIORITY_NORMAL, yield_few);
    rival_call(&equal);
}

static void yield_window(void)
{
    sweep_open();
    for (unsigned i = 0; i < FEW; i++)
        thread_yield();
    sweep_close();
}

static void yield_check(void)
{
    rival_end(&equal);
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&done) == 2);
}

SWEEP(yield, yield_set_up, yield_window, call_high, yield_check)

/* ---- park: woken at any moment of it, and the idle thread ----------------------------------------------------------
 */

static struct thread *parked;
static atomic_bool go;

static void park_set_up(void)
{
    parked = thread_current();
    atomic_store(&go, false);
}

static void park_window(void)
{
    sweep_open();
    while (!atomic_load(&go))
        thread_park();
    sweep_close();
}

static void wake_parked(void)
{
    atomic_store(&go, true);
    thread_wake(parked);
}

static void park_check(void)
{
    SWEEP_CHECK(!timer_queued(&parked->deadline));
}

SWEEP(park, park_set_up, park_window, wake_parked, park_check)

/* ---- wake: of one who is being woken by another --------------------------------------------------------------------
 */

static void wake_set_up(void)
{
    atomic_store(&done, 0);
    rival_start(&high, THREAD_PRIORITY_HIGH, count);
    rival_start(&equal, THREAD_PRIORITY_NORMAL, count);
}

static void wake_window(void)
{
    sweep_open();
    rival_call(&equal);
    rival_call(&high);
    rival_call(&equal);
    thread_yield();
    sweep_close();
}

static void wake_strike(void)
{
    rival_call(&equal);
    rival_call(&high);
}

static void wake_check(void)
{
    rival_end(&equal);
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&done) == 5);
}

SWEEP(wake, wake_set_up, wake_window, wake_strike, wake_check)

/* ---- sleep: the deadline comes at any moment of it -----------------------------------------------------------------
 */

static unsigned early;

static void sleep_set_up(void)
{
    park_set_up();
    early = 0;
}

static void sleep_window(void)
{
    uint64_t deadline_ns;

    sweep_open();
    deadline_ns = sweep_deadline_ns();
    thread_sleep_until(deadline_ns);
    early += clock_now_ns() < deadline_ns;
    sweep_close();
}

static void sleep_check(void)
{
    SWEEP_CHECK(early == 0);
    park_check();
}

SWEEP(sleep, sleep_set_up, sleep_window, sched_timer_interrupt, sleep_check)

/* A sleeper whom something else wakes: its timer is out of the queue. */
static void woken_sleep_window(void)
{
    sweep_open();
    while (!atomic_load(&go))
        thread_park_until(clock_now_ns() + 100 * (uint64_t)MS);
    sweep_close();
}

SWEEP(woken_sleep, park_set_up, woken_sleep_window, wake_parked, park_check)

/* ---- timers: started and cancelled while one expires ---------------------------------------------------------------
 */

static struct waker expired;
static struct timer timers[2];
static unsigned expiries;
static bool cancelled;

static void expire(struct waker *waker)
{
    (void)waker;
    expiries++;
    SWEEP_CHECK(!cancelled);
    SWEEP_CHECK(!timer_queued(&timers[0]));
}

static void timer_set_up(void)
{
    expired.wake = expire;
    expiries = 0;
    cancelled = false;
}

/* The first is overdue, so it expires in whatever timer interrupt comes; the other never does. */
static void timer_window(void)
{
    sweep_open();
    sched_timer_start(&timers[1], clock_now_ns() + 100 * (uint64_t)MS, &expired);
    sched_timer_start(&timers[0], 1, &expired);
    sched_timer_cancel(&timers[0]);
    cancelled = true;
    sched_timer_cancel(&timers[1]);
    sweep_close();
}

static void timer_check(void)
{
    SWEEP_CHECK(expiries <= 1);
    SWEEP_CHECK(!timer_queued(&timers[0]) && !timer_queued(&timers[1]));
}

SWEEP(cancel, timer_set_up, timer_window, sched_timer_interrupt, timer_check)

/* Due at the same time, and in the same slot behind the first, the others come where timers are just taken away. */
static struct timer due[3];

static void due_window(void)
{
    sweep_open();
    for (unsigned i = 0; i < ARRAY_SIZE(due); i++)
        sched_timer_start(&due[i], 1, &expired);
    sweep_close();
}

static void due_check(void)
{
    sched_timer_interrupt();
    SWEEP_CHECK(expiries == ARRAY_SIZE(due));
    for (unsigned i = 0; i < ARRAY_SIZE(due); i++)
        SWEEP_CHECK(!timer_queued(&due[i]));
}

SWEEP(due, timer_set_up, due_window, sched_timer_interrupt, due_check)

/* ---- create, exit, join, reap --------------------------------------------------------------------------------------
 */

static struct thread child, rival_child;
static unsigned results_wrong;
static size_t stacks_before;

static void *answer(void *argument)
{
    count();
    return argument;
}

static void bring_up(struct thread *thread)
{
    static char result;

    start(thread, "child", THREAD_PRIORITY_NORMAL, answer, &result);
    results_wrong += thread_join(thread) != &result;
    results_wrong += thread_state(thread) != THREAD_DEAD;
}

static void bring_up_rival(void)
{
    bring_up(&rival_child);
}

static void life_set_up(void)
{
    atomic_store(&done, 0);
    results_wrong = 0;
    rival_start(&high, THREAD_PRIORITY_HIGH, bring_up_rival);
    stacks_before = stacks_pooled();
}

static void life_window(void)
{
    sweep_open();
    bring_up(&child);
    sweep_close();
}

static void life_check(void)
{
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&done) == 2 && results_wrong == 0);
    SWEEP_CHECK(!cpu_this()->dead_stacks);
}

SWEEP(life, life_set_up, life_window, call_high, life_check)

/* ---- cancel of a thread: by another and by the interrupt, while it waits, is given what it waits for, or sleeps
 * -------
 */

static struct semaphore awaited;
static struct thread waiting;
static atomic_bool lives; /* until its owner cancels it */
static enum status waited;

static void *wait_and_sleep(void *unused)
{
    (void)unused;
    atomic_store(&lives, true);
    waited = semaphore_take_until(&awaited, NEVER_NS);
    thread_sleep_until(NEVER_NS);
    return NULL;
}

static void cancel_waiting(void)
{
    if (atomic_load(&lives))
        thread_cancel(&waiting);
}

/* The timer is armed for no later, so that it is as well when somebody has waited before. */
static void waiting_set_up(void)
{
    semaphore_init(&awaited, 0);
    atomic_store(&lives, false);
    sched_timer_start(&timers[0], NEVER_NS, &expired);
    sched_timer_cancel(&timers[0]);
}

static void waiting_window(void)
{
    sweep_open();
    start(&waiting, "waiting", THREAD_PRIORITY_HIGH, wait_and_sleep, NULL);
    semaphore_give(&awaited);
    thread_cancel(&waiting);
    atomic_store(&lives, false);
    thread_join(&waiting);
    sweep_close();
}

/* The one unit was taken, or is there. */
static void waiting_check(void)
{
    SWEEP_CHECK(list_empty(&awaited.queue.threads) && !timer_queued(&waiting.deadline));
    SWEEP_CHECK(semaphore_units(&awaited) == (waited == STATUS_OK ? 0 : 1));
}

SWEEP(thread_cancel, waiting_set_up, waiting_window, cancel_waiting, waiting_check)

/* ---- the way out of an interrupt, a switch due ---------------------------------------------------------------------
 */

static void wake_in_interrupt(unsigned vector)
{
    (void)vector;
    sweep_open();
    rival_call(&high);
}

static void exit_set_up(void)
{
    high_counts();
    rival_start(&middle, PRIORITY_MIDDLE, count);
    interrupt_set(SUITE_VECTOR, wake_in_interrupt);
}

static unsigned ran_at_once;

static void exit_window(void)
{
    raise_40();
    ran_at_once = atomic_load(&done);
    sweep_close();
}

static void call_middle_and_high(void)
{
    rival_call(&middle);
    rival_call(&high);
}

static void exit_check(void)
{
    rival_end(&middle);
    rival_end(&high);
    SWEEP_CHECK(ran_at_once >= 1 && atomic_load(&done) == 3);
}

SWEEP(interrupt_exit, exit_set_up, exit_window, call_middle_and_high, exit_check)

/* ---- a switch put off while preemption is disabled -----------------------------------------------------------------
 */

static unsigned cut_in, put_off;

static void disabled_window(void)
{
    unsigned before, calls;

    sweep_open();
    preempt_disable();
    before = atomic_load(&done);
    rival_call(&equal);
    cut_in += atomic_load(&done) != before;
    preempt_enable();
    calls = atomic_load(&high.calls);
    put_off += atomic_load(&high.acts) < calls;
    sweep_close();
}

static void disabled_set_up(void)
{
    cut_in = put_off = 0;
    high_counts();
    rival_start(&equal, THREAD_PRIORITY_NORMAL, count);
}

static void disabled_check(void)
{
    SWEEP_CHECK(cut_in == 0 && put_off == 0);
    rival_end(&equal);
    rival_end(&high);
    SWEEP_CHECK(atomic_load(&done) == 2);
}

SWEEP(preempt_disabled, disabled_set_up, disabled_window, call_high, disabled_check)

/* ---- into the idle thread: what ends then leaves nothing for the CPU to halt upon ----------------------------------
 */

static struct thread ending;
static bool unreaped;

static void *wait_and_end(void *unused)
{
    (void)unused;
    while (!atomic_load(&go))
        thread_park();
    return NULL;
}

static void idle_set_up(void)
{
    atomic_store(&go, false);
    start(&ending, "ending", THREAD_PRIORITY_HIGH, wait_and_end, NULL);
}

/* The halt is long enough for whoever was woken to end within it, and for the idle thread to come by once more. */
static void idle_window(void)
{
    sweep_open();
    thread_park_until(sweep_deadline_ns() + 100 * US);
    unreaped = cpu_this()->dead_stacks != NULL;
    sweep_close();
}

static void end_ending(void)
{
    atomic_store(&go, true);
    thread_wake(&ending);
}

static void idle_check(void)
{
    SWEEP_CHECK(!unreaped);
    thread_join(&ending);
}

SWEEP(idle, idle_set_up, idle_window, end_ending, idle_check)
