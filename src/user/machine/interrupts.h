/*
 * What the kernel's machine/interrupts.h is to the drivers' sources, for a program: nothing comes between the steps of
 * its one thread that would see what they work on, so there is nothing to turn off.
 */
#ifndef DUET_MACHINE_INTERRUPTS_H
#define DUET_MACHINE_INTERRUPTS_H

#include "lib/base.h"

static inline uint64_t irq_save(void)
{
    return 0;
}

static inline void irq_restore(uint64_t flags)
{
    (void)flags;
}

static inline void preempt_count_up(int32_t *count)
{
    ++*count;
}

static inline bool preempt_count_down(int32_t *count)
{
    return --*count >= 0;
}

#endif
