/*
 * What the pure core is built on, among threads of the host that run at the same time: a waker that is a thread, and
 * executors of one thread each. Critical sections are one lock (machine/interrupts.h).
 */
#ifndef DUET_TESTS_TSAN_HOST_THREADS_H
#define DUET_TESTS_TSAN_HOST_THREADS_H

#include <pthread.h>

#include "executor/executor.h"

/* One thread that parks until it is woken; a wake that comes first is kept. */
struct parking {
    struct waker waker;
    pthread_mutex_t lock;
    pthread_cond_t woken_now;
    bool woken;
};

void parking_init(struct parking *parking);
void parking_wait(struct parking *parking, uint64_t until_ns);

struct host_executor {
    struct executor executor;
    struct parking parking;
    pthread_t thread;
};

void host_executor_start(struct host_executor *self);

/* Waits until it has no task left. */
void host_executor_stop(struct host_executor *self);

/* Polls the future in the calling thread until it is ready; waits for the end of a task. */
void host_block_on(struct parking *parking, struct future *future);
void host_wait(struct parking *parking, struct task *task);

void host_thread_start(pthread_t *thread, void *(*entry)(void *argument), void *argument);
void host_thread_join(pthread_t thread);

#endif
