/*
 * The one lock type: what it protects may be touched from interrupts. On one CPU holding it is having interrupts off;
 * with more it will spin besides, and no caller changes. Held briefly, never across a park, a yield or a wake.
 */
#ifndef DUET_THREAD_LOCK_H
#define DUET_THREAD_LOCK_H

#include "thread/arch.h"

struct lock {
    bool held;
};

/* Returns what lock_release() needs. Context: any. */
static inline uint64_t lock_acquire(struct lock *lock)
{
    uint64_t flags = irq_save();

    ASSERT(!lock->held);
    lock->held = true;
    return flags;
}

static inline void lock_release(struct lock *lock, uint64_t flags)
{
    lock->held = false;
    irq_restore(flags);
}

#endif
