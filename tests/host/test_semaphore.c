/* Semaphores on a simulated machine: who gets a unit, when, and that none is lost or made up. */
#include "thread/semaphore.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, c, high;
static struct semaphore semaphore = SEMAPHORE_INIT(semaphore, 0);

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    semaphore_init(&semaphore, 0);
}

TestSuite(semaphore, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

static void give(void)
{
    semaphore_give(&semaphore);
}

static void *take_and_say(void *argument)
{
    semaphore_take(&semaphore);
    support_trace("%s", thread_current()->name);
    return argument;
}

static void *take_until_and_say(void *deadline_ns)
{
    enum status status = semaphore_take_until(&semaphore, (uintptr_t)deadline_ns);

    support_trace("%s:%s@%u", thread_current()->name, status == STATUS_OK ? "unit" : "timeout",
                  (unsigned)(support_clock_ns / MS));
    return NULL;
}

Test(semaphore, is_made_with_its_units)
{
    static struct semaphore made = SEMAPHORE_INIT(made, 2);

    cr_assert_eq(semaphore_units(&made), 2);
    semaphore_take(&made);
    semaphore_take(&made);
    cr_assert_not(semaphore_try(&made));
}

Test(semaphore, counts_what_is_given_and_taken)
{
    give();
    give();
    cr_assert_eq(semaphore_units(&semaphore), 2);
    semaphore_take(&semaphore);
    cr_assert(semaphore_try(&semaphore));
    cr_assert_not(semaphore_try(&semaphore));
    cr_assert_eq(semaphore_units(&semaphore), 0);
    give();
    cr_assert_eq(semaphore_take_until(&semaphore, 0), STATUS_OK);
    cr_assert_eq(semaphore_take_until(&semaphore, 0), STATUS_TIMEOUT);
    cr_assert_eq(cpu_this()->switches, 0);
}

Test(semaphore, makes_a_thread_wait_until_an_interrupt_gives)
{
    machine_at(3 * MS, give);
    semaphore_take(&semaphore);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(semaphore_units(&semaphore), 0);
}

Test(semaphore, hands_units_to_the_most_urgent_and_to_equals_in_their_order)
{
    start(&a, "a", EQUAL, take_and_say, NULL);
    start(&b, "b", LOW, take_and_say, NULL);
    start(&c, "c", EQUAL, take_and_say, NULL);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, take_and_say, NULL);
    cr_assert_eq(thread_state(&a), THREAD_WAITING);
    for (unsigned i = 0; i < 4; i++)
        give();
    expect_trace("high");
    cr_assert_eq(semaphore_units(&semaphore), 0);
    thread_join(&b);
    expect_trace("high a c b");
}

/* One at a time, and nobody runs meanwhile: the queue's own order, not the scheduler's. */
Test(semaphore, hands_each_unit_to_the_first_of_the_queue)
{
    struct thread *const order[] = {&high, &a, &c, &b};

    start(&a, "a", EQUAL, take_and_say, NULL);
    start(&b, "b", LOW, take_and_say, NULL);
    start(&c, "c", EQUAL, take_and_say, NULL);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, take_and_say, NULL);
    preempt_disable();
    for (unsigned i = 0; i < 4; i++) {
        give();
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(thread_state(order[j]), j <= i ? THREAD_READY : THREAD_WAITING, "unit %u, thread %s", i,
                         order[j]->name);
    }
    preempt_enable();
    thread_join(&b);
    expect_trace("high a c b");
}

Test(semaphore, lets_a_more_urgent_thread_run_before_give_returns)
{
    start(&high, "high", HIGH, take_and_say, NULL);
    give();
    support_trace("boot");
    expect_trace("high boot");
}

static void give_and_say(void)
{
    give();
    support_trace("irq");
}

Test(semaphore, switches_at_the_end_of_the_interrupt_that_gives)
{
    start(&high, "high", HIGH, take_and_say, NULL);
    machine_interrupt(give_and_say);
    support_trace("boot");
    expect_trace("irq high boot");
}

Test(semaphore, leaves_the_switch_to_who_turns_interrupts_on)
{
    uint64_t flags;

    start(&high, "high", HIGH, take_and_say, NULL);
    flags = irq_save();
    give();
    support_trace("boot");
    irq_restore(flags);
    thread_yield();
    expect_trace("boot high");
}

/* The unit belongs to a before a runs. */
Test(semaphore, lets_nobody_steal_a_unit_that_was_handed_over)
{
    start(&a, "a", EQUAL, take_and_say, NULL);
    thread_yield();
    give();
    cr_assert_not(semaphore_try(&semaphore));
    cr_assert_eq(semaphore_take_until(&semaphore, 1 * MS), STATUS_TIMEOUT);
    thread_join(&a);
    expect_trace("a");
}

Test(semaphore, wakes_one_thread_a_unit)
{
    start(&a, "a", HIGH, take_and_say, NULL);
    start(&b, "b", HIGH, take_and_say, NULL);
    give();
    expect_trace("a");
    cr_assert_eq(b.switches, 1);
}

Test(semaphore, times_out_at_the_deadline_and_never_before)
{
    start(&a, "a", EQUAL, take_until_and_say, (void *)(uintptr_t)(5 * MS));
    start(&b, "b", EQUAL, take_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&c, "c", EQUAL, take_until_and_say, (void *)(uintptr_t)(7 * MS));
    machine_at(4 * MS, give);
    thread_join(&c);
    expect_trace("b:timeout@3 a:unit@4 c:timeout@7");
    cr_assert_eq(support_clock_ns, 7 * MS);
    give();
    cr_assert_eq(semaphore_units(&semaphore), 1, "nobody waits any more");
    cr_assert_not(timer_queued(&a.deadline));
}

Test(semaphore, waits_for_good_without_a_deadline)
{
    machine_at(5000 * MS, give);
    cr_assert_eq(semaphore_take_until(&semaphore, TIMER_NEVER), STATUS_OK);
    cr_assert_eq(machine.timer_arms, 0);
}

static void *take_and_park(void *argument)
{
    take_and_say(NULL);
    thread_park();
    support_trace("parked");
    return argument;
}

Test(semaphore, keeps_a_wake_of_a_waiting_thread_for_its_next_park)
{
    start(&high, "high", HIGH, take_and_park, NULL);
    thread_wake(&high);
    expect_trace("");
    give();
    expect_trace("high parked");
}

static void take(void)
{
    semaphore_take(&semaphore);
}

Test(semaphore, is_not_taken_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    give();
    machine_interrupt(take);
}

Test(semaphore, is_not_taken_in_a_poll, .exit_code = PANIC_EXIT)
{
    give();
    machine.boot.may_not_park = true;
    semaphore_take(&semaphore);
}

Test(semaphore, is_not_waited_for_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    give();
    machine.boot.may_not_park = true;
    cr_assert_eq(semaphore_take_until(&semaphore, 0), STATUS_OK);
}

Test(semaphore, is_not_taken_while_preemption_is_disabled, .exit_code = PANIC_EXIT)
{
    give();
    preempt_disable();
    semaphore_take(&semaphore);
}

Test(semaphore, does_not_overflow, .exit_code = PANIC_EXIT)
{
    semaphore_init(&semaphore, INT32_MAX);
    give();
}

Test(semaphore, begins_with_no_fewer_than_zero_units, .exit_code = PANIC_EXIT)
{
    semaphore_init(&semaphore, -1);
}

Test(semaphore, is_tried_anywhere)
{
    give();
    machine.boot.may_not_park = true;
    preempt_disable();
    cr_assert(semaphore_try(&semaphore));
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile unsigned given;

static void begin(void)
{
    init();
    given = 0;
}

static void give_and_count(void)
{
    given++;
    give();
}

static void take_once(void)
{
    begin();
    machine_window_open();
    semaphore_take(&semaphore);
    machine_window_close();
    cr_assert_eq(given, 1, "%s", machine_place());
    cr_assert_eq(semaphore_units(&semaphore), 0, "%s", machine_place());
}

Test(semaphore, loses_no_unit_given_at_any_instruction_of_a_take)
{
    cr_assert_gt(machine_explore(take_once, give_and_count), 5);
}

static void take_and_give(void)
{
    bool got;

    begin();
    give();
    machine_window_open();
    semaphore_take(&semaphore);
    semaphore_give(&semaphore);
    semaphore_give(&semaphore);
    got = semaphore_try(&semaphore);
    machine_window_close();
    cr_assert(got, "%s", machine_place());
    cr_assert_eq(semaphore_units(&semaphore), 1 + given, "%s", machine_place());
}

Test(semaphore, counts_right_with_a_unit_given_at_any_instruction_of_take_and_give)
{
    cr_assert_gt(machine_explore(take_and_give, give_and_count), 20);
}

static void take_with_a_deadline(void)
{
    enum status status;

    begin();
    machine_window_open();
    status = semaphore_take_until(&semaphore, 5 * MS);
    machine_window_close();
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    cr_assert(status == STATUS_OK || support_clock_ns == 5 * MS, "%s", machine_place());
    cr_assert_eq(semaphore_units(&semaphore) + (status == STATUS_OK), given, "%s", machine_place());
}

Test(semaphore, gets_the_unit_or_the_timeout_at_any_instruction)
{
    cr_assert_gt(machine_explore(take_with_a_deadline, give_and_count), 5);
}

static void preempt_with_taker(void)
{
    thread_wake(&high);
}

static void *park_and_take_until(void *argument)
{
    thread_park();
    given = semaphore_take_until(&semaphore, 2 * MS) == STATUS_OK;
    return argument;
}

/* The interrupt makes a more urgent thread take, or wait, or time out, in the midst of a give. */
static void give_while_preempted(void)
{
    begin();
    start(&high, "high", HIGH, park_and_take_until, NULL);
    machine_window_open();
    semaphore_give(&semaphore);
    semaphore_give(&semaphore);
    machine_window_close();
    thread_wake(&high);
    thread_join(&high);
    cr_assert_eq(given, 1, "%s", machine_place());
    cr_assert_eq(semaphore_units(&semaphore), 1, "%s", machine_place());
}

Test(semaphore, loses_no_unit_to_a_thread_that_cuts_in_at_any_instruction_of_a_give)
{
    cr_assert_gt(machine_explore(give_while_preempted, preempt_with_taker), 10);
}

/* The timeout itself, at any instruction of a give. */
static void expire_high(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

static void give_while_it_times_out(void)
{
    begin();
    start(&high, "high", HIGH, park_and_take_until, NULL);
    thread_wake(&high);
    machine_window_open();
    semaphore_give(&semaphore);
    machine_window_close();
    thread_join(&high);
    cr_assert_eq(semaphore_units(&semaphore) + given, 1, "%s", machine_place());
}

Test(semaphore, gives_to_a_waiter_or_keeps_the_unit_when_it_times_out_at_any_instruction)
{
    cr_assert_gt(machine_explore(give_while_it_times_out, expire_high), 5);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { TAKERS = 6, STEPS = 4000 };

static struct thread takers[TAKERS];
static unsigned taken[TAKERS], timeouts[TAKERS], model_given;
static uint64_t random_state;
static bool over;

static void give_at_random(void)
{
    if (over)
        return;
    model_given++;
    give();
    machine_at(support_clock_ns + 1 + support_random(&random_state) % 1000, give_at_random);
}

static void *take_at_random(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    while (!over) {
        uint64_t deadline_ns = support_clock_ns + support_random(&random_state) % 3000;
        enum status status = semaphore_take_until(&semaphore, deadline_ns);

        if (status == STATUS_OK)
            taken[self]++;
        else
            timeouts[self]++;
        cr_assert(status == STATUS_OK || support_clock_ns >= deadline_ns, "early");
        cr_assert_not(timer_queued(&takers[self].deadline));
        machine_run(support_random(&random_state) % 500);
    }
    return NULL;
}

Test(semaphore, neither_loses_nor_makes_up_units_in_the_long_run)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        unsigned sum = 0, late = 0;

        init();
        random_state = seed;
        over = false;
        model_given = 0;
        machine_at(1, give_at_random);
        for (unsigned i = 0; i < TAKERS; i++) {
            taken[i] = timeouts[i] = 0;
            start(&takers[i], "taker", EQUAL + i % 3, take_at_random, (void *)(uintptr_t)i);
        }
        thread_sleep_until(STEPS * 500);
        over = true;
        for (unsigned i = 0; i < TAKERS; i++) {
            thread_join(&takers[i]);
            sum += taken[i];
            late += timeouts[i];
        }
        cr_assert_eq(sum + semaphore_units(&semaphore), model_given);
        cr_assert_gt(sum, 1000);
        cr_assert_gt(late, 100);
    }
}
