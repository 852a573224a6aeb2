/* Reader-writer locks on a simulated machine: who is let in with whom, in which order, and what is refused. */
#include "thread/rwlock.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread low, a, b, c, high;
static struct rwlock rwlock = RWLOCK_INIT(rwlock);
static struct mutex m1;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    rwlock_init(&rwlock);
    mutex_init(&m1);
}

TestSuite(rwlock, .init = init);

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

static void check_free(void)
{
    cr_assert_eq(atomic_load(&rwlock.state), 0, "%s", machine_place());
    cr_assert_eq(atomic_load(&rwlock.readers.owner), 0, "%s", machine_place());
    cr_assert_eq(atomic_load(&rwlock.writers.owner), 0, "%s", machine_place());
    cr_assert(list_empty(&rwlock.readers.queue.threads), "%s", machine_place());
    cr_assert(list_empty(&rwlock.writers.queue.threads), "%s", machine_place());
    cr_assert(list_empty(&machine.boot.contended), "%s", machine_place());
    cr_assert_eq(machine.boot.mutexes, 0, "%s", machine_place());
    cr_assert_eq(machine.boot.priority, EQUAL, "%s", machine_place());
}

static void *read_and_say(void *argument)
{
    rwlock_read_lock(&rwlock);
    say("reads");
    rwlock_read_unlock(&rwlock);
    return argument;
}

static void *write_and_say(void *argument)
{
    rwlock_write_lock(&rwlock);
    cr_assert_eq(rwlock_writer(&rwlock), thread_current());
    say("writes");
    rwlock_write_unlock(&rwlock);
    return argument;
}

static void *read_until_and_say(void *deadline_ns)
{
    enum status status = rwlock_read_lock_until(&rwlock, (uintptr_t)deadline_ns);

    say(status == STATUS_OK ? "reads" : "timeout");
    if (status == STATUS_OK)
        rwlock_read_unlock(&rwlock);
    return NULL;
}

static void *write_until_and_say(void *deadline_ns)
{
    enum status status = rwlock_write_lock_until(&rwlock, (uintptr_t)deadline_ns);

    say(status == STATUS_OK ? "writes" : "timeout");
    if (status == STATUS_OK)
        rwlock_write_unlock(&rwlock);
    return NULL;
}

static void *read_and_park(void *argument)
{
    rwlock_read_lock(&rwlock);
    say("reads");
    thread_park();
    rwlock_read_unlock(&rwlock);
    return argument;
}

Test(rwlock, is_read_by_many_or_written_by_one)
{
    static struct rwlock made = RWLOCK_INIT(made);

    cr_assert(rwlock_read_try(&made));
    cr_assert(rwlock_read_try(&made));
    cr_assert_eq(rwlock_readers(&made), 2);
    cr_assert_eq(rwlock_writer(&made), NULL);
    cr_assert_not(rwlock_write_try(&made));
    cr_assert_eq(rwlock_write_lock_until(&made, 0), STATUS_TIMEOUT);
    cr_assert_eq(machine.boot.mutexes, 2);
    rwlock_read_unlock(&made);
    rwlock_read_unlock(&made);
    rwlock_write_lock(&made);
    cr_assert_eq(rwlock_readers(&made), 0);
    cr_assert_eq(rwlock_writer(&made), &machine.boot);
    cr_assert_not(rwlock_read_try(&made));
    cr_assert_not(rwlock_write_try(&made));
    rwlock_write_unlock(&made);
    cr_assert_eq(rwlock_read_lock_until(&made, 0), STATUS_OK);
    rwlock_read_unlock(&made);
    cr_assert_eq(rwlock_write_lock_until(&made, 0), STATUS_OK);
    rwlock_write_unlock(&made);
    cr_assert(rwlock_write_try(&made));
    rwlock_write_unlock(&made);
    cr_assert_eq(machine.boot.mutexes, 0);
    cr_assert_eq(cpu_this()->switches, 0);
}

Test(rwlock, lets_a_reader_in_beside_readers)
{
    rwlock_read_lock(&rwlock);
    start(&high, "high", HIGH, read_and_say, NULL);
    expect_trace("high:reads@0");
    rwlock_read_unlock(&rwlock);
    check_free();
}

Test(rwlock, keeps_new_readers_behind_a_writer_that_waits)
{
    rwlock_read_lock(&rwlock);
    start(&a, "a", EQUAL + 1, write_and_say, NULL);
    start(&high, "high", HIGH, read_and_say, NULL);
    cr_assert_not(rwlock_read_try(&rwlock));
    cr_assert_eq(rwlock_read_lock_until(&rwlock, 0), STATUS_TIMEOUT);
    expect_trace("");
    rwlock_read_unlock(&rwlock);
    expect_trace("a:writes@0 high:reads@0");
    check_free();
}

Test(rwlock, is_the_writers_when_the_last_reader_leaves)
{
    rwlock_read_lock(&rwlock);
    start(&b, "b", HIGH, read_and_park, NULL);
    start(&a, "a", EQUAL + 1, write_and_say, NULL);
    thread_wake(&b);
    expect_trace("b:reads@0");
    cr_assert_eq(rwlock_readers(&rwlock), 1);
    rwlock_read_unlock(&rwlock);
    expect_trace("b:reads@0 a:writes@0");
    check_free();
}

Test(rwlock, lets_readers_in_together_when_a_writer_leaves)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL + 1, read_and_park, NULL);
    start(&b, "b", EQUAL + 2, read_and_park, NULL);
    start(&c, "c", HIGH + 1, write_and_say, NULL);
    rwlock_write_unlock(&rwlock);
    expect_trace("b:reads@0 a:reads@0");
    cr_assert_eq(rwlock_readers(&rwlock), 2);
    start(&high, "high", HIGH, read_and_say, NULL);
    thread_wake(&a);
    thread_wake(&b);
    expect_trace("b:reads@0 a:reads@0 c:writes@0 high:reads@0");
    check_free();
}

Test(rwlock, lets_writers_in_the_most_urgent_first_and_equals_in_their_order)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL + 1, write_and_say, NULL);
    start(&b, "b", EQUAL + 1, write_and_say, NULL);
    start(&high, "high", HIGH, write_and_say, NULL);
    rwlock_write_unlock(&rwlock);
    expect_trace("high:writes@0 a:writes@0 b:writes@0");
    check_free();
}

Test(rwlock, cannot_be_stolen_once_it_is_handed_over)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL, write_and_say, NULL);
    thread_yield();
    rwlock_write_unlock(&rwlock);
    cr_assert_eq(rwlock_writer(&rwlock), &a);
    cr_assert_not(rwlock_write_try(&rwlock));
    cr_assert_not(rwlock_read_try(&rwlock));
    rwlock_read_lock(&rwlock);
    expect_trace("a:writes@0");
    rwlock_read_unlock(&rwlock);
    check_free();
}

Test(rwlock, is_downgraded_with_no_writer_in_between_and_readers_let_in)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL + 1, write_and_say, NULL);
    start(&b, "b", EQUAL + 2, read_and_say, NULL);
    rwlock_downgrade(&rwlock);
    expect_trace("b:reads@0");
    cr_assert_eq(rwlock_readers(&rwlock), 1);
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_not(rwlock_read_try(&rwlock));
    rwlock_read_unlock(&rwlock);
    expect_trace("b:reads@0 a:writes@0");
    check_free();
}

Test(rwlock, is_downgraded_while_nobody_waits)
{
    rwlock_write_lock(&rwlock);
    rwlock_downgrade(&rwlock);
    cr_assert(rwlock_read_try(&rwlock));
    cr_assert_eq(rwlock_readers(&rwlock), 2);
    rwlock_read_unlock(&rwlock);
    rwlock_read_unlock(&rwlock);
    check_free();
}

/* ---- inheritance ------------------------------------------------------------------------------------------------- */

Test(rwlock, lends_its_writer_the_priority_of_readers_and_writers)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL + 1, write_and_say, NULL);
    cr_assert_eq(machine.boot.priority, EQUAL + 1);
    start(&b, "b", EQUAL + 2, read_and_say, NULL);
    cr_assert_eq(machine.boot.priority, EQUAL + 2);
    start(&high, "high", HIGH, write_and_say, NULL);
    cr_assert_eq(machine.boot.priority, HIGH);
    rwlock_write_unlock(&rwlock);
    cr_assert_eq(machine.boot.priority, EQUAL);
    expect_trace("b:reads@0 high:writes@0 a:writes@0");
    check_free();
}

Test(rwlock, lends_nothing_with_inheritance_off)
{
    cpu_this()->inheritance = false;
    rwlock_write_lock(&rwlock);
    start(&high, "high", HIGH, read_and_say, NULL);
    cr_assert_eq(machine.boot.priority, EQUAL);
    rwlock_write_unlock(&rwlock);
    check_free();
}

static void *write_for_4_ms(void *argument)
{
    rwlock_write_lock(&rwlock);
    machine_run(4 * MS);
    say("wrote");
    rwlock_write_unlock(&rwlock);
    return argument;
}

static void *compute(void *argument)
{
    machine_run(20 * MS);
    say("computed");
    return argument;
}

/* The writer waits for a reader, as does the urgent reader behind it; as it is let in it has what that lends. */
Test(rwlock, lends_to_a_writer_as_it_is_let_in)
{
    rwlock_read_lock(&rwlock);
    start(&low, "low", LOW, write_for_4_ms, NULL);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, read_and_say, NULL);
    start(&b, "b", EQUAL + 1, write_and_say, NULL);
    preempt_disable();
    start(&a, "a", EQUAL + 2, compute, NULL);
    cr_assert_eq(b.priority, EQUAL + 1);
    rwlock_read_unlock(&rwlock);
    cr_assert_eq(rwlock_writer(&rwlock), &b);
    cr_assert_eq(b.priority, HIGH);
    preempt_enable();
    thread_join(&low);
    expect_trace("b:writes@1 high:reads@1 a:computed@21 low:wrote@25");
    check_free();
}

static void *lock_m1(void *argument)
{
    mutex_lock(&m1);
    say("m1");
    mutex_unlock(&m1);
    return argument;
}

static void *lock_m1_and_write(void *argument)
{
    mutex_lock(&m1);
    write_and_say(NULL);
    mutex_unlock(&m1);
    return argument;
}

Test(rwlock, lends_along_a_chain)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL + 1, lock_m1_and_write, NULL);
    start(&high, "high", HIGH, lock_m1, NULL);
    cr_assert_eq(a.priority, HIGH);
    cr_assert_eq(machine.boot.priority, HIGH);
    rwlock_write_unlock(&rwlock);
    expect_trace("a:writes@0 high:m1@0");
    check_free();
}

/* Who waits for readers may inherit; the chain ends there. */
Test(rwlock, moves_a_writer_that_inherits_forward_while_others_read)
{
    rwlock_read_lock(&rwlock);
    start(&a, "a", EQUAL + 1, lock_m1_and_write, NULL);
    start(&b, "b", EQUAL + 2, write_and_say, NULL);
    start(&high, "high", HIGH, lock_m1, NULL);
    cr_assert_eq(a.priority, HIGH);
    cr_assert_eq(machine.boot.priority, EQUAL);
    rwlock_read_unlock(&rwlock);
    expect_trace("a:writes@0 high:m1@0 b:writes@0");
    check_free();
}

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

Test(rwlock, times_out_at_the_deadline_and_takes_back_what_was_lent)
{
    rwlock_write_lock(&rwlock);
    start(&high, "high", HIGH, read_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&a, "a", EQUAL + 1, write_until_and_say, (void *)(uintptr_t)(5 * MS));
    cr_assert_eq(machine.boot.priority, HIGH);
    machine_run(4 * MS);
    cr_assert_eq(machine.boot.priority, EQUAL + 1);
    machine_run(2 * MS);
    cr_assert_eq(machine.boot.priority, EQUAL);
    start(&b, "b", EQUAL + 1, write_until_and_say, (void *)(uintptr_t)(9 * MS));
    start(&c, "c", EQUAL + 2, read_until_and_say, (void *)(uintptr_t)(9 * MS));
    rwlock_write_unlock(&rwlock);
    expect_trace("high:timeout@3 a:timeout@5 c:reads@6 b:writes@6");
    cr_assert_not(timer_queued(&b.deadline));
    cr_assert_not(timer_queued(&c.deadline));
    check_free();
}

Test(rwlock, lets_readers_in_when_the_last_writer_gives_up)
{
    rwlock_read_lock(&rwlock);
    start(&a, "a", EQUAL + 1, write_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&b, "b", EQUAL + 2, write_until_and_say, (void *)(uintptr_t)(2 * MS));
    start(&high, "high", HIGH, read_until_and_say, (void *)(uintptr_t)(9 * MS));
    machine_run(4 * MS);
    expect_trace("b:timeout@2 high:reads@3 a:timeout@3");
    cr_assert(rwlock_read_try(&rwlock));
    rwlock_read_unlock(&rwlock);
    rwlock_read_unlock(&rwlock);
    check_free();
}

Test(rwlock, times_out_readers_behind_a_writer_that_waits)
{
    rwlock_read_lock(&rwlock);
    start(&a, "a", EQUAL + 1, write_and_say, NULL);
    start(&high, "high", HIGH, read_until_and_say, (void *)(uintptr_t)(3 * MS));
    machine_run(4 * MS);
    expect_trace("high:timeout@3");
    cr_assert_not(rwlock_read_try(&rwlock));
    rwlock_read_unlock(&rwlock);
    expect_trace("high:timeout@3 a:writes@4");
    check_free();
}

Test(rwlock, lets_ready_threads_run_that_its_writer_no_longer_outranks)
{
    rwlock_write_lock(&rwlock);
    start(&high, "high", HIGH, read_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&a, "a", EQUAL + 1, compute, NULL);
    machine_run(4 * MS);
    expect_trace("high:timeout@3 a:computed@23");
    start(&c, "c", HIGH, write_and_say, NULL);
    start(&b, "b", EQUAL + 1, compute, NULL);
    rwlock_downgrade(&rwlock);
    support_trace("downgraded");
    rwlock_read_unlock(&rwlock);
    expect_trace("high:timeout@3 a:computed@23 b:computed@44 downgraded c:writes@44");
    check_free();
}

static void *keep_reading(void *argument)
{
    while (support_clock_ns < 8 * MS) {
        rwlock_read_lock(&rwlock);
        machine_run(1 * MS);
        rwlock_read_unlock(&rwlock);
        thread_yield();
    }
    return argument;
}

/* Two of them, each reading in turn: there is always one. */
Test(rwlock, starves_no_writer)
{
    cpu_this()->quantum_ns = MS / 2;
    start(&a, "a", EQUAL, keep_reading, NULL);
    start(&b, "b", EQUAL, keep_reading, NULL);
    thread_sleep_until(2 * MS + MS / 4);
    cr_assert_geq(rwlock_readers(&rwlock), 1);
    cr_assert_eq(rwlock_write_lock_until(&rwlock, 6 * MS), STATUS_OK);
    rwlock_write_unlock(&rwlock);
    thread_join(&a);
    thread_join(&b);
    check_free();
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

Test(rwlock, is_not_written_twice, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    rwlock_write_lock(&rwlock);
}

Test(rwlock, is_not_written_twice_even_for_a_time, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    cr_assert_eq(rwlock_write_lock_until(&rwlock, 0), STATUS_TIMEOUT);
}

Test(rwlock, is_not_read_by_its_writer, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    rwlock_read_lock(&rwlock);
}

Test(rwlock, is_not_read_by_its_writer_even_for_a_time, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    cr_assert_eq(rwlock_read_lock_until(&rwlock, 0), STATUS_TIMEOUT);
}

static void *unlock_write(void *argument)
{
    rwlock_write_unlock(&rwlock);
    return argument;
}

Test(rwlock, is_not_unlocked_by_another_than_its_writer, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    start(&high, "high", HIGH, unlock_write, NULL);
}

Test(rwlock, is_not_write_unlocked_by_a_reader, .exit_code = PANIC_EXIT)
{
    rwlock_read_lock(&rwlock);
    rwlock_write_unlock(&rwlock);
}

Test(rwlock, is_not_read_unlocked_by_its_writer, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    rwlock_read_unlock(&rwlock);
}

static void *unlock_read(void *argument)
{
    rwlock_read_unlock(&rwlock);
    return argument;
}

Test(rwlock, is_not_read_unlocked_by_who_holds_nothing, .exit_code = PANIC_EXIT)
{
    rwlock_read_lock(&rwlock);
    start(&high, "high", HIGH, unlock_read, NULL);
}

Test(rwlock, is_not_read_unlocked_when_nobody_reads, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    rwlock_read_unlock(&rwlock);
}

Test(rwlock, is_downgraded_by_its_writer_only, .exit_code = PANIC_EXIT)
{
    rwlock_read_lock(&rwlock);
    rwlock_downgrade(&rwlock);
}

Test(rwlock, closes_no_circle_with_a_mutex, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    start(&a, "a", EQUAL + 1, lock_m1_and_write, NULL);
    mutex_lock(&m1);
}

static void *write_and_lock_m1(void *argument)
{
    rwlock_write_lock(&rwlock);
    mutex_lock(&m1);
    return argument;
}

Test(rwlock, closes_no_circle_as_a_reader, .exit_code = PANIC_EXIT)
{
    mutex_lock(&m1);
    start(&a, "a", EQUAL + 1, write_and_lock_m1, NULL);
    rwlock_read_lock(&rwlock);
}

static void *write_and_end(void *argument)
{
    rwlock_write_lock(&rwlock);
    return argument;
}

static void *read_and_end(void *argument)
{
    rwlock_read_lock(&rwlock);
    return argument;
}

Test(rwlock, is_not_written_by_a_thread_that_ends, .exit_code = PANIC_EXIT)
{
    start(&high, "high", HIGH, write_and_end, NULL);
}

Test(rwlock, is_not_read_by_a_thread_that_ends, .exit_code = PANIC_EXIT)
{
    start(&high, "high", HIGH, read_and_end, NULL);
}

static void try_read(void)
{
    cr_assert(rwlock_read_try(&rwlock));
}

static void try_write(void)
{
    cr_assert(rwlock_write_try(&rwlock));
}

static void read_unlock(void)
{
    rwlock_read_unlock(&rwlock);
}

static void write_unlock(void)
{
    rwlock_write_unlock(&rwlock);
}

static void downgrade(void)
{
    rwlock_downgrade(&rwlock);
}

Test(rwlock, is_not_tried_to_read_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(try_read);
}

Test(rwlock, is_not_tried_to_write_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(try_write);
}

Test(rwlock, is_not_read_unlocked_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    rwlock_read_lock(&rwlock);
    machine_interrupt(read_unlock);
}

Test(rwlock, is_not_write_unlocked_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    machine_interrupt(write_unlock);
}

Test(rwlock, is_not_downgraded_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    rwlock_write_lock(&rwlock);
    machine_interrupt(downgrade);
}

Test(rwlock, is_not_read_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    rwlock_read_lock(&rwlock);
}

Test(rwlock, is_not_read_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    cr_assert_eq(rwlock_read_lock_until(&rwlock, 0), STATUS_OK);
}

Test(rwlock, is_not_written_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    rwlock_write_lock(&rwlock);
}

Test(rwlock, is_not_written_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    cr_assert_eq(rwlock_write_lock_until(&rwlock, 0), STATUS_OK);
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile unsigned reading, writing, entered;

static void enter_reading(void)
{
    reading++;
    entered++;
    cr_assert_eq(writing, 0, "a reader with a writer; %s", machine_place());
    cr_assert_eq(rwlock_writer(&rwlock), NULL, "%s", machine_place());
    cr_assert_geq(rwlock_readers(&rwlock), reading, "%s", machine_place());
}

static void enter_writing(void)
{
    writing++;
    entered++;
    cr_assert_eq(writing, 1, "two writers; %s", machine_place());
    cr_assert_eq(reading, 0, "a writer with readers; %s", machine_place());
    cr_assert_eq(rwlock_writer(&rwlock), thread_current(), "%s", machine_place());
}

static void read_once(void)
{
    rwlock_read_lock(&rwlock);
    enter_reading();
    reading--;
    rwlock_read_unlock(&rwlock);
}

static void write_once(void)
{
    rwlock_write_lock(&rwlock);
    enter_writing();
    writing--;
    rwlock_write_unlock(&rwlock);
}

static void *park_and_read(void *argument)
{
    thread_park();
    read_once();
    return argument;
}

static void *park_and_write(void *argument)
{
    thread_park();
    write_once();
    return argument;
}

static void begin(void)
{
    init();
    reading = writing = entered = 0;
}

static void wake_high(void)
{
    thread_wake(&high);
}

static void wake_both(void)
{
    thread_wake(&high);
    thread_wake(&a);
}

/* A writer and a reader cut in, in the midst of all that can be done without waiting. */
static void all_while_preempted(void)
{
    begin();
    start(&high, "high", HIGH, park_and_write, NULL);
    start(&a, "a", EQUAL + 1, park_and_read, NULL);
    machine_window_open();
    read_once();
    write_once();
    rwlock_write_lock(&rwlock);
    enter_writing();
    writing--;
    rwlock_downgrade(&rwlock);
    enter_reading();
    reading--;
    rwlock_read_unlock(&rwlock);
    machine_window_close();
    thread_wake(&high);
    thread_wake(&a);
    thread_join(&high);
    thread_join(&a);
    cr_assert_eq(entered, 6, "%s", machine_place());
    check_free();
}

Test(rwlock, has_no_writer_with_anyone_and_forgets_nobody_who_cuts_in_at_any_instruction)
{
    cr_assert_gt(machine_explore(all_while_preempted, wake_both), 50);
}

static void *read_park_unlock(void *argument)
{
    rwlock_read_lock(&rwlock);
    thread_park();
    rwlock_read_unlock(&rwlock);
    return argument;
}

static void *write_park_unlock(void *argument)
{
    rwlock_write_lock(&rwlock);
    thread_park();
    rwlock_write_unlock(&rwlock);
    return argument;
}

/* The holder unlocks in the midst of a lock: at the worst between the swap that failed and interrupts going off. */
static void write_while_a_reader_leaves(void)
{
    begin();
    start(&high, "high", HIGH, read_park_unlock, NULL);
    machine_window_open();
    rwlock_write_lock(&rwlock);
    machine_window_close();
    enter_writing();
    rwlock_write_unlock(&rwlock);
    thread_join(&high);
    check_free();
}

static void read_while_a_writer_leaves(void)
{
    begin();
    start(&high, "high", HIGH, write_park_unlock, NULL);
    machine_window_open();
    rwlock_read_lock(&rwlock);
    machine_window_close();
    enter_reading();
    rwlock_read_unlock(&rwlock);
    thread_join(&high);
    check_free();
}

static void write_until_while_a_writer_leaves(void)
{
    begin();
    start(&high, "high", HIGH, write_park_unlock, NULL);
    machine_window_open();
    cr_assert_eq(rwlock_write_lock_until(&rwlock, 5 * MS), support_clock_ns == 5 * MS ? STATUS_TIMEOUT : STATUS_OK);
    machine_window_close();
    if (rwlock_writer(&rwlock) == &machine.boot)
        rwlock_write_unlock(&rwlock);
    thread_wake(&high);
    thread_join(&high);
    check_free();
}

Test(rwlock, is_had_when_it_is_unlocked_at_any_instruction_of_lock)
{
    cr_assert_gt(machine_explore(write_while_a_reader_leaves, wake_high), 3);
    cr_assert_gt(machine_explore(read_while_a_writer_leaves, wake_high), 3);
    cr_assert_gt(machine_explore(write_until_while_a_writer_leaves, wake_high), 3);
}

static void *read_until_2(void *argument)
{
    if (rwlock_read_lock_until(&rwlock, 2 * MS) == STATUS_OK) {
        enter_reading();
        reading--;
        rwlock_read_unlock(&rwlock);
    }
    return argument;
}

static void *write_until_2(void *argument)
{
    if (rwlock_write_lock_until(&rwlock, 2 * MS) == STATUS_OK) {
        enter_writing();
        writing--;
        rwlock_write_unlock(&rwlock);
    }
    return argument;
}

static void expire(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

static void start_waiters(void)
{
    start(&high, "high", HIGH, write_until_2, NULL);
    start(&a, "a", EQUAL + 1, read_until_2, NULL);
    start(&b, "b", EQUAL + 2, write_until_2, NULL);
    preempt_disable(); /* the window is for what lets them in */
}

static void join_waiters(void)
{
    machine_window_close();
    preempt_enable();
    thread_join(&high);
    thread_join(&a);
    thread_join(&b);
    cr_assert(entered == 3 || support_clock_ns == 2 * MS, "%s", machine_place());
    check_free();
}

static void write_unlock_while_they_time_out(void)
{
    begin();
    rwlock_write_lock(&rwlock);
    start_waiters();
    machine_window_open();
    rwlock_write_unlock(&rwlock);
    join_waiters();
}

static void read_unlock_while_they_time_out(void)
{
    begin();
    rwlock_read_lock(&rwlock);
    start_waiters();
    machine_window_open();
    rwlock_read_unlock(&rwlock);
    join_waiters();
}

static void downgrade_while_they_time_out(void)
{
    begin();
    rwlock_write_lock(&rwlock);
    start_waiters();
    machine_window_open();
    rwlock_downgrade(&rwlock);
    rwlock_read_unlock(&rwlock);
    join_waiters();
}

Test(rwlock, lets_in_or_is_free_when_all_time_out_at_any_instruction_of_unlock)
{
    cr_assert_gt(machine_explore(write_unlock_while_they_time_out, expire), 3);
    cr_assert_gt(machine_explore(read_unlock_while_they_time_out, expire), 3);
    cr_assert_gt(machine_explore(downgrade_while_they_time_out, expire), 6);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

enum { FEW = 3 };

static struct thread crowd[FEW];
static volatile unsigned waits_seen; /* bit n: an interrupt found n of them waiting */

static void see_who_waits(void)
{
    unsigned waiting = 0;

    for (unsigned i = 0; i < FEW; i++)
        waiting += thread_state(&crowd[i]) == THREAD_WAITING;
    waits_seen |= 1u << waiting;
}

/* Whoever runs, all who waited with it are let in. */
static void *read_together(void *argument)
{
    if (rwlock_read_lock_until(&rwlock, 2 * MS) != STATUS_OK)
        return argument;
    for (unsigned i = 0; i < FEW; i++)
        cr_assert_neq(thread_state(&crowd[i]), THREAD_WAITING, "%s", machine_place());
    enter_reading();
    reading--;
    rwlock_read_unlock(&rwlock);
    return argument;
}

/* Each more urgent than who it lends its priority to, where it is to run at once. */
static void start_readers(unsigned priority, unsigned step)
{
    for (unsigned i = 0; i < FEW; i++)
        start(&crowd[i], "crowd", priority + i * step, read_together, NULL);
}

static void join_readers(void)
{
    for (unsigned i = 0; i < FEW; i++)
        thread_join(&crowd[i]);
    cr_assert_eq(cpu_this()->preempt_count, 0, "%s", machine_place());
    check_free();
}

static void unlock_many_as(bool inheritance)
{
    begin();
    cpu_this()->inheritance = inheritance;
    rwlock_write_lock(&rwlock);
    start_readers(HIGH, 1);
    machine_window_open();
    rwlock_write_unlock(&rwlock);
    machine_window_close();
    join_readers();
    cr_assert_eq(entered, FEW, "%s", machine_place());
}

static void unlock_many(void)
{
    unlock_many_as(true);
}

/* What the readers lend the writer does not keep them from the CPU until all are let in. */
static void unlock_many_that_lend_nothing(void)
{
    unlock_many_as(false);
}

static void downgrade_for_many(void)
{
    begin();
    rwlock_write_lock(&rwlock);
    start_readers(EQUAL + 1, 1);
    machine_window_open();
    rwlock_downgrade(&rwlock);
    machine_window_close();
    cr_assert_eq(rwlock_readers(&rwlock), 1, "%s", machine_place());
    rwlock_read_unlock(&rwlock);
    join_readers();
    cr_assert_eq(entered, FEW, "%s", machine_place());
}

/* A writer waits until 1 ms and readers behind it until 2 ms: its own code lets them in. */
static void give_up_before_many(void)
{
    begin();
    start(&high, "high", HIGH, read_park_unlock, NULL);
    start_readers(EQUAL, 0);
    machine_window_open();
    cr_assert_eq(rwlock_write_lock_until(&rwlock, 1 * MS), STATUS_TIMEOUT);
    machine_window_close();
    thread_yield();
    cr_assert_eq(entered, FEW, "%s", machine_place());
    thread_wake(&high);
    thread_join(&high);
    join_readers();
}

Test(rwlock, lets_interrupts_in_after_each_reader)
{
    void (*const scenarios[])(void) = {unlock_many, unlock_many_that_lend_nothing, downgrade_for_many,
                                       give_up_before_many};

    for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        waits_seen = 0;
        cr_assert_gt(machine_explore(scenarios[i], see_who_waits), FEW);
        cr_assert_eq(waits_seen, (1u << (FEW + 1)) - 1, "scenario %u", i);
    }
}

/* Those not let in yet are late, whatever is being done. */
static void unlock_many_in_time_or_late(void)
{
    begin();
    rwlock_write_lock(&rwlock);
    start_readers(HIGH, 1);
    start(&a, "a", EQUAL + 1, write_until_2, NULL);
    machine_window_open();
    rwlock_write_unlock(&rwlock);
    machine_window_close();
    join_readers();
    thread_join(&a);
    cr_assert(entered == FEW + 1 || support_clock_ns == 2 * MS, "%s", machine_place());
    check_free();
}

static void give_up_while_a_reader_leaves(void)
{
    begin();
    start(&high, "high", HIGH, read_park_unlock, NULL);
    start_readers(EQUAL, 0);
    machine_window_open();
    if (rwlock_write_lock_until(&rwlock, 1 * MS) == STATUS_OK)
        rwlock_write_unlock(&rwlock);
    machine_window_close();
    thread_wake(&high);
    thread_join(&high);
    join_readers();
    cr_assert_eq(entered, FEW, "%s", machine_place());
}

Test(rwlock, lets_in_or_times_out_each_of_many_at_any_instruction)
{
    cr_assert_gt(machine_explore(unlock_many_in_time_or_late, expire), FEW);
    cr_assert_gt(machine_explore(give_up_while_a_reader_leaves, wake_high), FEW);
}

/* ---- a writer that gave up and has not run yet ------------------------------------------------------------------- */

/* c has given up, and a and high wait behind it. Preemption is disabled. */
static void give_up_unseen(void)
{
    begin();
    rwlock_read_lock(&rwlock);
    start(&c, "c", LOW, write_until_and_say, (void *)(uintptr_t)(1 * MS));
    thread_sleep_until(MS / 2);
    start(&high, "high", HIGH, read_until_and_say, (void *)(uintptr_t)(5 * MS));
    start(&a, "a", EQUAL + 1, read_until_and_say, (void *)(uintptr_t)(6 * MS));
    preempt_disable();
    machine_run(1 * MS);
    cr_assert_eq(thread_state(&c), THREAD_READY);
    cr_assert_eq(c.priority, HIGH, "it has the readers' priority to let them in with");
    cr_assert_eq(thread_state(&high), THREAD_WAITING);
}

Test(rwlock, lets_readers_in_at_their_priority_when_the_last_writer_gives_up)
{
    give_up_unseen();
    start(&b, "b", EQUAL + 2, compute, NULL);
    preempt_enable();
    rwlock_read_unlock(&rwlock);
    thread_join(&c);
    expect_trace("high:reads@1 b:computed@21 a:reads@21 c:timeout@21");
    cr_assert_eq(c.priority, LOW);
    check_free();
}

Test(rwlock, takes_who_comes_before_the_readers_are_let_in)
{
    give_up_unseen();
    start(&b, "b", HIGH + 1, read_and_say, NULL);
    start(&low, "low", HIGH + 2, write_and_say, NULL);
    preempt_enable();
    expect_trace("b:reads@1 high:reads@1 a:reads@1");
    cr_assert_not(rwlock_read_try(&rwlock));
    rwlock_read_unlock(&rwlock);
    thread_join(&c);
    expect_trace("b:reads@1 high:reads@1 a:reads@1 low:writes@1 c:timeout@1");
    check_free();
}

Test(rwlock, lends_what_a_later_reader_has_to_who_lets_it_in)
{
    give_up_unseen();
    start(&b, "b", HIGH + 2, read_and_say, NULL);
    start(&low, "low", HIGH + 1, compute, NULL);
    preempt_enable();
    expect_trace("b:reads@1 low:computed@21 high:reads@21 a:reads@21");
    rwlock_read_unlock(&rwlock);
    thread_join(&c);
    check_free();
}

Test(rwlock, lets_readers_in_as_the_last_one_leaves_if_they_still_wait)
{
    give_up_unseen();
    rwlock_read_unlock(&rwlock);
    cr_assert_eq(rwlock_readers(&rwlock), 2);
    cr_assert_eq(c.priority, LOW, "there is nothing left for it to do");
    cr_assert_eq(mutex_owner(&rwlock.readers), NULL);
    preempt_enable();
    thread_join(&c);
    expect_trace("high:reads@1 a:reads@1 c:timeout@1");
    check_free();
}

Test(rwlock, has_nobody_to_let_in_once_they_are_late_too)
{
    give_up_unseen();
    machine_run(4 * MS);
    cr_assert_eq(c.priority, EQUAL + 1);
    machine_run(1 * MS);
    cr_assert_eq(c.priority, LOW);
    cr_assert(rwlock_read_try(&rwlock));
    rwlock_read_unlock(&rwlock);
    rwlock_read_unlock(&rwlock);
    preempt_enable();
    thread_join(&c);
    expect_trace("high:timeout@6 a:timeout@6 c:timeout@6");
    check_free();
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { THREADS = 7, ROUNDS = 400 };

static struct thread threads[THREADS];
static unsigned reads, writes, downgrades, late;
static unsigned turns; /* of writers, each counted as it begins */
static uint64_t random_state;

static uint8_t max(uint8_t left, uint8_t right)
{
    return left > right ? left : right;
}

/* What the state must be, from the threads' own. */
static void check_state(void)
{
    uint64_t flags = irq_save();
    uintptr_t state = atomic_load(&rwlock.state);
    unsigned to_read = 0, to_write = 0;
    const struct thread *writer = rwlock_writer(&rwlock);
    const struct thread *borrower = mutex_owner(&rwlock.readers); /* the writer, or who lets readers in */
    uint8_t most = 0, most_of_readers = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        const struct thread *thread = &threads[i];

        if (thread->condition != THREAD_WAITING) {
            cr_assert(thread == writer || thread == borrower || thread->priority == thread->base_priority,
                      "inherits from nobody");
            continue;
        }
        to_read += thread->waits_for == &rwlock.readers;
        to_write += thread->waits_for == &rwlock.writers;
        most = max(thread->priority, most);
        if (thread->waits_for == &rwlock.readers)
            most_of_readers = max(thread->priority, most_of_readers);
    }
    cr_assert_eq(state & RWLOCK_CONTENDED, to_read + to_write > 0);
    cr_assert(to_read == 0 || to_write > 0 || borrower, "readers wait for readers");
    cr_assert(to_read + to_write == 0 || state >= RWLOCK_READER, "threads wait for nobody");
    if (writer)
        cr_assert_eq(writer->priority, max(most, writer->base_priority));
    else if (borrower)
        cr_assert_eq(borrower->priority, max(most_of_readers, borrower->base_priority));
    cr_assert(to_read ? !writer || borrower == writer : !borrower);
    cr_assert_eq(mutex_owner(&rwlock.writers), to_write ? writer : NULL);
    irq_restore(flags);
}

static void work(void)
{
    check_state();
    machine_run(support_random(&random_state) % 300);
    check_state();
}

/* A reader waits for the writer that has it and the one that is let in before it, and no more. */
static bool read_at_random(uint64_t deadline_ns)
{
    unsigned turns_before = turns;

    if (rwlock_read_lock_until(&rwlock, deadline_ns) != STATUS_OK)
        return false;
    cr_assert_leq(turns - turns_before, 2, "a reader starves");
    enter_reading();
    work();
    reading--;
    rwlock_read_unlock(&rwlock);
    reads++;
    return true;
}

static bool write_at_random(uint64_t deadline_ns)
{
    if (rwlock_write_lock_until(&rwlock, deadline_ns) != STATUS_OK)
        return false;
    turns++;
    enter_writing();
    work();
    writing--;
    writes++;
    if (support_random(&random_state) % 4) {
        rwlock_write_unlock(&rwlock);
        return true;
    }
    rwlock_downgrade(&rwlock);
    enter_reading();
    work();
    reading--;
    rwlock_read_unlock(&rwlock);
    downgrades++;
    return true;
}

static void *lock_at_random(void *argument)
{
    const struct thread *self = thread_current();

    for (unsigned round = 0; round < ROUNDS; round++) {
        bool for_good = support_random(&random_state) % 4 == 0;
        uint64_t deadline_ns = for_good ? TIMER_NEVER : support_clock_ns + support_random(&random_state) % 800;
        bool got = support_random(&random_state) % 3 ? read_at_random(deadline_ns) : write_at_random(deadline_ns);

        cr_assert(got || support_clock_ns >= deadline_ns, "early");
        cr_assert_not(timer_queued(&self->deadline));
        late += !got;
        cr_assert_eq(self->priority, self->base_priority);
        cr_assert_eq(self->mutexes, 0);
        thread_sleep_until(support_clock_ns + support_random(&random_state) % 600);
    }
    return argument;
}

Test(rwlock, agrees_with_a_model_and_starves_nobody)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        begin();
        random_state = seed;
        reads = writes = downgrades = late = turns = 0;
        preempt_disable();
        for (unsigned i = 0; i < THREADS; i++)
            start(&threads[i], "locker", EQUAL + 1 + i % 4, lock_at_random, NULL);
        preempt_enable();
        for (unsigned i = 0; i < THREADS; i++)
            thread_join(&threads[i]);
        cr_assert_eq(reads + writes + late, THREADS * ROUNDS);
        cr_assert_gt(reads, 500);
        cr_assert_gt(writes, 300);
        cr_assert_gt(downgrades, 50);
        cr_assert_gt(late, 50);
        check_free();
    }
}
