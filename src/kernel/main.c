/*
 * From boot.S to a running system, in the order in which things come to depend on each other.
 */
#include "kernel/console.h"
#include "kernel/executor_thread.h"
#include "kernel/facts.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/log.h"
#include "kernel/modes.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/programs.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/irqoff.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "kernel/x86_64/vectors.h"
#include "lib/multiboot2.h"
#include "lib/pvh.h"
#include "thread/arch.h"
#include "thread/sched.h"

extern char boot_stack[], boot_stack_top[];

uint64_t boot_ready_ns;
static struct boot_info boot_info;
static struct options options;
static struct thread boot_thread;

/* How much of the loader's structure may be read: up to the end of what boot.S maps. It says itself how long it is. */
static enum status read_multiboot2(uint32_t info)
{
    static const size_t LIMIT = 1 << 20;
    const void *at = mmu_boot_at(info, LIMIT);

    if (!at)
        return STATUS_INVALID;
    return multiboot2_parse(at, info, LIMIT, &boot_info);
}

static void read_boot_info(uint32_t loader, uint32_t info)
{
    enum status status = loader == MULTIBOOT2_LOADER_MAGIC ? read_multiboot2(info)
                                                           : pvh_parse(info, mmu_boot_at, &boot_info);

    if (status != STATUS_OK)
        panic("the loader's boot information cannot be used: %s", status == STATUS_NOT_FOUND ? "it has no memory map"
                                                                  : status == STATUS_NO_MEMORY
                                                                      ? "it has more entries than there is room for"
                                                                      : "it breaks its own format");
}

static void timer_interrupt(unsigned vector)
{
    (void)vector;
    sched_timer_interrupt();
}

/* Of these, ring 3's are for who returns there. */
static void preempt_at_edges(void)
{
    (void)sched_set_preemption(PREEMPTION_AT_POINTS);
    interrupt_preempt_at_edges();
}

static void sched_choose(void)
{
    struct cpu *cpu = cpu_this();

    cpu->inheritance = options.inheritance;
    if (!options.preempt)
        (void)sched_set_preemption(PREEMPTION_NEVER);
    else if (!options.kpreempt)
        preempt_at_edges();
    if (options.tick_hz)
        sched_tick_start(1000000000 / options.tick_hz);
}

/* Copies the command line: where the loader left it is not mapped for long. */
static const char *keep_command_line(void)
{
    static char line[1024];
    size_t length = 0;

    if (!boot_info.command_line)
        return NULL;
    while (boot_info.command_line[length]) {
        if (length == sizeof(line) - 1)
            panic("the command line is longer than %zu characters", sizeof(line) - 1);
        line[length] = boot_info.command_line[length];
        length++;
    }
    return line;
}

static void say_boot(void)
{
    static char line[512];
    struct json json;

    console_print("Duet: futures and threads side by side. %s, %zu MiB free, TSC %lu MHz\n", boot_info.loader,
                  frames_free() >> 8, (unsigned long)(clock_tsc_hz() / 1000000));
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "boot");
    json_string(&json, "compiler", __VERSION__);
    json_bool(&json, "optimized",
#ifdef __OPTIMIZE__
              true
#else
              false
#endif
    );
    json_string(&json, "irq", irq_line_controller_name());
    json_unsigned(&json, "tsc_hz", clock_tsc_hz());
    json_unsigned(&json, "ready_ns", boot_ready_ns);
    console_send_json(&json);
}

_Noreturn void kernel_main(uint32_t loader, uint32_t info);

_Noreturn void kernel_main(uint32_t loader, uint32_t info)
{
    uint64_t entry_ticks = rdtsc();
    const char *command_line;

    stack_guard_init();
    console_init();
    interrupt_init();
    read_boot_info(loader, info);
    command_line = keep_command_line();
    irq_line_find(&boot_info);
    mmu_init(&boot_info);
    pic_init();
    clock_init();
    interrupt_use_own_stacks();
    vectors_init();
    interrupt_set(APIC_TIMER_VECTOR, timer_interrupt);
    options_read(command_line, &options);
    log_threshold = options.log;
    if (options.mode != MODE_DEMO && options.mode != MODE_SHELL)
        panic_exits();
    irq_line_init(options.irq);
    kmalloc_init(options.heap);
    if (options.irqoff)
        irqoff_start();
    sched_start(&boot_thread, boot_stack, (size_t)(boot_stack_top - boot_stack), options.quantum_ns);
    sched_choose();
    interrupt_set_insight(options.insight || options.trace);
    executor_thread_insight = options.insight || options.trace;
    executor_thread_watchdog = options.insight;
    irq_restore(IRQ_ENABLED);
    irqoff_reset();
    input_init();
    programs_init(&boot_info);
    if (programs_exist())
        process_init(options.int80);
    boot_ready_ns = (rdtsc() - entry_ticks) * 1000000000 / clock_tsc_hz();
    say_boot();
    facts_log(&boot_info);
    log_start();

    switch (options.mode) {
    case MODE_DEMO:
        demo_run(&options);
    case MODE_ECHO:
        echo_run(&options);
    case MODE_BENCH:
        bench_run(&options);
    case MODE_TEST:
        suite_run(&options);
    case MODE_SHELL:
        shell_run(&options);
    case MODE_SOAK:
        soak_run(&options);
    }
    panic("no such mode");
}
