/*
 * Single figures of ring 3, where there are programs: a system call, a switch between processes, and a life. Programs
 * measure themselves, by the same clock, and end with what they found.
 */
#include "kernel/bench.h"
#include "kernel/input.h"
#include "kernel/process.h"
#include "kernel/programs.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "lib/clock.h"
#include "thread/sched.h"

enum {
    SYSCALL_YIELD = 2,
    SYSCALL_GETPID = 5,
    PRIORITY_BELOW = THREAD_PRIORITY_NORMAL - 1,
    YIELDERS = 2,
    MEASURE_BESIDE = 0x100, /* as in src/user/programs/measure.c */
    MEASURE_WAKE = 0x200,
    MEASURE_FAULT = 0x300,
    FAULT_SHIFT = 16,
    FAULT_AHEAD = 200000, /* clock ticks: a process has begun by then */
    FAULTS = 20,
    SETTLE_NS = 1000000,
};

static uint64_t start(const char *name, uint64_t argument)
{
    uint64_t pid;

    if (process_spawn(name, argument, PROCESS_KERNEL, &pid) != STATUS_OK)
        bench_no_memory("a process");
    return pid;
}

static int64_t end_of(uint64_t pid)
{
    enum process_end end;
    int64_t status;

    if (process_wait(PROCESS_KERNEL, pid, &end, &status) != STATUS_OK || end != PROCESS_EXITED)
        panic("a program that measures did not end well");
    return status;
}

/* The median and the longest of what a program found. */
static void report(const char *name, const char *name_max, int64_t found)
{
    bench_report_one(name, (uint32_t)found, "instructions");
    bench_report_one(name_max, (uint64_t)found >> 32, "instructions");
}

/* Two that yield to each other: from before the call to after it lie both their switches, and both their calls. Both
 * ways are the same, so half of it is a switch from ring 3 to ring 3. */
static void bench_calls(void)
{
    uint64_t pids[YIELDERS];
    uint64_t writes = mmu_space_switches();
    int64_t found = end_of(start("measure", MEASURE_BESIDE | SYSCALL_YIELD));

    bench_report_one("user.process_switch_same", (uint32_t)found / 2, "instructions");
    bench_report_one("user.cr3_writes_same", mmu_space_switches() - writes, "writes");
    writes = mmu_space_switches();
    report("user.syscall_null", "user.syscall_null_max", end_of(start("measure", SYSCALL_GETPID)));
    for (unsigned i = 0; i < YIELDERS; i++)
        pids[i] = start("measure", SYSCALL_YIELD);
    for (unsigned i = 0; i < YIELDERS; i++) {
        int64_t one = end_of(pids[i]);

        if (i == 0)
            found = one; /* the other's last yields find nobody */
    }
    report("user.yield_and_back", "user.yield_and_back_max", found);
    bench_report_one("user.process_switch_other", (uint32_t)found / 2, "instructions");
    bench_report_one("user.cr3_writes_other", mmu_space_switches() - writes, "writes");
}

static struct space spaces[YIELDERS];
static struct space_thread yielders[YIELDERS];
static uint64_t yielded_at;

/* As thread.yield is measured, in kernel threads: the switch alone, without a way into ring 3. */
static void *yielder_main(struct space_thread *self)
{
    space_thread_begin(self);
    do {
        uint64_t now;

        yielded_at = rdtsc();
        thread_yield();
        now = rdtsc();
        bench_sample(now - yielded_at);
    } while (bench_samples() < BENCH_MICRO_SAMPLES);
    space_thread_end(self);
    return NULL;
}

static void bench_switch(const char *name, bool same)
{
    for (unsigned i = 0; i < YIELDERS; i++) {
        yielders[i].space = &spaces[same ? 0 : i];
        if (mmu_space_create(&spaces[i], 1) != STATUS_OK ||
            thread_start_with(&yielders[i].thread, "yielder", PRIORITY_BELOW, yielder_main, &yielders[i]) != STATUS_OK)
            bench_no_memory("address spaces");
    }
    for (unsigned i = 0; i < YIELDERS; i++)
        (void)thread_join(&yielders[i].thread);
    for (unsigned i = 0; i < YIELDERS; i++)
        mmu_space_destroy(&spaces[i]);
    bench_report(name, "instructions");
}

/* From the order to start it to its end, which it comes to at once. */
static void bench_life(void)
{
    for (unsigned i = 0; i < BENCH_WARM_UP + BENCH_MICRO_SAMPLES; i++) {
        uint64_t before = rdtsc();

        (void)end_of(start("quick", 0));
        if (i >= BENCH_WARM_UP)
            bench_sample(rdtsc() - before);
    }
    bench_report("user.lifecycle", "instructions");
}

/* From the interrupt's first look at the clock to the first one of the more urgent process that read the byte. */
static void bench_wake(void)
{
    uint64_t ticks, pid;

    if (!input.info.keyboard)
        return;
    ps2_open(&input.ports[DEVICE_KEYBOARD]);
    if (process_spawn_at(THREAD_PRIORITY_HIGH, "measure", MEASURE_WAKE, PROCESS_KERNEL, &pid) != STATUS_OK)
        bench_no_memory("a process");
    thread_sleep_until(clock_now_ns() + SETTLE_NS);
    while (!process_ended(pid))
        bench_inject(DEVICE_KEYBOARD, BENCH_SCAN_CODE, &ticks);
    report("user.wake", "user.wake_max", end_of(pid));
}

/* From an invalid instruction in ring 3 to its parent, the report printed meanwhile. The program looks at the clock
 * until it is time: it is late by less than a look. */
static void bench_fault(void)
{
    for (unsigned i = 0; i < BENCH_WARM_UP + FAULTS; i++) {
        uint64_t at = rdtsc() + FAULT_AHEAD;
        uint64_t pid = start("measure", at << FAULT_SHIFT | MEASURE_FAULT);
        enum process_end end;
        int64_t vector;

        if (process_wait(PROCESS_KERNEL, pid, &end, &vector) != STATUS_OK || end != PROCESS_FAULTED)
            panic("a program that was to fault did not");
        if (i >= BENCH_WARM_UP)
            bench_sample(rdtsc() - at);
    }
    bench_report("user.fault_to_kill", "instructions");
}

void bench_user(void)
{
    bench_switch("thread.yield_same_space", true);
    bench_switch("thread.yield_other_space", false);
    if (!programs_exist())
        return;
    bench_calls();
    bench_life();
    bench_wake();
    bench_fault();
}
