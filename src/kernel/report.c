/*
 * Each thread, task or vector is read in one piece, with interrupts off; what is printed of different ones may be some
 * microseconds apart. Printing itself is done with interrupts on, a line at a time.
 */
#include "kernel/report.h"

#include "kernel/backtrace.h"
#include "kernel/executor_thread.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "kernel/x86_64/stacks.h"
#include "lib/clock.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum { KIB_PER_FRAME = FRAME_BYTES / 1024 };

void report_memory(report_print *print)
{
    struct frames_report frames = physical_report();
    const struct heap *heap = kmalloc_heap();

    print("memory: %u KiB, %u used, %u free, largest run %u\n", frames.total * KIB_PER_FRAME,
          frames.used * KIB_PER_FRAME, frames.free * KIB_PER_FRAME, frames.largest_run * KIB_PER_FRAME);
    if (physical_left_out())
        print("  %lu KiB more than can be managed\n", (unsigned long)(physical_left_out() / 1024));
    print("  page tables %zu KiB, stacks waiting for a thread %zu\n", mmu_tables() * KIB_PER_FRAME, stacks_pooled());
    print("  heap %s: %zu KiB, %lu blocks of %lu live, %lu refused\n", heap->operations->name, kmalloc_taken() / 1024,
          (unsigned long)heap_live(heap), (unsigned long)heap->allocations, (unsigned long)heap->failures);
    print("  kernel and user kept apart:%s%s%s\n", mmu_protections.smep ? " SMEP" : "",
          mmu_protections.smap ? " SMAP" : "", mmu_protections.umip ? " UMIP" : "");
}

static const char *thread_state_name(enum thread_state state)
{
    switch (state) {
    case THREAD_RUNNING:
        return "running";
    case THREAD_READY:
        return "ready";
    case THREAD_PARKED:
        return "parked";
    case THREAD_SLEEPING:
        return "sleeping";
    case THREAD_WAITING:
        return "waiting";
    case THREAD_DEAD:
        return "dead";
    }
    return "?";
}

/* What a line says of a thread. */
struct thread_line {
    char name[THREAD_NAME_BYTES];
    uint8_t priority, state;
    bool cancelled;
    uint64_t id, run_ns, switches, quantum_ns;
    size_t stack_used, stack_bytes;
};

static struct thread_line thread_line(const struct thread *thread)
{
    struct thread_line line = {.id = thread->id,
                               .priority = thread->priority,
                               .state = (uint8_t)thread_state(thread),
                               .cancelled = thread->cancelled,
                               .quantum_ns = thread->quantum_ns,
                               .run_ns = thread_run_ns(thread),
                               .switches = thread->switches,
                               .stack_used = stack_used(thread->stack, thread->stack_bytes),
                               .stack_bytes = thread->stack_bytes};

    for (size_t i = 0; i < THREAD_NAME_BYTES; i++)
        line.name[i] = thread->name[i];
    return line;
}

/* The n-th thread, counted from 0. False if there are not so many. */
static bool thread_at(size_t n, struct thread_line *line)
{
    uint64_t flags = irq_save();
    bool found = false;

    list_for_each (node, &thread_all) {
        if (n-- > 0)
            continue;
        *line = thread_line(container_of(node, struct thread, all));
        found = true;
        break;
    }
    irq_restore(flags);
    return found;
}

void report_threads(report_print *print)
{
    struct thread_line line;

    print("threads:  id priority state        run us   switches    stack       of quantum us  name\n");
    for (size_t n = 0; thread_at(n, &line); n++)
        print("  %10lu %8u %-7s %11lu %10lu %8zu %8zu %10lu  %s%s\n", (unsigned long)line.id, line.priority,
              thread_state_name((enum thread_state)line.state), (unsigned long)(line.run_ns / 1000),
              (unsigned long)line.switches, line.stack_used, line.stack_bytes, (unsigned long)(line.quantum_ns / 1000),
              line.name, line.cancelled ? " (cancelled)" : "");
}

static void report_executor(report_print *print, struct executor_thread *at)
{
    uint64_t flags;

    print("tasks of %s, %lu polls:\n", at->thread.name, (unsigned long)at->executor.polls);
    preempt_disable(); /* tasks end on their executor's thread, which does not run meanwhile */
    for (const struct task *task = at->executor.all; task; task = task->all) {
        print("  %-16s %8u polls, %s\n", task->name, task->polls,
              task == at->executor.current ? "being polled"
              : atomic_load(&task->queued) ? "ready"
                                           : "waiting");
        flags = irq_save();
        backtrace_task(print, task);
        irq_restore(flags);
    }
    preempt_enable();
}

void report_tasks(report_print *print)
{
    for (struct executor_thread *at = executor_thread_all; at; at = at->next)
        report_executor(print, at);
}

static const char *vector_name(unsigned vector)
{
    static const char *const lines[PIC_LINES] = {"timer (PIT)", "keyboard", "cascade", "COM2", "COM1", "LPT2",
                                                 "floppy",      "LPT1",     "RTC",     "9",    "10",   "11",
                                                 "mouse",       "FPU",      "ATA 1",   "ATA 2"};

    if (vector < VECTOR_INTERRUPTS)
        return exception_name(vector);
    if (vector >= PIC_VECTOR && vector < PIC_VECTOR + PIC_LINES)
        return lines[vector - PIC_VECTOR];
    return vector == APIC_TIMER_VECTOR ? "timer (local APIC)" : "";
}

void report_interrupts(report_print *print)
{
    print("interrupts: vector      count\n");
    for (unsigned vector = 0; vector < VECTORS; vector++)
        if (interrupt_count(vector))
            print("  %16u %10lu  %s\n", vector, (unsigned long)interrupt_count(vector), vector_name(vector));
    print("  spurious %lu, unexpected %lu\n", (unsigned long)interrupt_spurious(),
          (unsigned long)interrupt_unexpected());
}
