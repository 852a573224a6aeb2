/*
 * Preemptions at every instruction: threads that know what their registers hold, general and vector, take turns that
 * end after a random number of instructions.
 *
 * Four of the threads have general registers and flags to lose, four vector and x87 registers, in an order that has
 * every kind of neighbour; and one more urgent than they cuts in now and then. The timer's handler is wrapped, to note
 * where in the threads' loops it came.
 */
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/suites/vector_flow.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/vectors.h"
#include "thread/arch.h"
#include "thread/vectors.h"

enum {
    SPINNERS = 4,
    PREEMPTIONS = 100000,
    PREEMPTIONS_LONG = 10000000,
    PREEMPTIONS_INEXACT = 300, /* where a real clock decides how long a quantum of nanoseconds lasts */
    STALLED_MS = 100,          /* without any: there will be no more */
    QUANTUM_YIELDS = 20, /* so long does a quantum last: too short for the switch itself, and no thread would get on */
    YIELDS_TIMED = 16,
    TURNS = 256, /* and less than that many nanoseconds more */
    QUANTUM_INEXACT_NS = 3 * US,
    RUN_BYTES = 11, /* of a window: nine instructions of one byte, and one of two */
    RUN_INSTRUCTIONS = 10,
};

static const uint64_t flag_patterns[SPINNERS] = {
    FLAGS_ALL,
    0,
    FLAG_CARRY | FLAG_ADJUST | FLAG_SIGN | FLAG_DIRECTION,
    FLAG_PARITY | FLAG_ZERO | FLAG_OVERFLOW,
};

static struct {
    struct thread thread;
    struct registers registers;
} general[SPINNERS];

static struct {
    struct thread thread;
    struct vector_flow flow;
} vector[SPINNERS];

static struct {
    struct thread thread;
    struct registers registers;
    atomic_bool stop;
    uint64_t wakes;
} sleeper;

/* ---- where the timer came ---- */

extern const char interrupt_return[]; /* what interrupt() returns to: the interrupted registers lie above */

static struct window {
    const uintptr_t *ends;
    uint64_t hits[24 * RUN_BYTES];
} windows[2];
static uint64_t turns[TURNS]; /* between two timers, by their length */
static uint64_t noted_ns;
static bool exact;
static const uint64_t seed = 20240909;
static uint64_t random;
static uint64_t quantum_least_ns;
static interrupt_handler *timer_handler;

static void window_note(struct window *window, uintptr_t rip)
{
    if (rip >= window->ends[0] && rip < window->ends[1])
        window->hits[rip - window->ends[0]]++;
}

static const struct interrupt_frame *interrupted(void)
{
    const uintptr_t *word = __builtin_frame_address(0);

    while (*word != (uintptr_t)interrupt_return)
        word++;
    return (const struct interrupt_frame *)(word + 1);
}

static void timer_noted(unsigned line)
{
    uintptr_t rip = interrupted()->rip;
    uint64_t now_ns = clock_now_ns();

    window_note(&windows[0], rip);
    window_note(&windows[1], rip);
    turns[(now_ns - noted_ns) % TURNS]++;
    noted_ns = now_ns;
    if (exact) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        cpu_this()->current->quantum_ns = quantum_least_ns + (random >> 32) % TURNS;
    }
    timer_handler(line);
}

static void ignore(unsigned line)
{
    (void)line;
}

/* That all of `wanted` things happened, and none much seldomer than the others. */
static void evenly(const uint64_t *times, size_t count, size_t wanted)
{
    uint64_t all = 0;
    size_t often = 0;

    ASSERT(wanted > 0);
    for (size_t i = 0; i < count; i++)
        all += times[i];
    for (size_t i = 0; i < count; i++)
        often += times[i] > all / wanted / 2;
    CHECK_EQUAL(often, wanted);
}

/* A timer at every instruction. */
static void window_check(const struct window *window)
{
    size_t bytes = window->ends[1] - window->ends[0];

    evenly(window->hits, bytes, bytes / RUN_BYTES * RUN_INSTRUCTIONS);
}

/* ---- the threads ---- */

static void *general_main(void *registers)
{
    registers_spin(registers);
    return NULL;
}

static void *vector_main(void *flow)
{
    if (vectors_use() != STATUS_OK)
        panic("no memory for vector registers");
    if (vectors_wide())
        vector_flow_spin_wide(flow);
    else
        vector_flow_spin(flow);
    return NULL;
}

static void *sleeper_main(void *unused)
{
    (void)unused;
    while (!atomic_load(&sleeper.stop)) {
        sleep_for(37 * US);
        registers_across_interrupt(&sleeper.registers);
        sleeper.wakes++;
    }
    return NULL;
}

static void start_general(unsigned i)
{
    registers_init(&general[i].registers, i + 1, flag_patterns[i]);
    start(&general[i].thread, "general", THREAD_PRIORITY_NORMAL, general_main, &general[i].registers);
}

static void start_vector(unsigned i)
{
    vector_flow_init(&vector[i].flow, i);
    start(&vector[i].thread, "vector", THREAD_PRIORITY_NORMAL, vector_main, &vector[i].flow);
}

static void start_all(void)
{
    start_general(0);
    start_vector(0);
    start_vector(1);
    start_general(1);
    start_general(2);
    start_vector(2);
    start_vector(3);
    start_general(3);
    atomic_store(&sleeper.stop, false);
    sleeper.wakes = 0;
    registers_init(&sleeper.registers, 99, FLAG_DIRECTION | FLAG_CARRY);
    start(&sleeper.thread, "sleeper", THREAD_PRIORITY_HIGH, sleeper_main, NULL);
}

static void stop_all(void)
{
    atomic_store(&sleeper.stop, true);
    thread_join(&sleeper.thread);
    registers_check(&sleeper.registers);
    for (unsigned i = 0; i < SPINNERS; i++) {
        atomic_store(&general[i].registers.stop, true);
        atomic_store(&vector[i].flow.stop, true);
    }
    for (unsigned i = 0; i < SPINNERS; i++) {
        thread_join(&general[i].thread);
        registers_check(&general[i].registers);
        thread_join(&vector[i].thread);
        vector_flow_check(&vector[i].flow);
    }
}

/* Every switch to a thread that never gives the CPU away is the end of a preemption, but for the first. */
static uint64_t preempted(const struct thread *thread)
{
    return thread->switches - (thread->switches > 0);
}

static uint64_t preemptions(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SPINNERS; i++)
        sum += preempted(&general[i].thread) + preempted(&vector[i].thread);
    return sum;
}

/* So many together, and each a fair part of them. */
static bool preempted_enough(uint64_t wanted)
{
    for (unsigned i = 0; i < SPINNERS; i++)
        if (preempted(&general[i].thread) < wanted / 16 || preempted(&vector[i].thread) < wanted / 16)
            return false;
    return preemptions() >= wanted;
}

/* As long as a switch takes, whatever compiler made it: 25 instructions a yield if optimised, about 150 if not. */
static uint64_t quantum_least(void)
{
    uint64_t start;

    thread_yield();
    start = clock_now_ns();
    for (unsigned i = 0; i < YIELDS_TIMED; i++)
        thread_yield();
    return (clock_now_ns() - start) * QUANTUM_YIELDS / YIELDS_TIMED;
}

static void preempt_often(uint64_t wanted)
{
    uint64_t before = 0;
    unsigned stalled = 0;
    uint64_t quantum, flags;

    windows[0] = (struct window){.ends = registers_window};
    windows[1] = (struct window){.ends = vectors_wide() ? vector_flow_window_wide : vector_flow_window};
    random = seed;
    exact = clock_is_exact();
    quantum_least_ns = quantum_least();
    quantum = quantum_set(exact ? quantum_least_ns : QUANTUM_INEXACT_NS);
    flags = irq_save();
    (void)interrupt_set(SUITE_VECTOR, ignore);
    timer_handler = interrupt_set(APIC_TIMER_VECTOR, timer_noted);
    irq_restore(flags);
    start_all();
    while (!preempted_enough(wanted) && stalled < STALLED_MS) {
        stalled = preemptions() == before ? stalled + 1 : 0;
        before = preemptions();
        sleep_for(MS);
    }
    (void)interrupt_set(APIC_TIMER_VECTOR, timer_handler);
    quantum_set(quantum);
    CHECK(preempted_enough(wanted));
    CHECK(sleeper.wakes >= wanted / 100);
    stop_all();
    if (exact) {
        window_check(&windows[0]);
        window_check(&windows[1]);
        evenly(turns, TURNS, TURNS);
    }
}

TEST(some_preemptions, "registers.100000_preemptions")
{
    preempt_often(clock_is_exact() ? PREEMPTIONS : PREEMPTIONS_INEXACT);
}

TEST_LONG(many_preemptions, "registers.10000000_preemptions")
{
    preempt_often(PREEMPTIONS_LONG);
}
