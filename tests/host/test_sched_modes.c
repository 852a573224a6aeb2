/* The scheduler where nothing preempts, and with a tick, on a simulated machine. */
#include "bodies.h"
#include "thread/arch.h"
#include "thread/mutex.h"
#include "thread/sched.h"
#include "thread/semaphore.h"

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, high;
static struct mutex mutex;
static struct semaphore semaphore;
static unsigned happened;

static void begin(void)
{
    bodies_init();
    happened = 0;
    mutex_init(&mutex);
    semaphore_init(&semaphore, 0);
}

static void begin_to_completion(void)
{
    begin();
    (void)sched_set_preemption(PREEMPTION_NEVER);
}

static void *say_and_yield_thrice(void *argument)
{
    for (unsigned i = 0; i < 3; i++) {
        say(NULL);
        thread_yield();
    }
    return argument;
}

static void wake_boot(void)
{
    thread_wake(&machine.boot);
}

static void wake_high(void)
{
    thread_wake(&high);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

/* ---- to completion ----------------------------------------------------------------------------------------------- */

TestSuite(to_completion, .init = begin_to_completion);

Test(to_completion, starts_and_wakes_nobody_before_the_running_thread_yields)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    support_trace("boot");
    thread_yield();
    thread_wake(&high);
    support_trace("boot");
    thread_yield();
    support_trace("boot");
    expect_trace("boot boot high boot");
}

Test(to_completion, lets_an_interrupt_wake_but_not_switch)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    thread_yield();
    machine_at(4 * MS, wake_high);
    compute(6);
    thread_yield();
    compute(1);
    expect_trace("boot@0 high@6 boot@9");
}

Test(to_completion, ends_no_turn_and_takes_no_interrupt_for_one)
{
    start(&a, "a", EQUAL, compute_and_end, (void *)25);
    start(&b, "b", EQUAL, compute_and_end, (void *)25);
    compute(30);
    thread_join(&a);
    thread_join(&b);
    expect_trace("boot@0 a@30 b@55");
    cr_assert_eq(machine.interrupts, 0);
    cr_assert_eq(machine.timer_arms, 0);
}

static void *sleep_and_say(void *until_ms)
{
    thread_sleep_until((uintptr_t)until_ms * MS);
    return say(NULL);
}

/* The sleeper's own, after the end of what would be a turn. */
Test(to_completion, ends_no_turn_when_an_interrupt_comes_for_something_else)
{
    start(&high, "high", HIGH, sleep_and_say, (void *)15);
    thread_yield();
    start(&a, "a", EQUAL, compute_and_end, (void *)3);
    compute(40);
    cr_assert_eq(machine.interrupts, 1);
    thread_yield();
    expect_trace("boot@0 high a@40");
}

Test(to_completion, lets_equals_take_turns_when_they_yield)
{
    start(&a, "a", EQUAL, say_and_yield_thrice, NULL);
    start(&b, "b", EQUAL, say_and_yield_thrice, NULL);
    say_and_yield_thrice(NULL);
    thread_join(&a);
    thread_join(&b);
    expect_trace("boot a b boot a b boot a b");
}

/* The turn is given up even so: the next of the equals runs, not who yielded. */
Test(to_completion, yields_to_the_most_urgent_and_then_to_the_next_equal)
{
    start(&a, "a", EQUAL, say, NULL);
    start(&high, "high", HIGH, say, NULL);
    thread_yield();
    support_trace("boot");
    expect_trace("high a boot");
}

Test(to_completion, does_not_yield_to_a_lower_thread_nor_to_nobody)
{
    start(&b, "b", LOW, say, NULL);
    thread_yield();
    cr_assert_eq(cpu_this()->switches, 0);
    cr_assert(irq_enabled());
    expect_trace("");
}

Test(to_completion, switches_at_a_wait_and_at_an_end)
{
    start(&a, "a", LOW, say, NULL);
    start(&high, "high", HIGH, say, NULL);
    thread_sleep_until(5 * MS);
    support_trace("boot");
    expect_trace("high a boot");
}

Test(to_completion, runs_who_an_interrupt_woke_when_the_machine_was_idle)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    machine_at(4 * MS, wake_high);
    machine_at(7 * MS, wake_boot);
    thread_park();
    support_trace("boot");
    expect_trace("high boot");
    cr_assert_eq(support_clock_ns, 7 * MS);
    cr_assert_eq(machine.halts, 2);
}

Test(to_completion, keeps_a_wake_until_the_yield_however_preemption_was_disabled_and_interrupts_off)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_say, NULL);
    thread_yield();
    preempt_disable();
    flags = irq_save();
    thread_wake(&high);
    irq_restore(flags);
    machine_interrupt(wake_boot);
    preempt_enable();
    sched_preempt_enabled();
    support_trace("boot");
    thread_yield();
    expect_trace("boot high");
}

static void *lock_and_say(void *argument)
{
    mutex_lock(&mutex);
    say(NULL);
    mutex_unlock(&mutex);
    return argument;
}

Test(to_completion, hands_a_mutex_over_to_who_runs_later)
{
    mutex_lock(&mutex);
    start(&a, "a", LOW, lock_and_say, NULL);
    start(&high, "high", HIGH, lock_and_say, NULL);
    thread_sleep_until(MS);
    cr_assert_eq(machine.boot.priority, HIGH);
    mutex_unlock(&mutex);
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_eq(mutex_owner(&mutex), &high);
    support_trace("boot");
    mutex_lock(&mutex); /* after those that came before */
    support_trace("boot");
    mutex_unlock(&mutex);
    thread_join(&a);
    expect_trace("boot high boot a");
}

Test(to_completion, runs_a_thread_that_was_made_more_urgent_at_the_yield)
{
    start(&a, "a", LOW, say, NULL);
    thread_set_priority(&a, HIGH);
    support_trace("boot");
    thread_yield();
    expect_trace("boot a");
}

Test(to_completion, ends_a_thread_that_is_cancelled)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    thread_yield();
    thread_cancel(&high);
    support_trace("boot");
    thread_join(&high);
    expect_trace("boot high");
}

Test(to_completion, panics_at_a_yield_with_preemption_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    thread_yield();
}

Test(to_completion, panics_at_a_yield_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(thread_yield);
}

static void happen_and_wake_boot(void)
{
    happened++;
    thread_wake(&machine.boot);
}

static void park_until_it_happens(void)
{
    begin_to_completion();
    machine_window_open();
    while (!happened)
        thread_park();
    machine_window_close();
    cr_assert_eq(happened, 1);
}

/* Lost, the wake would leave the machine halted with nothing to come. */
Test(to_completion, loses_no_wake_that_comes_at_any_instruction_of_a_park)
{
    cr_assert_gt(machine_explore(park_until_it_happens, happen_and_wake_boot), 10);
}

static void *count_and_park(void *argument)
{
    thread_park();
    happened++;
    return argument;
}

/* While the boot thread has not waited yet, high has not run. */
static void yield_lock_and_wait(void)
{
    begin_to_completion();
    start(&high, "high", HIGH, count_and_park, NULL);
    start(&a, "a", LOW, lock_and_say, NULL);
    thread_yield();
    machine_window_open();
    mutex_lock(&mutex);
    preempt_disable();
    preempt_enable();
    cr_assert_eq(happened, 0, "%s", machine_place());
    thread_yield();
    mutex_unlock(&mutex);
    cr_assert_eq(semaphore_take_until(&semaphore, support_clock_ns + MS), STATUS_TIMEOUT);
    thread_join(&a);
    thread_join(&high);
    machine_window_close();
    cr_assert_eq(happened, 1, "%s", machine_place());
    cr_assert_eq(machine.stacks, 1, "%s", machine_place());
}

Test(to_completion, loses_no_wake_of_a_more_urgent_thread_at_any_instruction)
{
    cr_assert_gt(machine_explore(yield_lock_and_wait, wake_high), 100);
}

static void *take_and_give(void *argument)
{
    semaphore_take(&semaphore);
    happened++;
    return argument;
}

static void give(void)
{
    semaphore_give(&semaphore);
}

static void take_while_it_is_given(void)
{
    begin_to_completion();
    start(&high, "high", HIGH, take_and_give, NULL);
    start(&a, "a", EQUAL, take_and_give, NULL);
    machine_window_open();
    semaphore_give(&semaphore);
    thread_yield();
    thread_join(&high);
    thread_join(&a);
    machine_window_close();
    cr_assert_eq(happened, 2, "%s", machine_place());
    cr_assert_not(semaphore_try(&semaphore), "%s", machine_place());
}

Test(to_completion, loses_no_unit_that_is_given_at_any_instruction)
{
    cr_assert_gt(machine_explore(take_while_it_is_given, give), 50);
}

/* ---- at points --------------------------------------------------------------------------------------------------- */

static void begin_at_points(void)
{
    begin();
    cr_assert_eq(sched_set_preemption(PREEMPTION_AT_POINTS), PREEMPTION_ANYWHERE);
}

TestSuite(at_points, .init = begin_at_points);

Test(at_points, lets_an_interrupt_wake_but_not_switch_before_the_point)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    thread_yield();
    machine_at(4 * MS, wake_high);
    compute(6);
    preempt_point();
    compute(1);
    expect_trace("boot@0 high@6 boot@9");
}

Test(at_points, lets_nobody_in_by_a_wake_of_the_threads_own)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    thread_yield();
    thread_wake(&high);
    support_trace("boot");
    preempt_point();
    expect_trace("boot high");
}

static void *compute_with_points(void *duration_ms)
{
    for (uintptr_t i = 0; i < (uintptr_t)duration_ms; i++) {
        compute(1);
        preempt_point();
    }
    return NULL;
}

/* Those of three quanta; each ends at the first point after it is over. */
Test(at_points, ends_turns_at_points)
{
    start(&a, "a", EQUAL, compute_with_points, (void *)15);
    compute(25);
    preempt_point();
    compute_with_points((void *)15);
    thread_join(&a);
    expect_trace("boot@0 a@25 boot@35 a@45 boot@50");
}

/* Who is cut in on at a point goes on with its turn. */
Test(at_points, cuts_a_turn_short_for_the_more_urgent_alone)
{
    start(&high, "high", HIGH, park_and_compute, (void *)2);
    thread_yield();
    start(&a, "a", EQUAL, compute_and_end, (void *)3);
    machine_at(4 * MS, wake_high);
    compute_with_points((void *)9);
    thread_join(&a);
    compute(1);
    expect_trace("boot@0 high@4 boot@6 a@11 boot@14");
}

Test(at_points, switches_at_a_yield_a_wait_and_an_end)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    start(&a, "a", LOW, say, NULL);
    thread_yield();
    thread_wake(&high);
    support_trace("boot");
    thread_yield();
    thread_sleep_until(5 * MS);
    support_trace("boot");
    expect_trace("boot high a boot");
}

Test(at_points, has_one_in_a_park_that_is_over_at_once)
{
    start(&high, "high", HIGH, say, NULL);
    support_trace("boot");
    thread_park_until(0);
    expect_trace("boot high");
}

static void point_in_interrupt(void)
{
    thread_wake(&high);
    preempt_point();
    support_trace("irq");
}

Test(at_points, has_none_in_an_interrupt_nor_where_the_thread_keeps_the_cpu)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_say, NULL);
    thread_yield();
    machine_interrupt(point_in_interrupt);
    preempt_disable();
    preempt_point();
    preempt_enable();
    flags = irq_save();
    preempt_point();
    irq_restore(flags);
    support_trace("boot");
    preempt_point();
    expect_trace("irq boot high");
}

/* There interrupts are off already, and stay so. */
Test(at_points, has_one_on_the_way_to_ring_3)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_say, NULL);
    thread_yield();
    flags = irq_save();
    sched_preempt_edge();
    cr_assert_eq(cpu_this()->switches, 2);
    thread_wake(&high);
    support_trace("boot");
    sched_preempt_edge();
    cr_assert(!irq_enabled());
    irq_restore(flags);
    expect_trace("boot high");
}

Test(at_points, and_there_alone_is_the_way_to_ring_3_one)
{
    (void)sched_set_preemption(PREEMPTION_NEVER);
    start(&high, "high", HIGH, park_and_say, NULL);
    thread_yield();
    thread_wake(&high);
    (void)irq_save();
    sched_preempt_edge();
    support_trace("boot");
    irq_restore(IRQ_ENABLED);
    thread_yield();
    expect_trace("boot high");
}

Test(at_points, costs_nothing_where_nothing_is_due)
{
    start(&a, "a", EQUAL, say, NULL);
    start(&b, "b", LOW, say, NULL);
    preempt_point();
    cr_assert_eq(cpu_this()->switches, 0);
    cr_assert(irq_enabled());
    expect_trace("");
}

Test(at_points, runs_who_an_interrupt_woke_when_the_machine_was_idle)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    machine_at(4 * MS, wake_high);
    machine_at(7 * MS, wake_boot);
    thread_park();
    support_trace("boot");
    expect_trace("high boot");
    cr_assert_eq(machine.halts, 2);
}

Test(at_points, are_none_where_threads_run_to_completion)
{
    cr_assert_eq(sched_set_preemption(PREEMPTION_NEVER), PREEMPTION_AT_POINTS);
    start(&high, "high", HIGH, say, NULL);
    preempt_point();
    thread_park_until(0);
    support_trace("boot");
    thread_yield();
    expect_trace("boot high");
}

Test(at_points, are_not_needed_where_threads_are_preempted_anywhere)
{
    start(&high, "high", HIGH, say, NULL);
    support_trace("boot");
    cr_assert_eq(sched_set_preemption(PREEMPTION_ANYWHERE), PREEMPTION_AT_POINTS);
    support_trace("boot");
    preempt_point();
    expect_trace("boot high boot");
}

/* Nobody watched its end before. */
Test(at_points, are_not_needed_to_end_the_turn_that_is_under_way_when_preemption_begins)
{
    (void)sched_set_preemption(PREEMPTION_NEVER);
    start(&a, "a", EQUAL, compute_and_end, (void *)3);
    compute(14);
    (void)sched_set_preemption(PREEMPTION_ANYWHERE);
    compute(8);
    expect_trace("boot@0 a@20 boot@23");
}

static void compute_until_it_happens(void)
{
    begin_at_points();
    start(&high, "high", HIGH, count_and_park, NULL);
    thread_yield();
    machine_window_open();
    preempt_point();
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    preempt_point();
    machine_window_close();
    preempt_point();
    thread_join(&high);
    cr_assert_eq(happened, 1, "%s", machine_place());
    cr_assert_eq(machine.stacks, 1, "%s", machine_place());
}

static unsigned struck;

static void strike(void)
{
    struck++;
    thread_wake(&high);
}

static void come_to_a_point_after(void (*wait)(void))
{
    begin_at_points();
    struck = 0;
    start(&high, "high", HIGH, count_and_park, NULL);
    thread_yield();
    machine_window_open();
    wait();
    machine_window_close();
    preempt_point();
    cr_assert_eq(happened, struck, "%s", machine_place());
}

static void sleep_a_while(void)
{
    thread_sleep_until(support_clock_ns + MS);
}

static void come_to_a_point_after_a_sleep(void)
{
    come_to_a_point_after(sleep_a_while);
}

Test(at_points, forgets_no_more_urgent_thread_that_is_woken_at_any_instruction_of_a_sleep)
{
    cr_assert_gt(machine_explore(come_to_a_point_after_a_sleep, strike), 10);
}

static void wait_a_while(void)
{
    cr_assert_eq(semaphore_take_until(&semaphore, support_clock_ns + MS), STATUS_TIMEOUT);
}

static void come_to_a_point_after_a_wait(void)
{
    come_to_a_point_after(wait_a_while);
}

Test(at_points, forgets_no_more_urgent_thread_that_is_woken_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(come_to_a_point_after_a_wait, strike), 10);
}

Test(at_points, loses_no_wake_at_any_instruction)
{
    cr_assert_gt(machine_explore(compute_until_it_happens, wake_high), 10);
}

/* ---- a tick ------------------------------------------------------------------------------------------------------ */

TestSuite(tick, .init = begin);

Test(tick, interrupts_who_computes_so_often_exactly)
{
    sched_tick_start(MS);
    machine_run(1000 * MS);
    cr_assert_eq(machine.interrupts, 1000);
    cr_assert_eq(cpu_this()->switches, 0); /* alone, so each came back to where it was */
    sched_timer_cancel(&cpu_this()->tick);
}

Test(tick, interrupts_an_idle_machine_too)
{
    sched_tick_start(4 * MS);
    thread_sleep_until(1000 * MS);
    cr_assert(machine.interrupts >= 249 && machine.interrupts <= 250, "%u", machine.interrupts);
}

Test(tick, delays_no_deadline)
{
    sched_tick_start(10 * MS);
    thread_sleep_until(3 * MS + 1);
    cr_assert_eq(support_clock_ns, 3 * MS + 1);
    thread_sleep_until(29 * MS);
    cr_assert_eq(support_clock_ns, 29 * MS);
    cr_assert_eq(machine.interrupts, 4);
}

/* The first tick at which a quantum of 10 is over is that at 12. */
Test(tick, ends_turns_at_ticks_and_not_between)
{
    sched_tick_start(4 * MS);
    start(&a, "a", EQUAL, compute_and_end, (void *)25);
    start(&b, "b", EQUAL, compute_and_end, (void *)25);
    thread_join(&a);
    thread_join(&b);
    expect_trace("a@0 b@12 a@24 b@36 a@48 b@49");
    cr_assert_eq(machine.interrupts, 12);
}

Test(tick, asks_the_timer_for_nothing_but_ticks)
{
    sched_tick_start(50 * MS);
    start(&a, "a", EQUAL, compute_and_end, (void *)45);
    compute(45);
    cr_assert_eq(machine.interrupts, 0);
    cr_assert_eq(machine.timer_ns, 50 * MS);
    thread_join(&a);
    expect_trace("boot@0 a@45");
}

Test(tick, does_not_drift_however_late_its_interrupt_runs)
{
    uint64_t first;

    sched_tick_start(MS);
    first = cpu_this()->tick.deadline_ns;
    support_clock_step_ns = 1000;
    machine_run(100 * MS);
    support_clock_step_ns = 0;
    cr_assert_gt(cpu_this()->tick.deadline_ns, first + 90 * MS);
    cr_assert_eq((cpu_this()->tick.deadline_ns - first) % MS, 0);
}

Test(tick, makes_up_for_none_that_a_stall_swallowed)
{
    sched_tick_start(MS);
    support_clock_ns += 100 * MS + MS / 2;
    machine_run(10 * MS);
    cr_assert_eq(machine.interrupts, 11); /* one late, ten in time */
}

Test(tick, preempts_nobody_where_nothing_preempts)
{
    (void)sched_set_preemption(PREEMPTION_NEVER);
    sched_tick_start(4 * MS);
    start(&a, "a", EQUAL, compute_and_end, (void *)5);
    compute(40);
    cr_assert_eq(machine.interrupts, 10);
    thread_yield();
    compute(1);
    expect_trace("boot@0 a@40 boot@45");
}

Test(tick, panics_without_a_period, .exit_code = PANIC_EXIT)
{
    sched_tick_start(0);
}
