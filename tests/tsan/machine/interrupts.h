/*
 * thread/arch.h's interrupts off and on, among threads of the host: one lock of the process, which nests.
 */
#ifndef DUET_MACHINE_INTERRUPTS_H
#define DUET_MACHINE_INTERRUPTS_H

#include "lib/base.h"

uint64_t irq_save(void);
void irq_restore(uint64_t flags);

#endif
