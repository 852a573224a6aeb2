/*
 * Waiting in a task for another task's end.
 */
#ifndef DUET_EXECUTOR_TASK_JOIN_H
#define DUET_EXECUTOR_TASK_JOIN_H

#include "executor/task_pool.h"

/* Ready once the task has ended. Dropped before that, it leaves the task to be joined by somebody else. */
struct task_join {
    struct future future;
    struct task *task;
    struct waker *waker; /* what it left with the task */
    uintptr_t value;     /* the task's */
};

/* One joiner a task; a pool's slot is given back by it, whose handle means nothing from then on. A handle whose life is
 * over is a named panic. Context: any; polled in a task of any executor. */
struct task_join task_join(struct task *task);
struct task_join task_handle_join(struct task_handle handle);

/* The value of a task that is done, which is thereby joined: a pool's slot is given back. For who waits for task->done
 * in another way. Context: any. */
uintptr_t task_take_value(struct task *task);

#endif
