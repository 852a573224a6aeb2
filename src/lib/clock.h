/*
 * Time, as the portable layers see it: a seam that the kernel and the host tests each define at link time.
 *
 * Only drivers, the thread layer and the log may ask for the time; the rest of lib and executor take it as a parameter.
 */
#ifndef DUET_LIB_CLOCK_H
#define DUET_LIB_CLOCK_H

#include <stdint.h>

/* Monotonic nanoseconds since some moment during boot. Context: any. */
uint64_t clock_now_ns(void);

/* The raw counter that latency is stamped with: rdtsc. Under icount one tick is one instruction. Context: any. */
uint64_t clock_ticks(void);

#endif
