/* Processes: their start, their end, and their registers under preemption. */
#include "kernel/kmalloc.h"
#include "kernel/programs.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    QUANTUM_NS = 20 * US,
    MARKED = 3,
    SETTLE_NS = 20 * MS,
    PREEMPTIONS = 100000,
    MARK_MS = 550,
    MARK_ROUNDS_MAX = 40,
    LIVES = 1000,
    ALIVE = 256,
    SPINNING = 0,
    SLEEPING,
    YIELDING,
    WAITING,
    MAPPING = 5,
    MAPPING_BY_GATE = 3,

    SLEEPS = 100,
    SLEEP_NS = 100 * US,
    STEP_NS = 7 * US,
    LATE_NS = 30 * US,
    LOOKS = 500,
    LOOK_NS = 20 * US,
};

/* The last steps of a thread that has ended are the idle thread's. */
static struct memory_mark settled_mark(void)
{
    sleep_for(SETTLE_NS);
    return memory_mark();
}

static void check_nothing_left(const struct memory_mark *mark)
{
    sleep_until_holds(process_count() == 0);
    sleep_for(SETTLE_NS);
    CHECK_EQUAL(process_count(), 0);
    memory_check(mark);
}

TEST_NEEDS(hello, "user.runs_and_ends", "programs=there")
{
    struct memory_mark mark = settled_mark();

    expect_end(start_process("hello", 42), PROCESS_EXITED, 42);
    expect_end(start_process("hello", 0), PROCESS_EXITED, 0);
    check_nothing_left(&mark);
}

static unsigned ended_lines;
printf_like(1, 2) static void count_ended(const char *format, ...)
{
    char line[128];
    va_list arguments;

    va_start(arguments, format);
    format_text_va(line, sizeof(line), format, arguments);
    va_end(arguments);
    for (const char *at = line; *at; at++)
        ended_lines += string_starts(at, "ended  ");
}

/* Its threads are gone, and their memory is others'. */
TEST_NEEDS(ended, "user.ended_ones_are_reported", "programs=there")
{
    enum { BLOCKS = 64, STEP_BYTES = 32 };
    uint64_t pid = start_process("quick", 3);
    void *blocks[BLOCKS];

    sleep_until_holds(process_ended(pid));
    sleep_for(SETTLE_NS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = kzalloc(i + 1, STEP_BYTES);
        CHECK(blocks[i] != NULL);
    }
    ended_lines = 0;
    process_report(count_ended);
    CHECK_EQUAL(ended_lines, 1);
    for (unsigned i = 0; i < BLOCKS; i++)
        kfree(blocks[i]);
    expect_end(pid, PROCESS_EXITED, 3);
}

TEST_NEEDS(not_there, "user.unknown_is_not_started", "programs=there")
{
    uint64_t pid = 77;

    CHECK(process_spawn("nothing", 0, PROCESS_KERNEL, &pid) == STATUS_NOT_FOUND);
    CHECK_EQUAL(pid, 77);
    CHECK(process_wait(PROCESS_KERNEL, 77777, &(enum process_end){0}, &(int64_t){0}) == STATUS_NOT_FOUND);
    CHECK(process_kill(PROCESS_KERNEL, 77777) == STATUS_NOT_FOUND);
}

/* Of threads of that name, how often they were switched to. */
static uint64_t switches_of(const char *name)
{
    uint64_t flags = irq_save();
    uint64_t switches = 0;

    list_for_each (node, &thread_all) {
        const struct thread *thread = container_of(node, struct thread, all);

        if (string_equal(thread->name, name))
            switches += thread->switches;
    }
    irq_restore(flags);
    return switches;
}

/* Some that mark their registers, for a while. Returns how often they were switched to, most of it counted. */
static uint64_t mark_registers(uint64_t ms)
{
    uint64_t end_ns = clock_now_ns() + ms * MS;
    uint64_t switches = 0;
    uint64_t pids[MARKED];

    for (unsigned i = 0; i < MARKED; i++)
        pids[i] = start_process("marks", (uint64_t)(i + 1) << 48 | ms);
    while (clock_now_ns() < end_ns - MS) {
        switches = switches_of("marks");
        sleep_for(MS);
    }
    for (unsigned i = 0; i < MARKED; i++)
        expect_end(pids[i], PROCESS_EXITED, 0);
    return switches;
}

/* The seeds' test (S3.03): every register a value of its own, xmm too, and the same addresses with different contents.
 * Nearly every switch is a preemption amid a spin. Where a real clock decides, a host that is
 * busy allows few of them: a hundredth is asked for. */
TEST_NEEDS(marks, "user.registers_kept_100000", "programs=there")
{
    uint64_t quantum_ns = quantum_set(QUANTUM_NS);
    uint64_t before = mmu_space_switches();
    uint64_t wanted = clock_is_exact() ? PREEMPTIONS : PREEMPTIONS / 100;
    uint64_t switches = 0;

    for (unsigned i = 0; i < MARK_ROUNDS_MAX && switches < wanted; i++)
        switches += mark_registers(MARK_MS);
    CHECK(switches >= wanted);
    CHECK(mmu_space_switches() - before >= wanted);
    (void)quantum_set(quantum_ns);
}

static void kill_after(uint64_t argument, uint64_t ns)
{
    uint64_t pid = start_process("spin", argument);

    sleep_for(ns);
    for (unsigned times = 0; times < 2; times++) /* once more does no harm */
        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    expect_end(pid, PROCESS_KILLED, 0);
}

static void *sleep_and_be_late(void *latest_ns)
{
    uint64_t *latest = latest_ns;

    for (unsigned i = 0; i < SLEEPS; i++) {
        uint64_t due_ns = clock_now_ns() + SLEEP_NS + i * STEP_NS;

        thread_sleep_until(due_ns);
        due_ns = clock_now_ns() - due_ns;
        *latest = due_ns > *latest ? due_ns : *latest;
    }
    return NULL;
}

/* A call that maps two megabytes takes some three hundred microseconds: whoever is more urgent does not wait for it. */
static void preempt_calls(const char *program, uint64_t argument)
{
    uint64_t latest_ns = 0;
    uint64_t pid = start_process(program, argument);
    struct thread urgent;

    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, sleep_and_be_late, &latest_ns);
    (void)thread_join(&urgent);
    CHECK(latest_ns < LATE_NS || !clock_is_exact());
    CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    expect_end(pid, PROCESS_KILLED, 0);
}

TEST_NEEDS(calls_preempted, "user.calls_are_preempted", "programs=there")
{
    preempt_calls("spin", MAPPING);
}

TEST_NEEDS(gate_preempted, "gate.calls_are_preempted", "int80=on")
{
    preempt_calls("gate", MAPPING_BY_GATE);
}

/* Computing, asleep, yielding and waiting for a child, each after another time; and before its first step. */
TEST_NEEDS(killed, "user.killed_wherever_it_is", "programs=there")
{
    struct memory_mark mark = settled_mark();
    uint64_t before = interrupt_count(VECTOR_GENERAL_PROTECTION) + interrupt_count(VECTOR_PAGE_FAULT);
    uint64_t last = 0;
    unsigned children = 0;

    for (uint64_t argument = SPINNING; argument <= WAITING; argument++)
        for (uint64_t ns = 50; ns < 20 * MS; ns = ns * 3 + 1)
            kill_after(argument, ns);
    for (uint64_t argument = SPINNING; argument <= WAITING; argument++) {
        uint64_t pid = start_process("spin", argument);

        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
        expect_end(pid, PROCESS_KILLED, 0);
        last = pid + 1;
    }
    /* Children whose parents were killed spin on, nobody's. */
    for (uint64_t pid = last; pid; pid--)
        children += process_kill(PROCESS_KERNEL, pid) == STATUS_OK;
    CHECK(children > 0);
    check_nothing_left(&mark);
    CHECK_EQUAL(interrupt_count(VECTOR_GENERAL_PROTECTION) + interrupt_count(VECTOR_PAGE_FAULT), before);
}

TEST_NEEDS(lives, "user.1000_leave_nothing", "programs=there")
{
    struct memory_mark mark;

    expect_end(start_process("hello", 1), PROCESS_EXITED, 1);
    mark = settled_mark();
    for (unsigned i = 0; i < LIVES; i++) {
        uint64_t pid = start_process(i % 3 ? "quick" : "spin", i % 3 ? i : SPINNING);

        if (i % 3) {
            expect_end(pid, PROCESS_EXITED, i);
            continue;
        }
        if (i % 2)
            thread_yield();
        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
        expect_end(pid, PROCESS_KILLED, 0);
    }
    check_nothing_left(&mark);
}

/* Most of them asleep, some yielding; one more comes and goes. */
TEST_NEEDS(many, "user.256_at_once", "programs=there")
{
    static uint64_t pids[ALIVE];
    struct memory_mark mark = settled_mark();

    for (unsigned i = 0; i < ALIVE; i++)
        pids[i] = start_process("spin", i % 64 ? SLEEPING : YIELDING);
    sleep_for(SETTLE_NS);
    CHECK_EQUAL(process_count(), ALIVE);
    for (unsigned i = 0; i < ALIVE; i++)
        CHECK(!process_ended(pids[i]));
    expect_end(start_process("hello", 5), PROCESS_EXITED, 5);
    for (unsigned i = 0; i < ALIVE; i++)
        CHECK(process_kill(PROCESS_KERNEL, pids[i]) == STATUS_OK);
    for (unsigned i = 0; i < ALIVE; i++)
        expect_end(pids[i], PROCESS_KILLED, 0);
    check_nothing_left(&mark);
}

enum { THREADS_ALL, THREADS_EXIT, THREADS_FAULT, THREADS_LAST, THREADS_LIMITS, THREADS_CHILDREN };

TEST_NEEDS(threads, "user.threads_and_memory", "programs=there")
{
    struct memory_mark mark = settled_mark();

    expect_end(start_process("threads", THREADS_ALL), PROCESS_EXITED, 0);
    check_nothing_left(&mark);
}

/* Whoever has not begun yet begins with what nobody should count on in the registers that calls keep. */
static unsigned dirty_unbegun(void)
{
    uint64_t flags = irq_save();
    unsigned found = 0;

    for (struct list *node = thread_all.next; node != &thread_all; node = node->next) {
        const struct thread *thread = container_of(node, struct thread, all);
        struct switch_frame *frame = (struct switch_frame *)thread->sp;

        if (thread->condition != THREAD_READY || frame->rip != (uint64_t)thread_trampoline)
            continue;
        frame->rbx = frame->r12 = frame->r13 = frame->r14 = frame->r15 = UINT64_MAX;
        found++;
    }
    irq_restore(flags);
    return found;
}

static void *dirty_all(void *unused)
{
    uintptr_t found = 0;

    (void)unused;
    for (unsigned i = 0; i < LOOKS; i++) {
        sleep_for(LOOK_NS);
        found += dirty_unbegun();
    }
    return (void *)found;
}

TEST_NEEDS(first_step, "user.first_step_finds_zeros", "programs=there")
{
    struct thread urgent;

    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, dirty_all, NULL);
    expect_end(start_process("threads", THREADS_ALL), PROCESS_EXITED, 0);
    CHECK((uintptr_t)thread_join(&urgent) > 1 || !clock_is_exact());
}

/* However many threads it had, wherever they were. */
TEST_NEEDS(threads_end, "user.threads_end_as_one", "programs=there")
{
    struct memory_mark mark = settled_mark();

    expect_end(start_process("threads", THREADS_EXIT), PROCESS_EXITED, 42);
    expect_end(start_process("threads", THREADS_FAULT), PROCESS_FAULTED, VECTOR_PAGE_FAULT);
    expect_end(start_process("threads", THREADS_LAST), PROCESS_EXITED, 43);
    for (uint64_t ns = 50; ns < 20 * MS; ns = ns * 2 + 1) {
        uint64_t pid = start_process("threads", THREADS_EXIT);

        sleep_for(ns);
        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
        CHECK(process_wait(PROCESS_KERNEL, pid, &(enum process_end){0}, &(int64_t){0}) == STATUS_OK);
    }
    check_nothing_left(&mark);
}

/* What it may have, and no more; and all of that is back. */
TEST_NEEDS(limits, "user.limits_hold", "programs=there")
{
    struct memory_mark mark = settled_mark();
    uint64_t first = start_process("threads", THREADS_LIMITS);

    expect_end(first, PROCESS_EXITED, 0);
    first = start_process("threads", THREADS_CHILDREN);
    expect_end(first, PROCESS_EXITED, 0);
    for (uint64_t pid = first + 1; process_kill(PROCESS_KERNEL, pid) == STATUS_OK; pid++)
        ;
    check_nothing_left(&mark);
}
