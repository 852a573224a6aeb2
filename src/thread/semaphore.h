/*
 * Counting semaphores: units that are given and taken.
 *
 * A unit given while threads wait is handed to the most urgent of them, and of equals to the one that came first:
 * nobody who comes later can take it, and nobody is woken for nothing.
 */
#ifndef DUET_THREAD_SEMAPHORE_H
#define DUET_THREAD_SEMAPHORE_H

#include <stdatomic.h>

#include "thread/thread.h"
#include "thread/wait_queue.h"

struct semaphore {
    _Atomic int32_t units; /* -1: threads may wait, and there are none */
    struct wait_queue queue;
};

#define SEMAPHORE_INIT(semaphore, initial)                              \
    {                                                                   \
        .units = (initial), .queue = WAIT_QUEUE_INIT((semaphore).queue) \
    }

/* Nobody may be using it. */
static inline void semaphore_init(struct semaphore *semaphore, int32_t units)
{
    ASSERT(units >= 0);
    atomic_init(&semaphore->units, units);
    wait_queue_init(&semaphore->queue);
}

/* Takes a unit, and waits for one if there is none. Context: thread, not in a poll. */
void semaphore_take(struct semaphore *semaphore);

/* The same, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if no unit came until then. A deadline already past
 * takes what is there. Context: thread, not in a poll. */
enum status semaphore_take_until(struct semaphore *semaphore, uint64_t deadline_ns) must_check;

/* Takes a unit if there is one. Context: any. */
bool semaphore_try(struct semaphore *semaphore) must_check;

/* Gives a unit. A more urgent thread that gets it runs before this returns; called with interrupts off, once they are
 * on and something else is woken or an interrupt ends. Context: any. */
void semaphore_give(struct semaphore *semaphore);

/* How many units could be taken now. Context: any. */
static inline unsigned semaphore_units(struct semaphore *semaphore)
{
    int32_t units = atomic_load_explicit(&semaphore->units, memory_order_relaxed);

    return units > 0 ? (unsigned)units : 0;
}

#endif
