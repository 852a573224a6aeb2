/* Stimulus, work to be busy with, and statistics: what both suites of benchmarks use. */
#include "kernel/bench.h"

#include "drivers/i8042.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/panic.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/irqoff.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    I8042_WRITE_KEYBOARD_OUTPUT = 0xd2,
    I8042_WRITE_MOUSE_OUTPUT = 0xd3,
    CALIBRATION_LOOPS = 1000,
    EXACT_LOOKS = 64,
};
#define CPUID_ECX_HYPERVISOR (UINT32_C(1) << 31)
#define CPUID_HYPERVISOR     UINT32_C(0x40000000)
#define CPUID_TCGT           UINT32_C(0x54474354) /* "TCGTCGTCGTCG" */
#define CPUID_CGTC           UINT32_C(0x43544743)
#define CPUID_GTCG           UINT32_C(0x47435447)

struct executor_thread bench_executors[2];
struct bench_noted bench_noted;
static uint64_t loops_per_ms;

unsigned bench_driver_priority(enum bench_priority priority)
{
    return priority == PRIORITY_HIGH ? THREAD_PRIORITY_HIGH : THREAD_PRIORITY_NORMAL;
}

/* Whether two looks at the clock are always as far apart, as they are where it counts instructions. */
static bool clock_is_exact(void)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < EXACT_LOOKS; i++) {
        uint64_t flags = irq_save();
        uint64_t before = rdtsc();
        uint64_t ticks = rdtsc() - before;

        irq_restore(flags);
        if (i == 0)
            first = ticks;
        if (ticks != first)
            return false;
    }
    return true;
}

/* QEMU's emulator names itself in the hypervisor's leaf (its target/i386/cpu.c). */
static bool is_tcg(void)
{
    struct cpuid leaf;

    if (!(cpuid(1).ecx & CPUID_ECX_HYPERVISOR))
        return false;
    leaf = cpuid(CPUID_HYPERVISOR);
    return leaf.ebx == CPUID_TCGT && leaf.ecx == CPUID_CGTC && leaf.edx == CPUID_GTCG;
}

const char *bench_timebase(void)
{
    static const char *name;

    if (!name)
        name = !is_tcg() ? "tsc" : clock_is_exact() ? "icount" : "tcg";
    return name;
}

void bench_inject(enum device device, uint8_t byte, uint64_t *ticks)
{
    outb(I8042_COMMAND, device == DEVICE_MOUSE ? I8042_WRITE_MOUSE_OUTPUT : I8042_WRITE_KEYBOARD_OUTPUT);
    *ticks = rdtsc();
    outb(I8042_DATA, byte);
}

static void *inject_idle(void *ticks)
{
    while (bench_samples() < SAMPLES) {
        irq_save();
        bench_inject(DEVICE_KEYBOARD, BENCH_SCAN_CODE, ticks);
        cpu_wait();
    }
    return NULL;
}

void bench_inject_from_idle(uint64_t *ticks)
{
    static struct thread thread;

    bench_start(&thread, "injector", THREAD_PRIORITY_IDLE + 1, inject_idle, ticks);
    (void)thread_join(&thread);
}

void bench_publish_end(void)
{
    event_publish(&input.events, (struct input_event){.type = INPUT_KEY, .code = KEY_RESERVED});
}

bool bench_is_end(const struct input_event *event)
{
    return event->type == INPUT_KEY && event->code == KEY_RESERVED;
}

uint64_t bench_work(uint64_t state)
{
    for (unsigned i = 0; i < 16; i++)
        state = bench_random(state);
    return state;
}

static void spin(uint64_t loops)
{
    static _Atomic uint64_t sink;
    uint64_t state = loops + 1;

    while (loops--)
        state = bench_work(state);
    atomic_store_explicit(&sink, state, memory_order_relaxed); /* else there is nothing to compute for */
}

void bench_calibrate(void)
{
    uint64_t flags = irq_save();
    uint64_t start = clock_now_ns();

    spin(CALIBRATION_LOOPS);
    loops_per_ms = UINT64_C(1000000) * CALIBRATION_LOOPS / (clock_now_ns() - start);
    irq_restore(flags);
}

void bench_compute(uint64_t duration_ns)
{
    spin(duration_ns * loops_per_ms / 1000000);
}

void bench_json_stats(struct json *json, const char *key, uint64_t *samples, size_t count)
{
    struct stats stats;

    stats_of(samples, count, &stats);
    json_object_begin(json, key);
    json_unsigned(json, "n", stats.n);
    json_unsigned(json, "min", stats.min);
    json_unsigned(json, "p50", stats.p50);
    if (stats.has_p90)
        json_unsigned(json, "p90", stats.p90);
    if (stats.has_p99)
        json_unsigned(json, "p99", stats.p99);
    if (stats.has_p999)
        json_unsigned(json, "p99.9", stats.p999);
    json_unsigned(json, "max", stats.max);
    json_unsigned(json, "mean", stats.mean);
    json_object_end(json);
}

struct bench_stretches bench_measured, bench_printed;

static void keep_longer(struct irqoff_stretch *kept, const struct irqoff *irqoff)
{
    struct irqoff_stretch found = irqoff_longest(irqoff);

    if (found.ticks > kept->ticks)
        *kept = found;
}

void bench_stretches_add(struct bench_stretches *to)
{
    keep_longer(&to->interrupts, &irqoff_interrupts);
    keep_longer(&to->preemption, &irqoff_preemption);
    irqoff_reset();
}

void bench_report(const char *name, const char *unit)
{
    static char line[256];
    char full_name[48];
    struct json json;
    struct stats stats;
    size_t count = bench_noted.count < SAMPLES ? bench_noted.count : SAMPLES;

    if (string_equal(unit, "instructions") && !string_equal(bench_timebase(), "icount"))
        unit = "ticks";
    format_text(full_name, sizeof(full_name), "%s%s", name, irqoff_on() ? "_irqoff" : "");
    bench_stretches_add(&bench_measured);
    stats_of(bench_noted.samples, count, &stats);
    bench_noted.count = 0;
    console_print("%-24s %8lu %s (min %lu, max %lu, n %zu)\n", full_name, (unsigned long)stats.p50, unit,
                  (unsigned long)stats.min, (unsigned long)stats.max, count);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "micro");
    json_string(&json, "name", full_name);
    json_string(&json, "unit", unit);
    json_string(&json, "timebase", bench_timebase());
    json_unsigned(&json, "n", stats.n);
    json_unsigned(&json, "min", stats.min);
    json_unsigned(&json, "p50", stats.p50);
    if (stats.has_p99)
        json_unsigned(&json, "p99", stats.p99);
    json_unsigned(&json, "max", stats.max);
    console_send_json(&json);
    bench_stretches_add(&bench_printed);
}

void bench_report_one(const char *name, uint64_t value, const char *unit)
{
    bench_sample(value);
    bench_report(name, unit);
}

void bench_start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    if (thread_start(thread, name, priority, entry, argument) != STATUS_OK)
        bench_no_memory("a stack");
}

void bench_no_memory(const char *what)
{
    console_print("duet: bench: no memory for %s\n", what);
    machine_exit(EXIT_FAILED);
}
