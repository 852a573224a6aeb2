/*
 * What a thread has been through beside its run time: how it lost the CPU, and how long it waited for it once woken.
 *
 * All of it is counted while cpu.insight is on, and costs nothing while it is off: then no thread has
 * ATTENTION_INSIGHT, and those that wait look as they always do. On, every switch goes the way of attention, and
 * whoever begins to wait there is marked so that its wake takes a way that is there for other reasons, and out of line:
 *   - a parked thread's condition is THREAD_PARKED_WATCHED, which no wake takes for THREAD_PARKED;
 *   - one in a wait queue without a deadline has one at TIMER_NEVER, to be taken back as any other;
 *   - a sleeper's deadline wakes another waker.
 */
#ifndef DUET_THREAD_ACCOUNT_H
#define DUET_THREAD_ACCOUNT_H

#include "thread/thread.h"

/* At the lowest end of a thread's stack, where only a stack all but overflown comes to. Interrupts off. */
struct account {
    uint64_t voluntary;   /* times it gave up the CPU: it waited, or yielded it to an equal */
    uint64_t forced;      /* times it was taken from it, ready: to a more urgent thread, or at the end of its turn */
    uint64_t wakes;       /* times it ran after a wake or a deadline ended its wait; its start is none */
    uint64_t wake_ns_sum; /* from there to its running, all of them together */
    uint64_t wake_ns_max;
    uint64_t woken_ns; /* since when, while ATTENTION_WOKEN is set */
};
_Static_assert(sizeof(struct account) == 48, "duet.gdb's users see these six words");

/* Turns insight on or off, for all threads: on, accounts begin at zero. Context: thread, boot. */
void account_insight(bool on);

/* NULL: the thread has none, as insight is off or it has not run yet. Context: interrupts off, or the thread's own. */
static inline struct account *account_of(const struct thread *thread)
{
    return thread->attention & ATTENTION_INSIGHT ? thread->stack : NULL;
}

/* Takes the time in an interrupt, from `begin_ns` until now, off the thread that it came to. Context: irq, insight on.
 */
void account_interrupt(uint64_t begin_ns);

/* ---- for src/thread, interrupts off and insight on --------------------------------------------------------------- */

/* The CPU goes from one thread to the other at this time. */
void account_switch(struct thread *previous, struct thread *next, uint64_t now_ns, bool forced);

/* The thread's wait has ended; it is being made ready. */
void account_woken(struct thread *thread);

/* A thread in a wait queue, its deadline in no timer queue, goes on waiting in another one. */
void account_moved(struct thread *thread);

#endif
