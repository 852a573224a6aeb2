/* The accounts of threads on the simulated machine: each number is known beforehand, and all of them add up. */
#include "thread/account.h"

#include "lib/trace.h"
#include "machine.h"
#include "support.h"
#include "thread/condvar.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/mutex.h"
#include "thread/sched.h"
#include "thread/semaphore.h"
#include "thread/vectors.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, high;
static struct account last; /* of the thread that called note_last() */

static void init(void)
{
    support_clock_ns = 0;
    machine_start(10 * MS);
    account_insight(true);
}

TestSuite(account, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static struct account of(const struct thread *thread)
{
    const struct account *account = account_of(thread);

    return account ? *account : (struct account){0};
}

static void expect_switches(const struct thread *thread, uint64_t voluntary, uint64_t forced)
{
    struct account account = of(thread);

    cr_expect_eq(account.voluntary, voluntary, "%s: %lu voluntary, not %lu; %s", thread->name,
                 (unsigned long)account.voluntary, (unsigned long)voluntary, machine_place());
    cr_expect_eq(account.forced, forced, "%s: %lu forced, not %lu; %s", thread->name, (unsigned long)account.forced,
                 (unsigned long)forced, machine_place());
}

static void expect_wakes(const struct thread *thread, uint64_t wakes, uint64_t sum_ns, uint64_t max_ns)
{
    struct account account = of(thread);

    cr_expect_eq(account.wakes, wakes, "%s: %lu wakes, not %lu", thread->name, (unsigned long)account.wakes,
                 (unsigned long)wakes);
    cr_expect_eq(account.wake_ns_sum, sum_ns, "%s: %lu ns in all, not %lu", thread->name,
                 (unsigned long)account.wake_ns_sum, (unsigned long)sum_ns);
    cr_expect_eq(account.wake_ns_max, max_ns, "%s: %lu ns at most, not %lu", thread->name,
                 (unsigned long)account.wake_ns_max, (unsigned long)max_ns);
}

/* An account is gone with its thread, so who ends says what it was. */
static void note_last(void)
{
    last = of(thread_current());
}

static void *park(void *times)
{
    for (uintptr_t i = 0; i < (uintptr_t)times; i++)
        thread_park();
    note_last();
    return NULL;
}

static void *yield(void *times)
{
    for (uintptr_t i = 0; i < (uintptr_t)times; i++)
        thread_yield();
    note_last();
    return NULL;
}

static void *compute(void *ms)
{
    machine_run((uintptr_t)ms * MS);
    note_last();
    return NULL;
}

/* All that is counted of the time since the start. */
static uint64_t accounted_ns(void)
{
    uint64_t sum_ns = cpu_this()->ended_ns + cpu_this()->interrupt_ns;

    list_for_each (node, &thread_all)
        sum_ns += thread_run_ns(container_of(node, struct thread, all));
    return sum_ns;
}

static void wake_high(void)
{
    thread_wake(&high);
}

/* ---- switches ---------------------------------------------------------------------------------------------------- */

Test(account, counts_a_yield_as_voluntary)
{
    start(&a, "a", EQUAL, yield, (void *)3);
    expect_switches(&a, 0, 0);
    for (unsigned i = 1; i <= 3; i++) {
        thread_yield();
        expect_switches(&a, i, 0);
        expect_switches(&machine.boot, i, 0);
    }
    thread_join(&a);
    cr_assert_eq(last.voluntary, 3);
    cr_assert_eq(last.forced, 0);
}

Test(account, traces_every_switch)
{
    struct trace_record records[4];

    start(&a, "a", EQUAL, yield, (void *)1);
    trace = (struct trace){records, 3, 0};
    thread_yield();
    cr_assert_eq(trace.count, 2);
    cr_assert(records[0].kind == TRACE_SWITCH && records[0].who == (uintptr_t)&a);
    cr_assert(records[1].kind == TRACE_SWITCH && records[1].who == (uintptr_t)&machine.boot);
    trace = (struct trace){0};
}

Test(account, counts_no_yield_to_nobody)
{
    thread_yield();
    expect_switches(&machine.boot, 0, 0);
}

Test(account, counts_a_park_and_a_sleep_as_voluntary)
{
    start(&high, "high", HIGH, park, (void *)1);
    expect_switches(&high, 1, 0);
    expect_switches(&machine.boot, 0, 1); /* its start preempted */
    thread_sleep_until(MS);
    expect_switches(&machine.boot, 1, 1);
    thread_wake(&high);
    expect_switches(&machine.boot, 1, 2);
    cr_assert_eq(last.voluntary, 1);
    cr_assert_eq(last.forced, 0);
    thread_wake(&machine.boot);
    thread_park(); /* does not wait */
    expect_switches(&machine.boot, 1, 2);
}

static struct mutex mutex = MUTEX_INIT(mutex);

static void *lock(void *unused)
{
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    note_last();
    return unused;
}

Test(account, counts_a_wait_for_a_mutex_as_voluntary_and_its_hand_over_as_a_wake)
{
    mutex_init(&mutex);
    mutex_lock(&mutex);
    start(&a, "a", EQUAL, lock, NULL);
    thread_yield();
    machine_run(2 * MS);
    mutex_unlock(&mutex); /* to an equal */
    machine_run(3 * MS);
    expect_switches(&machine.boot, 1, 0);
    thread_join(&a);
    expect_switches(&machine.boot, 2, 0);
    cr_assert_eq(last.voluntary, 1);
    cr_assert_eq(last.forced, 0);
    cr_assert_eq(last.wakes, 1);
    cr_assert_eq(last.wake_ns_sum, 3 * MS);
    cr_assert_eq(last.wake_ns_max, 3 * MS);
}

Test(account, counts_the_end_of_a_turn_as_forced)
{
    start(&a, "a", EQUAL, compute, (void *)25);
    machine_run(25 * MS); /* boot 10, a 10, boot 10, a 10, boot 5 */
    cr_assert_eq(support_clock_ns, 45 * MS);
    expect_switches(&machine.boot, 0, 2);
    expect_switches(&a, 0, 2);
    thread_join(&a);
    cr_assert_eq(last.forced, 2);
    cr_assert_eq(last.voluntary, 0);
    expect_switches(&machine.boot, 1, 2);
}

Test(account, counts_a_wake_by_an_interrupt_as_forced_for_whom_it_came_to)
{
    start(&high, "high", HIGH, park, (void *)9);
    machine_at(2 * MS, wake_high);
    machine_at(3 * MS, wake_high);
    machine_run(5 * MS);
    expect_switches(&machine.boot, 0, 3);
    expect_switches(&high, 3, 0);
    machine_at(6 * MS, wake_high);
    thread_sleep_until(7 * MS);
    expect_switches(&machine.boot, 1, 3);
    expect_switches(&cpu_this()->idle, 0, 2); /* for high, and for boot */
    cr_assert_eq(cpu_this()->idle.switches, 2);
}

Test(account, counts_a_preemption_put_off_once)
{
    start(&high, "high", HIGH, park, (void *)9);
    preempt_disable();
    thread_wake(&high);
    thread_wake(&high);
    expect_switches(&machine.boot, 0, 1);
    preempt_enable();
    expect_switches(&machine.boot, 0, 2);
}

Test(account, counts_nothing_but_switches_while_insight_is_off)
{
    account_insight(false);
    start(&high, "high", HIGH, park, (void *)9);
    thread_wake(&high);
    start(&a, "a", EQUAL, yield, (void *)9);
    thread_yield();
    cr_assert_eq(high.switches, 2);
    cr_assert_eq(a.switches, 1);
    cr_assert_eq(machine.boot.switches, 3);
    cr_assert_null(account_of(&high));
    cr_assert_null(account_of(&a));
    cr_assert_null(account_of(&machine.boot));
    cr_assert_eq(high.condition, THREAD_PARKED);
}

/* ---- from the wake to the run ------------------------------------------------------------------------------------ */

Test(account, times_each_wake_until_the_thread_runs_and_no_start)
{
    start(&a, "a", EQUAL, park, (void *)9);
    machine_run(4 * MS);
    thread_yield();
    expect_wakes(&a, 0, 0, 0);
    cr_assert_eq(thread_state(&a), THREAD_PARKED);
    thread_wake(&a);
    machine_run(1 * MS);
    thread_yield();
    expect_wakes(&a, 1, 1 * MS, 1 * MS);
    machine_run(3 * MS); /* it does not wait for the CPU: it parks */
    thread_wake(&a);
    machine_run(1 * MS);
    thread_wake(&a); /* ready already: a token */
    machine_run(5 * MS);
    thread_yield();
    expect_wakes(&a, 2, 7 * MS, 6 * MS);
}

Test(account, keeps_the_longest_wait)
{
    start(&high, "high", HIGH, park, (void *)9);
    thread_wake(&high);
    expect_wakes(&high, 1, 0, 0);
    preempt_disable();
    thread_wake(&high);
    machine_run(2 * MS);
    preempt_enable();
    expect_wakes(&high, 2, 2 * MS, 2 * MS);
    thread_wake(&high);
    expect_wakes(&high, 3, 2 * MS, 2 * MS);
}

Test(account, times_no_wait_of_a_thread_that_was_preempted)
{
    start(&a, "a", LOW, compute, (void *)10);
    machine_at(7 * MS, wake_high);
    start(&high, "high", HIGH, park, (void *)9);
    thread_sleep_until(20 * MS);
    cr_assert_eq(last.forced, 1);
    cr_assert_eq(last.wakes, 0);
    expect_wakes(&machine.boot, 1, 0, 0);
    expect_wakes(&high, 1, 0, 0);
}

static struct semaphore semaphore;

static void *take(void *unused)
{
    for (;;)
        semaphore_take(&semaphore);
    return unused;
}

static void *take_in_time(void *unused)
{
    cr_assert_eq(semaphore_take_until(&semaphore, support_clock_ns + 5 * MS), STATUS_OK);
    note_last();
    return unused;
}

static void *sleep_until(void *deadline_ns)
{
    thread_sleep_until((uintptr_t)deadline_ns);
    note_last();
    return NULL;
}

static void *take_until(void *unused)
{
    for (;;)
        cr_assert_eq(semaphore_take_until(&semaphore, support_clock_ns + 5 * MS), STATUS_TIMEOUT);
    return unused;
}

Test(account, times_the_wake_by_a_unit)
{
    semaphore_init(&semaphore, 0);
    start(&a, "a", EQUAL, take, NULL);
    thread_yield();
    semaphore_give(&semaphore);
    machine_run(2 * MS);
    thread_yield();
    expect_wakes(&a, 1, 2 * MS, 2 * MS);
    expect_switches(&a, 2, 0);
}

Test(account, times_the_wake_by_a_deadline)
{
    semaphore_init(&semaphore, 0);
    start(&a, "a", LOW, take_until, NULL);
    thread_sleep_until(MS);
    machine_run(7 * MS); /* past its deadline */
    cr_assert_eq(support_clock_ns, 8 * MS);
    expect_wakes(&a, 0, 0, 0);
    thread_sleep_until(9 * MS);
    expect_wakes(&a, 1, 3 * MS, 3 * MS);
    machine_run(6 * MS); /* the next one at 13 */
    thread_sleep_until(16 * MS);
    expect_wakes(&a, 2, 5 * MS, 3 * MS);
}

Test(account, times_the_end_of_a_sleep)
{
    start(&a, "a", LOW, sleep_until, (void *)(3 * MS));
    thread_sleep_until(MS);
    machine_run(4 * MS);
    thread_sleep_until(6 * MS);
    cr_assert_eq(last.wakes, 1);
    cr_assert_eq(last.wake_ns_sum, 2 * MS);
}

Test(account, times_the_wake_by_a_unit_before_the_deadline)
{
    semaphore_init(&semaphore, 0);
    start(&a, "a", EQUAL, take_in_time, NULL);
    thread_yield();
    semaphore_give(&semaphore);
    machine_run(2 * MS);
    thread_join(&a);
    cr_assert_eq(last.wakes, 1);
    cr_assert_eq(last.wake_ns_sum, 2 * MS);
    cr_assert_eq(timer_queue_next_deadline(&cpu_this()->timers), TIMER_NEVER);
}

/* Chosen by a signal or by its deadline, it goes on waiting for the mutex: only the unlock wakes it. */
static struct condvar condvar = CONDVAR_INIT(condvar);

static void *wait_for_condvar(void *deadline_ns)
{
    mutex_lock(&mutex);
    cr_assert_eq(condvar_wait_until(&condvar, &mutex, (uintptr_t)deadline_ns),
                 (uintptr_t)deadline_ns == TIMER_NEVER ? STATUS_OK : STATUS_TIMEOUT);
    mutex_unlock(&mutex);
    note_last();
    return NULL;
}

static void wake_by_condvar(uint64_t deadline_ns, bool owned, uint64_t expected_ns)
{
    condvar_init(&condvar);
    mutex_init(&mutex);
    start(&a, "a", EQUAL, wait_for_condvar, (void *)(uintptr_t)deadline_ns);
    thread_yield();
    if (owned)
        mutex_lock(&mutex);
    if (deadline_ns == TIMER_NEVER)
        condvar_signal(&condvar);
    machine_run(2 * MS);
    if (owned)
        mutex_unlock(&mutex);
    machine_run(1 * MS);
    thread_join(&a);
    cr_assert_eq(last.wakes, 1);
    cr_assert_eq(last.wake_ns_sum, expected_ns);
    cr_assert_eq(timer_queue_next_deadline(&cpu_this()->timers), TIMER_NEVER);
}

Test(account, times_a_signal_with_the_mutex_free)
{
    wake_by_condvar(TIMER_NEVER, false, 3 * MS);
}

Test(account, times_a_signal_from_the_unlock_of_the_mutex)
{
    wake_by_condvar(TIMER_NEVER, true, 1 * MS);
}

Test(account, times_a_deadline_with_the_mutex_free)
{
    wake_by_condvar(MS / 2, false, 3 * MS - MS / 2);
}

Test(account, times_a_deadline_from_the_unlock_of_the_mutex)
{
    wake_by_condvar(MS / 2, true, 1 * MS);
}

static struct event event;

static void *await(void *unused)
{
    for (;;)
        event_wait(&event);
    return unused;
}

Test(account, times_the_wakes_by_an_event_of_all_that_wait)
{
    event_init(&event, false);
    start(&a, "a", EQUAL, await, NULL);
    start(&b, "b", EQUAL, await, NULL);
    thread_yield();
    event_signal(&event);
    event_reset(&event);
    machine_run(1 * MS);
    thread_yield();
    expect_wakes(&a, 1, 1 * MS, 1 * MS);
    expect_wakes(&b, 1, 1 * MS, 1 * MS);
}

static struct message_queue queue;

static void *receive(void *message)
{
    for (;;)
        message_queue_receive(&queue, message);
    return message;
}

Test(account, times_the_wake_by_a_message)
{
    static uint64_t storage[2], message = 5, received;

    message_queue_init(&queue, storage, sizeof(message), 2);
    start(&a, "a", EQUAL, receive, &received);
    thread_yield();
    message_queue_send(&queue, &message);
    machine_run(2 * MS);
    thread_yield();
    expect_wakes(&a, 1, 2 * MS, 2 * MS);
}

/* The clock goes on between a switch's time and a wake in the same critical section: a wait of less than nothing. */
Test(account, takes_a_wake_after_the_time_of_its_switch_for_no_wait)
{
    start(&a, "a", EQUAL, park, (void *)9);
    thread_yield();
    thread_wake(&a);
    account_of(&a)->woken_ns = support_clock_ns + 1;
    thread_yield();
    expect_wakes(&a, 1, 0, 0);
}

/* One that waits in each way. */
static void start_waiting(void)
{
    static struct mutex held;

    semaphore_init(&semaphore, 0);
    mutex_init(&held);
    start(&a, "a", EQUAL, take, NULL);
    start(&b, "b", EQUAL, sleep_until, (void *)(20 * MS));
    start(&high, "high", HIGH, park, (void *)9);
    thread_yield();
}

static void end_waits(void)
{
    thread_wake(&high);
    semaphore_give(&semaphore);
    machine_run(2 * MS);
    thread_sleep_until(19 * MS);
    machine_run(3 * MS);
    thread_join(&b);
}

Test(account, takes_its_marks_back_when_insight_is_turned_off)
{
    start_waiting();
    account_insight(false);
    account_insight(false);
    cr_assert_eq(high.condition, THREAD_PARKED);
    cr_assert_not(timer_queued(&a.deadline));
    end_waits();
    cr_assert_eq(support_clock_ns, 22 * MS);
    cr_assert_eq(high.switches, 2);
    cr_assert_eq(a.switches, 2);
    cr_assert_eq(a.attention | high.attention | machine.boot.attention, 0);
}

Test(account, begins_when_insight_is_turned_on_while_threads_wait)
{
    account_insight(false);
    start_waiting();
    machine_run(MS);
    account_insight(true);
    account_insight(true);
    end_waits();
    expect_wakes(&high, 1, 0, 0);
    expect_wakes(&a, 1, 2 * MS, 2 * MS);
    cr_assert_eq(last.wakes, 1);
    cr_assert_eq(last.wake_ns_sum, 2 * MS);
    expect_switches(&machine.boot, 2, 1); /* its sleep and its join; high's wake */
    cr_assert_eq(accounted_ns(), support_clock_ns);
}

static void *compute_and_park(void *ms)
{
    machine_run((uintptr_t)ms * MS);
    thread_park();
    return NULL;
}

Test(account, adds_up_when_insight_is_turned_on_after_threads_have_run_and_ended)
{
    account_insight(false);
    start(&a, "a", EQUAL, compute_and_park, (void *)2);
    start(&b, "b", EQUAL, compute_and_park, (void *)3);
    machine_run(MS);
    thread_yield();
    thread_wake(&b);
    thread_join(&b);
    account_insight(true);
    cr_assert_eq(thread_run_ns(&a), 2 * MS);
    cr_assert_eq(cpu_this()->ended_ns, 3 * MS);
    cr_assert_eq(accounted_ns(), support_clock_ns);
}

Test(account, forgets_a_wake_that_insight_is_turned_off_after)
{
    start(&a, "a", EQUAL, park, (void *)9);
    thread_yield();
    thread_wake(&a);
    account_insight(false);
    machine_run(MS);
    account_insight(true);
    thread_yield();
    expect_wakes(&a, 0, 0, 0);
    thread_wake(&a);
    machine_run(MS);
    thread_yield();
    expect_wakes(&a, 1, MS, MS);
}

Test(account, times_the_end_of_a_sleep_without_a_deadline)
{
    start(&a, "a", EQUAL, sleep_until, (void *)TIMER_NEVER);
    thread_yield();
    thread_cancel(&a);
    machine_run(2 * MS);
    thread_join(&a);
    cr_assert_eq(last.wakes, 1);
    cr_assert_eq(last.wake_ns_sum, 2 * MS);
}

Test(account, lets_a_cancel_end_only_waits_with_a_deadline)
{
    semaphore_init(&semaphore, 0);
    start(&a, "a", EQUAL, take, NULL);
    start(&b, "b", EQUAL, sleep_until, (void *)(20 * MS));
    thread_yield();
    thread_cancel(&a);
    thread_cancel(&b);
    machine_run(1 * MS);
    thread_join(&b);
    cr_assert_eq(last.wake_ns_sum, 1 * MS);
    cr_assert_eq(thread_state(&a), THREAD_WAITING);
    cr_assert_eq(support_clock_ns, 1 * MS);
}

static void *use_and_park(void *number)
{
    cr_assert_eq(vectors_use(), STATUS_OK);
    machine.vectors = (uintptr_t)number;
    for (;;) {
        thread_park();
        cr_assert(machine.vectors_on);
        cr_assert_eq(machine.vectors, (uintptr_t)number);
    }
    return number;
}

Test(account, times_wakes_of_threads_that_use_vector_registers_and_keeps_the_registers)
{
    start(&a, "a", EQUAL, use_and_park, (void *)7);
    start(&b, "b", EQUAL, use_and_park, (void *)8);
    thread_yield();
    for (unsigned i = 0; i < 3; i++) {
        thread_wake(&a);
        thread_wake(&b);
        machine_run(1 * MS);
        thread_yield();
        cr_assert_not(machine.vectors_on);
    }
    expect_wakes(&a, 3, 3 * MS, 1 * MS);
    expect_wakes(&b, 3, 3 * MS, 1 * MS);
    cr_assert_eq(a.attention, ATTENTION_VECTORS | ATTENTION_INSIGHT);
    cr_assert_eq(machine.boot.attention, ATTENTION_INSIGHT);
}

/* ---- time in interrupts ------------------------------------------------------------------------------------------ */

static void take_a_while(void)
{
    support_clock_ns += MS / 4;
}

static void take_a_while_and_wake_high(void)
{
    take_a_while();
    thread_wake(&high);
    take_a_while();
}

Test(account, counts_an_interrupt_apart_from_whom_it_came_to)
{
    machine_at(3 * MS, take_a_while);
    machine_at(14 * MS, take_a_while);
    machine_run(10 * MS);
    cr_assert_eq(thread_run_ns(&machine.boot), 10 * MS);
    cr_assert_eq(cpu_this()->interrupt_ns, MS / 4);
    thread_sleep_until(20 * MS);
    cr_assert_eq(cpu_this()->interrupt_ns, MS / 2);
    cr_assert_eq(thread_run_ns(&cpu_this()->idle), 20 * MS - 10 * MS - MS / 2);
    cr_assert_eq(accounted_ns(), support_clock_ns - cpu_this()->started_ns);
}

Test(account, counts_an_interrupt_for_the_thread_while_insight_is_off)
{
    account_insight(false);
    machine_at(3 * MS, take_a_while);
    machine_run(10 * MS);
    cr_assert_eq(thread_run_ns(&machine.boot), 10 * MS + MS / 4);
    cr_assert_eq(cpu_this()->interrupt_ns, 0);
}

Test(account, begins_anew_with_each_thread_on_a_stack)
{
    for (unsigned i = 0; i < 3; i++) {
        start(&a, "a", EQUAL, compute, (void *)15);
        machine_run(20 * MS);
        thread_join(&a);
        cr_assert_eq(last.wakes, 0);
        cr_assert_eq(last.forced, 1);
        cr_assert_eq(accounted_ns(), support_clock_ns);
    }
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static unsigned struck;

static void strike(void)
{
    struck++;
    take_a_while_and_wake_high();
}

static void expect_sums(void)
{
    uint64_t voluntary = 0, forced = 0;

    list_for_each (node, &thread_all) {
        const struct thread *thread = container_of(node, struct thread, all);

        voluntary += of(thread).voluntary;
        forced += of(thread).forced;
        cr_assert(!(thread->attention & ATTENTION_WOKEN), "%s; %s", thread->name, machine_place());
    }
    cr_assert_eq(voluntary + forced, cpu_this()->switches, "%s", machine_place());
    cr_assert_eq(forced, 3 + struck, "%s", machine_place()); /* high's start and last wake, and boot's deadline */
    cr_assert_eq(accounted_ns(), support_clock_ns, "%s", machine_place());
    cr_assert_eq(cpu_this()->interrupt_ns, struck * MS / 2, "%s", machine_place());
}

/* boot gives a its turn and its unit; high comes in between once, wherever. */
static void give_and_yield(void)
{
    init();
    struck = 0;
    semaphore_init(&semaphore, 0);
    start(&high, "high", HIGH, park, (void *)9);
    start(&a, "a", EQUAL, take, NULL);
    thread_yield();
    machine_window_open();
    semaphore_give(&semaphore);
    thread_yield();
    thread_park_until(support_clock_ns + MS);
    machine_window_close();
    machine_interrupt(wake_high); /* what is due comes now */
    expect_sums();
    cr_assert_eq(of(&high).wakes, 1 + struck, "%s", machine_place());
    cr_assert_eq(of(&high).wake_ns_sum, struck * MS / 4, "%s", machine_place());
    expect_switches(&high, 2 + struck, 0);
    cr_assert_eq(of(&a).wakes, 1, "%s", machine_place());
    cr_assert_eq(of(&a).voluntary, 2, "%s", machine_place());
    cr_assert_eq(of(&machine.boot).voluntary, 3, "%s", machine_place());
}

Test(account, adds_up_with_an_interrupt_at_any_instruction)
{
    cr_assert_gt(machine_explore(give_and_yield, strike), 50);
}

static void ask_run_time(void)
{
    uint64_t run_ns;

    init();
    start(&high, "high", HIGH, park, (void *)9);
    machine_run(5 * MS);
    machine_window_open();
    run_ns = thread_run_ns(&machine.boot);
    machine_window_close();
    cr_assert_eq(run_ns, 5 * MS, "%s", machine_place());
}

Test(account, says_how_long_the_caller_ran_with_an_interrupt_at_any_instruction)
{
    cr_assert_gt(machine_explore(ask_run_time, strike), 5);
}
