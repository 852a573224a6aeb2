/*
 * Time, as the portable layers see it: a seam that the kernel and the host tests each define in their machine/clock.h.
 *
 * Only drivers, the thread layer and the log may ask for the time; the rest of lib and executor take it as a parameter.
 */
#ifndef DUET_LIB_CLOCK_H
#define DUET_LIB_CLOCK_H

/*
 * Context: any.
 *
 * uint64_t clock_now_ns(void): monotonic nanoseconds since some moment during boot.
 * uint64_t clock_ticks(void): the raw counter that latency is stamped with, rdtsc. Under icount one tick is one
 * instruction.
 */
#include <machine/clock.h>

#endif
