/*
 * lib/clock.h on a PC: the TSC.
 */
#ifndef DUET_MACHINE_CLOCK_H
#define DUET_MACHINE_CLOCK_H

#include <stdint.h>

/* Nanoseconds in a tick of the TSC, in 2^-32; measured at boot. */
extern uint64_t clock_ns_per_tick;

static inline uint64_t clock_ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t clock_now_ns(void)
{
    uint64_t low = clock_ticks(), high;

    __asm__("mulq %2" : "+a"(low), "=d"(high) : "m"(clock_ns_per_tick) : "cc");
    __asm__("shrdq $32, %1, %0" : "+r"(low) : "r"(high) : "cc");
    return low;
}

#endif
