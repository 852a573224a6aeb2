/*
 * An executor that is one thread among others.
 */
#ifndef DUET_KERNEL_EXECUTOR_THREAD_H
#define DUET_KERNEL_EXECUTOR_THREAD_H

#include "executor/insight.h"
#include "thread/thread.h"

struct executor_thread {
    struct thread thread;
    struct executor executor;
    struct executor_thread *next;
};

/* Every executor thread, latest first, for reports and debuggers. */
extern struct executor_thread *executor_thread_all;

/* Whether executors that are started from now on count and time their tasks. Set at boot; off. */
extern bool executor_thread_insight;

/* Whether these say of a poll that it does not return, while it does not: by a timer for each poll. Set at boot; off.
 */
extern bool executor_thread_watchdog;

/* Starts a thread that polls its executor whenever a task is ready and is parked when none is. It ends
 * only by executor_thread_stop(). Context: thread. */
enum status executor_thread_start(struct executor_thread *self, const char *name, unsigned priority) must_check;

/* Waits until its executor has no task left, and ends it. Context: thread, not one of its tasks. */
void executor_thread_stop(struct executor_thread *self);

/* The task being polled by the running thread, NULL if none is. Context: any. */
const struct task *executor_thread_task(void);

#endif
