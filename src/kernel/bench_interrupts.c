/*
 * Single figures of interrupts and deadlines, and of the threads that wait for them.
 *
 * Interrupts are raised by an injected byte with interrupts on, from a thread of lower priority than what they wake;
 * the idle figures inject and halt in one step, in a thread that stands where the idle thread does.
 */
#include "drivers/i8042.h"
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/report.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/pic.h"
#include "lib/format.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum { SAMPLES = BENCH_MICRO_SAMPLES };

/* ---- interrupts ---- */

static uint64_t injected_at, handled_at;
static struct thread waiter;
static atomic_bool waiter_stop;

static void handle_stamping(unsigned vector)
{
    handled_at = rdtsc();
    (void)vector;
    (void)inb(I8042_DATA);
}

static void handle_and_stamp(unsigned vector)
{
    (void)vector;
    (void)inb(I8042_DATA);
    handled_at = rdtsc();
}

static void handle_empty(unsigned vector)
{
    (void)vector;
}

static void handle_waking(unsigned vector)
{
    handled_at = rdtsc();
    (void)vector;
    (void)inb(I8042_DATA);
    waker_wake(&waiter.waker);
}

static void bench_irq_entry(void)
{
    interrupt_handler *normal = interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_stamping);

    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_inject(DEVICE_KEYBOARD, BENCH_SCAN_CODE, &injected_at);
        bench_sample(handled_at - injected_at);
    }
    bench_report("irq.entry", "instructions");
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_empty);
    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_inject(DEVICE_KEYBOARD, BENCH_SCAN_CODE, &injected_at);
        bench_sample(rdtsc() - injected_at);
        (void)inb(I8042_DATA);
    }
    bench_report("irq.null", "instructions");
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_and_stamp);
    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_inject(DEVICE_KEYBOARD, BENCH_SCAN_CODE, &injected_at);
        bench_sample(rdtsc() - handled_at);
    }
    bench_report("irq.exit", "instructions");
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, normal);
}

static bool from_handler; /* what the waiter's samples count from */

static void *waiter_main(void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t now;

        thread_park();
        now = rdtsc();
        if (atomic_load(&waiter_stop))
            return NULL;
        bench_sample(now - (from_handler ? handled_at : injected_at));
    }
}

/* Injects SAMPLES keys from this thread, one after the other is done with. */
static void inject_busy(void)
{
    while (bench_samples() < SAMPLES)
        bench_inject(DEVICE_KEYBOARD, BENCH_SCAN_CODE, &injected_at);
}

static void bench_irq_thread(const char *name, bool from, bool idle)
{
    interrupt_handler *normal;

    from_handler = from;
    atomic_store(&waiter_stop, false);
    bench_start(&waiter, "waiter", THREAD_PRIORITY_HIGH, waiter_main, NULL);
    normal = interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_waking);
    if (idle)
        bench_inject_from_idle(&injected_at);
    else
        inject_busy();
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, normal);
    atomic_store(&waiter_stop, true);
    thread_wake(&waiter);
    (void)thread_join(&waiter);
    bench_report(name, "instructions");
}

/* ---- timers ---- */

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

/* What a timer interrupt takes from a thread that does nothing but look at the clock: by how much two looks in a row
 * were further apart than any others. */
static void bench_timer_irq(void)
{
    static struct waker waker = {wake_nothing};
    static struct timer timer;
    static uint64_t looks[500];

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t shortest = UINT64_MAX, longest = 0;

        sched_timer_start(&timer, clock_now_ns() + 2000, &waker);
        for (size_t look = 0; look < ARRAY_SIZE(looks); look++)
            looks[look] = rdtsc();
        for (size_t look = 1; look < ARRAY_SIZE(looks); look++) {
            uint64_t gap = looks[look] - looks[look - 1];

            shortest = gap < shortest ? gap : shortest;
            longest = gap > longest ? gap : longest;
        }
        bench_sample(longest - shortest);
    }
    bench_report("timer.irq", "instructions");
}

/* Always the same, or from 1 us to 1 ms: as many between 1 and 2 us as between 256 and 512 us. */
enum { SLEEP_NS = 10000, SLEEP_NS_MIN = 1000, SLEEP_DOUBLINGS = 9 };

static bool varied;

static uint64_t varied_sleep(uint64_t random)
{
    uint64_t shortest = (uint64_t)SLEEP_NS_MIN << random % SLEEP_DOUBLINGS;

    return shortest + (random >> 8) % shortest;
}

static void *sleeper_main(void *unused)
{
    uint64_t random = 88172645463325252;

    (void)unused;
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t length, deadline;

        random = bench_random(random);
        length = varied ? varied_sleep(random) : SLEEP_NS;
        deadline = clock_now_ns() + length;
        thread_sleep_until(deadline);
        bench_sample(clock_now_ns() - deadline);
    }
    return NULL;
}

/* While this thread, of lower priority, computes or waits: then the CPU is idle. */
static void bench_sleep(const char *name, const char *unit, bool lengths_vary, bool idle)
{
    static struct thread sleeper;

    varied = lengths_vary;
    bench_start(&sleeper, "sleeper", THREAD_PRIORITY_HIGH, sleeper_main, NULL);
    while (!idle && !completion_done(&sleeper.done))
        ;
    (void)thread_join(&sleeper);
    bench_report(name, unit);
}

/* ---- a kernel that is preempted, or only at its edges ---- */

/* To the last row of the screen, as it is printed again and again. */
static printf_like(1, 2) void print_on_last_row(const char *format, ...)
{
    char text[CONSOLE_COLUMNS + 1];
    va_list arguments;

    va_start(arguments, format);
    (void)format_text_va(text, sizeof(text), format, arguments);
    va_end(arguments);
    console_write_at(CONSOLE_ROWS - 1, 0, text, CONSOLE_NORMAL);
}

/* What sleeper_main() does while this thread, of lower priority, prints reports all the time. The end of a report is an
 * edge, as that of a system call would be. */
static void bench_kpreempt(const char *name, enum preemption preemption)
{
    static struct thread sleeper;
    enum preemption before = sched_set_preemption(preemption);

    varied = true;
    bench_start(&sleeper, "sleeper", THREAD_PRIORITY_HIGH, sleeper_main, NULL);
    while (!completion_done(&sleeper.done)) {
        report_threads(print_on_last_row);
        preempt_point();
    }
    (void)thread_join(&sleeper);
    (void)sched_set_preemption(before);
    bench_report(name, "ns");
}

void bench_interrupts(void)
{
    bench_irq_entry();
    bench_irq_thread("irq.thread", false, false);
    bench_irq_thread("irq.thread_handler", true, false);
    bench_irq_thread("irq.thread_idle", true, true);
    bench_timer_irq();
    bench_sleep("timer.thread", "instructions", false, false);
    bench_sleep("timer.thread_idle", "instructions", false, true);
    bench_sleep("sleep.late_busy", "ns", true, false);
    bench_sleep("sleep.late_idle", "ns", true, true);
    bench_kpreempt("kpreempt.on", PREEMPTION_ANYWHERE);
    bench_kpreempt("kpreempt.off", PREEMPTION_AT_POINTS);
}
