/*
 * How long interrupts are off at a stretch, and how long preemption, at most, and whose code it is: irqoff=on.
 *
 * Each place that turns one of them off or on is listed in the section irq_sites: cli, popfq, the ways in and out of
 * interrupts and exceptions, the idle thread's halt, and the counts of preempt_disable() and preempt_enable(). They are
 * instructions of five bytes or more. Switched on, a call of a stub in irqoff.S takes the place of each, which does the
 * same and looks at the clock; switched off, there is nothing but longer encodings.
 *
 * A stretch without interrupts is one of the CPU, not of a thread: it may begin in one and end in the next. One within
 * another counts as part of it. A halt with interrupts on is none. One without preemption is from the first
 * preempt_disable() to the last preempt_enable(), with the interrupts between them; that interrupts are off, too, keeps
 * threads from switching does not count there.
 */
#ifndef DUET_KERNEL_IRQOFF_H
#define DUET_KERNEL_IRQOFF_H

#include "lib/base.h"

/* Addresses as a return address is: just behind the instruction. Of an interrupt or exception, just behind where its
 * vector's way in begins. */
struct irqoff_stretch {
    uint64_t ticks; /* of clock_ticks(), with the looking itself: see below */
    const void *begin, *end;
};

struct irqoff {
    struct irqoff_stretch longest;
    uint64_t began_ticks; /* the one that runs, if one does */
    const void *began;
};

extern struct irqoff irqoff_interrupts; /* interrupts off */
extern struct irqoff irqoff_preemption; /* with interrupts off, or by who keeps preemption off */

/*
 * What the looking adds: N instructions between the two that turn off and on read as N and these, where a tick is an
 * instruction. It is never subtracted. A stretch that an interrupt begins has no instructions before it that count: the
 * ten up to entry.S's site; one that iretq ends counts the stub up to its look at the clock.
 */
enum {
    IRQOFF_TICKS_CLI_TO_POPFQ = 18,
    IRQOFF_TICKS_PREEMPTION = 16,
};

/* Puts the calls in. Context: boot, interrupts off, once there are page tables. */
void irqoff_start(void);

/* Whether it was. Context: any. */
bool irqoff_on(void);

/* Forgets the longest stretches. Context: thread. */
void irqoff_reset(void);

/* Context: any. */
struct irqoff_stretch irqoff_longest(const struct irqoff *irqoff);
uint64_t irqoff_ns(const struct irqoff_stretch *stretch);

#endif
