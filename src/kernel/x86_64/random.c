/* RDRAND, or what is at hand without it. */
#include "kernel/x86_64/random.h"

#include "kernel/x86_64/cpu.h"

enum {
    CPUID_FEATURES = 1,
    FEATURE_RDRAND = 1 << 30, /* in ecx */
    RDRAND_TRIES = 10,        /* in a row without success mean that it is broken */

    PORT_RTC_INDEX = 0x70,
    PORT_RTC_DATA = 0x71,
};

static const uint8_t rtc_registers[] = {0, 2, 4, 7, 8, 9}; /* second, minute, hour, day, month, year */

static uint64_t mix(uint64_t state, uint64_t value)
{
    state = (state ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return state ^ state >> 32;
}

/* How long a port takes to answer varies too, on hardware. */
static uint64_t mix_of_times(void)
{
    uint64_t state = mix(0, rdtsc());

    for (size_t i = 0; i < ARRAY_SIZE(rtc_registers); i++) {
        outb(PORT_RTC_INDEX, rtc_registers[i]);
        state = mix(state, inb(PORT_RTC_DATA));
        state = mix(state, rdtsc());
    }
    return state;
}

uint64_t random_at_boot(void)
{
    uint64_t value;

    if (cpuid(CPUID_FEATURES).ecx & FEATURE_RDRAND)
        for (unsigned i = 0; i < RDRAND_TRIES; i++)
            if (rdrand(&value))
                return value;
    return mix_of_times();
}
