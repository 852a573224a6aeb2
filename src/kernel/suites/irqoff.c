/* The longest stretches are found: those planted here are longer than any that the kernel has at rest. */
#include "kernel/x86_64/irqoff.h"

#include "kernel/backtrace.h"
#include "kernel/suites/irqoff_flow.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/condvar.h"
#include "thread/event.h"
#include "thread/rwlock.h"
#include "thread/sched.h"

#define NEEDS_IT "irqoff=on"

enum {
    LOOPS = 3000,
    NESTED_TICKS_MAX = 60, /* what the looking adds at an inner off and on */
    SPIN_TICKS = 20000,
    HALT_NS = 50 * MS,
    CROWD = 100,
};

extern const uintptr_t vector_stubs[VECTORS]; /* the ways in */

static size_t instructions(size_t loops)
{
    return 2 * loops + 1;
}

#define CHECK_STRETCH(stretch, from, to)      \
    do {                                      \
        CHECK_EQUAL((stretch).begin, (from)); \
        CHECK_EQUAL((stretch).end, (to));     \
    } while (0)

/* Whether the end is in that function, which has no label there. */
static bool ends_in(const struct irqoff_stretch *stretch, const char *function)
{
    char name[96];

    backtrace_name(name, sizeof(name), stretch->end);
    return string_starts(name, function);
}

static const void *way_in(unsigned vector)
{
    return (const void *)(vector_stubs[vector] + 1);
}

TEST_NEEDS(planted_is_found, "irqoff.planted_is_found", NEEDS_IT)
{
    for (size_t loops = LOOPS; loops < LOOPS + 3; loops++) {
        struct irqoff_stretch longest;

        irqoff_reset();
        irqoff_flow(loops);
        longest = irqoff_longest(&irqoff_interrupts);
        CHECK_STRETCH(longest, irqoff_flow_begin, irqoff_flow_end);
        if (clock_is_exact())
            CHECK_EQUAL(longest.ticks, instructions(loops) + IRQOFF_TICKS_CLI_TO_POPFQ);
        CHECK(irqoff_ns(&longest) > 0);
    }
}

TEST_NEEDS(nested_counts_once, "irqoff.nested_counts_once", NEEDS_IT)
{
    size_t least = 3 * instructions(LOOPS) + 1 + IRQOFF_TICKS_CLI_TO_POPFQ;
    struct irqoff_stretch longest;

    irqoff_reset();
    irqoff_flow_nested(LOOPS);
    longest = irqoff_longest(&irqoff_interrupts);
    CHECK_STRETCH(longest, irqoff_flow_nested_begin, irqoff_flow_nested_end);
    if (clock_is_exact())
        CHECK(longest.ticks > least && longest.ticks < least + NESTED_TICKS_MAX);
}

TEST_NEEDS(longer_replaces, "irqoff.longer_replaces_shorter", NEEDS_IT)
{
    struct irqoff_stretch longest;

    irqoff_reset();
    irqoff_flow(2 * LOOPS);
    irqoff_flow_other(LOOPS);
    longest = irqoff_longest(&irqoff_interrupts);
    CHECK_STRETCH(longest, irqoff_flow_begin, irqoff_flow_end);
    irqoff_flow_other(3 * LOOPS);
    longest = irqoff_longest(&irqoff_interrupts);
    CHECK_STRETCH(longest, irqoff_flow_other_begin, irqoff_flow_other_end);
}

static void spin_ticks(void)
{
    uint64_t end = clock_ticks() + SPIN_TICKS;

    while (clock_ticks() < end)
        ;
}

static struct thread urgent;
static bool wakes;

static void long_interrupt(unsigned vector)
{
    (void)vector;
    spin_ticks();
    if (wakes)
        thread_wake(&urgent);
}

static struct irqoff_stretch long_interrupt_seen(bool that_wakes)
{
    interrupt_handler *before = interrupt_set(SUITE_VECTOR, long_interrupt);

    wakes = that_wakes;
    irqoff_reset();
    raise_40();
    interrupt_set(SUITE_VECTOR, before);
    return irqoff_longest(&irqoff_interrupts);
}

TEST_NEEDS(interrupt_is_found, "irqoff.interrupt_is_found", NEEDS_IT)
{
    struct irqoff_stretch longest = long_interrupt_seen(false);

    CHECK_EQUAL(longest.begin, way_in(SUITE_VECTOR));
    CHECK(ends_in(&longest, "interrupt_common"));
    CHECK(longest.ticks > SPIN_TICKS && longest.ticks < 2 * SPIN_TICKS);
}

static void *urgent_main(void *unused)
{
    (void)unused;
    thread_park();
    return NULL;
}

/* Interrupts come on by the switch to a thread that had them on. */
TEST_NEEDS(ends_by_switch, "irqoff.interrupt_ends_by_switch", NEEDS_IT)
{
    struct irqoff_stretch longest;

    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, urgent_main, NULL);
    longest = long_interrupt_seen(true);
    thread_join(&urgent);
    CHECK_EQUAL(longest.begin, way_in(SUITE_VECTOR));
    CHECK(ends_in(&longest, "context_switch"));
    CHECK(longest.ticks > SPIN_TICKS && longest.ticks < 2 * SPIN_TICKS);
}

static bool long_exception(struct trap_frame *frame)
{
    (void)frame;
    spin_ticks();
    return true;
}

TEST_NEEDS(exception_is_found, "irqoff.exception_is_found", NEEDS_IT)
{
    exception_handler *before = exception_set(VECTOR_BREAKPOINT, long_exception);
    struct irqoff_stretch longest;

    irqoff_reset();
    breakpoint();
    longest = irqoff_longest(&irqoff_interrupts);
    exception_set(VECTOR_BREAKPOINT, before);
    CHECK_EQUAL(longest.begin, way_in(VECTOR_BREAKPOINT));
    CHECK(ends_in(&longest, "exception_common"));
    CHECK(longest.ticks > SPIN_TICKS && longest.ticks < 2 * SPIN_TICKS);
}

/* Within a stretch they are none of their own. */
TEST_NEEDS(exception_within, "irqoff.exception_within_a_stretch", NEEDS_IT)
{
    exception_handler *before = exception_set(VECTOR_BREAKPOINT, long_exception);
    struct irqoff_stretch longest;
    uint64_t flags;

    irqoff_reset();
    flags = irq_save();
    breakpoint();
    spin_ticks();
    irq_restore(flags);
    longest = irqoff_longest(&irqoff_interrupts);
    exception_set(VECTOR_BREAKPOINT, before);
    CHECK(!ends_in(&longest, "exception_common") && longest.begin != way_in(VECTOR_BREAKPOINT));
    CHECK(longest.ticks > 2 * SPIN_TICKS && longest.ticks < 3 * SPIN_TICKS);
}

TEST_NEEDS(halt_is_none, "irqoff.halt_is_no_stretch", NEEDS_IT)
{
    struct irqoff_stretch longest;

    irqoff_reset();
    sleep_for(HALT_NS);
    longest = irqoff_longest(&irqoff_interrupts);
    CHECK(longest.ticks > 0 && irqoff_ns(&longest) < HALT_NS / 10);
}

static void nobody(struct waker *waker)
{
    (void)waker;
}

TEST_NEEDS(halt_ends, "irqoff.halt_ends_a_stretch", NEEDS_IT)
{
    struct waker waker = {nobody};
    struct irqoff_stretch longest;
    struct timer timer = {0};

    sched_timer_start(&timer, clock_now_ns() + HALT_NS, &waker);
    irqoff_reset();
    (void)irq_save();
    spin_ticks();
    cpu_wait();
    longest = irqoff_longest(&irqoff_interrupts);
    CHECK_EQUAL(longest.end, (uintptr_t)cpu_wait + 1);
    CHECK(longest.ticks > SPIN_TICKS && longest.ticks < 2 * SPIN_TICKS);
    sched_timer_cancel(&timer);
}

TEST_NEEDS(preemption_is_found, "irqoff.preemption_is_found", NEEDS_IT)
{
    for (size_t loops = LOOPS; loops < LOOPS + 3; loops++) {
        struct irqoff_stretch longest;

        irqoff_reset();
        irqoff_flow_preemption(loops);
        longest = irqoff_longest(&irqoff_preemption);
        CHECK_STRETCH(longest, irqoff_flow_preemption_begin, irqoff_flow_preemption_end);
        if (clock_is_exact())
            CHECK_EQUAL(longest.ticks, instructions(loops) + IRQOFF_TICKS_PREEMPTION);
    }
}

TEST_NEEDS(preemption_nested, "irqoff.preemption_counts_once", NEEDS_IT)
{
    size_t least = 3 * instructions(LOOPS) + IRQOFF_TICKS_PREEMPTION;
    struct irqoff_stretch longest;

    irqoff_reset();
    irqoff_flow_preemption_nested(LOOPS);
    irqoff_flow_preemption(LOOPS);
    longest = irqoff_longest(&irqoff_preemption);
    CHECK_STRETCH(longest, irqoff_flow_preemption_nested_begin, irqoff_flow_preemption_nested_end);
    if (clock_is_exact())
        CHECK(longest.ticks > least && longest.ticks < least + NESTED_TICKS_MAX);
}

/* The one is no stretch of the other. */
TEST_NEEDS(kept_apart, "irqoff.kept_apart", NEEDS_IT)
{
    irqoff_reset();
    irqoff_flow(LOOPS);
    CHECK_EQUAL(irqoff_longest(&irqoff_preemption).ticks, 0);
    irqoff_reset();
    irqoff_flow_preemption(LOOPS);
    CHECK(irqoff_longest(&irqoff_interrupts).ticks < instructions(LOOPS));
}

/* ---- many that are woken at once --------------------------------------------------------------------------------- */

static struct thread crowd[CROWD], reader;
static struct wait_queue queue;
static struct event event;
static struct mutex mutex;
static struct condvar condvar;
static struct rwlock rwlock;
static bool open;
static unsigned through;

/* What a crowd waits for, and what lets it through: whatever is before the reset is not looked at. */
struct gate {
    thread_entry *wait;
    void (*close)(void);
    void (*let_through)(void);
};

static bool is_open(void *unused)
{
    (void)unused;
    return open;
}

static void *wait_in_queue(void *argument)
{
    wait_queue_wait(&queue, is_open, NULL);
    through++;
    return argument;
}

static void *wait_for_event(void *argument)
{
    event_wait(&event);
    through++;
    return argument;
}

static void *wait_for_condvar(void *argument)
{
    mutex_lock(&mutex);
    condvar_wait(&condvar, &mutex);
    through++;
    mutex_unlock(&mutex);
    return argument;
}

static void *wait_to_read(void *argument)
{
    rwlock_read_lock(&rwlock);
    through++;
    rwlock_read_unlock(&rwlock);
    return argument;
}

static void close_nothing(void)
{
}

static void close_by_writing(void)
{
    rwlock_write_lock(&rwlock);
}

static void *read_and_park(void *argument)
{
    rwlock_read_lock(&rwlock);
    thread_park();
    rwlock_read_unlock(&rwlock);
    return argument;
}

static void close_by_reading(void)
{
    start(&reader, "reader", THREAD_PRIORITY_HIGH, read_and_park, NULL);
}

static void wake_queue(void)
{
    open = true;
    irqoff_reset();
    wait_queue_wake_all(&queue);
}

static void signal_event(void)
{
    irqoff_reset();
    event_signal(&event);
}

static void broadcast(void)
{
    irqoff_reset();
    condvar_broadcast(&condvar);
}

static void broadcast_owning(void)
{
    mutex_lock(&mutex);
    irqoff_reset();
    condvar_broadcast(&condvar);
    mutex_unlock(&mutex);
}

static void end_writing(void)
{
    irqoff_reset();
    rwlock_write_unlock(&rwlock);
}

static void downgrade(void)
{
    irqoff_reset();
    rwlock_downgrade(&rwlock);
    rwlock_read_unlock(&rwlock);
}

/* The crowd comes to wait behind the writer, whose time is up then. */
static void give_up_writing(void)
{
    irqoff_reset();
    CHECK(rwlock_write_lock_until(&rwlock, clock_now_ns() + 5 * MS) == STATUS_TIMEOUT);
}

/* The longest stretch while `count` that wait are let through. They are less urgent, so none of them runs in it. */
static uint64_t stretch_of_crowd(const struct gate *gate, size_t count)
{
    uint64_t ticks;

    wait_queue_init(&queue);
    event_init(&event, false);
    mutex_init(&mutex);
    condvar_init(&condvar);
    rwlock_init(&rwlock);
    open = false;
    through = 0;
    gate->close();
    for (size_t i = 0; i < count; i++)
        start(&crowd[i], "crowd", PRIORITY_LOW, gate->wait, NULL);
    if (gate->close != close_by_reading)
        sleep_for(MS);
    gate->let_through();
    ticks = irqoff_longest(&irqoff_interrupts).ticks;
    for (size_t i = 0; i < count; i++)
        thread_join(&crowd[i]);
    CHECK_EQUAL(through, count);
    if (gate->close == close_by_reading) {
        thread_wake(&reader);
        thread_join(&reader);
    }
    return ticks;
}

TEST_NEEDS(crowd_bounded, "irqoff.waking_many_is_bounded", NEEDS_IT)
{
    static const struct gate gates[] = {
        {wait_in_queue, close_nothing, wake_queue},       {wait_for_event, close_nothing, signal_event},
        {wait_for_condvar, close_nothing, broadcast},     {wait_for_condvar, close_nothing, broadcast_owning},
        {wait_to_read, close_by_writing, end_writing},    {wait_to_read, close_by_writing, downgrade},
        {wait_to_read, close_by_reading, give_up_writing}};

    for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
        uint64_t one = stretch_of_crowd(&gates[i], 1);
        uint64_t many = stretch_of_crowd(&gates[i], CROWD);

        CHECK(one > 0);
        if (clock_is_exact())
            CHECK(many < 2 * one); /* all in one stretch would be some dozens of times as long */
    }
}

TEST(registers_kept, "irqoff.registers_are_kept")
{
    static const uint64_t patterns[] = {FLAGS_ALL, 0, FLAG_CARRY | FLAG_DIRECTION, FLAG_ZERO | FLAG_OVERFLOW};
    struct registers registers;

    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        registers_init(&registers, i + 1, patterns[i]);
        registers_across_flags(&registers);
        CHECK_EQUAL(registers.mismatches, 0);
        registers_across_counts(&registers);
        CHECK_EQUAL(registers.mismatches, 0);
        CHECK_EQUAL(cpu_this()->preempt_count, 0);
    }
}

/* Which preempt_enable() asks for. */
TEST(flags_of_counts, "irqoff.counts_leave_their_flags")
{
    uint64_t flags[4], plain[4];

    irqoff_flow_count(flags);
    irqoff_flow_count_plainly(plain);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        CHECK_EQUAL(flags[i], plain[i]);
}

TEST_NEEDS(off_is_off, "irqoff.off_finds_nothing", "irqoff=off")
{
    irqoff_flow(LOOPS);
    irqoff_flow_preemption(LOOPS);
    CHECK_EQUAL(irqoff_longest(&irqoff_interrupts).ticks, 0);
    CHECK_EQUAL(irqoff_longest(&irqoff_preemption).ticks, 0);
}
