/*
 * A critical section: a few instructions that no interrupt and no other flow comes between. On one CPU it is having
 * interrupts off, where the machine has them (machine/interrupts.h); a host with several threads may have one lock of
 * the process there instead, and what is built on this is then safe between its threads. They nest.
 *
 * A wake in a critical section cannot come too late: whoever takes its waker back does so in one too. The switch that
 * the wake may call for is made at the end.
 */
#ifndef DUET_LIB_CRITICAL_H
#define DUET_LIB_CRITICAL_H

#include <machine/interrupts.h>

#include "lib/base.h"

/* Returns what the end of the section needs. Context: any. */
must_check static inline uint64_t critical_enter(void)
{
    return irq_save();
}

/* Ends a section in which nothing was woken. */
static inline void critical_leave(uint64_t flags)
{
    irq_restore(flags);
}

/* Ends a section in which something may have been woken: if it is more urgent it runs before this returns, or, called
 * with interrupts off, once they are on and something else is woken or an interrupt ends. The scheduler defines it. */
void critical_leave_woken(uint64_t flags);

/* Lets interrupts in amid a long section, and only them: no other thread runs, whatever was woken. Called with
 * interrupts off it does nothing. Context: in a critical section. The scheduler defines it, too. */
void critical_pause(uint64_t flags);

/* Whether an interrupt is being handled: it may not wait for anything. Context: any. The scheduler defines it, too. */
bool critical_interrupted(void);

#endif
