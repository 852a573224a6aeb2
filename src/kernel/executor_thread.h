/*
 * An executor that is one thread among others.
 */
#ifndef DUET_KERNEL_EXECUTOR_THREAD_H
#define DUET_KERNEL_EXECUTOR_THREAD_H

#include "executor/executor.h"
#include "thread/thread.h"

struct executor_thread {
    struct thread thread;
    struct executor executor;
    struct executor_thread *next;
};

/* Every executor thread, latest first, for reports and debuggers. */
extern struct executor_thread *executor_thread_all;

/* Starts a thread that polls its executor whenever a task is ready and is parked when none is. It never ends.
 * Context: thread. */
enum status executor_thread_start(struct executor_thread *self, const char *name, unsigned priority) must_check;

/* The task being polled by the running thread, NULL if none is. Context: any. */
const struct task *executor_thread_task(void);

#endif
