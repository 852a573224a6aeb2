/* Waits for a condition, on a simulated machine: who is woken, when, and that no wake is missed. */
#include "thread/wait_queue.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, c, high;
static struct wait_queue queue = WAIT_QUEUE_INIT(queue);
static volatile unsigned things;
static volatile unsigned asked;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    wait_queue_init(&queue);
    things = asked = 0;
}

TestSuite(wait_queue, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

/* Takes one of the things if there is one. */
static bool take_thing(void *taken)
{
    cr_assert_not(irq_enabled());
    asked++;
    if (things == 0)
        return false;
    things--;
    if (taken)
        ++*(unsigned *)taken;
    return true;
}

static void add_one(void)
{
    things++;
    wait_queue_wake_one(&queue);
}

static void *take_and_say(void *argument)
{
    wait_queue_wait(&queue, take_thing, NULL);
    support_trace("%s", thread_current()->name);
    return argument;
}

static void *take_until_and_say(void *deadline_ns)
{
    enum status status = wait_queue_wait_until(&queue, take_thing, NULL, (uintptr_t)deadline_ns);

    support_trace("%s:%s@%u", thread_current()->name, status == STATUS_OK ? "thing" : "timeout",
                  (unsigned)(support_clock_ns / MS));
    return NULL;
}

Test(wait_queue, waits_not_at_all_if_the_condition_holds)
{
    static struct wait_queue made = WAIT_QUEUE_INIT(made);
    unsigned taken = 0;

    things = 3;
    wait_queue_wait(&made, take_thing, &taken);
    wait_queue_wait(&queue, take_thing, &taken);
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, &taken, 0), STATUS_OK);
    cr_assert_eq(taken, 3);
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, &taken, 0), STATUS_TIMEOUT);
    cr_assert_eq(taken, 3);
    cr_assert_eq(cpu_this()->switches, 0);
    cr_assert(irq_enabled());
}

Test(wait_queue, waits_until_an_interrupt_wakes_it)
{
    machine_at(3 * MS, add_one);
    wait_queue_wait(&queue, take_thing, NULL);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(asked, 2);
}

static void wake_for_nothing(void)
{
    wait_queue_wake_all(&queue);
}

Test(wait_queue, waits_on_when_it_is_woken_for_nothing)
{
    machine_at(1 * MS, wake_for_nothing);
    machine_at(2 * MS, wake_for_nothing);
    machine_at(3 * MS, add_one);
    wait_queue_wait(&queue, take_thing, NULL);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(asked, 4);
    cr_assert(irq_enabled());
}

static void start_four(void)
{
    start(&a, "a", EQUAL, take_and_say, NULL);
    start(&b, "b", LOW, take_and_say, NULL);
    start(&c, "c", EQUAL, take_and_say, NULL);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, take_and_say, NULL);
}

/* Nobody runs meanwhile: the queue's own order, not the scheduler's. */
Test(wait_queue, wakes_one_the_most_urgent_first_and_equals_in_their_order)
{
    struct thread *const order[] = {&high, &a, &c, &b};

    start_four();
    preempt_disable();
    for (unsigned i = 0; i < 4; i++) {
        add_one();
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(thread_state(order[j]), j <= i ? THREAD_READY : THREAD_WAITING, "wake %u, thread %s", i,
                         order[j]->name);
    }
    preempt_enable();
    thread_join(&b);
    expect_trace("high a c b");
}

Test(wait_queue, wakes_all_in_that_order)
{
    start_four();
    things = 4;
    wait_queue_wake_all(&queue);
    support_trace("boot");
    thread_join(&b);
    expect_trace("high boot a c b");
    cr_assert(list_empty(&queue.threads));
}

Test(wait_queue, has_all_ask_and_who_is_refused_wait_on)
{
    start_four();
    things = 2;
    wait_queue_wake_all(&queue);
    thread_sleep_until(2 * MS);
    expect_trace("high a");
    cr_assert_eq(asked, 8);
    cr_assert_eq(thread_state(&b), THREAD_WAITING);
    cr_assert_eq(thread_state(&c), THREAD_WAITING);
}

Test(wait_queue, keeps_no_wake_that_nobody_waits_for)
{
    wait_queue_wake_one(&queue);
    wait_queue_wake_all(&queue);
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, NULL, 2 * MS), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 2 * MS);
    cr_assert_eq(asked, 2);
}

Test(wait_queue, lets_a_more_urgent_thread_run_before_a_wake_returns)
{
    start(&high, "high", HIGH, take_and_say, NULL);
    start(&a, "a", EQUAL + 1, take_and_say, NULL);
    add_one();
    support_trace("boot");
    things = 1;
    wait_queue_wake_all(&queue);
    support_trace("boot");
    expect_trace("high boot a boot");
}

static void add_and_say(void)
{
    add_one();
    support_trace("irq");
}

Test(wait_queue, switches_at_the_end_of_the_interrupt_that_wakes)
{
    start(&high, "high", HIGH, take_and_say, NULL);
    machine_interrupt(add_and_say);
    support_trace("boot");
    expect_trace("irq high boot");
}

Test(wait_queue, leaves_the_switch_to_who_turns_interrupts_on)
{
    uint64_t flags;

    start(&high, "high", HIGH, take_and_say, NULL);
    flags = irq_save();
    add_one();
    wait_queue_wake_all(&queue);
    support_trace("boot");
    irq_restore(flags);
    thread_yield();
    expect_trace("boot high");
}

static bool wake_high(void *condition)
{
    thread_wake(&high);
    return *(bool *)condition;
}

static void *park_and_say(void *argument)
{
    thread_park();
    support_trace("high");
    return argument;
}

Test(wait_queue, lets_run_whom_the_condition_wakes)
{
    bool condition = true;

    start(&high, "high", HIGH, park_and_say, NULL);
    wait_queue_wait(&queue, wake_high, &condition);
    support_trace("boot");
    expect_trace("high boot");
}

Test(wait_queue, times_out_at_the_deadline_and_never_before)
{
    start(&a, "a", EQUAL, take_until_and_say, (void *)(uintptr_t)(5 * MS));
    start(&b, "b", EQUAL, take_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&c, "c", EQUAL, take_until_and_say, (void *)(uintptr_t)(7 * MS));
    machine_at(1 * MS, wake_for_nothing);
    machine_at(2 * MS, wake_for_nothing);
    machine_at(4 * MS, add_one);
    thread_join(&c);
    expect_trace("b:timeout@3 a:thing@4 c:timeout@7");
    cr_assert_not(timer_queued(&a.deadline));
    cr_assert_not(timer_queued(&b.deadline));
}

/* Woken in time, it runs late. */
Test(wait_queue, gives_what_is_there_to_who_runs_after_its_deadline)
{
    start(&a, "a", LOW, take_until_and_say, (void *)(uintptr_t)(5 * MS));
    thread_sleep_until(1 * MS);
    add_one();
    machine_run(6 * MS);
    thread_join(&a);
    expect_trace("a:thing@7");
}

Test(wait_queue, waits_for_good_without_a_deadline)
{
    machine_at(5000 * MS, add_one);
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, NULL, TIMER_NEVER), STATUS_OK);
    cr_assert_eq(machine.timer_arms, 0);
}

Test(wait_queue, leaves_interrupts_off_for_who_had_them_off)
{
    uint64_t flags = irq_save();

    machine_at(3 * MS, add_one);
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, NULL, 5 * MS), STATUS_OK);
    cr_assert_not(irq_enabled());
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, NULL, 5 * MS), STATUS_TIMEOUT);
    cr_assert_not(irq_enabled());
    irq_restore(flags);
}

static void wait_here(void)
{
    wait_queue_wait(&queue, take_thing, NULL);
}

Test(wait_queue, is_not_waited_in_by_an_interrupt, .exit_code = PANIC_EXIT)
{
    things = 1;
    machine_interrupt(wait_here);
}

Test(wait_queue, is_not_waited_in_by_a_poll, .exit_code = PANIC_EXIT)
{
    things = 1;
    machine.boot.may_not_park = true;
    wait_here();
}

Test(wait_queue, is_not_waited_in_until_a_time_by_a_poll, .exit_code = PANIC_EXIT)
{
    things = 1;
    machine.boot.may_not_park = true;
    cr_assert_eq(wait_queue_wait_until(&queue, take_thing, NULL, 0), STATUS_OK);
}

Test(wait_queue, is_not_waited_in_while_preemption_is_disabled, .exit_code = PANIC_EXIT)
{
    things = 1;
    preempt_disable();
    wait_here();
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile unsigned added;

static void add_and_count(void)
{
    added++;
    add_one();
}

static void wait_once(void)
{
    init();
    added = 0;
    machine_window_open();
    wait_queue_wait(&queue, take_thing, NULL);
    machine_window_close();
    cr_assert_eq(added, 1, "%s", machine_place());
    cr_assert_eq(things, 0, "%s", machine_place());
}

Test(wait_queue, misses_no_wake_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(wait_once, add_and_count), 3);
}

static void wait_with_a_deadline(void)
{
    enum status status;

    init();
    added = 0;
    machine_window_open();
    status = wait_queue_wait_until(&queue, take_thing, NULL, 5 * MS);
    machine_window_close();
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    cr_assert(status == STATUS_OK || support_clock_ns == 5 * MS, "%s", machine_place());
    cr_assert_eq(things + (status == STATUS_OK), added, "%s", machine_place());
}

Test(wait_queue, gets_it_or_the_timeout_at_any_instruction)
{
    cr_assert_gt(machine_explore(wait_with_a_deadline, add_and_count), 3);
}

static void *take_until_2(void *argument)
{
    added += wait_queue_wait_until(&queue, take_thing, NULL, 2 * MS) == STATUS_OK;
    return argument;
}

static void expire(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

static void wake_while_it_times_out(void)
{
    init();
    added = 0;
    start(&high, "high", HIGH, take_until_2, NULL);
    start(&a, "a", EQUAL + 1, take_until_2, NULL);
    machine_window_open();
    add_one();
    wait_queue_wake_all(&queue);
    machine_window_close();
    thread_join(&high);
    thread_join(&a);
    cr_assert_eq(things + added, 1, "%s", machine_place());
    cr_assert(list_empty(&queue.threads), "%s", machine_place());
}

Test(wait_queue, is_woken_or_times_out_at_any_instruction_of_a_wake)
{
    cr_assert_gt(machine_explore(wake_while_it_times_out, expire), 5);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

enum { FEW = 4 };

static struct thread crowd[FEW];
static volatile unsigned waits_seen; /* bit n: an interrupt found n of them waiting, before any of them ran */

static void see_who_waits(void)
{
    unsigned waiting = 0;

    for (unsigned i = 0; i < FEW; i++)
        waiting += thread_state(&crowd[i]) == THREAD_WAITING;
    if (asked == FEW)
        waits_seen |= 1u << waiting;
}

/* All are refused, and come back to the queue at once. */
static void wake_many_in_vain(void)
{
    init();
    for (unsigned i = 0; i < FEW; i++)
        start(&crowd[i], "crowd", HIGH + i % 2, take_until_2, NULL);
    machine_window_open();
    wait_queue_wake_all(&queue);
    machine_window_close();
    cr_assert_eq(asked, 2 * FEW, "%s", machine_place());
    cr_assert_eq(cpu_this()->preempt_count, 0);
    for (unsigned i = 0; i < FEW; i++)
        thread_join(&crowd[i]);
}

Test(wait_queue, lets_interrupts_in_after_each_of_all_and_wakes_each_once)
{
    waits_seen = 0;
    cr_assert_gt(machine_explore(wake_many_in_vain, see_who_waits), FEW);
    cr_assert_eq(waits_seen, (1u << (FEW + 1)) - 1);
}

/* What an interrupt wakes is woken once. */
static void wake_many_while_others_do(void)
{
    init();
    added = 0;
    for (unsigned i = 0; i < FEW; i++)
        start(&crowd[i], "crowd", HIGH + i % 2, take_until_2, NULL);
    things = FEW - 1;
    machine_window_open();
    wait_queue_wake_all(&queue);
    machine_window_close();
    for (unsigned i = 0; i < FEW; i++)
        thread_join(&crowd[i]);
    cr_assert_eq(things, 0, "%s", machine_place());
    cr_assert(added == FEW || support_clock_ns == 2 * MS, "%s", machine_place()); /* none came before the halt */
}

static void add_and_wake_all(void)
{
    things++;
    wait_queue_wake_all(&queue);
}

Test(wait_queue, wakes_all_beside_an_interrupt_that_does_at_any_instruction)
{
    cr_assert_gt(machine_explore(wake_many_while_others_do, add_and_wake_all), FEW);
}

static void turns_on_nothing(void)
{
    cr_assert_not(irq_enabled());
    wait_queue_wake_all(&queue);
    cr_assert_not(irq_enabled());
}

Test(wait_queue, turns_no_interrupts_on_in_an_interrupt)
{
    start_four();
    things = 4;
    machine_interrupt(turns_on_nothing);
    thread_join(&b);
    expect_trace("high a c b");
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { TAKERS = 6, STEPS = 4000 };

static struct thread takers[TAKERS];
static unsigned taken[TAKERS], late, model_added;
static uint64_t random_state;
static bool over;

static void add_at_random(void)
{
    if (over)
        return;
    model_added++;
    things++;
    if (support_random(&random_state) % 4)
        wait_queue_wake_one(&queue);
    else
        wait_queue_wake_all(&queue);
    machine_at(support_clock_ns + 1 + support_random(&random_state) % 1000, add_at_random);
}

/* Whoever waits while there are things has not been told of them; the wake of one is its that was woken. */
static void *take_at_random(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    while (!over) {
        uint64_t deadline_ns = support_clock_ns + support_random(&random_state) % 3000;
        enum status status = wait_queue_wait_until(&queue, take_thing, &taken[self], deadline_ns);

        cr_assert(status == STATUS_OK || support_clock_ns >= deadline_ns, "early");
        cr_assert_not(timer_queued(&takers[self].deadline));
        late += status == STATUS_TIMEOUT;
        machine_run(support_random(&random_state) % 500);
    }
    return NULL;
}

Test(wait_queue, neither_loses_nor_makes_up_things_in_the_long_run)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        unsigned sum = 0;

        init();
        random_state = seed;
        over = false;
        model_added = late = 0;
        machine_at(1, add_at_random);
        for (unsigned i = 0; i < TAKERS; i++) {
            taken[i] = 0;
            start(&takers[i], "taker", EQUAL + i % 3, take_at_random, (void *)(uintptr_t)i);
        }
        thread_sleep_until(STEPS * 500);
        over = true;
        for (unsigned i = 0; i < TAKERS; i++) {
            thread_join(&takers[i]);
            sum += taken[i];
        }
        cr_assert_eq(sum + things, model_added);
        cr_assert_gt(sum, 1000);
        cr_assert_gt(late, 100);
    }
}
