/*
 * Each thread, task or vector is read in one piece, with interrupts off; what is printed of different ones may be some
 * microseconds apart. Printing itself is done with interrupts on, a line at a time.
 */
#include "kernel/report.h"

#include "kernel/backtrace.h"
#include "kernel/executor_thread.h"
#include "kernel/kmalloc.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irqoff.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "kernel/x86_64/stacks.h"
#include "lib/clock.h"
#include "lib/format.h"
#include "thread/account.h"
#include "thread/arch.h"
#include "thread/mutex.h"
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
    uint8_t priority, base_priority, state;
    bool cancelled;
    uint64_t id, run_ns, up_ns, switches, quantum_ns;
    struct account account; /* zero if it has none */
    size_t stack_used, stack_bytes;
    uint64_t waits_for; /* the thread that owns what this one waits for */
    bool waits_for_one;
};

static struct thread_line thread_line(const struct thread *thread)
{
    const struct account *account = account_of(thread);
    struct thread_line line = {.id = thread->id,
                               .priority = thread->priority,
                               .base_priority = thread->base_priority,
                               .state = (uint8_t)thread_state(thread),
                               .cancelled = thread->cancelled,
                               .quantum_ns = thread->quantum_ns,
                               .run_ns = thread_run_ns(thread),
                               .up_ns = clock_now_ns() - cpu_this()->started_ns,
                               .switches = thread->switches,
                               .account = account ? *account : (struct account){0},
                               .stack_used = stack_used(thread->stack, thread->stack_bytes),
                               .stack_bytes = thread->stack_bytes};

    if (line.state == THREAD_WAITING && thread->waits_for && mutex_owner(thread->waits_for)) {
        line.waits_for_one = true;
        line.waits_for = mutex_owner(thread->waits_for)->id;
    }
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

/* In thousandths. */
static unsigned long share(uint64_t part_ns, uint64_t whole_ns)
{
    return (unsigned long)(whole_ns ? part_ns * 1000 / whole_ns : 0);
}

static uint64_t mean(const struct account *account)
{
    return account->wakes ? account->wake_ns_sum / account->wakes : 0;
}

static void print_thread(report_print *print, const struct thread_line *line)
{
    const struct account *account = &line->account;
    unsigned long thousandths = share(line->run_ns, line->up_ns);

    char waits[32] = "";

    if (line->waits_for_one)
        format_text(waits, sizeof(waits), " (waits for %lu)", (unsigned long)line->waits_for);
    print("  %8lu %4u %3u %-8s %8lu.%03lu %3lu.%lu%% %9lu %9lu %8lu %8lu %8lu %9lu %7zu %7zu %10lu  %s%s%s\n",
          (unsigned long)line->id, line->priority, line->base_priority,
          thread_state_name((enum thread_state)line->state), (unsigned long)(line->run_ns / 1000000),
          (unsigned long)(line->run_ns / 1000 % 1000), thousandths / 10, thousandths % 10,
          (unsigned long)line->switches, (unsigned long)account->voluntary, (unsigned long)account->forced,
          (unsigned long)account->wakes, (unsigned long)mean(account), (unsigned long)account->wake_ns_max,
          line->stack_used, line->stack_bytes, (unsigned long)(line->quantum_ns / 1000), line->name, waits,
          line->cancelled ? " (cancelled)" : "");
}

/* Where the CPU's time went, all of it read at once. */
struct cpu_line {
    uint64_t up_ns, idle_ns, interrupt_ns, ended_ns;
};

static struct cpu_line cpu_line(void)
{
    const struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();
    struct cpu_line line = {.up_ns = clock_now_ns() - cpu->started_ns,
                            .idle_ns = thread_run_ns(&cpu->idle),
                            .interrupt_ns = cpu->interrupt_ns,
                            .ended_ns = cpu->ended_ns};

    irq_restore(flags);
    return line;
}

static void print_cpu(report_print *print)
{
    struct cpu_line line = cpu_line();
    unsigned long idle = share(line.idle_ns, line.up_ns), interrupts = share(line.interrupt_ns, line.up_ns);

    if (cpu_this()->insight)
        print("  of %lu ms: idle %lu.%lu%%, interrupts %lu.%lu%%, threads that have ended %lu us\n",
              (unsigned long)(line.up_ns / 1000000), idle / 10, idle % 10, interrupts / 10, interrupts % 10,
              (unsigned long)(line.ended_ns / 1000));
    else
        print("  of %lu ms: idle %lu.%lu%%, interrupts that came to it included; more is counted with insight=on\n",
              (unsigned long)(line.up_ns / 1000000), idle / 10, idle % 10);
}

void report_threads(report_print *print)
{
    struct thread_line line;

    print("threads: id prio own state          run ms  share  switches voluntary   forced    wakes  mean ns    max ns"
          "   stack      of quantum us  name\n");
    for (size_t n = 0; thread_at(n, &line); n++)
        print_thread(print, &line);
    print_cpu(print);
}

static void send_thread(report_send *send, const struct thread_line *line)
{
    char text[768];
    struct json json;

    json_begin(&json, text, sizeof(text));
    json_string(&json, "event", "thread");
    json_unsigned(&json, "id", line->id);
    json_string(&json, "name", line->name);
    json_string(&json, "state", thread_state_name((enum thread_state)line->state));
    json_unsigned(&json, "priority", line->priority);
    json_unsigned(&json, "base_priority", line->base_priority);
    json_bool(&json, "cancelled", line->cancelled);
    json_unsigned(&json, "run_ns", line->run_ns);
    json_unsigned(&json, "switches", line->switches);
    json_unsigned(&json, "stack_used", line->stack_used);
    json_unsigned(&json, "stack_bytes", line->stack_bytes);
    if (cpu_this()->insight) {
        json_unsigned(&json, "voluntary", line->account.voluntary);
        json_unsigned(&json, "forced", line->account.forced);
        json_unsigned(&json, "wakes", line->account.wakes);
        json_unsigned(&json, "wake_ns_sum", line->account.wake_ns_sum);
        json_unsigned(&json, "wake_ns_max", line->account.wake_ns_max);
    }
    send(&json);
}

void report_threads_json(report_send *send)
{
    struct thread_line line;
    struct cpu_line cpu;
    char text[256];
    struct json json;

    for (size_t n = 0; thread_at(n, &line); n++)
        send_thread(send, &line);
    cpu = cpu_line();
    json_begin(&json, text, sizeof(text));
    json_string(&json, "event", "cpu");
    json_bool(&json, "insight", cpu_this()->insight);
    json_unsigned(&json, "up_ns", cpu.up_ns);
    json_unsigned(&json, "idle_ns", cpu.idle_ns);
    json_unsigned(&json, "switches", cpu_this()->switches);
    if (cpu_this()->insight) {
        json_unsigned(&json, "interrupt_ns", cpu.interrupt_ns);
        json_unsigned(&json, "ended_ns", cpu.ended_ns);
    }
    send(&json);
}

static void report_insight(report_print *print, const struct executor *executor, const struct task *task)
{
    const struct insight_line *line = insight_line_of(executor, task);

    if (line)
        print("    %lu polls, %lu wakes, %lu its own; polled for %lu us, the longest %lu us from line %u; ready for "
              "%lu us"
              "%s%s\n",
              (unsigned long)line->polls, (unsigned long)line->wakes, (unsigned long)line->self_wakes,
              (unsigned long)(line->poll_ns / 1000), (unsigned long)(line->longest_ns / 1000), line->longest_line,
              (unsigned long)(line->waiting_ns / 1000), insight_lint(executor, line, clock_now_ns()) ? ": " : "",
              insight_lint_text(insight_lint(executor, line, clock_now_ns())));
}

/* What its time went into, in thousandths. */
static void report_shares(report_print *print, const struct insight *insight)
{
    uint64_t all_ns = clock_now_ns() - insight->begun_ns + 1;
    uint64_t idle = insight->idle_ns * 1000 / all_ns, polling = insight->poll_ns * 1000 / all_ns;

    print("  of 1000: %lu idle, %lu polling, %lu its own or preempted; %lu polls over budget\n", (unsigned long)idle,
          (unsigned long)polling, (unsigned long)(1000 - idle - polling), (unsigned long)insight->overruns);
}

static void report_executor(report_print *print, struct executor_thread *at)
{
    uint64_t flags;

    print("tasks of %s, %lu polls:\n", at->thread.name, (unsigned long)executor_polls(&at->executor));
    if (at->executor.insight)
        report_shares(print, at->executor.insight);
    preempt_disable(); /* tasks end on their executor's thread, which does not run meanwhile */
    for (const struct task *task = NULL; (task = executor_next_task(&at->executor, task)) != NULL;) {
        print("  %-16s %8u polls, %s\n", task->name, task->polls,
              task == at->executor.current ? "being polled"
              : task_queued(task)          ? "ready"
                                           : "waiting");
        if (at->executor.insight)
            report_insight(print, &at->executor, task);
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

static void report_stretch(report_print *print, const char *what, const struct irqoff_stretch *stretch)
{
    char begin[96];
    char end[96];

    if (!stretch->ticks) {
        print("longest %s off: none\n", what);
        return;
    }
    backtrace_name(begin, sizeof(begin), stretch->begin);
    backtrace_name(end, sizeof(end), stretch->end);
    print("longest %s off: %lu ns (%lu ticks) from %s to %s\n", what, (unsigned long)irqoff_ns(stretch),
          (unsigned long)stretch->ticks, begin, end);
}

void report_stretches(report_print *print)
{
    struct irqoff_stretch interrupts = irqoff_longest(&irqoff_interrupts);
    struct irqoff_stretch preemption = irqoff_longest(&irqoff_preemption);

    if (!irqoff_on()) {
        print("longest interrupts and preemption off: not known, irqoff=off\n");
        return;
    }
    report_stretch(print, "interrupts", &interrupts);
    report_stretch(print, "preemption", &preemption);
}

static struct mutex text_lock = MUTEX_INIT(text_lock);
static struct {
    char *text;
    size_t size, length;
} text_to; /* text_lock */

static void put_text(void *unused, char c)
{
    (void)unused;
    if (text_to.length < text_to.size)
        text_to.text[text_to.length] = c;
    text_to.length++;
}

printf_like(1, 2) static void print_text(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_sink_va(put_text, NULL, format, arguments);
    va_end(arguments);
}

static void report_log(report_print *print)
{
    enum { LINES = 20 }; /* a screen's */

    log_report(print, LINES);
}

size_t report_text(enum report kind, char *text, size_t size)
{
    static void (*const reports[REPORTS])(report_print * print) = {
        [REPORT_PROCESSES] = process_report, [REPORT_THREADS] = report_threads,       [REPORT_TASKS] = report_tasks,
        [REPORT_MEMORY] = report_memory,     [REPORT_INTERRUPTS] = report_interrupts, [REPORT_LOG] = report_log,
    };
    size_t length;

    mutex_lock(&text_lock);
    text_to.text = text;
    text_to.size = size;
    text_to.length = 0;
    reports[kind](print_text);
    length = text_to.length;
    mutex_unlock(&text_lock);
    return length;
}
