/* Nothing waits for a tick: with every timer silenced, an interrupt alone brings its driver to the CPU. */
#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/pic.h"
#include "thread/arch.h"

enum {
    LINE_PIT = 0,
    APIC_LVT_TIMER = 0x320,
    LVT_MASKED = 1 << 16,
    EVENTS = 50,
};

static void timers_silence(void)
{
    apic_register_set(APIC_LVT_TIMER, apic_register(APIC_LVT_TIMER) | LVT_MASKED);
}

/* What came due meanwhile was lost, and the scheduler still counts on it. */
static void timers_restore(void)
{
    uint64_t flags = irq_save();

    apic_register_set(APIC_LVT_TIMER, apic_register(APIC_LVT_TIMER) & ~(uint32_t)LVT_MASKED);
    timer_arm(cpu_this()->timer_armed_ns);
    irq_restore(flags);
}

/* Sends the bytes of one event from this thread, which never gives the CPU away. False unless it was published. */
static bool event_comes(enum device device, uint32_t n)
{
    const volatile uint32_t *published = &input.events.published;
    uint32_t size = device == DEVICE_KEYBOARD ? 1 : input.mouse.decoder.size;
    uint32_t before = *published;

    for (uint32_t i = 0; i < size; i++)
        if (!inject_and_wait(device, stream_byte(device, n * size + i)))
            return false;
    return *published == before + 1;
}

static void must_deliver_without_timers(enum style style)
{
    static const uint32_t first[DEVICE_ALL];
    static const uint32_t count[DEVICE_ALL] = {EVENTS, EVENTS};
    uint64_t timer, pit, flags;
    unsigned missing = 0;

    drivers_start(style, THREAD_PRIORITY_HIGH);
    sleep_for(MS); /* both drivers wait now */
    flags = irq_save();
    CHECK(irq_line_masked() & 1u << LINE_PIT);
    irq_restore(flags);
    timers_silence();
    timer = interrupt_count(APIC_TIMER_VECTOR);
    pit = interrupt_count(PIC_VECTOR + LINE_PIT);
    for (uint32_t n = 0; n < EVENTS; n++)
        for (enum device device = 0; device < DEVICE_ALL; device++)
            missing += !event_comes(device, n);
    CHECK_EQUAL(interrupt_count(APIC_TIMER_VECTOR), timer);
    CHECK_EQUAL(interrupt_count(PIC_VECTOR + LINE_PIT), pit);
    timers_restore();
    CHECK_EQUAL(missing, 0);
    check_events(first, count, style);
    drivers_stop();
}

TEST(tickless_threads, "tickless.driver_threads")
{
    must_deliver_without_timers(STYLE_THREAD);
}

TEST(tickless_tasks, "tickless.driver_tasks")
{
    must_deliver_without_timers(STYLE_ASYNC);
}

/* One interrupt may have been asked for before; there is no reason for another. */
TEST(tickless_alone, "tickless.alone")
{
    uint64_t before = interrupt_count(APIC_TIMER_VECTOR);

    spin_for(5 * SCHED_QUANTUM_NS);
    CHECK(interrupt_count(APIC_TIMER_VECTOR) - before <= 1);
}

TEST(tickless_idle, "tickless.idle")
{
    uint64_t before;

    spin_for(2 * SCHED_QUANTUM_NS); /* what was armed before is over */
    before = interrupt_count(APIC_TIMER_VECTOR);
    sleep_for(20 * SCHED_QUANTUM_NS);
    CHECK(interrupt_count(APIC_TIMER_VECTOR) - before <= (clock_is_exact() ? 1 : 10)); /* some may come early */
}

static void *spin_40_ms(void *unused)
{
    (void)unused;
    spin_for(4 * SCHED_QUANTUM_NS);
    return NULL;
}

TEST(tickless_contended, "tickless.equals")
{
    struct thread threads[2];
    uint64_t before = interrupt_count(APIC_TIMER_VECTOR);

    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        start(&threads[i], "equal", THREAD_PRIORITY_NORMAL, spin_40_ms, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(&threads[i]);
    CHECK(interrupt_count(APIC_TIMER_VECTOR) - before >= (clock_is_exact() ? 2 : 0));
    CHECK(interrupt_count(APIC_TIMER_VECTOR) - before <= (clock_is_exact() ? 6 : 12));
}
