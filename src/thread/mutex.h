/*
 * Mutexes with priority inheritance.
 *
 * One thread owns it. The owner runs at the priority of the most urgent thread that waits for it, directly or by
 * owning what the owner itself waits for, and at its own again once it has unlocked, or nobody waits any more. An
 * unlock hands the mutex to the most urgent waiter, and of equals to the one that came first. Locking what one owns,
 * unlocking what one does not, closing a circle of waiters, and ending while owning one, panic.
 */
#ifndef DUET_THREAD_MUTEX_H
#define DUET_THREAD_MUTEX_H

#include <stdatomic.h>

#include "thread/sched.h"
#include "thread/wait_queue.h"

struct mutex {
    _Atomic uintptr_t owner; /* its address, plus MUTEX_CONTENDED while threads wait; 0: nobody */
    struct wait_queue queue; /* interrupts off */
    struct list contended;   /* interrupts off; among those of the owner, while threads wait */
};

enum { MUTEX_CONTENDED = 1 };

#define MUTEX_INIT(mutex)                       \
    {                                           \
        .queue = WAIT_QUEUE_INIT((mutex).queue) \
    }

/* Nobody may be using it. */
static inline void mutex_init(struct mutex *mutex)
{
    atomic_init(&mutex->owner, 0);
    wait_queue_init(&mutex->queue);
}

/* What is left of mutex_lock(), mutex_try() and mutex_unlock(). */
void mutex_lock_slowly(struct mutex *mutex);
void mutex_unlock_slowly(struct mutex *mutex);

/* Makes a free mutex the thread's. */
static inline bool mutex_take_free(struct mutex *mutex, struct thread *current)
{
    uintptr_t nobody = 0;

    if (unlikely(!atomic_compare_exchange_strong_explicit(&mutex->owner, &nobody, (uintptr_t)current,
                                                          memory_order_acquire, memory_order_relaxed)))
        return false;
    current->mutexes++;
    return true;
}

/* Waits until the mutex is the running thread's. Context: thread, not in a poll. */
static inline void mutex_lock(struct mutex *mutex)
{
    const struct cpu *cpu = cpu_this();

    if (unlikely(cpu->not_plain || cpu->current->may_not_park || !mutex_take_free(mutex, cpu->current)))
        mutex_lock_slowly(mutex);
}

/* The same, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if it was not to be had until then. A deadline
 * already past takes what is free. Context: thread, not in a poll. */
enum status mutex_lock_until(struct mutex *mutex, uint64_t deadline_ns) must_check;

/* Locks it if it is free. Context: thread; in a poll, if it is unlocked there. */
bool mutex_try(struct mutex *mutex) must_check;

/* A more urgent thread that gets it, or was kept waiting by an inherited priority, runs before this returns.
 * Context: thread. */
static inline void mutex_unlock(struct mutex *mutex)
{
    const struct cpu *cpu = cpu_this();
    uintptr_t owner = (uintptr_t)cpu->current;

    if (likely(cpu->irq_depth == 0 && atomic_compare_exchange_strong_explicit(
                                          &mutex->owner, &owner, 0, memory_order_release, memory_order_relaxed)))
        cpu->current->mutexes--;
    else
        mutex_unlock_slowly(mutex);
}

/* Who owns it, or NULL. Context: any. */
static inline struct thread *mutex_owner(struct mutex *mutex)
{
    return (struct thread *)(atomic_load_explicit(&mutex->owner, memory_order_relaxed) & ~(uintptr_t)MUTEX_CONTENDED);
}

#endif
