/*
 * thread/arch.h's interrupts off and on, on the host: simulated, in machine.c.
 */
#ifndef DUET_MACHINE_INTERRUPTS_H
#define DUET_MACHINE_INTERRUPTS_H

#include "lib/base.h"

uint64_t irq_save(void);
void irq_restore(uint64_t flags);
bool irq_enabled(void);

static inline void preempt_count_up(int32_t *count)
{
    ++*count;
}

static inline bool preempt_count_down(int32_t *count)
{
    return --*count >= 0;
}

#endif
