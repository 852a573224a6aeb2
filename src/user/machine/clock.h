/*
 * lib/clock.h for a program: by system call, and the TSC.
 */
#ifndef DUET_MACHINE_CLOCK_H
#define DUET_MACHINE_CLOCK_H

#include <stdint.h>

#include "user/duet.h"

static inline uint64_t clock_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static inline uint64_t clock_now_ns(void)
{
    return (uint64_t)duet_clock();
}

#endif
