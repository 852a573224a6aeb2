/*
 * Threads that wait for something, the most urgent first, equals in the order they came: what semaphores and mutexes
 * are made of, and, for what they do not fit, a wait for any condition.
 *
 * A thread in a queue is THREAD_WAITING. Only wait_queue_wake() and its deadline end that: a wake of the thread itself
 * is kept for its next park. Entering a queue steps over the threads less urgent, leaving it is constant-time.
 */
#ifndef DUET_THREAD_WAIT_QUEUE_H
#define DUET_THREAD_WAIT_QUEUE_H

#include "lib/base.h"
#include "lib/list.h"

struct wait_queue {
    struct list threads; /* of their rings */
};

#define WAIT_QUEUE_INIT(queue)                \
    {                                         \
        .threads = LIST_INIT((queue).threads) \
    }

static inline void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->threads);
}

/*
 * Waits until `condition` holds: it is asked first of all, and again after each wake. It is asked with interrupts off,
 * so nothing comes between its yes and the return, and it may take what it waited for as it says so; nothing comes
 * between its no and the wait either: whoever makes it true and then wakes the queue is never missed. It is brief and
 * does not wait. Context: thread, not in a poll.
 */
void wait_queue_wait(struct wait_queue *queue, bool (*condition)(void *), void *argument);

/* The same, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if the condition does not hold then. Context:
 * thread, not in a poll. */
enum status wait_queue_wait_until(struct wait_queue *queue, bool (*condition)(void *), void *argument,
                                  uint64_t deadline_ns) must_check;

/*
 * Wakes the first that waits, or all of them, to ask their conditions; one whose condition does not hold waits on,
 * behind its equals. Waking one is for waiters that all wait for the same: the wake is not passed on. Nobody waiting,
 * nothing is kept. A more urgent thread runs before this returns; called with interrupts off, once they are on and
 * something else is woken or an interrupt ends.
 *
 * Those are woken that wait when all are, and each once: all are made ready before any of them runs, with preemption
 * off, and interrupts let in after each. Called with interrupts off, they stay off. Context: any.
 */
void wait_queue_wake_one(struct wait_queue *queue);
void wait_queue_wake_all(struct wait_queue *queue);

#endif
