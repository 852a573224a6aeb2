/*
 * Mutexes for tasks, and for threads by bridge/block_on.h: what they protect stays theirs across awaits. Held by a
 * guard, not by a task or thread, and handed over first come first served. No inheritance of priorities: between
 * threads alone, thread/mutex.h is better.
 *
 * Cancel safety: a guard may be dropped in any state, zeroed and locked too; it then neither waits nor owns anything. A
 * body that keeps a guard locked across an await has a drop of its own, which drops the guard.
 */
#ifndef DUET_EXECUTOR_ASYNC_MUTEX_H
#define DUET_EXECUTOR_ASYNC_MUTEX_H

#include "executor/async_semaphore.h"

struct async_mutex {
    struct async_semaphore free; /* one unit, which is the ownership */
};

/* Ready once it owns the mutex. */
struct async_mutex_guard {
    struct future future;
    bool locked; /* ready, and not unlocked since */
    struct async_semaphore_take take;
};

/* Free. Nobody may be using it. */
static inline void async_mutex_init(struct async_mutex *mutex)
{
    async_semaphore_init(&mutex->free, 1);
}

/* Context: task, thread. */
struct async_mutex_guard async_mutex_lock(struct async_mutex *mutex);

/* Locks at once if the mutex is free; `*guard` is written anyway. Context: any. */
bool async_mutex_try(struct async_mutex *mutex, struct async_mutex_guard *guard) must_check;

/* The mutex is the next one's who waits. The guard is locked. Context: any. */
void async_mutex_unlock(struct async_mutex_guard *guard);

#endif
