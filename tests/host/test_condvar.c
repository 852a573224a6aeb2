/* Condition variables on a simulated machine: who is chosen, that it owns the mutex, and that no signal is lost. */
#include "thread/condvar.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread low, a, b, c, high;
static struct mutex m1 = MUTEX_INIT(m1), m2;
static struct condvar condvar = CONDVAR_INIT(condvar);

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    mutex_init(&m1);
    mutex_init(&m2);
    condvar_init(&condvar);
}

TestSuite(condvar, .init = init);

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

static void *wait_and_say(void *argument)
{
    mutex_lock(&m1);
    condvar_wait(&condvar, &m1);
    cr_assert_eq(mutex_owner(&m1), thread_current());
    say("signal");
    mutex_unlock(&m1);
    return argument;
}

static void *wait_until_and_say(void *deadline_ns)
{
    enum status status;

    mutex_lock(&m1);
    status = condvar_wait_until(&condvar, &m1, (uintptr_t)deadline_ns);
    cr_assert_eq(mutex_owner(&m1), thread_current());
    say(status == STATUS_OK ? "signal" : "timeout");
    mutex_unlock(&m1);
    return NULL;
}

static void *lock_m1(void *argument)
{
    mutex_lock(&m1);
    say("m1");
    mutex_unlock(&m1);
    return argument;
}

Test(condvar, unlocks_the_mutex_and_waits)
{
    static struct condvar made = CONDVAR_INIT(made);

    condvar_signal(&made);
    start(&high, "high", HIGH, wait_and_say, NULL);
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
    cr_assert_eq(mutex_owner(&m1), NULL);
    cr_assert_eq(high.mutexes, 0);
    cr_assert(mutex_try(&m1));
    mutex_unlock(&m1);
}

Test(condvar, gives_a_free_mutex_to_whom_it_chooses_at_once)
{
    start(&high, "high", HIGH, wait_and_say, NULL);
    condvar_signal(&condvar);
    say("boot");
    expect_trace("high:signal@0 boot:boot@0");
    cr_assert_eq(high.switches, 2);
    cr_assert_eq(high.mutexes, 0);
    cr_assert_eq(mutex_owner(&m1), NULL);
}

Test(condvar, cannot_be_robbed_of_the_mutex_once_it_has_chosen)
{
    start(&a, "a", EQUAL, wait_and_say, NULL);
    thread_yield();
    condvar_signal(&condvar);
    cr_assert_eq(mutex_owner(&m1), &a);
    cr_assert_not(mutex_try(&m1));
    mutex_lock(&m1);
    expect_trace("a:signal@0");
    mutex_unlock(&m1);
}

Test(condvar, moves_whom_it_chooses_to_the_queue_of_an_owned_mutex)
{
    start(&high, "high", HIGH, wait_and_say, NULL);
    mutex_lock(&m1);
    condvar_signal(&condvar);
    say("signalled");
    cr_assert_eq(high.switches, 1, "woken to block again");
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
    cr_assert_eq(machine.boot.priority, HIGH, "it waits for the mutex, and lends its priority");
    mutex_unlock(&m1);
    cr_assert_eq(machine.boot.priority, EQUAL);
    say("unlocked");
    expect_trace("boot:signalled@0 high:signal@0 boot:unlocked@0");
    cr_assert_eq(high.switches, 2);
}

static void *sleep_in_m1(void *argument)
{
    mutex_lock(&m1);
    thread_sleep_until(3 * MS);
    mutex_unlock(&m1);
    say("slept");
    return argument;
}

static void *compute(void *argument)
{
    machine_run(20 * MS);
    say("computed");
    return argument;
}

/* The middle one would keep both of them out for 20 ms. */
static void invert(void)
{
    start(&high, "high", HIGH, wait_and_say, NULL);
    start(&low, "low", LOW, sleep_in_m1, NULL);
    thread_sleep_until(1 * MS);
    condvar_signal(&condvar);
    start(&a, "a", EQUAL + 1, compute, NULL);
    thread_join(&low);
}

Test(condvar, lends_the_owner_the_priority_of_whom_it_chose)
{
    invert();
    expect_trace("high:signal@3 a:computed@21 low:slept@21");
}

Test(condvar, lends_nothing_with_inheritance_off)
{
    cpu_this()->inheritance = false;
    invert();
    expect_trace("a:computed@21 high:signal@21 low:slept@21");
}

static void start_four(thread_entry *entry)
{
    start(&a, "a", EQUAL, entry, NULL);
    start(&low, "low", LOW, entry, NULL);
    start(&b, "b", EQUAL, entry, NULL);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, entry, NULL);
}

Test(condvar, chooses_the_most_urgent_and_of_equals_the_first)
{
    struct thread *const order[] = {&high, &a, &b, &low};

    start_four(wait_and_say);
    mutex_lock(&m1);
    for (unsigned i = 0; i < 4; i++) {
        condvar_signal(&condvar);
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(order[j]->waits_in, j <= i ? &m1.queue : &condvar.queue, "signal %u, thread %s", i,
                         order[j]->name);
    }
    condvar_signal(&condvar);
    mutex_unlock(&m1);
    thread_join(&low);
    expect_trace("high:signal@1 a:signal@1 b:signal@1 low:signal@1");
}

Test(condvar, broadcasts_to_all_who_own_the_mutex_in_turn)
{
    start_four(wait_and_say);
    condvar_broadcast(&condvar);
    say("boot");
    thread_join(&low);
    expect_trace("high:signal@1 boot:boot@1 a:signal@1 b:signal@1 low:signal@1");
    cr_assert_eq(mutex_owner(&m1), NULL);
    cr_assert(list_empty(&condvar.queue.threads));
}

Test(condvar, broadcasts_under_the_mutex_and_wakes_nobody_before_it_is_free)
{
    start_four(wait_and_say);
    mutex_lock(&m1);
    condvar_broadcast(&condvar);
    cr_assert_eq(high.switches, 1);
    say("boot");
    mutex_unlock(&m1);
    thread_join(&low);
    expect_trace("boot:boot@1 high:signal@1 a:signal@1 b:signal@1 low:signal@1");
    cr_assert_eq(machine.boot.priority, EQUAL);
}

Test(condvar, keeps_no_signal_that_nobody_waits_for)
{
    condvar_signal(&condvar);
    condvar_broadcast(&condvar);
    mutex_lock(&m1);
    cr_assert_eq(condvar_wait_until(&condvar, &m1, 2 * MS), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 2 * MS);
    mutex_unlock(&m1);
}

Test(condvar, hands_the_mutex_over_as_it_begins_to_wait)
{
    mutex_lock(&m1);
    start(&high, "high", HIGH, lock_m1, NULL);
    cr_assert_eq(machine.boot.priority, HIGH);
    cr_assert_eq(condvar_wait_until(&condvar, &m1, 2 * MS), STATUS_TIMEOUT);
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_eq(mutex_owner(&m1), &machine.boot);
    cr_assert_eq(machine.boot.mutexes, 1);
    expect_trace("high:m1@0");
    mutex_unlock(&m1);
}

static void *lock_m2(void *argument)
{
    mutex_lock(&m2);
    say("m2");
    mutex_unlock(&m2);
    return argument;
}

static void *wait_with_m2(void *argument)
{
    mutex_lock(&m2);
    wait_and_say(NULL);
    mutex_unlock(&m2);
    return argument;
}

/* low waits for a signal owning m2; what c lends it by that puts it before b. */
Test(condvar, moves_a_waiter_that_inherits_forward_in_its_queue)
{
    start(&low, "low", EQUAL + 1, wait_with_m2, NULL);
    start(&b, "b", EQUAL + 2, wait_and_say, NULL);
    start(&c, "c", EQUAL + 3, lock_m2, NULL);
    cr_assert_eq(low.priority, EQUAL + 3);
    condvar_signal(&condvar);
    condvar_signal(&condvar);
    expect_trace("low:signal@0 c:m2@0 b:signal@0");
}

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

Test(condvar, times_out_at_the_deadline_and_owns_the_mutex)
{
    start(&a, "a", EQUAL, wait_until_and_say, (void *)(uintptr_t)(5 * MS));
    start(&b, "b", EQUAL, wait_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&c, "c", EQUAL, wait_until_and_say, (void *)(uintptr_t)(7 * MS));
    thread_sleep_until(4 * MS);
    condvar_signal(&condvar);
    thread_join(&c);
    expect_trace("b:timeout@3 a:signal@4 c:timeout@7");
    cr_assert_not(timer_queued(&a.deadline));
    cr_assert_eq(mutex_owner(&m1), NULL);
}

Test(condvar, gets_the_mutex_however_late_after_a_timeout)
{
    start(&high, "high", HIGH, wait_until_and_say, (void *)(uintptr_t)(3 * MS));
    mutex_lock(&m1);
    machine_run(2 * MS);
    cr_assert_eq(machine.boot.priority, EQUAL);
    machine_run(3 * MS);
    cr_assert_eq(high.waits_in, &m1.queue);
    cr_assert_eq(machine.boot.priority, HIGH);
    mutex_unlock(&m1);
    expect_trace("high:timeout@5");
    cr_assert_eq(machine.boot.priority, EQUAL);
}

Test(condvar, is_in_time_if_chosen_in_time_however_late_it_gets_the_mutex)
{
    start(&high, "high", HIGH, wait_until_and_say, (void *)(uintptr_t)(3 * MS));
    mutex_lock(&m1);
    condvar_signal(&condvar);
    cr_assert_not(timer_queued(&high.deadline));
    machine_run(5 * MS);
    mutex_unlock(&m1);
    expect_trace("high:signal@5");
}

Test(condvar, forgets_an_earlier_timeout)
{
    mutex_lock(&m1);
    cr_assert_eq(condvar_wait_until(&condvar, &m1, 1 * MS), STATUS_TIMEOUT);
    mutex_unlock(&m1);
    start(&high, "high", HIGH, wait_until_and_say, (void *)(uintptr_t)(9 * MS));
    condvar_signal(&condvar);
    expect_trace("high:signal@1");
}

Test(condvar, ends_a_wait_with_a_deadline_at_a_cancel)
{
    start(&high, "high", HIGH, wait_until_and_say, (void *)(uintptr_t)(9 * MS));
    machine_run(2 * MS);
    thread_cancel(&high);
    expect_trace("high:timeout@2");
    cr_assert_eq(timer_queue_next_deadline(&cpu_this()->timers), TIMER_NEVER);
}

Test(condvar, keeps_the_mutex_when_the_deadline_is_past)
{
    support_clock_ns = 2 * MS;
    mutex_lock(&m1);
    start(&high, "high", HIGH, lock_m1, NULL);
    cr_assert_eq(condvar_wait_until(&condvar, &m1, 2 * MS), STATUS_TIMEOUT);
    expect_trace("");
    cr_assert(irq_enabled());
    mutex_unlock(&m1);
}

static void *signal_at_9(void *argument)
{
    thread_sleep_until(9 * MS);
    condvar_signal(&condvar);
    return argument;
}

Test(condvar, waits_for_good_without_a_deadline)
{
    start(&high, "high", HIGH, signal_at_9, NULL);
    mutex_lock(&m1);
    cr_assert_eq(condvar_wait_until(&condvar, &m1, TIMER_NEVER), STATUS_OK);
    cr_assert_eq(support_clock_ns, 9 * MS);
    cr_assert_eq(machine.timer_arms, 1);
    mutex_unlock(&m1);
}

Test(condvar, keeps_a_wake_of_a_waiting_thread_for_its_next_park)
{
    start(&high, "high", HIGH, wait_and_say, NULL);
    thread_wake(&high);
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
    condvar_signal(&condvar);
    expect_trace("high:signal@0");
    cr_assert(high.token);
}

Test(condvar, may_be_used_with_another_mutex_once_nobody_waits)
{
    start(&high, "high", HIGH, wait_and_say, NULL);
    condvar_signal(&condvar);
    mutex_lock(&m2);
    cr_assert_eq(condvar_wait_until(&condvar, &m2, 1 * MS), STATUS_TIMEOUT);
    cr_assert_eq(mutex_owner(&m2), &machine.boot);
    mutex_unlock(&m2);
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

Test(condvar, is_not_waited_for_without_the_mutex, .exit_code = PANIC_EXIT)
{
    condvar_wait(&condvar, &m1);
}

Test(condvar, is_not_waited_for_with_the_mutex_of_another, .exit_code = PANIC_EXIT)
{
    start(&high, "high", HIGH, sleep_in_m1, NULL);
    cr_assert_eq(condvar_wait_until(&condvar, &m1, 1 * MS), STATUS_TIMEOUT);
}

Test(condvar, has_one_mutex_at_a_time, .exit_code = PANIC_EXIT)
{
    start(&high, "high", HIGH, wait_and_say, NULL);
    mutex_lock(&m2);
    condvar_wait(&condvar, &m2);
}

static void *lock_m1_then_m2(void *argument)
{
    mutex_lock(&m1);
    mutex_lock(&m2);
    return argument;
}

/* a waits owning m2; b owns m1 and waits for m2, so a would wait for b. */
Test(condvar, closes_no_circle_at_a_signal, .exit_code = PANIC_EXIT)
{
    start(&a, "a", EQUAL + 1, wait_with_m2, NULL);
    start(&b, "b", EQUAL + 1, lock_m1_then_m2, NULL);
    condvar_signal(&condvar);
}

static void signal_it(void)
{
    condvar_signal(&condvar);
}

static void broadcast_it(void)
{
    condvar_broadcast(&condvar);
}

Test(condvar, is_not_signalled_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(signal_it);
}

Test(condvar, is_not_broadcast_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(broadcast_it);
}

Test(condvar, is_not_waited_for_in_a_poll, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    machine.boot.may_not_park = true;
    cr_assert_eq(condvar_wait_until(&condvar, &m1, 0), STATUS_TIMEOUT);
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile bool ready;
static volatile unsigned signals;

static void *park_and_signal(void *argument)
{
    thread_park();
    mutex_lock(&m1);
    ready = true;
    condvar_signal(&condvar);
    mutex_unlock(&m1);
    return argument;
}

static void wake_high(void)
{
    thread_wake(&high);
}

static void check_quiet(void)
{
    cr_assert_eq(atomic_load(&m1.owner), 0, "%s", machine_place());
    cr_assert_eq(machine.boot.priority, EQUAL, "%s", machine_place());
    cr_assert_eq(machine.boot.mutexes, 0, "%s", machine_place());
    cr_assert(list_empty(&machine.boot.contended), "%s", machine_place());
    cr_assert(list_empty(&condvar.queue.threads), "%s", machine_place());
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
}

/* The other makes the condition true and signals: before the lock, under it, in the wait, or once it waits. */
static void wait_while_signalled(void)
{
    init();
    ready = false;
    start(&high, "high", HIGH, park_and_signal, NULL);
    machine_window_open();
    mutex_lock(&m1);
    while (!ready)
        condvar_wait(&condvar, &m1);
    machine_window_close();
    cr_assert_eq(mutex_owner(&m1), &machine.boot, "%s", machine_place());
    mutex_unlock(&m1);
    thread_join(&high);
    check_quiet();
}

Test(condvar, loses_no_signal_at_any_instruction_of_lock_and_wait)
{
    cr_assert_gt(machine_explore(wait_while_signalled, wake_high), 5);
}

static void wait_until_while_signalled(void)
{
    enum status status = STATUS_OK;

    init();
    ready = false;
    start(&high, "high", HIGH, park_and_signal, NULL);
    machine_window_open();
    mutex_lock(&m1);
    while (!ready && status == STATUS_OK)
        status = condvar_wait_until(&condvar, &m1, 5 * MS);
    machine_window_close();
    cr_assert(ready || support_clock_ns == 5 * MS, "%s", machine_place());
    cr_assert_eq(mutex_owner(&m1), &machine.boot, "%s", machine_place());
    mutex_unlock(&m1);
    thread_wake(&high);
    thread_join(&high);
    check_quiet();
}

Test(condvar, gets_the_signal_or_the_timeout_at_any_instruction)
{
    cr_assert_gt(machine_explore(wait_until_while_signalled, wake_high), 5);
}

static void *wait_until_2(void *argument)
{
    mutex_lock(&m1);
    signals += condvar_wait_until(&condvar, &m1, 2 * MS) == STATUS_OK;
    cr_assert_eq(mutex_owner(&m1), thread_current(), "%s", machine_place());
    mutex_unlock(&m1);
    return argument;
}

static void expire(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

/* Two waiters time out in the midst of what chooses one of them and hands it the mutex. */
static void signal_while_they_time_out(void)
{
    init();
    signals = 0;
    start(&high, "high", HIGH, wait_until_2, NULL);
    start(&a, "a", EQUAL + 1, wait_until_2, NULL);
    machine_window_open();
    mutex_lock(&m1);
    condvar_signal(&condvar);
    mutex_unlock(&m1);
    machine_window_close();
    thread_join(&high);
    thread_join(&a);
    cr_assert_leq(signals, 1, "%s", machine_place());
    cr_assert(signals == 1 || support_clock_ns == 2 * MS, "%s", machine_place());
    check_quiet();
}

Test(condvar, signals_or_times_out_at_any_instruction_of_lock_signal_unlock)
{
    cr_assert_gt(machine_explore(signal_while_they_time_out, expire), 10);
}

static void broadcast_while_they_time_out(void)
{
    init();
    signals = 0;
    start(&high, "high", HIGH, wait_until_2, NULL);
    start(&a, "a", EQUAL + 1, wait_until_2, NULL);
    machine_window_open();
    condvar_broadcast(&condvar);
    machine_window_close();
    cr_assert(signals == 2 || support_clock_ns == 2 * MS, "%s", machine_place());
    thread_join(&high);
    thread_join(&a);
    check_quiet();
}

Test(condvar, broadcasts_or_times_out_at_any_instruction)
{
    cr_assert_gt(machine_explore(broadcast_while_they_time_out, expire), 3);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

enum { FEW = 3 };

static struct thread crowd[FEW];
static volatile unsigned waits_seen; /* bit n: an interrupt found n of them waiting for a signal, before any ran */

static void see_who_waits(void)
{
    unsigned waiting = 0;

    if (signals)
        return;
    for (unsigned i = 0; i < FEW; i++)
        waiting += crowd[i].condition == THREAD_WAITING && crowd[i].waits_in == &condvar.queue;
    waits_seen |= 1u << waiting;
}

static void start_crowd(thread_entry *entry)
{
    init();
    signals = 0;
    for (unsigned i = 0; i < FEW; i++)
        start(&crowd[i], "crowd", HIGH + i % 2, entry, NULL);
}

/* The first to run comes back while others have not run yet. */
static void *wait_twice(void *argument)
{
    mutex_lock(&m1);
    for (unsigned i = 0; i < 2; i++) {
        condvar_wait(&condvar, &m1);
        signals++;
    }
    mutex_unlock(&m1);
    return argument;
}

static void broadcast_to_many(void)
{
    start_crowd(wait_twice);
    machine_window_open();
    condvar_broadcast(&condvar);
    machine_window_close();
    cr_assert_eq(signals, FEW, "%s", machine_place());
    condvar_broadcast(&condvar);
    for (unsigned i = 0; i < FEW; i++)
        thread_join(&crowd[i]);
    cr_assert_eq(signals, 2 * FEW, "%s", machine_place());
    check_quiet();
}

Test(condvar, lets_interrupts_in_after_each_of_all_and_chooses_each_once)
{
    waits_seen = 0;
    cr_assert_gt(machine_explore(broadcast_to_many, see_who_waits), FEW);
    cr_assert_eq(waits_seen, (1u << (FEW + 1)) - 1);
}

/* Those whose deadline comes before their turn are late, and own the mutex after the others. */
static void broadcast_while_many_time_out(void)
{
    start_crowd(wait_until_2);
    machine_window_open();
    condvar_broadcast(&condvar);
    machine_window_close();
    for (unsigned i = 0; i < FEW; i++)
        thread_join(&crowd[i]);
    cr_assert(signals == FEW || support_clock_ns == 2 * MS, "%s", machine_place());
    check_quiet();
}

Test(condvar, chooses_each_of_many_or_it_times_out_at_any_instruction)
{
    cr_assert_gt(machine_explore(broadcast_while_many_time_out, expire), FEW);
}

/* ---- a bounded buffer -------------------------------------------------------------------------------------------- */

enum { PUTTERS = 3, GETTERS = 3, ITEMS = 400, CAPACITY = 4 };

static struct thread putters[PUTTERS], getters[GETTERS];
static struct condvar not_full, not_empty;
static unsigned buffer[CAPACITY], first, count, late;
static unsigned got[PUTTERS * ITEMS];
static uint64_t random_state;

static void wait_for(struct condvar *what)
{
    uint64_t deadline_ns = support_clock_ns + support_random(&random_state) % 1000;

    if (condvar_wait_until(what, &m1, deadline_ns) == STATUS_TIMEOUT) {
        cr_assert_geq(support_clock_ns, deadline_ns, "early");
        late++;
    }
    cr_assert_eq(mutex_owner(&m1), thread_current());
    cr_assert_not(timer_queued(&thread_current()->deadline));
}

static void change(struct condvar *what)
{
    bool under = support_random(&random_state) % 2;

    machine_run(support_random(&random_state) % 300);
    if (under)
        condvar_signal(what);
    mutex_unlock(&m1);
    if (!under)
        condvar_signal(what);
    cr_assert_eq(thread_current()->priority, thread_current()->base_priority);
    thread_sleep_until(support_clock_ns + support_random(&random_state) % 1000);
}

static void *put(void *begin)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        mutex_lock(&m1);
        while (count == CAPACITY)
            wait_for(&not_full);
        buffer[(first + count++) % CAPACITY] = (unsigned)(uintptr_t)begin + i;
        change(&not_empty);
    }
    return NULL;
}

static void *get(void *argument)
{
    for (unsigned i = 0; i < PUTTERS * ITEMS / GETTERS; i++) {
        mutex_lock(&m1);
        while (count == 0)
            wait_for(&not_empty);
        got[buffer[first]]++;
        first = (first + 1) % CAPACITY;
        count--;
        change(&not_full);
    }
    return argument;
}

Test(condvar, makes_a_buffer_that_neither_loses_nor_doubles)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        init();
        condvar_init(&not_full);
        condvar_init(&not_empty);
        random_state = seed;
        first = count = late = 0;
        for (unsigned i = 0; i < PUTTERS * ITEMS; i++)
            got[i] = 0;
        for (unsigned i = 0; i < PUTTERS; i++)
            start(&putters[i], "putter", EQUAL + 1 + i, put, (void *)(uintptr_t)(i * ITEMS));
        for (unsigned i = 0; i < GETTERS; i++)
            start(&getters[i], "getter", EQUAL + 3 - i, get, NULL);
        for (unsigned i = 0; i < PUTTERS; i++)
            thread_join(&putters[i]);
        for (unsigned i = 0; i < GETTERS; i++)
            thread_join(&getters[i]);
        for (unsigned i = 0; i < PUTTERS * ITEMS; i++)
            cr_assert_eq(got[i], 1);
        cr_assert_gt(late, 20);
    }
}
