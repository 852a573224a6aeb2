/*
 * Reader-writer locks: many read, or one writes.
 *
 * Who comes to read while a writer waits waits behind it, so readers that keep coming starve no writer. When a writer
 * leaves, all readers that wait are let in together, before the next writer, so writers starve no reader: each side
 * waits for one turn of the other. Of the writers the most urgent is first, and of equals the one that came first.
 *
 * A writer runs at the priority of the most urgent thread that waits for it, readers or writers, as the owner of a
 * mutex does, and chains go through it. Readers inherit nothing: who they are is not recorded. It would take a list of
 * them, and a node for each lock each of them holds, and reading would cost more than the compare-and-swap it is; what
 * must be fast for an urgent thread that writes wants a mutex.
 *
 * Refused with a panic: locking what one writes, unlocking what one does not, closing a circle of writers and owners of
 * mutexes, ending while reading or writing. Not seen, since readers are not known, and a deadlock: reading twice while
 * a writer waits, writing what one reads, and a circle that goes through a reader.
 */
#ifndef DUET_THREAD_RWLOCK_H
#define DUET_THREAD_RWLOCK_H

#include "thread/mutex.h"

struct rwlock {
    _Atomic uintptr_t state; /* readers times RWLOCK_READER, or the writer's address plus RWLOCK_WRITER; and
                              * RWLOCK_CONTENDED while threads wait */
    struct mutex readers;    /* interrupts off; who waits, and lends the owner, the writer while threads wait, its  */
    struct mutex writers;    /* priority: nobody locks them */
};

enum { RWLOCK_CONTENDED = 1, RWLOCK_WRITER = 2, RWLOCK_READER = 4 };

#define RWLOCK_INIT(rwlock)                                                              \
    {                                                                                    \
        .readers = MUTEX_INIT((rwlock).readers), .writers = MUTEX_INIT((rwlock).writers) \
    }

/* Nobody may be using it. */
static inline void rwlock_init(struct rwlock *rwlock)
{
    atomic_init(&rwlock->state, 0);
    mutex_init(&rwlock->readers);
    mutex_init(&rwlock->writers);
}

/* Wait until the running thread may read, or write. Context: thread, not in a poll. */
void rwlock_read_lock(struct rwlock *rwlock);
void rwlock_write_lock(struct rwlock *rwlock);

/* The same, but return STATUS_TIMEOUT, at or after `deadline_ns`, if it was not to be had until then. A deadline
 * already past takes what is free. Readers that waited for a writer whose time is up are let in. Context: thread, not
 * in a poll.
 */
enum status rwlock_read_lock_until(struct rwlock *rwlock, uint64_t deadline_ns) must_check;
enum status rwlock_write_lock_until(struct rwlock *rwlock, uint64_t deadline_ns) must_check;

/* Lock it if nobody must be waited for. Context: thread; in a poll, if it is unlocked there. */
bool rwlock_read_try(struct rwlock *rwlock) must_check;
bool rwlock_write_try(struct rwlock *rwlock) must_check;

/* Of the thread that locked it. More urgent threads that get it, or were kept waiting by an inherited priority, run
 * before this returns. Context: thread. */
void rwlock_read_unlock(struct rwlock *rwlock);
void rwlock_write_unlock(struct rwlock *rwlock);

/* Makes the writer a reader, with no writer in between, and lets in the readers that wait. Context: thread. */
void rwlock_downgrade(struct rwlock *rwlock);

/* Who writes, or NULL. Context: any. */
static inline struct thread *rwlock_writer(struct rwlock *rwlock)
{
    uintptr_t state = atomic_load_explicit(&rwlock->state, memory_order_relaxed);

    return state & RWLOCK_WRITER ? (struct thread *)(state & ~(uintptr_t)(RWLOCK_WRITER | RWLOCK_CONTENDED)) : NULL;
}

/* How many read. Context: any. */
static inline size_t rwlock_readers(struct rwlock *rwlock)
{
    uintptr_t state = atomic_load_explicit(&rwlock->state, memory_order_relaxed);

    return state & RWLOCK_WRITER ? 0 : state / RWLOCK_READER;
}

#endif
