/* Calibration, and the one-shot timer. */
#include "kernel/x86_64/clock.h"

#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "lib/timer_queue.h"
#include "thread/arch.h"

enum {
    MSR_APIC_BASE = 0x1b,
    APIC_BASE_ENABLE = 1 << 11,

    APIC_ID = 0x20,
    APIC_EOI = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,

    SPURIOUS_ENABLE = 1 << 8,
    LVT_MASKED = 1 << 16,
    LVT_EXTINT = 7 << 8,
    LVT_NMI = 4 << 8,
    DIVIDE_BY_1 = 0xb,

    PIT_HZ = 1193182,
    PIT_CHANNEL0 = 0x40,
    PIT_CHANNEL2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_CHANNEL0_ONCE = 0x30,     /* low then high byte, mode 0 */
    PIT_CHANNEL0_PERIODIC = 0x34, /* mode 2 */
    PIT_CHANNEL2_ONCE = 0xb0,
    PORT_B =
        0x61, /* IBM PC AT Technical Reference, "System board I/O": bit 0 gates channel 2, bit 5 reads its output */
    PORT_B_GATE2 = 1 << 0,
    PORT_B_SPEAKER = 1 << 1,
    PORT_B_OUTPUT2 = 1 << 5,

    CALIBRATION_TICKS = PIT_HZ / 500, /* 2 ms */
    CALIBRATIONS_MAX = 20,
    CALIBRATION_PRECISION = 100, /* a hundredth may be in doubt */
    MHZ = 1000000,
};

uint64_t clock_ns_per_tick = UINT64_C(1) << 32; /* in 2^-32 ns; read by arch.S */
static uint64_t tsc_hz = 1000000000;
static uint64_t apic_ticks_per_ns; /* in 2^-32 */
static volatile uint32_t *apic;

static uint32_t apic_read(unsigned offset)
{
    return apic[offset / 4];
}

static void apic_write(unsigned offset, uint32_t value)
{
    apic[offset / 4] = value;
}

void apic_end(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_refuse_pic(void)
{
    apic_write(APIC_LVT_LINT0, LVT_MASKED | LVT_EXTINT);
}

uint8_t apic_id(void)
{
    return (uint8_t)(apic_read(APIC_ID) >> 24);
}

runs_once static void apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    apic = mmu_map_device(base & ~UINT64_C(0xfff), 4096);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | APIC_SPURIOUS_VECTOR);
    apic_write(APIC_LVT_LINT0, LVT_EXTINT); /* the 8259A's interrupts pass through */
    apic_write(APIC_LVT_LINT1, LVT_NMI);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_VECTOR); /* one-shot */
    apic_write(APIC_TIMER_INITIAL, 0);
}

struct calibration {
    uint64_t tsc_ticks;
    uint32_t apic_ticks;
    uint64_t doubt_ticks; /* of the TSC's, those that may not belong to it */
};

/*
 * Runs PIT channel 2 once for CALIBRATION_TICKS and counts how far the TSC and the APIC timer come meanwhile. An
 * emulator that its host stalls between two of these instructions, or a system management interrupt, casts doubt on it.
 */
static struct calibration measure(void)
{
    uint8_t port_b = inb(PORT_B) & (uint8_t)~PORT_B_SPEAKER;
    uint64_t before, start, previous, end;
    uint32_t apic_ticks;

    apic_write(APIC_LVT_TIMER, LVT_MASKED | APIC_TIMER_VECTOR);
    outb(PORT_B, (uint8_t)(port_b & ~PORT_B_GATE2));
    outb(PIT_COMMAND, PIT_CHANNEL2_ONCE);
    outb(PIT_CHANNEL2, CALIBRATION_TICKS & 0xff);
    outb(PIT_CHANNEL2, CALIBRATION_TICKS >> 8);
    before = rdtsc();
    outb(PORT_B, port_b | PORT_B_GATE2);
    apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
    start = end = rdtsc();
    do {
        previous = end;
        end = rdtsc();
    } while (!(inb(PORT_B) & PORT_B_OUTPUT2));
    apic_ticks = UINT32_MAX - apic_read(APIC_TIMER_CURRENT);
    end = rdtsc();
    outb(PORT_B, port_b);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_VECTOR);
    return (struct calibration){end - start, apic_ticks, (start - before) + (end - previous)};
}

/* Measures until there is next to no doubt, which is once as a rule, or takes the best of several. */
static struct calibration calibrate(void)
{
    struct calibration best = measure();

    for (unsigned i = 1; i < CALIBRATIONS_MAX && best.doubt_ticks > best.tsc_ticks / CALIBRATION_PRECISION; i++) {
        struct calibration again = measure();

        if (again.doubt_ticks < best.doubt_ticks)
            best = again;
    }
    return best;
}

/* Ticks during the calibration to Hz, rounded to 1 MHz: what is lost in reading the ports is far less than that. */
static uint64_t rounded_hz(uint64_t ticks)
{
    return (ticks * PIT_HZ / CALIBRATION_TICKS + MHZ / 2) / MHZ * MHZ;
}

runs_once void clock_init(void)
{
    struct calibration calibration;

    apic_init();
    calibration = calibrate();
    tsc_hz = rounded_hz(calibration.tsc_ticks);
    ASSERT(tsc_hz > 0 && rounded_hz(calibration.apic_ticks) > 0);
    clock_ns_per_tick = (UINT64_C(1000000000) << 32) / tsc_hz;
    apic_ticks_per_ns = (rounded_hz(calibration.apic_ticks) << 32) / 1000000000;
}

uint64_t clock_tsc_hz(void)
{
    return tsc_hz;
}

/* A deadline further than the timer can count is armed for as far as it can: it then comes early and is armed again. */
void timer_arm(uint64_t deadline_ns)
{
    uint64_t now = clock_now_ns();
    uint64_t wait_ns = deadline_ns > now ? deadline_ns - now : 0;
    uint64_t ticks;

    if (deadline_ns == TIMER_NEVER)
        ticks = 0;
    else if (wait_ns > UINT32_MAX / 4) /* 1 s: the product below fits */
        ticks = ((uint64_t)UINT32_MAX / 4 * apic_ticks_per_ns) >> 32;
    else
        ticks = (wait_ns * apic_ticks_per_ns) >> 32;
    if (ticks > UINT32_MAX)
        ticks = UINT32_MAX;
    if (ticks == 0 && deadline_ns != TIMER_NEVER)
        ticks = 1;
    apic_write(APIC_TIMER_INITIAL, (uint32_t)ticks);
}

void pit_start(uint32_t hz)
{
    uint32_t divisor = hz ? PIT_HZ / hz : 0;

    if (hz == 0) {
        outb(PIT_COMMAND, PIT_CHANNEL0_ONCE);
        outb(PIT_CHANNEL0, 1);
        outb(PIT_CHANNEL0, 0);
        return;
    }
    ASSERT(divisor >= 1 && divisor <= 65535);
    outb(PIT_COMMAND, PIT_CHANNEL0_PERIODIC);
    outb(PIT_CHANNEL0, (uint8_t)divisor);
    outb(PIT_CHANNEL0, (uint8_t)(divisor >> 8));
}
