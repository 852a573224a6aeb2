/*
 * Condition variables: waiting, under a mutex, for what other threads change under it.
 *
 * A wait unlocks the mutex and begins in one: a signal by whoever locks it next is not lost. It returns owning the
 * mutex, always. Nobody returns without a signal or a timeout of its own; but others may have owned the mutex in
 * between, so the caller asks its condition again.
 *
 * A signal chooses the most urgent waiter, and of equals the one that came first. The chosen one owns the mutex at once
 * if it is free, else it waits for it as if it had locked it: it does not run to find it taken, and lends the owner its
 * priority. All who wait at a time use the same mutex.
 */
#ifndef DUET_THREAD_CONDVAR_H
#define DUET_THREAD_CONDVAR_H

#include "thread/mutex.h"

struct condvar {
    struct wait_queue queue; /* interrupts off */
    struct mutex *mutex;     /* interrupts off; of those who wait */
};

#define CONDVAR_INIT(condvar)                     \
    {                                             \
        .queue = WAIT_QUEUE_INIT((condvar).queue) \
    }

/* Nobody may be using it. */
static inline void condvar_init(struct condvar *condvar)
{
    wait_queue_init(&condvar->queue);
    condvar->mutex = NULL;
}

/* Unlocks `mutex`, which the running thread owns, waits for a signal, and returns when it owns it again. Waiting for
 * the mutex of a thread that waits for the running one panics, though that shows only at the signal.
 * Context: thread, not in a poll. */
void condvar_wait(struct condvar *condvar, struct mutex *mutex);

/*
 * The same, but waits for a signal until `deadline_ns` only: returns STATUS_TIMEOUT, at or after it, if none has chosen
 * the thread until then. It owns the mutex then too, and waits for that without a limit: whoever is chosen in time gets
 * STATUS_OK, however late it gets the mutex. A deadline already past keeps the mutex locked throughout.
 * Context: thread, not in a poll.
 */
enum status condvar_wait_until(struct condvar *condvar, struct mutex *mutex, uint64_t deadline_ns) must_check;

/*
 * Choose one that waits, or all of them; nobody waiting, nothing is kept. The mutex may be owned or not: owned, what
 * the chosen one waits for cannot change before it runs, unless others wait for the mutex before it. A more urgent
 * thread that gets it runs before this returns. All are those that wait at the call, but for whom a deadline takes out
 * before its turn: interrupts are let in after each, and preemption is off meanwhile. Context: thread.
 */
void condvar_signal(struct condvar *condvar);
void condvar_broadcast(struct condvar *condvar);

#endif
