/* Mutexes on a simulated machine: who owns one, who runs at which priority, and what is refused. */
#include "thread/mutex.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread low, a, b, c, high;
static struct mutex m1 = MUTEX_INIT(m1), m2, m3;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    mutex_init(&m1);
    mutex_init(&m2);
    mutex_init(&m3);
}

TestSuite(mutex, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

static void say(const char *what)
{
    support_trace("%s:%s@%u", thread_current()->name, what, (unsigned)(support_clock_ns / MS));
}

static void *lock_m1(void *argument)
{
    mutex_lock(&m1);
    say("m1");
    mutex_unlock(&m1);
    return argument;
}

static void *lock_m1_until(void *deadline_ns)
{
    enum status status = mutex_lock_until(&m1, (uintptr_t)deadline_ns);

    say(status == STATUS_OK ? "m1" : "timeout");
    if (status == STATUS_OK)
        mutex_unlock(&m1);
    return NULL;
}

Test(mutex, belongs_to_the_thread_that_locked_it)
{
    static struct mutex made = MUTEX_INIT(made);

    mutex_lock(&made);
    cr_assert_eq(mutex_owner(&made), &machine.boot);
    mutex_unlock(&made);
    cr_assert_eq(mutex_owner(&made), NULL);
    cr_assert(mutex_try(&made));
    cr_assert_not(mutex_try(&made));
    mutex_unlock(&made);
    cr_assert_eq(mutex_lock_until(&made, 0), STATUS_OK);
    mutex_unlock(&made);
    cr_assert_eq(machine.boot.mutexes, 0);
}

Test(mutex, is_handed_to_the_most_urgent_and_to_equals_in_their_order)
{
    mutex_lock(&m1);
    start(&low, "low", EQUAL + 1, lock_m1, NULL);
    start(&a, "a", EQUAL + 2, lock_m1, NULL);
    start(&b, "b", EQUAL + 2, lock_m1, NULL);
    start(&high, "high", HIGH, lock_m1, NULL);
    cr_assert_eq(thread_state(&a), THREAD_WAITING);
    mutex_unlock(&m1);
    expect_trace("high:m1@0 a:m1@0 b:m1@0 low:m1@0");
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_eq(mutex_owner(&m1), NULL);
}

Test(mutex, cannot_be_stolen_once_it_is_handed_over)
{
    mutex_lock(&m1);
    start(&a, "a", EQUAL, lock_m1, NULL);
    thread_yield();
    mutex_unlock(&m1);
    cr_assert_eq(mutex_owner(&m1), &a);
    cr_assert_not(mutex_try(&m1));
    cr_assert_eq(mutex_lock_until(&m1, 0), STATUS_TIMEOUT);
    mutex_lock(&m1);
    expect_trace("a:m1@0");
    mutex_unlock(&m1);
}

/* ---- inheritance ------------------------------------------------------------------------------------------------- */

static void *compute_in_m1(void *argument)
{
    mutex_lock(&m1);
    machine_run(4 * MS);
    mutex_unlock(&m1);
    say("low");
    return argument;
}

static void *compute(void *argument)
{
    machine_run(20 * MS);
    say("middle");
    return argument;
}

static void start_high(void)
{
    thread_wake(&a);
    thread_wake(&high);
}

static void *park_and_lock_m1(void *argument)
{
    thread_park();
    return lock_m1(argument);
}

static void *park_and_compute(void *argument)
{
    thread_park();
    return compute(argument);
}

static void invert(void)
{
    start(&high, "high", HIGH, park_and_lock_m1, NULL);
    start(&a, "a", EQUAL + 1, park_and_compute, NULL);
    start(&low, "low", LOW, compute_in_m1, NULL);
    machine_at(1 * MS, start_high);
    thread_join(&low);
}

Test(mutex, lends_its_owner_the_priority_of_who_waits)
{
    invert();
    expect_trace("high:m1@4 a:middle@24 low:low@24");
}

Test(mutex, lends_nothing_with_inheritance_off)
{
    cpu_this()->inheritance = false;
    invert();
    expect_trace("a:middle@21 high:m1@24 low:low@24");
}

static void *lock_m2_then_m1(void *argument)
{
    mutex_lock(&m2);
    mutex_lock(&m1);
    mutex_unlock(&m1);
    mutex_unlock(&m2);
    return argument;
}

static void *lock_m3_then_m2(void *argument)
{
    mutex_lock(&m3);
    mutex_lock(&m2);
    mutex_unlock(&m2);
    mutex_unlock(&m3);
    return argument;
}

static void *lock_m3_until(void *deadline_ns)
{
    support_trace("%u", mutex_lock_until(&m3, (uintptr_t)deadline_ns));
    return NULL;
}

static void chain(uint64_t deadline_ns)
{
    mutex_lock(&m1);
    start(&a, "a", EQUAL + 1, lock_m2_then_m1, NULL);
    cr_assert_eq(machine.boot.priority, EQUAL + 1);
    start(&b, "b", EQUAL + 3, lock_m3_then_m2, NULL);
    cr_assert_eq(machine.boot.priority, EQUAL + 3);
    cr_assert_eq(a.priority, EQUAL + 3);
    start(&high, "high", HIGH, lock_m3_until, (void *)(uintptr_t)deadline_ns);
    cr_assert_eq(machine.boot.priority, HIGH);
    cr_assert_eq(a.priority, HIGH);
    cr_assert_eq(b.priority, HIGH);
}

Test(mutex, lends_a_priority_along_a_chain_of_three)
{
    chain(5 * MS);
    machine_run(5 * MS);
    cr_assert_eq(machine.boot.priority, EQUAL + 3, "the timeout takes back what it lent");
    cr_assert_eq(a.priority, EQUAL + 3);
    cr_assert_eq(b.priority, EQUAL + 3);
    support_trace("boot");
    mutex_unlock(&m1);
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_eq(a.condition, THREAD_DEAD);
    cr_assert_eq(b.condition, THREAD_DEAD);
    cr_assert_eq(a.priority, EQUAL + 1);
    expect_trace("4 boot");
}

static void *lock_m2(void *argument)
{
    mutex_lock(&m2);
    say("m2");
    mutex_unlock(&m2);
    return argument;
}

Test(mutex, keeps_what_is_still_lent_when_one_of_two_is_unlocked)
{
    mutex_lock(&m1);
    mutex_lock(&m2);
    start(&a, "a", EQUAL + 2, lock_m1, NULL);
    start(&high, "high", HIGH, lock_m2, NULL);
    mutex_unlock(&m2);
    cr_assert_eq(machine.boot.priority, EQUAL + 2);
    mutex_unlock(&m1);
    cr_assert_eq(machine.boot.priority, EQUAL);
    expect_trace("high:m2@0 a:m1@0");
}

static void *lock_m2_and_m1(void *argument)
{
    mutex_lock(&m2);
    lock_m1(NULL);
    mutex_unlock(&m2);
    return argument;
}

/* low waits for m1 before a does; what c lends it by m2 puts it before b. */
Test(mutex, moves_a_waiter_that_inherits_forward_in_the_queue)
{
    mutex_lock(&m1);
    start(&low, "low", EQUAL + 1, lock_m2_and_m1, NULL);
    start(&b, "b", EQUAL + 2, lock_m1, NULL);
    start(&c, "c", EQUAL + 3, lock_m2, NULL);
    mutex_unlock(&m1);
    expect_trace("low:m1@0 c:m2@0 b:m1@0");
    cr_assert_eq(machine.boot.priority, EQUAL);
}

static void *sleep_in_m1(void *argument)
{
    mutex_lock(&m1);
    thread_sleep_until(3 * MS);
    mutex_unlock(&m1);
    say("slept");
    return argument;
}

Test(mutex, lends_to_an_owner_that_is_parked)
{
    start(&low, "low", LOW, sleep_in_m1, NULL);
    thread_sleep_until(1 * MS);
    start(&a, "a", EQUAL, lock_m1, NULL);
    thread_yield();
    cr_assert_eq(low.priority, EQUAL);
    thread_join(&low);
    cr_assert_eq(low.priority, LOW);
    expect_trace("a:m1@3 low:slept@3");
}

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

Test(mutex, times_out_at_the_deadline_and_takes_back_what_was_lent)
{
    mutex_lock(&m1);
    start(&high, "high", HIGH, lock_m1_until, (void *)(uintptr_t)(3 * MS));
    start(&a, "a", EQUAL + 1, lock_m1_until, (void *)(uintptr_t)(5 * MS));
    cr_assert_eq(machine.boot.priority, HIGH);
    machine_run(4 * MS);
    cr_assert_eq(machine.boot.priority, EQUAL + 1);
    machine_run(2 * MS);
    cr_assert_eq(machine.boot.priority, EQUAL);
    start(&b, "b", EQUAL + 1, lock_m1_until, (void *)(uintptr_t)(9 * MS));
    mutex_unlock(&m1);
    expect_trace("high:timeout@3 a:timeout@5 b:m1@6");
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_not(timer_queued(&b.deadline));
}

Test(mutex, lets_ready_threads_run_that_its_owner_no_longer_outranks)
{
    mutex_lock(&m1);
    start(&high, "high", HIGH, lock_m1_until, (void *)(uintptr_t)(3 * MS));
    start(&a, "a", EQUAL + 1, compute, NULL);
    machine_run(4 * MS);
    expect_trace("high:timeout@3 a:middle@23");
    mutex_unlock(&m1);
}

Test(mutex, keeps_a_wake_of_a_waiting_thread_for_its_next_park)
{
    mutex_lock(&m1);
    start(&high, "high", HIGH, lock_m1, NULL);
    thread_wake(&high);
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
    mutex_unlock(&m1);
    expect_trace("high:m1@0");
    cr_assert(high.token);
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

Test(mutex, is_not_locked_twice, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    mutex_lock(&m1);
}

Test(mutex, is_not_locked_twice_even_for_a_time, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    cr_assert_eq(mutex_lock_until(&m1, 1 * MS), STATUS_TIMEOUT);
}

static void *unlock_m1(void *argument)
{
    mutex_unlock(&m1);
    return argument;
}

Test(mutex, is_not_unlocked_by_another, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    start(&high, "high", HIGH, unlock_m1, NULL);
}

Test(mutex, is_not_unlocked_by_another_when_it_is_free, .exit_code = PANIC_EXIT)
{
    mutex_unlock(&m1);
}

Test(mutex, closes_no_circle, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    start(&a, "a", EQUAL + 1, lock_m2_then_m1, NULL);
    start(&b, "b", EQUAL + 2, lock_m3_then_m2, NULL);
    mutex_lock(&m3);
}

static void *lock_and_end(void *argument)
{
    mutex_lock(&m1);
    return argument;
}

Test(mutex, is_not_owned_by_a_thread_that_ends, .exit_code = PANIC_EXIT)
{
    start(&high, "high", HIGH, lock_and_end, NULL);
}

static void try_in_interrupt(void)
{
    cr_assert(mutex_try(&m1));
}

Test(mutex, is_not_tried_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(try_in_interrupt);
}

static void unlock_in_interrupt(void)
{
    mutex_unlock(&m1);
}

Test(mutex, is_not_unlocked_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    machine_interrupt(unlock_in_interrupt);
}

Test(mutex, is_not_locked_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    mutex_lock(&m1);
}

Test(mutex, is_not_waited_for_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    cr_assert_eq(mutex_lock_until(&m1, 0), STATUS_OK);
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile unsigned inside, entered;

static void enter(void)
{
    cr_assert_eq(inside++, 0, "two own it; %s", machine_place());
    entered++;
    inside--;
}

static void *park_and_enter(void *argument)
{
    thread_park();
    mutex_lock(&m1);
    enter();
    mutex_unlock(&m1);
    return argument;
}

static void wake_high(void)
{
    thread_wake(&high);
}

static void check_quiet(void)
{
    cr_assert_eq(mutex_owner(&m1), NULL, "%s", machine_place());
    cr_assert_eq(atomic_load(&m1.owner), 0, "%s", machine_place());
    cr_assert_eq(machine.boot.priority, EQUAL, "%s", machine_place());
    cr_assert_eq(machine.boot.mutexes, 0, "%s", machine_place());
    cr_assert(list_empty(&machine.boot.contended), "%s", machine_place());
    cr_assert(list_empty(&m1.queue.threads), "%s", machine_place());
}

/* The more urgent thread locks in the midst of a lock, of what is inside, and of an unlock. */
static void lock_while_preempted(void)
{
    init();
    inside = entered = 0;
    start(&high, "high", HIGH, park_and_enter, NULL);
    machine_window_open();
    mutex_lock(&m1);
    enter();
    mutex_unlock(&m1);
    machine_window_close();
    thread_wake(&high);
    thread_join(&high);
    cr_assert_eq(entered, 2, "%s", machine_place());
    check_quiet();
}

Test(mutex, has_one_owner_and_forgets_nobody_who_cuts_in_at_any_instruction)
{
    cr_assert_gt(machine_explore(lock_while_preempted, wake_high), 20);
}

static void *lock_park_unlock(void *argument)
{
    mutex_lock(&m1);
    thread_park();
    mutex_unlock(&m1);
    return argument;
}

/* The owner unlocks in the midst of a lock: at the worst between the swap that failed and interrupts going off. */
static void lock_while_the_owner_unlocks(void)
{
    init();
    inside = entered = 0;
    start(&high, "high", HIGH, lock_park_unlock, NULL);
    machine_window_open();
    mutex_lock(&m1);
    machine_window_close();
    cr_assert_eq(mutex_owner(&m1), &machine.boot, "%s", machine_place());
    mutex_unlock(&m1);
    thread_wake(&high);
    thread_join(&high);
    check_quiet();
}

Test(mutex, is_had_when_its_owner_unlocks_at_any_instruction_of_lock)
{
    cr_assert_gt(machine_explore(lock_while_the_owner_unlocks, wake_high), 3);
}

static void lock_until_while_the_owner_unlocks(void)
{
    init();
    inside = entered = 0;
    start(&high, "high", HIGH, lock_park_unlock, NULL);
    machine_window_open();
    cr_assert_eq(mutex_lock_until(&m1, TIMER_NEVER), STATUS_OK, "%s", machine_place());
    machine_window_close();
    cr_assert_eq(mutex_owner(&m1), &machine.boot, "%s", machine_place());
    mutex_unlock(&m1);
    thread_wake(&high);
    thread_join(&high);
    check_quiet();
}

Test(mutex, is_had_in_time_when_its_owner_unlocks_at_any_instruction_of_lock_until)
{
    cr_assert_gt(machine_explore(lock_until_while_the_owner_unlocks, wake_high), 3);
}

static void *park_and_enter_until(void *argument)
{
    thread_park();
    if (mutex_lock_until(&m1, 2 * MS) == STATUS_OK) {
        enter();
        mutex_unlock(&m1);
    }
    return argument;
}

static void expire_high(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

/* A waiter times out in the midst of the unlock that would hand it over. */
static void unlock_while_it_times_out(void)
{
    init();
    inside = entered = 0;
    start(&high, "high", HIGH, park_and_enter_until, NULL);
    mutex_lock(&m1);
    thread_wake(&high);
    cr_assert_eq(machine.boot.priority, HIGH);
    machine_window_open();
    mutex_unlock(&m1);
    machine_window_close();
    thread_join(&high);
    cr_assert(entered == 1 || support_clock_ns == 2 * MS, "%s", machine_place());
    check_quiet();
}

Test(mutex, hands_over_or_is_free_when_a_waiter_times_out_at_any_instruction_of_unlock)
{
    cr_assert_gt(machine_explore(unlock_while_it_times_out, expire_high), 3);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { THREADS = 6, MUTEXES = 3, ROUNDS = 300 };

static struct thread threads[THREADS];
static struct mutex *const ordered[MUTEXES] = {&m1, &m2, &m3};
static struct thread *model_owner[MUTEXES];
static uint64_t random_state;
static unsigned locked, late;

/* What each thread is to run at, from its own priority and all that wait, found anew the slow way. */
static void check_priorities(void)
{
    uint64_t flags = irq_save();
    uint8_t due[THREADS];
    bool changed = true;

    for (unsigned i = 0; i < THREADS; i++)
        due[i] = threads[i].base_priority;
    while (changed) {
        changed = false;
        for (unsigned i = 0; i < THREADS; i++) {
            const struct thread *owner;

            if (threads[i].condition != THREAD_WAITING)
                continue;
            owner = mutex_owner(threads[i].waits_for);
            if (due[owner - threads] < due[i]) {
                due[owner - threads] = due[i];
                changed = true;
            }
        }
    }
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(threads[i].priority, due[i]);
    irq_restore(flags);
}

/* Locks some of the mutexes in their order, which closes no circle. */
static void *lock_at_random(void *argument)
{
    struct thread *self = thread_current();

    for (unsigned round = 0; round < ROUNDS; round++) {
        bool mine[MUTEXES] = {false};

        for (unsigned i = 0; i < MUTEXES; i++) {
            uint64_t deadline_ns = support_clock_ns + support_random(&random_state) % 2000;

            if (support_random(&random_state) % 2)
                continue;
            mine[i] = mutex_lock_until(ordered[i], deadline_ns) == STATUS_OK;
            cr_assert(mine[i] || support_clock_ns >= deadline_ns, "early");
            late += !mine[i];
            if (!mine[i])
                continue;
            locked++;
            cr_assert_eq(model_owner[i], NULL, "two own it");
            model_owner[i] = self;
            machine_run(support_random(&random_state) % 400);
            check_priorities();
        }
        for (unsigned i = 0; i < MUTEXES; i++) {
            if (!mine[i])
                continue;
            model_owner[i] = NULL;
            mutex_unlock(ordered[i]);
            check_priorities();
        }
        cr_assert_eq(self->priority, self->base_priority);
        thread_sleep_until(support_clock_ns + support_random(&random_state) % 1000);
    }
    return argument;
}

Test(mutex, agrees_with_a_model_about_owners_and_priorities)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        init();
        random_state = seed;
        locked = late = 0;
        preempt_disable();
        for (unsigned i = 0; i < THREADS; i++)
            start(&threads[i], "locker", EQUAL + 1 + i % 4, lock_at_random, NULL);
        preempt_enable();
        for (unsigned i = 0; i < THREADS; i++)
            thread_join(&threads[i]);
        cr_assert_gt(locked, 1000);
        cr_assert_gt(late, 50);
    }
}

/* ---- a loan that ends beside the running thread ------------------------------------------------------------------ */

static void *lock_and_park(void *argument)
{
    mutex_lock(&m1);
    thread_park();
    mutex_unlock(&m1);
    return argument;
}

static void *lock_in_2_ms(void *argument)
{
    cr_assert_eq(mutex_lock_until(&m1, clock_now_ns() + 2 * MS), STATUS_TIMEOUT);
    return argument;
}

Test(mutex, leaves_the_running_thread_the_first_of_its_equals_when_a_loan_ends)
{
    start(&a, "a", EQUAL, lock_and_park, NULL);
    thread_yield();
    start(&high, "high", HIGH, lock_in_2_ms, NULL);
    cr_assert_eq(a.priority, HIGH);
    preempt_disable();
    thread_wake(&a);
    while (a.priority == HIGH)
        machine_run(MS);
    cr_assert_eq(a.priority, EQUAL);
    cr_assert_eq(cpu_this()->ready[EQUAL], &machine.boot);
    preempt_enable();
    thread_join(&high);
    thread_join(&a);
}
