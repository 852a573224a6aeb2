/*
 * Threads that wait for something, the most urgent first, equals in the order they came: what semaphores and mutexes
 * are made of.
 *
 * A thread in a queue is THREAD_WAITING. Only wait_queue_wake() and its deadline end that: a wake of the thread itself
 * is kept for its next park. Entering a queue steps over the threads less urgent, leaving it is constant-time.
 */
#ifndef DUET_THREAD_WAIT_QUEUE_H
#define DUET_THREAD_WAIT_QUEUE_H

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

#endif
