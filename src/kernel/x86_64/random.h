/*
 * Bits that an attacker does not know, for the stack protector. Few and early: no generator for anybody else.
 * Facts: Intel SDM vol. 1, 7.3.17 (RDRAND); Motorola MC146818, table 3 (the real-time clock's registers).
 */
#ifndef DUET_KERNEL_RANDOM_H
#define DUET_KERNEL_RANDOM_H

#include "lib/base.h"

/* From RDRAND; on a CPU without it, from the time stamp and the date, which differ between boots but can be guessed.
 * Context: boot. */
uint64_t random_at_boot(void);

#endif
