/*
 * The one lock that interrupts may take too. On one CPU holding it is having interrupts off; with more it will spin
 * besides, and no caller changes. Held briefly, and never across a wake. It counts as preemption disabled, so who
 * waits, yields or ends while holding one panics.
 */
#ifndef DUET_THREAD_LOCK_H
#define DUET_THREAD_LOCK_H

#include "thread/arch.h"
#include "thread/sched.h"

struct lock {
    bool held;
};

/* Returns what lock_release() needs. Context: any. */
static inline uint64_t lock_acquire(struct lock *lock)
{
    uint64_t flags = irq_save();

    ASSERT(!lock->held);
    lock->held = true;
    cpu_this()->preempt_count++;
    return flags;
}

static inline void lock_release(struct lock *lock, uint64_t flags)
{
    lock->held = false;
    cpu_this()->preempt_count--;
    irq_restore(flags);
}

#endif
