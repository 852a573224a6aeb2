/*
 * Inside src/executor: what the executor, its pools and its insight need of each other.
 */
#ifndef DUET_EXECUTOR_INTERNAL_H
#define DUET_EXECUTOR_INTERNAL_H

#include "executor/executor.h"
#include "executor/insight.h"
#include "executor/task_pool.h"

/* Tells who waits for a task that it has ended. It may be more urgent, and cancelled, and free its memory: not between
 * the exchange and the wake. Context: the executor's thread. */
void task_signal_waiter(struct task *task);

/* Ends a pooled task: tells who joins it, or gives its slot back if nobody does. Context: the executor's thread. */
void task_pool_finish(struct task *task);

/* Gives back the slot of a task that has ended. Context: any. */
void task_pool_release(struct task *task);

/* The pool's next task that was polled and has not ended, after `task`; NULL the first or last. Context: as
 * executor_next_task(). */
struct task *task_pool_next(const struct task_pool *pool, const struct task *task);

/* A turn of the task, which was taken from the inbox: false if it ended, and may be its owner's again. Context: the
 * executor's thread. */
bool task_turn(struct executor *executor, struct task *task);

/* What wakes a task that insight counts the wakes of. Context: any. */
void insight_wake(struct waker *waker);

/* Whether an executor passed the waker to a poll. */
static inline bool is_tasks_waker(const struct waker *waker)
{
    return likely(waker->wake == task_wake) || waker->wake == insight_wake;
}

#endif
