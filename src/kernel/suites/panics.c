/*
 * Broken invariants and faults end the machine with the right words. Each test is run alone, as nothing runs after it.
 */
#include "executor/async.h"
#include "kernel/console.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/physical.h"
#include "thread/arch.h"
#include "thread/lock.h"
#include "thread/mutex.h"

/* Waits for a panic that another flow is to bring about. */
static void wait_for_it(void)
{
    sleep_for(50 * MS);
}

static void *deep_thread(void *unused)
{
    (void)unused;
    return (void *)(uintptr_t)deepen(0);
}

TEST_PANICS(overflow_thread, "panic.overflow_in_thread", "in thread deep, * bytes under its stack: stack overflow")
{
    struct thread thread;

    start(&thread, "deep", THREAD_PRIORITY_HIGH, deep_thread, NULL);
    wait_for_it();
}

TEST_PANICS(overflow_boot, "panic.overflow_in_boot_thread", "in thread boot, * bytes under its stack: stack overflow")
{
    (void)deepen(0);
}

static void *waiting_thread(void *unused)
{
    wait_for_it();
    return unused;
}

TEST_PANICS(overrun_other, "panic.under_anothers_stack",
            "write to unmapped page at * in thread boot, 8 bytes under the stack of thread other: stack overflow")
{
    struct thread other;

    start(&other, "other", THREAD_PRIORITY_NORMAL, waiting_thread, NULL);
    *(volatile uint64_t *)((uintptr_t)other.stack - sizeof(uint64_t)) = 0;
}

static enum poll deep_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return deepen(0) ? POLL_READY : POLL_PENDING;
}

static void poll_on_executor(enum poll (*poll)(struct future *, struct waker *))
{
    static struct future future;
    static struct task task;

    future.poll = poll;
    executor_spawn(&executor_at(THREAD_PRIORITY_HIGH)->executor, &task, "breaking", &future);
    wait_for_it();
}

TEST_PANICS(overflow_poll, "panic.overflow_in_poll", "in thread suite-high, * bytes under its stack: stack overflow")
{
    poll_on_executor(deep_poll);
}

static void deep_wake(struct waker *waker)
{
    (void)waker;
    (void)deepen(0);
}

static void in_timer_interrupt(void (*wake)(struct waker *))
{
    static struct waker waker;
    static struct timer timer;

    waker.wake = wake;
    sched_timer_start(&timer, clock_now_ns() + MS, &waker);
    wait_for_it();
}

/* An interrupt runs on the stack of whom it interrupts: here the idle thread. */
TEST_PANICS(overflow_idle, "panic.overflow_in_idle_thread", "in thread idle, * bytes under its stack: stack overflow")
{
    in_timer_interrupt(deep_wake);
}

TEST_PANICS(double_fault, "panic.double_fault", "double fault")
{
    stack_nowhere();
}

static volatile uintptr_t null_ish = 16;

TEST_PANICS(null_write, "panic.null_write",
            "page fault: write to unmapped page at 0x10, a null pointer, in thread boot")
{
    *(volatile uint32_t *)null_ish = 1;
}

TEST_PANICS(null_read, "panic.null_read", "page fault: read of unmapped page at 0x10, a null pointer")
{
    (void)*(volatile uint32_t *)null_ish;
}

TEST_PANICS(null_call, "panic.null_call", "page fault: execution of unmapped page at 0x10, a null")
{
    ((void (*)(void))null_ish)();
}

TEST_PANICS(write_text, "panic.code_written", "page fault: write to read-only page at")
{
    *(volatile uint8_t *)(uintptr_t)stack_nowhere = 0x90;
}

static const uint32_t constant = 1;

TEST_PANICS(write_rodata, "panic.constant_written", "page fault: write to read-only page at")
{
    *(volatile uint32_t *)(uintptr_t)&constant = 2;
}

static uint8_t code_in_data[] = {0xc3}; /* ret */

TEST_PANICS(execute_data, "panic.data_executed", "page fault: execution of no-execute page at")
{
    ((void (*)(void))(uintptr_t)code_in_data)();
}

TEST_PANICS(execute_stack, "panic.stack_executed", "page fault: execution of no-execute page at")
{
    volatile uint8_t code[] = {0xc3};

    ((void (*)(void))(uintptr_t)code)();
}

TEST_PANICS(bad_opcode, "panic.invalid_opcode", "invalid opcode")
{
    invalid_opcode();
}

static volatile unsigned zero;

TEST_PANICS(divide, "panic.divide_by_zero", "divide error")
{
    zero = 1000000 / zero;
}

TEST_PANICS(general_protection, "panic.non_canonical_address", "general protection")
{
    *(volatile uint32_t *)(null_ish << 50) = 1;
}

static enum poll parking_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    thread_park();
    return POLL_READY;
}

TEST_PANICS(park_in_poll, "panic.park_in_poll", "thread suite-high waits inside a poll")
{
    poll_on_executor(parking_poll);
}

static enum poll sleeping_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    sleep_for(MS);
    return POLL_READY;
}

TEST_PANICS(sleep_in_poll, "panic.sleep_in_poll", "thread suite-high waits inside a poll")
{
    poll_on_executor(sleeping_poll);
}

static enum poll exiting_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    thread_exit(NULL);
}

TEST_PANICS(exit_in_poll, "panic.exit_in_poll", "thread suite-high ends inside a poll")
{
    poll_on_executor(exiting_poll);
}

static void parking_wake(struct waker *waker)
{
    (void)waker;
    thread_park();
}

TEST_PANICS(park_in_irq, "panic.park_in_interrupt", "waits in an interrupt")
{
    in_timer_interrupt(parking_wake);
}

static void yielding_wake(struct waker *waker)
{
    (void)waker;
    thread_yield();
}

TEST_PANICS(yield_in_irq, "panic.yield_in_interrupt", "assertion failed: cpu->irq_depth == 0")
{
    in_timer_interrupt(yielding_wake);
}

static void null_writing_wake(struct waker *waker)
{
    (void)waker;
    *(volatile uint32_t *)null_ish = 1;
}

TEST_PANICS(fault_in_irq, "panic.fault_in_interrupt", "page fault: write to unmapped page at 0x10")
{
    in_timer_interrupt(null_writing_wake);
}

TEST_PANICS(park_not_preemptible, "panic.park_not_preemptible", "thread boot waits while preemption is disabled")
{
    preempt_disable();
    thread_park();
}

TEST_PANICS(wait_with_lock, "panic.sleep_holding_lock", "waits while preemption is disabled")
{
    static struct lock lock;

    (void)lock_acquire(&lock);
    thread_sleep_until(clock_now_ns() + MS);
}

TEST_PANICS(end_with_mutex, "panic.end_owning_mutex", "current->mutexes == 0")
{
    static struct mutex mutex = MUTEX_INIT(mutex);

    mutex_lock(&mutex);
    thread_exit(NULL);
}

TEST_PANICS(preempt_enable_unpaired, "panic.preempt_enable_unpaired", "more often than disabled")
{
    preempt_enable();
}

static struct ready {
    struct async async;
} ready;

static enum poll ready_poll(struct future *future, struct waker *waker)
{
    struct ready *self = container_of(future, struct ready, async.future);

    (void)waker;
    ASYNC (&self->async) {
        ASYNC_RETURN;
    }
}

TEST_PANICS(poll_after_ready, "panic.poll_after_ready", "polled after ready")
{
    ready.async.future.poll = ready_poll;
    CHECK(future_poll(&ready.async.future, NULL) == POLL_READY);
    (void)future_poll(&ready.async.future, NULL);
}

TEST_PANICS(join_self, "panic.join_of_itself", "assertion failed: thread != current")
{
    (void)thread_join(thread_current());
}

TEST_PANICS(timer_twice, "panic.timer_queued_twice", "assertion failed: !timer_queued(timer)")
{
    static struct timer timer;

    sched_timer_start(&timer, UINT64_MAX / 2, &thread_current()->waker);
    sched_timer_start(&timer, UINT64_MAX / 2, &thread_current()->waker);
}

TEST_PANICS(priority_of_idle, "panic.thread_of_idle_priority", "assertion failed: priority > THREAD_PRIORITY_IDLE")
{
    static struct thread thread;

    start(&thread, "low", THREAD_PRIORITY_IDLE, deep_thread, NULL);
}

TEST_PANICS(handler_of_exception, "panic.handler_of_an_exception",
            "assertion failed: vector >= VECTOR_INTERRUPTS && vector < VECTORS")
{
    (void)interrupt_set(VECTOR_PAGE_FAULT, NULL);
}

TEST_PANICS(count_beyond, "panic.count_beyond_vectors", "assertion failed: vector < VECTORS")
{
    (void)interrupt_count(VECTORS);
}

TEST_PANICS(exception_of_line, "panic.exception_of_a_line", "assertion failed: vector < VECTOR_INTERRUPTS")
{
    (void)exception_set(VECTOR_INTERRUPTS, NULL);
}

TEST_PANICS(cursor_beyond, "panic.cursor_off_the_screen", "assertion failed: row < CONSOLE_ROWS && column <")
{
    console_point(CONSOLE_ROWS - 1, CONSOLE_COLUMNS);
}

TEST_PANICS(tag_of_free, "panic.tag_of_a_free_frame", "assertion failed: entry && entry->state == FRAME_TAKEN")
{
    struct physical frame;

    CHECK(frame_alloc(&frame) == STATUS_OK);
    frame_free(frame);
    frame_set_tag(frame, 1);
}

static volatile size_t smash_bytes = 64;

static void smash(void)
{
    volatile char buffer[16];
    volatile char *at = buffer;

    for (size_t i = 0; i < smash_bytes; i++)
        at[i] = 'x';
}

TEST_PANICS(smashed, "panic.stack_smashed", "stack smashed")
{
    smash();
}
