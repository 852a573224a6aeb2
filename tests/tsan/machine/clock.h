/*
 * lib/clock.h among threads of the host: the host's own clock.
 */
#ifndef DUET_MACHINE_CLOCK_H
#define DUET_MACHINE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void);
uint64_t clock_ticks(void);

#endif
