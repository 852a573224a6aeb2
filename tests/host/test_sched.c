/* The scheduler on a simulated machine: who runs, when, for how long, and what may interrupt it where. */
#include "thread/sched.h"

#include <string.h>

#include "bodies.h"
#include "thread/lock.h"

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, c, high;

TestSuite(sched, .init = bodies_init);

static void wake_boot(void)
{
    thread_wake(&machine.boot);
}

static void wake_a(void)
{
    thread_wake(&a);
}

static void wake_high(void)
{
    thread_wake(&high);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

/* ---- who runs ---------------------------------------------------------------------------------------------------- */

Test(sched, turns_the_running_flow_into_a_thread)
{
    struct thread *boot = &machine.boot;

    cr_assert_eq(thread_current(), boot);
    cr_assert_str_eq(boot->name, "boot");
    cr_assert_eq(boot->priority, THREAD_PRIORITY_NORMAL);
    cr_assert_eq(thread_state(boot), THREAD_RUNNING);
    cr_assert((uintptr_t)&boot > (uintptr_t)boot->stack &&
              (uintptr_t)&boot < (uintptr_t)boot->stack + boot->stack_bytes);
    cr_assert_eq(cpu_this()->quantum_ns, 10 * MS);
    cr_assert_eq(machine.stacks, 1); /* the idle thread's */
}

Test(sched, runs_a_more_urgent_thread_before_its_start_returns)
{
    start(&high, "high", HIGH, say, NULL);
    support_trace("boot");
    expect_trace("high boot");
}

Test(sched, lets_no_equal_or_lower_thread_preempt)
{
    start(&a, "a", EQUAL, say, NULL);
    start(&b, "b", LOW, say, NULL);
    support_trace("boot");
    thread_join(&a);
    thread_join(&b);
    expect_trace("boot a b");
}

Test(sched, preempts_at_once_for_the_wake_of_a_more_urgent_thread)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    support_trace("boot");
    thread_wake(&high);
    support_trace("boot");
    expect_trace("boot high boot");
    cr_assert_not(cpu_this()->need_resched);
}

Test(sched, preempts_at_the_exit_of_the_interrupt_that_wakes_a_more_urgent_thread)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    machine_at(4 * MS, wake_high);
    compute(6);
    expect_trace("boot@0 high@4 boot@7");
}

static void *park_and_look(void *argument)
{
    thread_park();
    cr_assert_not(cpu_this()->need_resched);
    thread_wake(&machine.boot);
    return argument;
}

Test(sched, asks_for_no_more_when_it_is_preempted_or_yields)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_look, NULL);
    start(&a, "a", HIGH, park_and_look, NULL);
    machine_interrupt(wake_high);
    thread_join(&high);
    flags = irq_save();
    thread_wake(&a);
    cr_assert(cpu_this()->need_resched);
    thread_yield();
    irq_restore(flags);
    thread_join(&a);
}

Test(sched, asks_for_no_more_when_a_wait_lets_in_who_is_more_urgent)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_look, NULL);
    flags = irq_save();
    thread_wake(&high);
    cr_assert(cpu_this()->need_resched);
    thread_park();
    irq_restore(flags);
    thread_join(&high);
}

static void *sleep_1_ms(void *argument)
{
    thread_sleep_until(clock_now_ns() + MS);
    return argument;
}

Test(sched, asks_for_no_switch_to_an_equal_whose_sleep_ends)
{
    start(&a, "a", EQUAL, sleep_1_ms, NULL);
    thread_yield();
    preempt_disable();
    machine_run(3 * MS);
    cr_assert_eq(thread_state(&a), THREAD_READY);
    cr_assert_not(cpu_this()->need_resched);
    preempt_enable();
    thread_join(&a);
}

static void wake_high_and_say(void)
{
    thread_wake(&high);
    cr_assert_eq(thread_current(), &machine.boot, "in an interrupt the current thread is the one interrupted");
    support_trace("irq");
}

Test(sched, does_not_switch_inside_an_interrupt)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    machine_interrupt(wake_high_and_say);
    support_trace("boot");
    expect_trace("irq high boot");
}

static void wake_a_and_look(void)
{
    thread_wake(&a);
    cr_assert_not(cpu_this()->need_resched);
}

Test(sched, never_preempts_for_the_wake_of_an_equal_one)
{
    start(&a, "a", EQUAL, park_and_say, NULL);
    thread_yield();
    thread_wake(&a);
    support_trace("boot");
    start(&b, "b", EQUAL, say, NULL);
    support_trace("boot");
    thread_join(&a);
    start(&a, "a", EQUAL, park_and_say, NULL);
    thread_yield();
    machine_interrupt(wake_a_and_look); /* nor at the exit of an interrupt */
    support_trace("boot");
    thread_join(&a);
    expect_trace("boot boot a b boot a");
}

Test(sched, runs_the_most_urgent_of_the_ready_threads_first)
{
    uint64_t flags;

    start(&a, "a", EQUAL + 1, park_and_say, NULL);
    start(&b, "b", EQUAL + 9, park_and_say, NULL);
    start(&c, "c", EQUAL + 5, park_and_say, NULL);
    flags = irq_save();
    thread_wake(&a);
    thread_wake(&b);
    thread_wake(&c);
    expect_trace(""); /* with interrupts off nobody preempts */
    irq_restore(flags);
    expect_trace("");
    thread_yield();
    support_trace("boot");
    expect_trace("b c a boot");
}

Test(sched, catches_up_at_the_next_interrupt_with_a_wake_while_interrupts_were_off)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_say, NULL);
    flags = irq_save();
    thread_wake(&high);
    irq_restore(flags);
    support_trace("boot");
    machine_interrupt(wake_boot);
    support_trace("boot");
    expect_trace("boot high boot");
}

static void *say_and_yield_thrice(void *argument)
{
    for (unsigned i = 0; i < 3; i++) {
        say(NULL);
        thread_yield();
    }
    return argument;
}

static void wake_high_with_interrupts_off(struct thread *unused)
{
    uint64_t flags = irq_save();

    (void)unused;
    thread_wake(&high);
    irq_restore(flags);
}

Test(sched, does_not_halt_while_somebody_is_ready)
{
    struct thread_options options = {.detached = true, .release = wake_high_with_interrupts_off};

    start(&high, "high", HIGH, park_and_say, NULL);
    cr_assert_eq(thread_start_options(&a, "a", LOW, &options, say, (void *)NULL), STATUS_OK);
    thread_join(&high);
    expect_trace("a high");
    cr_assert_eq(machine.halts, 0);
}

static void *look_at_states(void *argument)
{
    cr_assert_eq(thread_state(&a), THREAD_RUNNING);
    cr_assert_eq(thread_state(&machine.boot), (uintptr_t)argument);
    thread_park();
    cr_assert_eq(thread_state(&a), THREAD_RUNNING);
    return NULL;
}

Test(sched, says_of_each_thread_what_it_is_at)
{
    start(&a, "a", EQUAL, look_at_states, (void *)THREAD_READY);
    cr_assert_eq(thread_state(&a), THREAD_READY);
    cr_assert_eq(thread_state(&cpu_this()->idle), THREAD_READY);
    thread_yield();
    cr_assert_eq(thread_state(&machine.boot), THREAD_RUNNING);
    cr_assert_eq(thread_state(&a), THREAD_PARKED);
    thread_wake(&a);
    cr_assert_eq(thread_state(&a), THREAD_READY);
    thread_yield();
    cr_assert_eq(thread_state(&a), THREAD_DEAD);
    start(&a, "a", LOW, look_at_states, (void *)THREAD_PARKED);
    machine_at(2 * MS, wake_a);
    thread_join(&a);
    cr_assert_eq(thread_state(&machine.boot), THREAD_RUNNING);
    cr_assert_eq(thread_state(&cpu_this()->idle), THREAD_READY);
}

Test(sched, lets_equals_take_turns_when_they_yield)
{
    start(&a, "a", EQUAL, say_and_yield_thrice, NULL);
    start(&b, "b", EQUAL, say_and_yield_thrice, NULL);
    start(&c, "c", EQUAL, say_and_yield_thrice, NULL);
    say_and_yield_thrice(NULL);
    thread_join(&a);
    thread_join(&b);
    thread_join(&c);
    expect_trace("boot a b c boot a b c boot a b c");
}

/* A wake with interrupts off has left a more urgent thread waiting: the yield is for it, and for the equals too. */
Test(sched, yields_to_equals_after_a_more_urgent_thread_that_was_kept_waiting)
{
    uint64_t flags;

    start(&a, "a", EQUAL, say, NULL);
    start(&high, "high", HIGH, park_and_say, NULL);
    flags = irq_save();
    thread_wake(&high);
    irq_restore(flags);
    expect_trace("");
    thread_yield();
    expect_trace("high a");
    thread_join(&a);
    thread_join(&high);
}

Test(sched, yields_with_interrupts_off_as_with_them_on)
{
    uint64_t flags = irq_save();

    start(&a, "a", EQUAL, say, NULL);
    start(&high, "high", HIGH, say, NULL);
    expect_trace("");
    thread_yield();
    expect_trace("high a");
    cr_assert_not(irq_enabled());
    irq_restore(flags);
    thread_join(&a);
    thread_join(&high);
}

Test(sched, does_not_yield_to_a_lower_thread_nor_to_nobody)
{
    uint64_t switches;

    start(&b, "b", LOW, say, NULL);
    thread_yield();
    cr_assert_eq(cpu_this()->switches, 0);
    expect_trace("");
    thread_join(&b);
    switches = cpu_this()->switches;
    thread_yield();
    cr_assert_eq(cpu_this()->switches, switches);
    expect_trace("b");
}

Test(sched, wakes_equals_in_the_order_of_the_wakes)
{
    start(&a, "a", EQUAL, park_and_say, NULL);
    start(&b, "b", EQUAL, park_and_say, NULL);
    start(&c, "c", EQUAL, park_and_say, NULL);
    thread_yield();
    thread_wake(&b);
    thread_wake(&c);
    thread_wake(&a);
    thread_yield();
    expect_trace("b c a");
}

Test(sched, keeps_the_cpu_when_told_to_preempt_for_nobody)
{
    irq_save();
    sched_preempt();
    irq_restore(IRQ_ENABLED);
    cr_assert_eq(thread_current(), &machine.boot);
    cr_assert_eq(thread_state(&machine.boot), THREAD_RUNNING);
    cr_assert_eq(cpu_this()->ready_mask, 1u << EQUAL | 1u << THREAD_PRIORITY_IDLE);
    cr_assert_eq(cpu_this()->switches, 0);
}

/* ---- for how long ------------------------------------------------------------------------------------------------ */

Test(sched, gives_equals_turns_of_a_quantum)
{
    start(&a, "a", EQUAL, compute_and_end, (void *)25);
    start(&b, "b", EQUAL, compute_and_end, (void *)25);
    thread_join(&a);
    thread_join(&b);
    expect_trace("a@0 b@10 a@20 b@30 a@40 b@45");
}

Test(sched, does_not_interrupt_a_thread_that_runs_alone)
{
    start(&b, "b", LOW, say, NULL);
    machine_run(1000 * MS);
    cr_assert_eq(machine.interrupts, 0);
    cr_assert_eq(machine.timer_ns, TIMER_NEVER);
    cr_assert_eq(machine.timer_arms, 0);
}

Test(sched, does_not_interrupt_an_idle_machine)
{
    thread_sleep_until(1000 * MS);
    cr_assert_eq(machine.interrupts, 1);
    cr_assert_eq(machine.halts, 1);
}

/* Turns of a quantum follow each other, contended or not: the second one ends at 20. */
Test(sched, lets_an_equal_that_comes_late_wait_for_the_end_of_the_turn)
{
    compute(14);
    start(&a, "a", EQUAL, compute_and_end, (void *)3);
    compute(20);
    expect_trace("boot@0 a@20 boot@23");
}

Test(sched, lets_an_equal_that_comes_early_wait_for_the_end_of_the_turn)
{
    compute(4);
    start(&a, "a", EQUAL, compute_and_end, (void *)3);
    compute(1);
    start(&b, "b", EQUAL, compute_and_end, (void *)3); /* a second one changes nothing */
    compute(20);
    expect_trace("boot@0 a@10 b@13 boot@16");
}

Test(sched, goes_on_with_a_turn_that_a_more_urgent_thread_cut_into)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    start(&a, "a", EQUAL, compute_and_end, (void *)2);
    machine_at(4 * MS, wake_high);
    compute(20);
    expect_trace("boot@0 high@4 boot@7 a@13 boot@15");
}

Test(sched, gives_a_whole_quantum_after_a_turn_that_was_cut_into)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    start(&a, "a", EQUAL, compute_and_end, (void *)25);
    machine_at(4 * MS, wake_high);
    compute(25);
    expect_trace("boot@0 high@4 boot@7 a@13 boot@23 a@33 boot@43");
}

static void *park_wake_a_and_compute(void *duration_ms)
{
    thread_park();
    thread_wake(&a);
    return compute_and_end(duration_ms);
}

/* At 14 the second turn has 6 left. */
Test(sched, keeps_the_rhythm_of_turns_across_a_more_urgent_thread)
{
    start(&high, "high", HIGH, park_wake_a_and_compute, (void *)3);
    start(&a, "a", EQUAL, park_and_compute, (void *)2);
    thread_yield();
    machine_at(14 * MS, wake_high);
    compute(30);
    expect_trace("boot@0 high@14 boot@17 a@23 boot@25");
}

Test(sched, goes_behind_its_equals_if_its_turn_was_over_when_it_was_preempted)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    start(&a, "a", EQUAL, compute_and_end, (void *)2);
    machine_at(11 * MS, wake_high);
    preempt_disable();
    compute(12);
    preempt_enable();
    compute(12);
    expect_trace("boot@0 high@12 a@15 boot@17");
}

static void *compute_yield_compute(void *argument)
{
    compute(1);
    thread_yield();
    compute(1);
    return argument;
}

Test(sched, gives_a_whole_quantum_to_a_thread_that_yielded)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    start(&a, "a", EQUAL, compute_yield_compute, NULL);
    machine_at(4 * MS, wake_high);
    compute(5);
    thread_yield();
    compute(12);
    expect_trace("boot@0 high@4 boot@7 a@8 boot@9 a@19 boot@20");
}

static void *compute_park_compute(void *argument)
{
    compute(5);
    thread_park();
    compute(15);
    return argument;
}

Test(sched, gives_a_whole_quantum_to_a_thread_that_is_woken)
{
    start(&high, "high", HIGH, park_and_compute, (void *)3);
    start(&a, "a", EQUAL, compute_park_compute, NULL);
    machine_at(4 * MS, wake_high);
    thread_yield();
    compute(1);
    thread_wake(&a);
    thread_yield();
    compute(3);
    thread_join(&a);
    expect_trace("a@0 high@4 a@7 boot@8 a@9 boot@19 a@22");
}

Test(sched, ends_a_turn_on_time_though_another_timer_interrupts_before)
{
    struct timer timer = {0};

    sched_timer_start(&timer, 5 * MS, &machine.boot.waker);
    start(&a, "a", EQUAL, compute_and_end, (void *)2);
    compute(15);
    expect_trace("boot@0 a@10 boot@12");
}

Test(sched, ends_no_turn_for_a_lower_thread)
{
    start(&b, "b", LOW, compute_and_end, (void *)2);
    compute(35);
    thread_join(&b);
    expect_trace("boot@0 b@35");
}

Test(sched, counts_the_time_of_every_thread)
{
    uint64_t now_ns, sum_ns;

    start(&high, "high", HIGH, park_and_compute, (void *)3);
    start(&a, "a", EQUAL, compute_and_end, (void *)25);
    start(&b, "b", LOW, compute_and_end, (void *)7);
    machine_at(6 * MS, wake_high);
    compute(11);
    thread_sleep_until(100 * MS);
    thread_join(&a);
    thread_join(&b);
    thread_join(&high);
    compute(2);
    now_ns = support_clock_ns;
    cr_assert_eq(a.run_ns, 25 * MS);
    cr_assert_eq(b.run_ns, 7 * MS);
    cr_assert_eq(high.run_ns, 3 * MS);
    cr_assert_eq(now_ns, 102 * MS);
    cr_assert_eq(cpu_this()->idle.run_ns, (100 - 25 - 7 - 3 - 11) * MS);
    sum_ns = machine.boot.run_ns + now_ns + cpu_this()->idle.run_ns + a.run_ns + b.run_ns + high.run_ns;
    cr_assert_eq(sum_ns, now_ns);
    cr_assert_eq(a.switches + b.switches + high.switches + machine.boot.switches + cpu_this()->idle.switches,
                 cpu_this()->switches);
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

enum { WANDERERS = 9, STEPS = 300 };

static struct wanderer {
    struct thread thread;
    uint64_t seed;
    unsigned contended; /* milliseconds it has run while an equal was ready, since one last ran */
    uint64_t turns_of_equals;
    bool ended;
} wanderers[WANDERERS];

/* How often the equals of this one have run. */
static uint64_t turns_of_equals(const struct thread *thread)
{
    uint64_t turns = machine.boot.priority == thread->priority ? machine.boot.switches : 0;

    for (unsigned i = 0; i < WANDERERS; i++)
        if (&wanderers[i].thread != thread && wanderers[i].thread.priority == thread->priority)
            turns += wanderers[i].thread.switches;
    return turns;
}

/* No more urgent thread waits, and an equal one for a quantum at most. */
static void compute_as_one_may(struct wanderer *self, uint64_t duration_ms)
{
    unsigned priority = self->thread.priority;

    while (duration_ms--) {
        cr_assert_eq(cpu_this()->ready_mask >> priority >> 1, 0, "a more urgent thread is ready");
        if (self->thread.ring.next == &self->thread.ring || self->turns_of_equals != turns_of_equals(&self->thread))
            self->contended = 0;
        else
            self->contended++;
        self->turns_of_equals = turns_of_equals(&self->thread);
        cr_assert_leq(self->contended, 10, "an equal thread waits for longer than a quantum");
        machine_run(MS);
    }
}

static void wake_anyone(uint64_t *seed)
{
    struct wanderer *other = &wanderers[(support_random(seed) >> 32) % WANDERERS];

    if (!other->ended)
        thread_wake(&other->thread);
}

static void *wander(void *argument)
{
    struct wanderer *self = argument;

    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t random = support_random(&self->seed) >> 32;

        switch (random % 8) {
        case 0:
            thread_yield();
            break;
        case 1:
            thread_sleep_until(support_clock_ns + random / 8 % 30 * MS);
            break;
        case 2:
            thread_park_until(support_clock_ns + random / 8 % 60 * MS);
            break;
        case 3:
            wake_anyone(&self->seed);
            break;
        case 4:
            preempt_disable();
            wake_anyone(&self->seed);
            machine_run(random / 8 % 3 * MS);
            preempt_enable();
            break;
        default:
            compute_as_one_may(self, random / 8 % 15);
            continue;
        }
        self->contended = 0; /* it gave up the CPU, or kept it without being asked */
    }
    self->ended = true;
    return NULL;
}

static uint64_t interrupt_seed;

static void interrupt_at_random(void)
{
    wake_anyone(&interrupt_seed);
    machine_at(support_clock_ns + (support_random(&interrupt_seed) >> 32) % 7 * MS + MS, interrupt_at_random);
}

Test(sched, lets_nobody_wait_for_a_lower_one_nor_for_an_equal_one_longer_than_a_quantum)
{
    uint64_t ran_ns;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        bodies_init();
        memset(wanderers, 0, sizeof(wanderers));
        interrupt_seed = seed * 1000;
        machine_at(MS, interrupt_at_random);
        ran_ns = 0;
        for (unsigned i = 0; i < WANDERERS; i++) {
            wanderers[i].seed = seed * 100 + i + 1;
            start(&wanderers[i].thread, "wanderer", EQUAL - 1 + i % 3, wander, &wanderers[i]);
        }
        for (unsigned i = 0; i < WANDERERS; i++) {
            thread_join(&wanderers[i].thread);
            ran_ns += wanderers[i].thread.run_ns;
        }
        ran_ns += machine.boot.run_ns + support_clock_ns + cpu_this()->idle.run_ns;
        cr_assert_eq(ran_ns, support_clock_ns);
        cr_assert_gt(support_clock_ns, WANDERERS * STEPS * MS);
    }
}

/* ---- parking ----------------------------------------------------------------------------------------------------- */

Test(sched, parks_until_it_is_woken)
{
    machine_at(7 * MS, wake_boot);
    thread_park();
    cr_assert_eq(support_clock_ns, 7 * MS);
    cr_assert_eq(machine.halts, 1);
}

Test(sched, returns_at_once_from_the_park_after_a_wake_and_only_from_that)
{
    thread_wake(&machine.boot);
    thread_wake(&machine.boot); /* two are as good as one */
    thread_park();
    cr_assert_eq(machine.halts, 0);
    machine_when_idle(wake_boot);
    thread_park();
    cr_assert_eq(machine.halts, 1);
    machine_when_idle(wake_boot);
    thread_park();
    cr_assert_eq(machine.halts, 2);
}

static void *park_twice(void *argument)
{
    thread_park();
    support_trace("once");
    thread_park();
    support_trace("twice");
    return argument;
}

Test(sched, keeps_the_wake_of_a_thread_that_is_ready)
{
    start(&a, "a", EQUAL, park_twice, NULL);
    thread_wake(&a); /* ready, not parked */
    thread_yield();
    expect_trace("once");
    cr_assert_eq(thread_state(&a), THREAD_PARKED);
    thread_wake(&a);
    cr_assert_eq(thread_state(&a), THREAD_READY);
    thread_join(&a);
    expect_trace("once twice");
}

Test(sched, parks_until_its_deadline)
{
    thread_park_until(5 * MS);
    cr_assert_eq(support_clock_ns, 5 * MS);
    cr_assert_eq(timer_queue_next_deadline(&cpu_this()->timers), TIMER_NEVER);
    thread_park_until(8 * MS);
    cr_assert_eq(support_clock_ns, 8 * MS);
    cr_assert_eq(machine.interrupts, 2);
}

Test(sched, leaves_no_deadline_behind_when_it_is_woken_before)
{
    machine_at(3 * MS, wake_boot);
    thread_park_until(5 * MS);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_not(timer_queued(&machine.boot.deadline));
    cr_assert_eq(timer_queue_next_deadline(&cpu_this()->timers), TIMER_NEVER);
    machine_at(9 * MS, wake_boot);
    thread_park();
    cr_assert_eq(support_clock_ns, 9 * MS);
    thread_wake(&machine.boot);
    thread_park_until(20 * MS);
    cr_assert_eq(support_clock_ns, 9 * MS);
    cr_assert_not(timer_queued(&machine.boot.deadline));
}

Test(sched, does_not_wait_for_a_deadline_that_has_passed)
{
    machine_run(5 * MS);
    thread_park_until(0);
    cr_assert_eq(machine.halts, 0);
    thread_park_until(4 * MS);
    cr_assert_eq(support_clock_ns, 5 * MS);
}

Test(sched, parks_for_good_when_the_deadline_is_never)
{
    machine_at(7 * MS, wake_boot);
    thread_park_until(TIMER_NEVER);
    cr_assert_eq(support_clock_ns, 7 * MS);
    cr_assert_eq(machine.timer_arms, 0);
}

Test(sched, sleeps_until_its_deadline_however_often_it_is_woken)
{
    thread_wake(&machine.boot);
    for (uint64_t at = 1; at < 10; at++)
        machine_at(at * MS, wake_boot);
    thread_sleep_until(10 * MS);
    cr_assert_eq(support_clock_ns, 10 * MS);
    cr_assert_eq(machine.interrupts, 10);
    thread_sleep_until(10 * MS);
    thread_sleep_until(1 * MS);
    cr_assert_eq(support_clock_ns, 10 * MS);
}

static void *sleep_and_say(void *until_ms)
{
    thread_sleep_until((uintptr_t)until_ms * MS);
    support_trace("%s@%u", thread_current()->name, (unsigned)(support_clock_ns / MS));
    return NULL;
}

Test(sched, ends_sleeps_in_the_order_of_their_deadlines)
{
    start(&a, "a", EQUAL, sleep_and_say, (void *)30);
    start(&b, "b", LOW, sleep_and_say, (void *)10);
    start(&c, "c", HIGH, sleep_and_say, (void *)20);
    thread_join(&a);
    thread_join(&b);
    thread_join(&c);
    expect_trace("b@10 c@20 a@30");
}

static void *beat(void *argument)
{
    uint64_t deadline_ns = 0;
    unsigned beats = 0;

    while (beats++ < 4) {
        unsigned missed = (unsigned)thread_sleep_next(&deadline_ns, 10 * MS);

        support_trace("%u@%u", missed, (unsigned)(support_clock_ns / MS));
        machine_run(beats * (uintptr_t)argument * MS);
    }
    return NULL;
}

Test(sched, sleeps_in_a_rhythm_that_does_not_drift)
{
    start(&a, "a", HIGH, beat, (void *)2);
    thread_join(&a);
    expect_trace("0@10 0@20 0@30 0@40");
}

Test(sched, leaves_out_what_it_missed_of_a_rhythm_and_keeps_it)
{
    start(&a, "a", HIGH, beat, (void *)9);
    thread_join(&a);
    expect_trace("0@10 0@20 1@40 2@70");
}

Test(sched, is_in_time_for_a_beat_at_its_very_moment)
{
    uint64_t deadline_ns = 0;

    machine_run(10 * MS);
    cr_assert_eq(thread_sleep_next(&deadline_ns, 10 * MS), 0);
    cr_assert_eq(support_clock_ns, 10 * MS);
    cr_assert_eq(deadline_ns, 10 * MS);
}

Test(sched, panics_at_a_rhythm_without_a_period, .exit_code = PANIC_EXIT)
{
    uint64_t deadline_ns = 0;

    thread_sleep_next(&deadline_ns, 0);
}

Test(sched, panics_at_a_park_inside_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    thread_park();
}

Test(sched, panics_at_a_park_with_a_deadline_inside_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    thread_park_until(5 * MS);
}

Test(sched, panics_at_a_park_inside_a_poll_though_it_would_return_at_once, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    thread_wake(&machine.boot);
    thread_park();
}

Test(sched, panics_at_a_park_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(thread_park);
}

Test(sched, panics_at_a_park_between_polls_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(thread_park_between_polls);
}

Test(sched, panics_at_a_park_between_polls_with_preemption_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    thread_park_between_polls();
}

Test(sched, parks_between_polls_of_a_thread_that_is_marked_as_in_a_poll)
{
    machine.boot.may_not_park = true;
    thread_wake(&machine.boot);
    thread_park_between_polls();
    cr_assert_not(machine.boot.token);
    cr_assert(machine.boot.may_not_park);
}

Test(sched, panics_at_a_park_with_preemption_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    thread_park();
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static unsigned timer_wakes;

static void timer_wake(struct waker *waker)
{
    (void)waker;
    cr_assert_gt(cpu_this()->irq_depth, 0);
    support_trace("timer@%u", (unsigned)(support_clock_ns / MS));
    timer_wakes++;
}

static struct waker timer_waker = {timer_wake};

Test(sched, wakes_at_each_timers_deadline_in_the_timer_interrupt)
{
    struct timer early = {0}, late = {0};

    sched_timer_start(&late, 8 * MS, &timer_waker);
    cr_assert_eq(machine.timer_ns, 8 * MS);
    sched_timer_start(&early, 5 * MS, &timer_waker);
    cr_assert_eq(machine.timer_ns, 5 * MS);
    machine_run(20 * MS);
    expect_trace("timer@5 timer@8");
    cr_assert_eq(machine.timer_ns, TIMER_NEVER);
}

Test(sched, does_not_arm_the_timer_again_for_a_later_deadline)
{
    struct timer first = {0}, second = {0};

    sched_timer_start(&first, 5 * MS, &timer_waker);
    sched_timer_start(&second, 8 * MS, &timer_waker);
    cr_assert_eq(machine.timer_arms, 1);
    cr_assert_eq(machine.timer_ns, 5 * MS);
}

Test(sched, does_not_wake_a_cancelled_timer)
{
    struct timer cancelled = {0}, kept = {0};

    sched_timer_start(&cancelled, 5 * MS, &timer_waker);
    sched_timer_start(&kept, 8 * MS, &timer_waker);
    sched_timer_cancel(&cancelled);
    sched_timer_cancel(&cancelled);
    machine_run(20 * MS);
    expect_trace("timer@8");
}

Test(sched, arms_the_timer_again_after_an_interrupt_that_came_early)
{
    struct timer timer = {0};

    sched_timer_start(&timer, 5 * MS, &timer_waker);
    machine_at(1 * MS, sched_timer_interrupt);
    machine_run(20 * MS);
    expect_trace("timer@5");
}

Test(sched, restores_the_interrupt_flag_around_timers_and_wakes)
{
    struct timer timer = {0};

    irq_save();
    sched_timer_start(&timer, 5 * MS, &timer_waker);
    sched_timer_cancel(&timer);
    thread_wake(&machine.boot);
    thread_park();
    thread_yield();
    preempt_disable();
    preempt_enable();
    cr_assert_not(irq_enabled());
    irq_restore(IRQ_ENABLED);
    sched_timer_start(&timer, 5 * MS, &timer_waker);
    sched_timer_cancel(&timer);
    thread_wake(&machine.boot);
    thread_park();
    thread_park_until(1 * MS);
    thread_yield();
    preempt_disable();
    preempt_enable();
    cr_assert(irq_enabled());
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static int answer;

static void *exit_early(void *argument)
{
    (void)argument;
    thread_exit(&answer);
}

Test(sched, joins_a_thread_that_ends_later_or_ended_before)
{
    start(&a, "a", EQUAL, say, &answer);
    cr_assert_eq(thread_join(&a), &answer);
    start(&a, "a", EQUAL, exit_early, NULL);
    thread_yield();
    cr_assert_eq(thread_state(&a), THREAD_DEAD);
    cr_assert_eq(thread_join(&a), &answer);
    start(&a, "a", HIGH, park_and_say, &answer);
    thread_wake(&machine.boot); /* a join re-checks after a wake that is not the end */
    machine_at(3 * MS, wake_boot);
    machine_at(5 * MS, wake_a);
    cr_assert_eq(thread_join(&a), &answer);
    cr_assert_eq(support_clock_ns, 5 * MS);
}

static void *join_a(void *argument)
{
    thread_join(&a);
    return say(argument);
}

Test(sched, runs_a_more_urgent_joiner_before_who_is_next_goes_on)
{
    start(&a, "a", EQUAL, say, NULL);
    start(&high, "high", HIGH, join_a, NULL);
    thread_yield();
    support_trace("boot");
    expect_trace("a high boot");
}

Test(sched, runs_a_more_urgent_joiner_before_a_thread_that_is_new)
{
    start(&a, "a", EQUAL, say, NULL);
    start(&high, "high", HIGH, join_a, NULL);
    start(&b, "b", EQUAL, say, NULL);
    thread_join(&b);
    expect_trace("a high b");
}

static unsigned listed(const struct thread *thread)
{
    unsigned found = 0;

    list_for_each (node, &thread_all)
        found += container_of(node, struct thread, all) == thread;
    return found;
}

static void look_at_a_that_ended(struct waker *waker)
{
    (void)waker;
    cr_assert_eq(thread_state(&a), THREAD_DEAD);
    cr_assert_eq(a.result, &answer);
    cr_assert_not(listed(&a), "its joiner is woken while it is still listed");
    cr_assert_eq(machine.stacks, 2, "its stack is free while it stands on it");
    support_trace("signalled");
}

Test(sched, lets_go_of_a_thread_before_it_wakes_its_joiner)
{
    struct waker waker = {look_at_a_that_ended};

    start(&a, "a", EQUAL, say, &answer);
    cr_assert(completion_register(&a.done, &waker));
    cr_assert_eq(machine.stacks, 2);
    thread_yield();
    expect_trace("a signalled");
    cr_assert_eq(thread_join(&a), &answer);
    cr_assert_eq(machine.stacks, 1, "it is joined before its stack is free");
}

Test(sched, lists_every_thread_from_its_start_to_its_end)
{
    start(&a, "a", EQUAL, park_and_say, NULL);
    start(&b, "b", LOW, say, NULL);
    list_for_each (node, &thread_all)
        support_trace("%s", container_of(node, struct thread, all)->name);
    expect_trace("boot idle a b");
    support_trace_clear();
    thread_join(&b);
    list_for_each (node, &thread_all)
        support_trace("%s", container_of(node, struct thread, all)->name);
    expect_trace("b boot idle a");
}

Test(sched, is_not_disturbed_by_the_wake_of_a_dead_thread)
{
    start(&a, "a", EQUAL, say, NULL);
    thread_yield();
    thread_wake(&a);
    cr_assert_eq(thread_state(&a), THREAD_DEAD);
    thread_yield();
    expect_trace("a");
    thread_join(&a);
}

Test(sched, refuses_a_thread_without_memory_for_its_stack_and_keeps_no_trace_of_it)
{
    uint32_t id;

    start(&a, "a", HIGH, say, NULL);
    id = a.id;
    machine.stacks_max = 1;
    cr_assert_eq(thread_start(&b, "b", HIGH, say, NULL), STATUS_NO_MEMORY);
    cr_assert_not(listed(&b));
    machine.stacks_max = 100;
    start(&b, "b", HIGH, say, NULL);
    cr_assert_eq(b.id, id + 1);
    expect_trace("a b");
}

Test(sched, copies_the_name_and_shortens_it_to_fit)
{
    char name[] = "a very long thread name";

    start(&a, name, EQUAL, say, NULL);
    memset(name, 'x', sizeof(name) - 1);
    cr_assert_str_eq(a.name, "a very long thr");
    start(&b, "fifteen letters", EQUAL, say, NULL);
    cr_assert_str_eq(b.name, "fifteen letters");
    start(&c, "", EQUAL, say, NULL);
    cr_assert_str_eq(c.name, "");
}

Test(sched, takes_every_priority_but_the_idle_threads)
{
    for (unsigned priority = 1; priority < THREAD_PRIORITIES; priority++) {
        start(&a, "a", priority, say, &answer);
        cr_assert_eq(thread_join(&a), &answer);
    }
}

Test(sched, panics_at_the_idle_threads_priority, .exit_code = PANIC_EXIT)
{
    thread_start(&a, "a", THREAD_PRIORITY_IDLE, say, NULL) == STATUS_OK ? (void)0 : (void)1;
}

Test(sched, panics_at_a_priority_out_of_range, .exit_code = PANIC_EXIT)
{
    thread_start(&a, "a", THREAD_PRIORITIES, say, NULL) == STATUS_OK ? (void)0 : (void)1;
}

Test(sched, panics_when_a_thread_joins_itself, .exit_code = PANIC_EXIT)
{
    thread_join(&machine.boot);
}

static void exit_in_interrupt(void)
{
    thread_exit(NULL);
}

Test(sched, panics_at_an_exit_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(exit_in_interrupt);
}

Test(sched, panics_at_an_exit_inside_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    thread_exit(NULL);
}

Test(sched, panics_at_an_exit_with_preemption_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    thread_exit(NULL);
}

Test(sched, panics_without_memory_for_the_idle_thread, .exit_code = PANIC_EXIT)
{
    machine.stacks_max = 0;
    sched_start(&machine.boot, machine.boot.stack, machine.boot.stack_bytes, 10 * MS);
}

/* Lives of all kinds: each ends with its own number. */
static void *live(void *number)
{
    switch ((uintptr_t)number % 5) {
    case 0:
        break;
    case 1:
        thread_yield();
        break;
    case 2:
        thread_sleep_until(support_clock_ns + (uintptr_t)number % 7 * MS);
        break;
    case 3:
        machine_run((uintptr_t)number % 13 * MS);
        break;
    default:
        thread_wake(thread_current());
        thread_park();
        thread_exit(number);
    }
    return number;
}

Test(sched, creates_and_joins_256_threads_again_and_again_and_uses_no_id_twice)
{
    enum { COUNT = 256, ROUNDS = 4 };
    static struct thread threads[COUNT];
    static bool used[COUNT * (ROUNDS + 1)];
    uint64_t seed = 256;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uintptr_t i = 0; i < COUNT; i++) {
            unsigned priority = 1 + (unsigned)(support_random(&seed) >> 32) % (THREAD_PRIORITIES - 1);

            start(&threads[i], "churn", priority, live, (void *)i);
            cr_assert_lt(threads[i].id, sizeof(used));
            cr_assert_not(used[threads[i].id]);
            used[threads[i].id] = true;
        }
        for (uintptr_t i = 0; i < COUNT; i++) {
            cr_assert_eq(thread_join(&threads[i * 77 % COUNT]), (void *)(i * 77 % COUNT));
            memset(&threads[i * 77 % COUNT], 0xa5, sizeof(threads[0])); /* joined: it is ours again */
        }
        cr_assert_eq(machine.stacks, 1);
        cr_assert(thread_all.next == &machine.boot.all && thread_all.prev == &cpu_this()->idle.all &&
                  thread_all.next->next == thread_all.prev);
    }
}

/* ---- preemption, and the lock ------------------------------------------------------------------------------------ */

Test(sched, defers_preemption_while_it_is_disabled_and_catches_up)
{
    start(&high, "high", HIGH, park_and_say, NULL);
    preempt_disable();
    preempt_disable();
    thread_wake(&high);
    machine_interrupt(wake_high);
    support_trace("boot");
    preempt_enable();
    support_trace("boot");
    preempt_enable();
    expect_trace("boot boot high");
}

Test(sched, does_not_switch_when_preemption_is_enabled_with_interrupts_off)
{
    uint64_t flags;

    start(&high, "high", HIGH, park_and_say, NULL);
    preempt_disable();
    thread_wake(&high);
    flags = irq_save();
    preempt_enable();
    expect_trace("");
    irq_restore(flags);
    machine_interrupt(wake_boot);
    expect_trace("high");
}

Test(sched, ends_a_turn_late_while_preemption_is_disabled)
{
    start(&a, "a", EQUAL, compute_and_end, (void *)3);
    preempt_disable();
    compute(25);
    preempt_enable();
    compute(1);
    expect_trace("boot@0 a@25 boot@28");
}

Test(sched, panics_when_preemption_is_enabled_once_too_often, .exit_code = PANIC_EXIT)
{
    preempt_enable();
}

Test(sched, panics_at_a_yield_with_preemption_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    thread_yield();
}

Test(sched, panics_at_a_yield_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(thread_yield);
}

Test(sched, panics_at_a_preemption_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(sched_preempt);
}

Test(sched, panics_at_a_preemption_while_it_is_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    irq_save();
    sched_preempt();
}

Test(lock, keeps_interrupts_off_and_restores_them_as_they_were)
{
    struct lock outer = {false}, inner = {false};
    uint64_t outer_flags = lock_acquire(&outer), inner_flags;

    cr_assert(outer.held);
    cr_assert_not(irq_enabled());
    inner_flags = lock_acquire(&inner);
    lock_release(&inner, inner_flags);
    cr_assert_not(irq_enabled());
    cr_assert_not(inner.held);
    lock_release(&outer, outer_flags);
    cr_assert(irq_enabled());
    cr_assert_not(outer.held);
}

static struct lock held;

Test(lock, keeps_whoever_holds_it_from_parking, .init = bodies_init, .exit_code = PANIC_EXIT)
{
    (void)lock_acquire(&held);
    thread_wake(&machine.boot);
    thread_park();
}

Test(lock, keeps_whoever_holds_it_from_yielding, .init = bodies_init, .exit_code = PANIC_EXIT)
{
    (void)lock_acquire(&held);
    thread_yield();
}

Test(lock, keeps_whoever_holds_it_from_sleeping, .init = bodies_init, .exit_code = PANIC_EXIT)
{
    (void)lock_acquire(&held);
    thread_sleep_until(MS);
}

Test(lock, keeps_whoever_holds_it_from_ending, .init = bodies_init, .exit_code = PANIC_EXIT)
{
    (void)lock_acquire(&held);
    thread_exit(NULL);
}

Test(lock, panics_when_taken_twice, .exit_code = PANIC_EXIT)
{
    struct lock lock = {false};

    lock_acquire(&lock);
    lock_acquire(&lock);
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile unsigned happened;
static volatile bool critical;

static void happen_and_wake_boot(void)
{
    happened++;
    thread_wake(&machine.boot);
}

static void begin(void)
{
    happened = 0;
    bodies_init();
}

static void park_until_it_happens(void)
{
    begin();
    machine_window_open();
    while (!happened)
        thread_park();
    machine_window_close();
    cr_assert_eq(happened, 1);
}

/* Lost, the wake would leave the machine halted with nothing to come. */
Test(sched, loses_no_wake_that_comes_at_any_instruction_of_a_park)
{
    cr_assert_gt(machine_explore(park_until_it_happens, happen_and_wake_boot), 10);
}

static void park_with_a_deadline(void)
{
    begin();
    machine_window_open();
    thread_park_until(5 * MS);
    machine_window_close();
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    cr_assert(support_clock_ns == 5 * MS || happened, "%s", machine_place());
    cr_assert(!happened || support_clock_ns == 0 || machine.boot.token, "%s", machine_place());
}

Test(sched, ends_a_park_by_wake_or_deadline_at_any_instruction)
{
    cr_assert_gt(machine_explore(park_with_a_deadline, happen_and_wake_boot), 10);
}

static void *park_once(void *argument)
{
    thread_park();
    return argument;
}

static void wake_c(void)
{
    thread_wake(&c);
}

/* Three of one priority that is less than the waker's. */
static void wake_behind_another(void)
{
    begin();
    start(&a, "a", LOW, park_once, NULL);
    start(&b, "b", LOW, park_once, NULL);
    start(&c, "c", LOW, park_once, NULL);
    thread_park_until(5 * MS);
    thread_wake(&a);
    machine_window_open();
    thread_wake(&b);
    machine_window_close();
    thread_wake(&c);
    (void)thread_join(&a);
    (void)thread_join(&b);
    (void)thread_join(&c);
}

Test(sched, wakes_one_behind_another_with_one_more_woken_at_any_instruction)
{
    cr_assert_gt(machine_explore(wake_behind_another, wake_c), 5);
}

/* Whoever is lent a priority goes before those who have it. */
Test(sched, puts_a_ready_thread_before_those_of_its_new_priority)
{
    start(&a, "a", LOW, say, NULL);
    start(&b, "b", LOW, say, NULL);
    start(&c, "c", LOW - 1, say, NULL);
    thread_set_priority(&c, LOW);
    (void)thread_join(&a);
    (void)thread_join(&b);
    (void)thread_join(&c);
    expect_trace("c a b");
}

static struct timer neighbours[2];

static void set_neighbours(void)
{
    for (size_t i = 0; i < 2; i++)
        sched_timer_start(&neighbours[i], 5 * MS, &timer_waker);
}

static void move_neighbours(void)
{
    for (size_t i = 0; i < 2; i++)
        sched_timer_cancel(&neighbours[i]);
    set_neighbours();
}

static void park_among_timers(void)
{
    begin();
    set_neighbours();
    thread_wake(&machine.boot); /* before its deadline */
    machine_window_open();
    thread_park_until(5 * MS);
    machine_window_close();
    for (size_t i = 0; i < 2; i++)
        sched_timer_cancel(&neighbours[i]);
    cr_assert_eq(timer_queue_next_deadline(&cpu_this()->timers), TIMER_NEVER, "one is left; %s", machine_place());
}

Test(sched, leaves_no_timer_behind_whatever_is_set_at_any_instruction_of_a_park_with_a_deadline)
{
    cr_assert_gt(machine_explore(park_among_timers, move_neighbours), 10);
}

static void *count_and_park(void *argument)
{
    for (;;) {
        thread_park();
        cr_assert_not(critical, "preempted while preemption is disabled; %s", machine_place());
        happened++;
    }
    return argument;
}

static unsigned ended;

static void *count_end(void *order)
{
    cr_assert_eq(++ended, (uintptr_t)order);
    return &answer;
}

static void join_while_preempted(void)
{
    begin();
    ended = 0;
    start(&high, "high", HIGH, count_and_park, NULL);
    machine_window_open();
    start(&a, "a", EQUAL, count_end, (void *)1);
    start(&b, "b", LOW, count_end, (void *)2);
    thread_yield();
    cr_assert_eq(thread_join(&b), &answer);
    cr_assert_eq(thread_join(&a), &answer);
    machine_window_close();
    cr_assert_eq(ended, 2);
    cr_assert_eq(machine.stacks, 2, "%s", machine_place());
    cr_assert_eq(happened, machine.interrupts, "%s", machine_place());
}

Test(sched, survives_a_preemption_at_any_instruction_of_start_yield_exit_and_join)
{
    cr_assert_gt(machine_explore(join_while_preempted, wake_high), 100);
}

static void disable_preemption(void)
{
    begin();
    start(&high, "high", HIGH, count_and_park, NULL);
    machine_window_open();
    preempt_disable();
    critical = true;
    preempt_disable();
    preempt_enable();
    critical = false;
    preempt_enable();
    machine_window_close();
    cr_assert_eq(happened, machine.interrupts, "deferred for good; %s", machine_place());
}

Test(sched, defers_but_never_forgets_a_preemption_at_any_instruction_while_it_is_disabled)
{
    cr_assert_gt(machine_explore(disable_preemption, wake_high), 10);
}
