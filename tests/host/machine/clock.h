/*
 * lib/clock.h on the host: the clock that tests set.
 */
#ifndef DUET_MACHINE_CLOCK_H
#define DUET_MACHINE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void);
uint64_t clock_ticks(void);

#endif
