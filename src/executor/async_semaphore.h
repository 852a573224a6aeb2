/*
 * Semaphores for tasks, and for threads by bridge/block_on.h; interrupts try and give.
 *
 * First come first served, whatever is asked for: who wants many units is not overtaken by who wants few. Units are
 * held for a waiter from when they are there for it. Cancel safety: a wait that is dropped gives them back, to the
 * next.
 */
#ifndef DUET_EXECUTOR_ASYNC_SEMAPHORE_H
#define DUET_EXECUTOR_ASYNC_SEMAPHORE_H

#include "executor/future.h"
#include "lib/waiters.h"

struct async_semaphore {
    uint32_t units; /* fewer than the first who waits wants. Critical sections */
    struct waiters waiters;
};

/* Ready once it has taken its units: they are the caller's then. Dropped before, it has none. */
struct async_semaphore_take {
    struct future future;
    struct async_semaphore *semaphore;
    uint32_t units;
    struct waiter waiter;
};

/* Nobody may be using it. */
void async_semaphore_init(struct async_semaphore *semaphore, uint32_t units);

/* Context: task, thread. */
struct async_semaphore_take async_semaphore_take(struct async_semaphore *semaphore, uint32_t units);

/* Takes the units if they are there and nobody waits. Context: any. */
bool async_semaphore_try(struct async_semaphore *semaphore, uint32_t units) must_check;

/* Wakes whoever these units are enough for, some at a time. Context: any. */
void async_semaphore_give(struct async_semaphore *semaphore, uint32_t units);

/* How many units nobody has. Context: any. */
uint32_t async_semaphore_units(struct async_semaphore *semaphore);

#endif
