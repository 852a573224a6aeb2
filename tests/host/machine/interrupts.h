/*
 * thread/arch.h's interrupts off and on, on the host: simulated, in machine.c.
 */
#ifndef DUET_MACHINE_INTERRUPTS_H
#define DUET_MACHINE_INTERRUPTS_H

#include "lib/base.h"

uint64_t irq_save(void);
void irq_restore(uint64_t flags);
bool irq_enabled(void);

#endif
