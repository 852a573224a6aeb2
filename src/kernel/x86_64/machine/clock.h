/*
 * lib/clock.h on a PC: the TSC.
 */
#ifndef DUET_MACHINE_CLOCK_H
#define DUET_MACHINE_CLOCK_H

#include <stdint.h>

/* Nanoseconds in a tick of the TSC, in 2^-32; measured at boot. */
extern uint64_t clock_ns_per_tick;

/* RDTSC clears the upper halves of both registers (Intel SDM vol. 2). */
static inline uint64_t clock_ticks(void)
{
    uint64_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return high << 32 | low;
}

static inline uint64_t clock_now_ns(void)
{
    uint64_t now_ns, high;

    __asm__ volatile("rdtsc\n"
                     "shl $32, %%rdx\n"
                     "or %%rdx, %%rax\n"
                     "mulq %2\n"
                     "shrd $32, %%rdx, %%rax\n"
                     : "=a"(now_ns), "=&d"(high)
                     : "m"(clock_ns_per_tick)
                     : "memory", "cc");
    return now_ns;
}

#endif
