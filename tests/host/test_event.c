/* Events on a simulated machine: who is let through, when, and that no signal is lost. */
#include "thread/event.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"
#include "thread/mutex.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, c, high;
static struct event automatic = EVENT_INIT(automatic, true);
static struct event manual = EVENT_INIT(manual, false);

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    event_init(&automatic, true);
    event_init(&manual, false);
}

TestSuite(event, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

static void signal_automatic(void)
{
    event_signal(&automatic);
}

static void signal_manual(void)
{
    event_signal(&manual);
}

static void *wait_and_say(void *event)
{
    event_wait(event);
    support_trace("%s", thread_current()->name);
    return NULL;
}

static void *wait_until_and_say(void *deadline_ns)
{
    enum status status = event_wait_until(&automatic, (uintptr_t)deadline_ns);

    support_trace("%s:%s@%u", thread_current()->name, status == STATUS_OK ? "signal" : "timeout",
                  (unsigned)(support_clock_ns / MS));
    return NULL;
}

/* Four that wait, in this order; none runs before the test waits or lets a more urgent one run. */
static void start_waiters(struct event *event)
{
    start(&a, "a", EQUAL, wait_and_say, event);
    start(&b, "b", LOW, wait_and_say, event);
    start(&c, "c", EQUAL, wait_and_say, event);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, wait_and_say, event);
    cr_assert_eq(thread_state(&b), THREAD_WAITING);
}

Test(event, is_made_clear)
{
    static struct event made = EVENT_INIT(made, true);

    cr_assert_not(event_is_set(&made));
    cr_assert_not(event_try(&made));
    cr_assert_not(event_is_set(&automatic));
    cr_assert_not(event_try(&manual));
}

Test(event, lets_one_through_a_signal_if_automatic)
{
    signal_automatic();
    signal_automatic();
    cr_assert(event_is_set(&automatic));
    event_wait(&automatic);
    cr_assert_not(event_is_set(&automatic));
    cr_assert_not(event_try(&automatic));
    signal_automatic();
    cr_assert(event_try(&automatic));
    cr_assert_not(event_try(&automatic));
    cr_assert_eq(cpu_this()->switches, 0);
}

Test(event, lets_everybody_through_until_reset_if_manual)
{
    signal_manual();
    signal_manual();
    for (unsigned i = 0; i < 3; i++) {
        event_wait(&manual);
        cr_assert(event_try(&manual));
        cr_assert_eq(event_wait_until(&manual, 0), STATUS_OK);
    }
    event_reset(&manual);
    cr_assert_not(event_is_set(&manual));
    cr_assert_not(event_try(&manual));
    cr_assert_eq(event_wait_until(&manual, 0), STATUS_TIMEOUT);
    cr_assert_eq(cpu_this()->switches, 0);
}

Test(event, takes_back_a_signal_by_reset)
{
    signal_automatic();
    event_reset(&automatic);
    cr_assert_not(event_try(&automatic));
    event_reset(&automatic);
    signal_automatic();
    cr_assert_eq(event_wait_until(&automatic, 0), STATUS_OK);
    cr_assert_eq(event_wait_until(&automatic, 0), STATUS_TIMEOUT);
}

Test(event, makes_a_thread_wait_until_an_interrupt_signals)
{
    machine_at(3 * MS, signal_automatic);
    event_wait(&automatic);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_not(event_is_set(&automatic));
    machine_at(5 * MS, signal_manual);
    event_wait(&manual);
    cr_assert_eq(support_clock_ns, 5 * MS);
    cr_assert(event_is_set(&manual));
}

Test(event, leaves_who_waits_waiting_when_reset)
{
    start(&high, "high", HIGH, wait_and_say, &automatic);
    event_reset(&automatic);
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
    signal_automatic();
    expect_trace("high");
}

/* One at a time, and nobody runs meanwhile: the queue's own order, not the scheduler's. */
Test(event, lets_the_first_of_the_queue_through)
{
    struct thread *const order[] = {&high, &a, &c, &b};

    start_waiters(&automatic);
    preempt_disable();
    for (unsigned i = 0; i < 4; i++) {
        signal_automatic();
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(thread_state(order[j]), j <= i ? THREAD_READY : THREAD_WAITING, "signal %u, thread %s", i,
                         order[j]->name);
    }
    preempt_enable();
    thread_join(&b);
    expect_trace("high a c b");
    cr_assert_not(event_is_set(&automatic));
}

Test(event, lets_all_through_in_order_of_urgency_if_manual)
{
    start_waiters(&manual);
    signal_manual();
    support_trace("boot");
    thread_join(&b);
    expect_trace("high boot a c b");
    cr_assert(event_is_set(&manual));
}

static void *reset_when_through(void *event)
{
    wait_and_say(event);
    event_reset(event);
    return NULL;
}

/* The first to run takes the signal back; the others were let through before. */
Test(event, lets_all_through_before_any_of_them_runs_if_manual)
{
    start(&a, "a", EQUAL, wait_and_say, &manual);
    start(&b, "b", HIGH, wait_and_say, &manual);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH + 1, reset_when_through, &manual);
    signal_manual();
    expect_trace("high b");
    cr_assert_eq(thread_state(&a), THREAD_READY);
    cr_assert_not(event_is_set(&manual));
    cr_assert_eq(event_wait_until(&manual, 0), STATUS_TIMEOUT);
    thread_join(&a);
    expect_trace("high b a");
}

Test(event, lets_a_more_urgent_thread_run_before_signal_returns)
{
    start(&high, "high", HIGH, wait_and_say, &automatic);
    signal_automatic();
    support_trace("boot");
    expect_trace("high boot");
}

static void signal_and_say(void)
{
    signal_automatic();
    signal_manual();
    support_trace("irq");
}

Test(event, switches_at_the_end_of_the_interrupt_that_signals)
{
    start(&high, "high", HIGH, wait_and_say, &automatic);
    start(&a, "a", HIGH, wait_and_say, &manual);
    machine_interrupt(signal_and_say);
    support_trace("boot");
    expect_trace("irq high a boot");
}

Test(event, leaves_the_switch_to_who_turns_interrupts_on)
{
    uint64_t flags;

    start(&high, "high", HIGH, wait_and_say, &manual);
    flags = irq_save();
    signal_manual();
    cr_assert_not(irq_enabled());
    support_trace("boot");
    irq_restore(flags);
    thread_yield();
    expect_trace("boot high");
}

/* The signal belongs to a before a runs. */
Test(event, lets_nobody_steal_a_signal_that_was_handed_over)
{
    start(&a, "a", EQUAL, wait_and_say, &automatic);
    thread_yield();
    signal_automatic();
    cr_assert_not(event_try(&automatic));
    cr_assert_eq(event_wait_until(&automatic, 1 * MS), STATUS_TIMEOUT);
    thread_join(&a);
    expect_trace("a");
}

Test(event, wakes_nobody_in_vain)
{
    start(&a, "a", HIGH, wait_and_say, &automatic);
    start(&b, "b", HIGH, wait_and_say, &automatic);
    signal_automatic();
    expect_trace("a");
    cr_assert_eq(b.switches, 1);
}

Test(event, times_out_at_the_deadline_and_never_before)
{
    start(&a, "a", EQUAL, wait_until_and_say, (void *)(uintptr_t)(5 * MS));
    start(&b, "b", EQUAL, wait_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&c, "c", EQUAL, wait_until_and_say, (void *)(uintptr_t)(7 * MS));
    machine_at(4 * MS, signal_automatic);
    thread_join(&c);
    expect_trace("b:timeout@3 a:signal@4 c:timeout@7");
    cr_assert_eq(support_clock_ns, 7 * MS);
    signal_automatic();
    cr_assert(event_is_set(&automatic), "nobody waits any more");
    cr_assert_not(timer_queued(&a.deadline));
}

Test(event, is_set_by_a_signal_after_all_have_timed_out_if_manual)
{
    cr_assert_eq(event_wait_until(&manual, 2 * MS), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 2 * MS);
    cr_assert_not(event_try(&manual));
    event_reset(&manual);
    signal_manual();
    cr_assert(event_is_set(&manual));
}

Test(event, waits_for_good_without_a_deadline)
{
    machine_at(5000 * MS, signal_automatic);
    cr_assert_eq(event_wait_until(&automatic, TIMER_NEVER), STATUS_OK);
    cr_assert_eq(machine.timer_arms, 0);
}

static void *wait_and_park(void *event)
{
    wait_and_say(event);
    thread_park();
    support_trace("parked");
    return NULL;
}

Test(event, keeps_a_wake_of_a_waiting_thread_for_its_next_park)
{
    start(&high, "high", HIGH, wait_and_park, &automatic);
    thread_wake(&high);
    expect_trace("");
    signal_automatic();
    expect_trace("high parked");
}

static struct mutex mutex = MUTEX_INIT(mutex);

static void *lock_and_wait(void *event)
{
    mutex_lock(&mutex);
    wait_and_say(event);
    mutex_unlock(&mutex);
    return NULL;
}

static void *lock_and_unlock(void *unused)
{
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    return unused;
}

Test(event, moves_a_waiting_thread_up_that_inherits_a_priority)
{
    mutex_init(&mutex);
    start(&b, "b", LOW, lock_and_wait, &automatic);
    thread_sleep_until(1 * MS);
    start(&a, "a", EQUAL, wait_and_say, &automatic);
    thread_sleep_until(2 * MS);
    start(&high, "high", HIGH, lock_and_unlock, NULL);
    signal_automatic();
    expect_trace("b");
    signal_automatic();
    thread_join(&a);
    expect_trace("b a");
}

static void wait_automatic(void)
{
    event_wait(&automatic);
}

Test(event, is_not_waited_for_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    signal_automatic();
    machine_interrupt(wait_automatic);
}

Test(event, is_not_waited_for_in_a_poll, .exit_code = PANIC_EXIT)
{
    signal_automatic();
    machine.boot.may_not_park = true;
    event_wait(&automatic);
}

Test(event, is_not_waited_for_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    signal_automatic();
    machine.boot.may_not_park = true;
    cr_assert_eq(event_wait_until(&automatic, 0), STATUS_OK);
}

Test(event, is_not_waited_for_while_preemption_is_disabled, .exit_code = PANIC_EXIT)
{
    signal_automatic();
    preempt_disable();
    event_wait(&automatic);
}

Test(event, is_tried_signalled_and_reset_anywhere)
{
    machine.boot.may_not_park = true;
    preempt_disable();
    signal_automatic();
    cr_assert(event_try(&automatic));
    signal_manual();
    cr_assert(event_try(&manual));
    event_reset(&manual);
    cr_assert_not(event_try(&manual));
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

enum { CROWD = 24, FEW = 4 };

static struct thread crowd[CROWD];
static unsigned through, late;

static void *join_crowd(void *argument)
{
    if (event_wait_until(&manual, 2 * MS) == STATUS_OK)
        through++;
    else
        late++;
    return argument;
}

static void start_crowd(unsigned priority)
{
    through = late = 0;
    for (unsigned i = 0; i < CROWD; i++)
        start(&crowd[i], "crowd", priority, join_crowd, NULL);
    thread_sleep_until(1 * MS);
}

static unsigned waiting_when_interrupted;

static void count_the_waiting(void)
{
    waiting_when_interrupted = 0;
    for (unsigned i = 0; i < CROWD; i++)
        waiting_when_interrupted += thread_state(&crowd[i]) == THREAD_WAITING;
}

/* As if the handler's interrupt came just after the next that turns interrupts off did so. */
static void interrupt_soon(machine_handler *handler)
{
    irq_save();
    machine_interrupt(handler);
    machine.irq_on = true;
}

/* In the midst of the wakes, and before any of the crowd runs. */
Test(event, lets_interrupts_in_while_it_wakes_many)
{
    start_crowd(HIGH);
    interrupt_soon(count_the_waiting);
    signal_manual();
    cr_assert_eq(waiting_when_interrupted, CROWD - 1);
    cr_assert_eq(through, CROWD);
}

static void *reset_and_wait_again(void *argument)
{
    event_wait(&manual);
    event_reset(&manual);
    return join_crowd(argument);
}

/* Nobody comes back to the queue before it is empty. */
Test(event, lets_nobody_through_twice_with_an_interrupt_in_the_midst)
{
    start_crowd(HIGH);
    start(&high, "high", HIGH + 1, reset_and_wait_again, NULL);
    interrupt_soon(count_the_waiting);
    signal_manual();
    cr_assert_eq(waiting_when_interrupted, CROWD, "high was the first");
    cr_assert_eq(through, CROWD);
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
    thread_join(&high);
    cr_assert_eq(late, 1);
}

Test(event, turns_no_interrupts_on_for_who_had_them_off)
{
    uint64_t flags;

    start_crowd(HIGH);
    flags = irq_save();
    machine_interrupt(count_the_waiting); /* due as soon as interrupts are on */
    signal_manual();
    irq_restore(flags);
    cr_assert_eq(waiting_when_interrupted, 0);
    thread_yield();
    cr_assert_eq(through, CROWD);
}

static void reset_when_deadlines_come(void)
{
    event_reset(&manual);
    support_clock_ns = 2 * MS;
    sched_timer_interrupt(); /* and those that still wait are late */
}

Test(event, wakes_each_once_though_an_interrupt_resets_it_and_deadlines_come)
{
    start_crowd(HIGH);
    interrupt_soon(reset_when_deadlines_come);
    signal_manual();
    cr_assert_eq(through, 1);
    cr_assert_eq(late, CROWD - 1);
    cr_assert_not(event_is_set(&manual));
    cr_assert_eq(cpu_this()->preempt_count, 0);
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile unsigned signals;

static void begin(void)
{
    init();
    signals = 0;
}

static void signal_and_count(void)
{
    signals++;
    signal_automatic();
}

static void wait_once(void)
{
    begin();
    machine_window_open();
    event_wait(&automatic);
    machine_window_close();
    cr_assert_eq(signals, 1, "%s", machine_place());
    cr_assert_not(event_is_set(&automatic), "%s", machine_place());
}

Test(event, loses_no_signal_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(wait_once, signal_and_count), 5);
}

static void wait_for_manual(void)
{
    begin();
    machine_window_open();
    event_wait(&manual);
    machine_window_close();
    cr_assert(event_is_set(&manual), "%s", machine_place());
}

Test(event, loses_no_signal_at_any_instruction_of_a_wait_if_manual)
{
    cr_assert_gt(machine_explore(wait_for_manual, signal_manual), 5);
}

static void wait_with_a_deadline(void)
{
    enum status status;

    begin();
    machine_window_open();
    status = event_wait_until(&automatic, 5 * MS);
    machine_window_close();
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    cr_assert(status == STATUS_OK || support_clock_ns == 5 * MS, "%s", machine_place());
    cr_assert_eq(event_is_set(&automatic) + (status == STATUS_OK), signals, "%s", machine_place());
}

Test(event, gets_the_signal_or_the_timeout_at_any_instruction)
{
    cr_assert_gt(machine_explore(wait_with_a_deadline, signal_and_count), 5);
}

static void expire_high(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

static void *count_if_in_time(void *event)
{
    signals += event_wait_until(event, 2 * MS) == STATUS_OK;
    return NULL;
}

static void signal_while_it_times_out(void)
{
    begin();
    start(&high, "high", HIGH, count_if_in_time, &automatic);
    machine_window_open();
    event_signal(&automatic);
    machine_window_close();
    thread_join(&high);
    cr_assert_eq(event_is_set(&automatic) + signals, 1, "%s", machine_place());
}

Test(event, lets_a_waiter_through_or_stays_set_when_it_times_out_at_any_instruction)
{
    cr_assert_gt(machine_explore(signal_while_it_times_out, expire_high), 5);
}

static void try_in_interrupt(void)
{
    signals += event_try(&automatic);
}

/* Whoever takes it, one does. */
static void signal_and_try(void)
{
    bool got;

    begin();
    machine_window_open();
    event_signal(&automatic);
    got = event_try(&automatic);
    machine_window_close();
    cr_assert_not(event_is_set(&automatic), "%s", machine_place());
    cr_assert_leq(signals + got, 1, "%s", machine_place());
}

Test(event, gives_a_signal_to_one_only_when_tried_at_any_instruction)
{
    cr_assert_gt(machine_explore(signal_and_try, try_in_interrupt), 10);
}

static void reset_manual(void)
{
    event_reset(&manual);
}

/* Four who wait: interrupts come between the wakes too. */
static void signal_a_crowd(void)
{
    begin();
    through = late = 0;
    for (unsigned i = 0; i < FEW; i++)
        start(&crowd[i], "crowd", i % 2 ? HIGH : EQUAL, join_crowd, NULL);
    thread_sleep_until(1 * MS);
    machine_window_open();
    event_signal(&manual);
    machine_window_close();
    cr_assert_eq(cpu_this()->preempt_count, 0);
    for (unsigned i = 0; i < FEW; i++)
        thread_join(&crowd[i]);
    cr_assert_eq(support_clock_ns, 1 * MS, "%s", machine_place());
    cr_assert_eq(through, FEW, "%s", machine_place());
}

Test(event, lets_all_through_with_a_reset_at_any_instruction)
{
    cr_assert_gt(machine_explore(signal_a_crowd, reset_manual), 10);
}

Test(event, lets_all_through_with_another_signal_at_any_instruction)
{
    cr_assert_gt(machine_explore(signal_a_crowd, signal_manual), 10);
}

static void *park_then_wait(void *unused)
{
    thread_park();
    signals = event_wait_until(&automatic, 2 * MS) == STATUS_OK;
    return unused;
}

static void wake_high(void)
{
    thread_wake(&high);
}

/* A more urgent thread takes the signal, or comes to wait, in the midst of a signal or of the reset after it. */
static void signal_while_preempted(void)
{
    begin();
    start(&high, "high", HIGH, park_then_wait, NULL);
    machine_window_open();
    event_signal(&automatic);
    event_signal(&automatic);
    machine_window_close();
    thread_wake(&high);
    thread_join(&high);
    cr_assert_eq(signals, 1, "%s", machine_place());
}

Test(event, loses_no_signal_to_a_thread_that_cuts_in_at_any_instruction)
{
    cr_assert_gt(machine_explore(signal_while_preempted, wake_high), 10);
}

static void reset_while_preempted(void)
{
    begin();
    start(&high, "high", HIGH, park_then_wait, NULL);
    event_signal(&automatic);
    machine_window_open();
    event_reset(&automatic);
    machine_window_close();
    thread_wake(&high);
    if (thread_state(&high) == THREAD_WAITING)
        event_signal(&automatic);
    thread_join(&high);
    cr_assert_eq(signals, 1, "%s", machine_place());
    cr_assert_not(event_is_set(&automatic), "%s", machine_place());
}

Test(event, resets_with_a_thread_that_cuts_in_at_any_instruction)
{
    cr_assert_gt(machine_explore(reset_while_preempted, wake_high), 3);
}
