/*
 * Inside src/thread: what condition variables and reader-writer locks need of mutexes beyond locking them. All of it
 * with interrupts off; a switch that comes due is left to leave() or reschedule().
 */
#ifndef DUET_THREAD_MUTEX_INTERNAL_H
#define DUET_THREAD_MUTEX_INTERNAL_H

#include "thread/mutex.h"
#include "thread/switching.h"

/* Unlocks a mutex of the running thread, which is about to wait for something else: what it inherits goes at once. */
void mutex_release(struct cpu *cpu, struct mutex *mutex);

/* Makes a thread that waits, in no ring, the owner, and ready, or puts it in the queue of a mutex that is owned. Panics
 * if the owner waits for it. */
void mutex_grant(struct cpu *cpu, struct mutex *mutex, struct thread *thread);

/* Gives a thread that gained or lost a waiter the priority it is due, and so on along the chain of owners. */
void mutex_inherit(struct cpu *cpu, struct thread *thread);

/* Panics if the owner is `thread`, or waits for it in the end. A mutex that nobody owns is a reader-writer lock's. */
void mutex_refuse_deadlock(struct mutex *mutex, const struct thread *thread);

#endif
