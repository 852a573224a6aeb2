/* The life of threads on a simulated machine: what they are given, how they end, and who looks after what is left. */
#include "thread/thread.h"

#include <string.h>

#include "machine.h"
#include "support.h"
#include "thread/arch.h"
#include "thread/condvar.h"
#include "thread/mutex.h"
#include "thread/semaphore.h"
#include "thread/wait_queue.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

static struct thread a, b, c;
static struct semaphore semaphore = SEMAPHORE_INIT(semaphore, 0);
static struct mutex mutex = MUTEX_INIT(mutex);
static int answer;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    semaphore_init(&semaphore, 0);
    mutex_init(&mutex);
}

TestSuite(thread, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    memset(thread, 0xa5, sizeof(*thread)); /* nothing of what was there before matters */
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

static void *say(void *argument)
{
    support_trace("%s", thread_current()->name);
    return argument;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* A thread's registers at its first instruction. */
struct entry_registers {
    uint64_t arguments[6];
    uint64_t others[8]; /* r10, r11, rbx, rbp, r12, r13, r14, r15 */
    uint64_t rsp, flags;
} entry_registers;
void *read_entry_registers_0(void);
void *read_entry_registers_1(void *);
void *read_entry_registers_6(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

__asm__("    .text\n"
        "read_entry_registers_0:\n"
        "read_entry_registers_1:\n"
        "read_entry_registers_6:\n"
        "    lea entry_registers(%rip), %rax\n"
        "    mov %rdi, 0(%rax)\n"
        "    mov %rsi, 8(%rax)\n"
        "    mov %rdx, 16(%rax)\n"
        "    mov %rcx, 24(%rax)\n"
        "    mov %r8, 32(%rax)\n"
        "    mov %r9, 40(%rax)\n"
        "    mov %r10, 48(%rax)\n"
        "    mov %r11, 56(%rax)\n"
        "    mov %rbx, 64(%rax)\n"
        "    mov %rbp, 72(%rax)\n"
        "    mov %r12, 80(%rax)\n"
        "    mov %r13, 88(%rax)\n"
        "    mov %r14, 96(%rax)\n"
        "    mov %r15, 104(%rax)\n"
        "    mov %rsp, 112(%rax)\n"
        "    pushfq\n"
        "    popq 120(%rax)\n"
        "    ret\n");

static void expect_entry(const uint64_t arguments[6])
{
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(entry_registers.arguments[i], arguments[i], "argument %u", i);
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(entry_registers.others[i], 0, "register %u", i);
    cr_assert_eq(entry_registers.rsp % 16, 8, "as after a call");
    cr_assert_eq(entry_registers.flags & 0x400, 0, "DF");
    memset(&entry_registers, 0x5a, sizeof(entry_registers));
}

Test(thread, finds_six_distinct_words_in_the_registers_of_the_abi)
{
    static const uint64_t words[6] = {0x1111222233334444, 0x8222333344445555, 0x3333444455556666,
                                      0xc444555566667777, 0x5555666677778888, 0xf666777788889999};

    cr_assert_eq(thread_start_with(&a, "six", EQUAL, read_entry_registers_6, words[0], words[1], words[2], words[3],
                                   words[4], words[5]),
                 STATUS_OK);
    thread_join(&a);
    expect_entry(words);
}

Test(thread, finds_zero_in_every_register_without_an_argument)
{
    static const uint64_t none[6];
    const uint64_t one[6] = {(uintptr_t)&answer};

    memset(&entry_registers, 0x5a, sizeof(entry_registers));
    cr_assert_eq(thread_start_with(&a, "none", EQUAL, read_entry_registers_0), STATUS_OK);
    thread_join(&a);
    expect_entry(none);
    start(&a, "one", EQUAL, read_entry_registers_1, &answer);
    thread_join(&a);
    expect_entry(one);
}

static void *narrow(int8_t byte, uint8_t letter, bool flag, int32_t number, const char *text, uint16_t *words)
{
    cr_assert_eq(byte, -1);
    cr_assert_eq(letter, 200);
    cr_assert(flag);
    cr_assert_eq(number, INT32_MIN);
    cr_assert_str_eq(text, "text");
    words[1] = 7;
    return &words[1];
}

Test(thread, finds_narrow_arguments_as_wide_as_registers)
{
    uint16_t words[2] = {0};
    const uint64_t wide[6] = {UINT64_MAX, 200, 1, (uint64_t)INT32_MIN, 0, 65535};

    cr_assert_eq(thread_start_with(&a, "narrow", EQUAL, narrow, (int8_t)-1, (uint8_t)200, (bool)true, INT32_MIN,
                                   (const char *)"text", words),
                 STATUS_OK);
    cr_assert_eq(thread_join(&a), &words[1]);
    cr_assert_eq(words[1], 7);
    cr_assert_eq(thread_start_with(
                     &a, "wide", EQUAL,
                     (void *(*)(int8_t, uint8_t, bool, int32_t, char, uint16_t))(void (*)(void))read_entry_registers_6,
                     (int8_t)-1, (uint8_t)200, (bool)true, INT32_MIN, (char)0, (uint16_t)65535),
                 STATUS_OK);
    thread_join(&a);
    expect_entry(wide);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static void *no_arguments(void)
{
    return &answer;
}

Test(thread, has_a_stack_of_the_size_it_asks_for_rounded_up)
{
    static const size_t sizes[][2] = {{0, THREAD_STACK_BYTES},
                                      {1, THREAD_STACK_BYTES_MIN},
                                      {4096, 4096},
                                      {4097, 8192},
                                      {THREAD_STACK_BYTES_MAX - 1, THREAD_STACK_BYTES_MAX},
                                      {THREAD_STACK_BYTES_MAX, THREAD_STACK_BYTES_MAX}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct thread_options options = {.stack_bytes = sizes[i][0]};

        cr_assert_eq(thread_start_options(&a, "a", EQUAL, &options, no_arguments), STATUS_OK);
        cr_assert_eq(a.stack_bytes, sizes[i][1]);
        cr_assert_eq(thread_join(&a), &answer); /* the machine checks the size that is given back */
        cr_assert_eq(machine.stacks, 1);
    }
}

Test(thread, is_refused_a_stack_that_is_too_large_or_not_there)
{
    struct thread_options options = {.stack_bytes = THREAD_STACK_BYTES_MAX + 1};

    cr_assert_eq(thread_start_options(&a, "a", EQUAL, &options, no_arguments), STATUS_INVALID);
    options.stack_bytes = SIZE_MAX;
    cr_assert_eq(thread_start_options(&a, "a", EQUAL, &options, no_arguments), STATUS_INVALID);
    machine.stacks_max = 1;
    cr_assert_eq(thread_start_with(&a, "a", EQUAL, no_arguments), STATUS_NO_MEMORY);
    cr_assert(irq_enabled());
    cr_assert_eq(machine.stacks, 1);
}

static void *compute(void *ms)
{
    for (uintptr_t i = 0; i < (uintptr_t)ms; i++) {
        support_trace("%s", thread_current()->name);
        machine_run(MS);
    }
    return NULL;
}

static void *compute_4(void)
{
    return compute((void *)4);
}

Test(thread, takes_turns_as_long_as_its_own_quantum)
{
    struct thread_options long_turns = {.quantum_ns = 3 * MS}, short_turns = {.quantum_ns = MS};

    thread_set_quantum(&machine.boot, 10 * MS);
    cr_assert_eq(thread_start_options(&a, "a", LOW, &long_turns, compute_4), STATUS_OK);
    cr_assert_eq(thread_start_options(&b, "b", LOW, &short_turns, compute_4), STATUS_OK);
    thread_join(&a);
    thread_join(&b);
    expect_trace("a a a b a b b b");
}

Test(thread, has_the_new_quantum_from_its_next_turn_on)
{
    start(&a, "a", LOW, compute, (void *)7);
    start(&b, "b", LOW, compute, (void *)14);
    cr_assert_eq(a.quantum_ns, 10 * MS);
    thread_set_quantum(&a, 2 * MS);
    thread_set_quantum(&b, MS);
    thread_join(&a);
    thread_join(&b);
    expect_trace("a a b a a b a a b a b b b b b b b b b b b");
}

Test(thread, may_have_a_quantum_that_never_ends_but_none_beyond)
{
    struct thread_options longest = {.quantum_ns = THREAD_QUANTUM_NS_MAX},
                          longer = {.quantum_ns = THREAD_QUANTUM_NS_MAX + 1};

    cr_assert_eq(thread_start_options(&a, "a", EQUAL, &longer, say, (void *)NULL), STATUS_INVALID);
    cr_assert_eq(thread_start_options(&a, "a", EQUAL, &longest, say, (void *)NULL), STATUS_OK);
    thread_set_quantum(&machine.boot, THREAD_QUANTUM_NS_MAX);
    thread_sleep_until(5 * MS);
    expect_trace("a");
    start(&b, "b", EQUAL, say, NULL);
    machine_run(1000 * MS);
    expect_trace("a");
    thread_join(&b);
    thread_join(&a);
}

Test(thread, panics_at_a_quantum_too_long_to_add_up, .exit_code = PANIC_EXIT)
{
    thread_set_quantum(&machine.boot, THREAD_QUANTUM_NS_MAX + 1);
}

Test(thread, panics_at_no_quantum, .exit_code = PANIC_EXIT)
{
    thread_set_quantum(&machine.boot, 0);
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

Test(thread, lives_10000_times_and_leaves_nothing_but_its_ids)
{
    uint64_t id;

    start(&a, "a", HIGH, say, NULL);
    thread_join(&a);
    id = a.id;
    for (unsigned i = 1; i <= 10000; i++) {
        cr_assert_eq(thread_start_with(&a, "a", i % 2 ? HIGH : LOW, no_arguments), STATUS_OK);
        cr_assert_eq(a.id, id + i);
        cr_assert_eq(thread_join(&a), &answer);
        cr_assert_eq(machine.stacks, 1);
    }
    cr_assert(thread_all.next == &machine.boot.all && thread_all.prev == &cpu_this()->idle.all);
}

/* ---- detached ---------------------------------------------------------------------------------------------------- */

static unsigned released;

static void release_a(struct thread *thread)
{
    cr_assert_eq(thread, &a);
    cr_assert_neq(thread_current(), &a, "it is not off its stack");
    cr_assert_eq(thread_state(&a), THREAD_DEAD);
    memset(&a, 0x5a, sizeof(a)); /* it is ours again */
    released++;
}

static void *detach_itself(void *argument)
{
    thread_detach(thread_current(), release_a);
    return argument;
}

static void let_the_idle_thread_run(void)
{
    thread_sleep_until(support_clock_ns + MS);
}

Test(thread, is_released_once_when_it_is_off_its_stack)
{
    released = 0;
    start(&a, "a", EQUAL, say, NULL);
    thread_detach(&a, release_a);
    let_the_idle_thread_run();
    cr_assert_eq(released, 1);
    cr_assert_eq(machine.stacks, 1);
    start(&a, "a", EQUAL, detach_itself, NULL);
    thread_yield();
    cr_assert_eq(released, 1);
    start(&b, "b", EQUAL, say, NULL); /* looks after who ended */
    cr_assert_eq(released, 2);
    thread_join(&b);
    cr_assert_eq(machine.stacks, 1);
    cr_assert(irq_enabled());
}

Test(thread, is_released_at_once_if_it_has_ended)
{
    released = 0;
    start(&a, "a", HIGH, say, NULL);
    cr_assert_eq(machine.stacks, 2);
    thread_detach(&a, release_a);
    cr_assert_eq(released, 1);
    cr_assert_eq(machine.stacks, 1);
    start(&a, "a", HIGH, say, NULL);
    thread_detach(&a, NULL);
    cr_assert_eq(machine.stacks, 1);
    cr_assert(irq_enabled());
}

Test(thread, can_be_detached_from_its_start)
{
    struct thread_options options = {.detached = true, .release = release_a}, silent = {.detached = true};

    released = 0;
    cr_assert_eq(thread_start_options(&a, "a", EQUAL, &options, no_arguments), STATUS_OK);
    cr_assert_eq(thread_start_options(&b, "b", EQUAL, &silent, no_arguments), STATUS_OK);
    let_the_idle_thread_run();
    cr_assert_eq(released, 1);
    cr_assert_eq(machine.stacks, 1);
}

/* Two ended before anybody looked: all of them go, and one that is released may start another. */
static void start_a_again(struct thread *thread)
{
    cr_assert_eq(thread, &a);
    start(&a, "a", HIGH, say, NULL);
    thread_detach(&a, release_a);
}

Test(thread, may_be_started_again_by_its_release)
{
    released = 0;
    start(&a, "a", EQUAL, say, NULL);
    thread_detach(&a, start_a_again);
    start(&b, "b", EQUAL, say, NULL);
    thread_join(&b);
    expect_trace("a b a");
    cr_assert_eq(released, 1);
    cr_assert_eq(machine.stacks, 1);
}

Test(thread, panics_at_a_join_of_a_detached_one, .exit_code = PANIC_EXIT)
{
    start(&a, "a", EQUAL, say, NULL);
    thread_detach(&a, NULL);
    thread_join(&a);
}

Test(thread, panics_when_detached_twice, .exit_code = PANIC_EXIT)
{
    start(&a, "a", EQUAL, say, NULL);
    thread_detach(&a, NULL);
    thread_detach(&a, NULL);
}

static void *join_a(void *argument)
{
    thread_join(&a);
    return argument;
}

Test(thread, panics_when_detached_while_it_is_joined, .exit_code = PANIC_EXIT)
{
    start(&a, "a", LOW, say, NULL);
    start(&b, "b", HIGH, join_a, NULL);
    thread_detach(&a, NULL);
}

/* ---- cancelled --------------------------------------------------------------------------------------------------- */

static void *park_for_ever(void *argument)
{
    for (;;) {
        thread_cancel_point();
        thread_park();
        support_trace("woken");
    }
    return argument;
}

static void *sleep_for_ever(void *argument)
{
    thread_sleep_until(1000 * MS);
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    thread_sleep_until(1000 * MS);
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    thread_cancel_point();
    return argument;
}

static void cancel_a(void)
{
    thread_cancel(&a);
}

Test(thread, ends_cancelled_while_it_parks_sleeps_or_has_not_begun)
{
    start(&a, "a", HIGH, park_for_ever, NULL);
    thread_cancel(&a);
    expect_trace("woken");
    cr_assert_eq(thread_join(&a), THREAD_CANCELLED);
    start(&a, "a", LOW, park_for_ever, NULL);
    thread_cancel(&a);
    thread_cancel(&a);
    cr_assert_eq(thread_join(&a), THREAD_CANCELLED);
    expect_trace("woken");
    support_trace_clear();
    start(&a, "a", HIGH, sleep_for_ever, NULL);
    machine_at(5 * MS, cancel_a);
    cr_assert_eq(thread_join(&a), THREAD_CANCELLED);
    expect_trace("5 5");
    cr_assert_not(timer_queued(&a.deadline));
}

static void *check_cancelled(void *argument)
{
    cr_assert_not(thread_cancelled());
    thread_cancel_point();
    thread_cancel(thread_current());
    cr_assert(thread_cancelled());
    thread_park(); /* returns at once */
    mutex_lock(&mutex);
    thread_cancel_point();
    mutex_unlock(&mutex);
    preempt_disable();
    thread_cancel_point();
    preempt_enable();
    thread_current()->may_not_park = true;
    thread_cancel_point();
    thread_current()->may_not_park = false;
    support_trace("holds nothing");
    thread_cancel_point();
    return argument;
}

Test(thread, ends_only_where_it_holds_nothing)
{
    start(&a, "a", EQUAL, check_cancelled, NULL);
    cr_assert_eq(thread_join(&a), THREAD_CANCELLED);
    expect_trace("holds nothing");
}

static void cancel_point_in_interrupt(void)
{
    thread_cancel_point();
    support_trace("irq");
}

Test(thread, does_not_end_in_an_interrupt)
{
    thread_cancel(&machine.boot);
    machine_interrupt(cancel_point_in_interrupt);
    expect_trace("irq");
}

static void *wait_in_queues(void *argument)
{
    cr_assert_eq(semaphore_take_until(&semaphore, 1000 * MS), STATUS_TIMEOUT);
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    cr_assert_eq(semaphore_take_until(&semaphore, 1000 * MS), STATUS_TIMEOUT);
    cr_assert_eq(mutex_lock_until(&mutex, 1000 * MS), STATUS_TIMEOUT);
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    cr_assert_eq(semaphore_take_until(&semaphore, TIMER_NEVER), STATUS_OK);
    support_trace("unit@%u", (unsigned)(support_clock_ns / MS));
    return argument;
}

static void give(void)
{
    semaphore_give(&semaphore);
}

Test(thread, has_its_waits_with_a_deadline_ended_but_no_other)
{
    mutex_lock(&mutex);
    start(&a, "a", HIGH, wait_in_queues, &answer);
    machine_at(5 * MS, cancel_a);
    machine_at(9 * MS, give);
    cr_assert_eq(thread_join(&a), &answer);
    expect_trace("5 5 unit@9");
    mutex_unlock(&mutex);
    cr_assert_eq(machine.boot.priority, EQUAL);
}

static bool never_holds(void *unused)
{
    (void)unused;
    return false;
}

static struct condvar condvar = CONDVAR_INIT(condvar);
static struct wait_queue queue = WAIT_QUEUE_INIT(queue);

static void *wait_for_a_signal(void *argument)
{
    mutex_lock(&mutex);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(condvar_wait_until(&condvar, &mutex, 1000 * MS), STATUS_TIMEOUT);
        cr_assert_eq(mutex_owner(&mutex), thread_current());
    }
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    mutex_unlock(&mutex);
    return argument;
}

Test(thread, has_its_wait_on_a_condition_variable_ended_owning_the_mutex)
{
    start(&a, "a", HIGH, wait_for_a_signal, &answer);
    machine_at(5 * MS, cancel_a);
    cr_assert_eq(thread_join(&a), &answer);
    expect_trace("5");
    cr_assert(list_empty(&condvar.queue.threads));
    cr_assert_null(mutex_owner(&mutex));
}

static void *wait_for_nothing(void *argument)
{
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(wait_queue_wait_until(&queue, never_holds, NULL, 1000 * MS), STATUS_TIMEOUT);
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    return argument;
}

Test(thread, has_its_wait_for_a_condition_ended)
{
    start(&a, "a", HIGH, wait_for_nothing, &answer);
    machine_at(5 * MS, cancel_a);
    cr_assert_eq(thread_join(&a), &answer);
    expect_trace("5");
    cr_assert(list_empty(&queue.threads));
    cr_assert_not(timer_queued(&a.deadline));
}

static void *sleep_without_end(void *argument)
{
    for (unsigned i = 0; i < 2; i++)
        thread_sleep_until(TIMER_NEVER);
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    return argument;
}

Test(thread, has_a_sleep_without_a_deadline_ended_too)
{
    start(&a, "a", HIGH, sleep_without_end, &answer);
    machine_at(5 * MS, cancel_a);
    cr_assert_eq(thread_join(&a), &answer);
    expect_trace("5");
}

static void *lock_until(void *argument)
{
    return mutex_lock_until(&mutex, 1000 * MS) == STATUS_OK ? NULL : argument;
}

Test(thread, takes_back_what_it_lent_when_its_wait_for_a_mutex_is_ended)
{
    mutex_lock(&mutex);
    start(&a, "a", HIGH, lock_until, &answer);
    cr_assert_eq(machine.boot.priority, HIGH);
    thread_cancel(&a);
    cr_assert_eq(machine.boot.priority, EQUAL);
    cr_assert_eq(thread_join(&a), &answer);
    mutex_unlock(&mutex);
    cr_assert_null(mutex_owner(&mutex));
}

Test(thread, is_joined_by_a_cancelled_thread_to_the_end)
{
    start(&a, "a", HIGH, sleep_for_ever, NULL);
    start(&b, "b", HIGH, join_a, &answer);
    thread_cancel(&b);
    cr_assert_eq(thread_state(&b), THREAD_PARKED);
    machine_at(7 * MS, cancel_a);
    cr_assert_eq(thread_join(&b), &answer);
    cr_assert_eq(support_clock_ns, 7 * MS);
}

static void *sleep_3_ms(void *argument)
{
    thread_sleep_until(3 * MS);
    return argument;
}

Test(thread, is_joined_until_a_deadline_at_the_nanosecond_and_again_after_it)
{
    void *result = NULL;

    start(&a, "a", LOW, sleep_3_ms, &answer);
    cr_assert_eq(thread_join_until(&a, 0, &result), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 0);
    cr_assert_eq(thread_join_until(&a, 2 * MS, &result), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 2 * MS);
    cr_assert_null(result);
    cr_assert_not(timer_queued(&machine.boot.deadline));
    cr_assert_eq(thread_join_until(&a, 5 * MS, &result), STATUS_OK);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(result, &answer);
    cr_assert_eq(machine.stacks, 1, "its stack is free");
    cr_assert_eq(thread_join_until(&a, 0, &result), STATUS_OK, "it has ended");
}

Test(thread, is_joined_whatever_else_wakes_the_joiner)
{
    void *result;

    start(&a, "a", LOW, sleep_3_ms, &answer);
    thread_wake(&machine.boot);
    cr_assert_eq(thread_join_until(&a, 2 * MS, &result), STATUS_TIMEOUT);
    cr_assert_eq(support_clock_ns, 2 * MS);
    thread_wake(&machine.boot);
    cr_assert_eq(thread_join_until(&a, TIMER_NEVER, &result), STATUS_OK);
    cr_assert_eq(result, &answer);
}

/* So that the joiner's memory can be reused. */
Test(thread, wakes_nobody_who_no_longer_joins_it)
{
    void *result;

    start(&a, "a", LOW, sleep_3_ms, &answer);
    cr_assert_eq(thread_join_until(&a, 2 * MS, &result), STATUS_TIMEOUT);
    thread_sleep_until(4 * MS);
    cr_assert_not(machine.boot.token);
    thread_detach(&a, NULL);
}

static void *join_a_twice(void *argument)
{
    void *result = NULL;

    support_trace("%s", thread_join_until(&a, 1000 * MS, &result) == STATUS_TIMEOUT ? "timeout" : "joined");
    support_trace("%u", (unsigned)(support_clock_ns / MS));
    cr_assert_eq(thread_join_until(&a, TIMER_NEVER, &result), STATUS_OK);
    cr_assert_eq(result, THREAD_CANCELLED);
    return argument;
}

static void cancel_b(void)
{
    thread_cancel(&b);
}

Test(thread, is_no_longer_joined_until_a_deadline_by_a_cancelled_thread)
{
    start(&a, "a", HIGH, sleep_for_ever, NULL);
    start(&b, "b", HIGH, join_a_twice, &answer);
    machine_at(3 * MS, cancel_b);
    machine_at(7 * MS, cancel_a);
    cr_assert_eq(thread_join(&b), &answer);
    expect_trace("timeout 3 7 7");
}

static void *park_and_end(void *argument)
{
    thread_park();
    return argument;
}

static void wake_a(void)
{
    thread_wake(&a);
}

static unsigned joined_in_time, joined_later;

/* It ends at any instruction of a join that times out. */
static void join_until_it_ends(void)
{
    void *result = NULL;

    init();
    start(&a, "a", HIGH, park_and_end, &answer);
    machine_window_open();
    if (thread_join_until(&a, 1, &result) == STATUS_OK) {
        joined_in_time++;
    } else {
        cr_assert_not(machine.boot.token, "woken, and told that it has not ended: %s", machine_place());
        if (thread_join_until(&a, TIMER_NEVER, &result) == STATUS_OK)
            joined_later++;
    }
    machine_window_close();
    cr_assert_eq(result, &answer, "%s", machine_place());
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    cr_assert_eq(machine.stacks, 1, "%s", machine_place());
}

Test(thread, is_joined_once_however_near_its_end_is_to_the_deadline)
{
    cr_assert_gt(machine_explore(join_until_it_ends, wake_a), 20);
    cr_assert_gt(joined_in_time, 0);
    cr_assert_gt(joined_later, 0);
}

Test(thread, is_not_joined_by_itself_until_a_deadline, .exit_code = PANIC_EXIT)
{
    void *result;

    cr_assert_eq(thread_join_until(&machine.boot, 0, &result), STATUS_OK);
}

Test(thread, is_not_joined_until_a_deadline_once_detached, .exit_code = PANIC_EXIT)
{
    void *result;

    start(&a, "a", LOW, say, NULL);
    thread_detach(&a, NULL);
    cr_assert_eq(thread_join_until(&a, 0, &result), STATUS_OK);
}

Test(thread, is_not_disturbed_by_a_cancel_when_it_is_dead)
{
    start(&a, "a", HIGH, say, &answer);
    thread_cancel(&a);
    cr_assert_not(a.cancelled);
    cr_assert_eq(thread_join(&a), &answer);
}

/* The wait of this flow is ended at any instruction, at once. */
static uint64_t cancelled_ns;

static void cancel_boot(void)
{
    cancelled_ns = support_clock_ns;
    thread_cancel(&machine.boot);
}

static void wait_with_a_deadline(void)
{
    enum status status;

    init();
    cancelled_ns = TIMER_NEVER;
    machine_window_open();
    status = semaphore_take_until(&semaphore, 5 * MS);
    machine_window_close();
    cr_assert_eq(status, STATUS_TIMEOUT, "%s", machine_place());
    cr_assert_eq(support_clock_ns, cancelled_ns < 5 * MS ? cancelled_ns : 5 * MS, "%s", machine_place());
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    give();
    cr_assert_eq(semaphore_units(&semaphore), 1, "%s", machine_place());
}

Test(thread, is_told_at_any_instruction_of_a_wait_with_a_deadline)
{
    cr_assert_gt(machine_explore(wait_with_a_deadline, cancel_boot), 5);
}

static void sleep_5_ms(void)
{
    init();
    cancelled_ns = TIMER_NEVER;
    machine_window_open();
    thread_sleep_until(5 * MS);
    machine_window_close();
    cr_assert_eq(support_clock_ns, cancelled_ns < 5 * MS ? cancelled_ns : 5 * MS, "%s", machine_place());
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
}

Test(thread, is_told_at_any_instruction_of_a_sleep)
{
    cr_assert_gt(machine_explore(sleep_5_ms, cancel_boot), 5);
}

/* Uses all there is, with a mutex and a unit in its hands, and then waits for its end. */
static void *use_everything(void *argument)
{
    machine_window_open();
    thread_cancel_point();
    if (mutex_lock_until(&mutex, 5 * MS) == STATUS_OK) {
        if (semaphore_take_until(&semaphore, 6 * MS) == STATUS_OK) {
            thread_cancel_point();
            thread_sleep_until(7 * MS);
            semaphore_give(&semaphore);
        }
        mutex_unlock(&mutex);
    }
    for (;;) {
        thread_cancel_point();
        thread_park();
    }
    return argument;
}

static void live_and_be_cancelled(void)
{
    init();
    semaphore_give(&semaphore);
    start(&a, "a", EQUAL, use_everything, NULL);
    cr_assert_eq(thread_join(&a), THREAD_CANCELLED, "%s", machine_place());
    machine_window_close();
    cr_assert_eq(semaphore_units(&semaphore), 1, "%s", machine_place());
    cr_assert_null(mutex_owner(&mutex), "%s", machine_place());
    cr_assert_eq(machine.stacks, 1, "%s", machine_place());
    cr_assert_not(timer_queued(&a.deadline), "%s", machine_place());
}

Test(thread, ends_with_nothing_in_its_hands_when_it_is_cancelled_at_any_instruction)
{
    cr_assert_gt(machine_explore(live_and_be_cancelled, cancel_a), 100);
}

/* ---- priority ---------------------------------------------------------------------------------------------------- */

Test(thread, runs_at_once_when_it_is_raised_above)
{
    start(&a, "a", LOW, say, NULL);
    start(&b, "b", LOW, say, NULL);
    thread_set_priority(&b, HIGH);
    support_trace("boot");
    thread_set_priority(&machine.boot, LOW - 1);
    support_trace("boot");
    expect_trace("b boot a boot");
    cr_assert_eq(machine.boot.base_priority, LOW - 1);
}

static void *lock_and_say(void *argument)
{
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    return say(argument);
}

Test(thread, keeps_what_it_inherits_when_its_own_priority_changes)
{
    mutex_lock(&mutex);
    start(&a, "a", HIGH, lock_and_say, NULL);
    thread_set_priority(&machine.boot, LOW);
    cr_assert_eq(machine.boot.priority, HIGH);
    cr_assert_eq(machine.boot.base_priority, LOW);
    thread_set_priority(&a, HIGH + 1); /* who lends it more */
    cr_assert_eq(machine.boot.priority, HIGH + 1);
    thread_set_priority(&a, EQUAL);
    cr_assert_eq(machine.boot.priority, EQUAL);
    mutex_unlock(&mutex);
    cr_assert_eq(machine.boot.priority, LOW);
    expect_trace("a");
}

static void *take_and_say(void *argument)
{
    semaphore_take(&semaphore);
    return say(argument);
}

Test(thread, waits_and_parks_at_its_new_priority)
{
    start(&a, "a", HIGH, take_and_say, NULL);
    start(&b, "b", HIGH, take_and_say, NULL);
    start(&c, "c", HIGH, park_for_ever, NULL);
    thread_set_priority(&b, HIGH + 1);
    give();
    give();
    expect_trace("b a");
    thread_set_priority(&c, LOW);
    thread_wake(&c);
    expect_trace("b a");
    thread_sleep_until(MS);
    expect_trace("b a woken");
}

Test(thread, panics_at_the_idle_threads_priority_later_too, .exit_code = PANIC_EXIT)
{
    thread_set_priority(&machine.boot, THREAD_PRIORITY_IDLE);
}

Test(thread, panics_at_a_new_priority_out_of_range, .exit_code = PANIC_EXIT)
{
    thread_set_priority(&machine.boot, THREAD_PRIORITIES);
}

Test(thread, panics_at_a_new_priority_of_the_idle_thread, .exit_code = PANIC_EXIT)
{
    thread_set_priority(&cpu_this()->idle, LOW);
}
