/*
 * The simplest executor there is, to compare with: it polls its tasks one after the other, whether anything woke them
 * or not, until all are ready. The CPU never rests meanwhile.
 */
#ifndef DUET_EXECUTOR_SIMPLE_EXECUTOR_H
#define DUET_EXECUTOR_SIMPLE_EXECUTOR_H

#include "executor/future.h"

struct simple_task {
    struct future *future;
    struct simple_task *next;
};

struct simple_executor {
    struct simple_task *first, *last;
    uint64_t polls;
};

/* Both structs are the caller's until simple_executor_run() returns. Futures that need an executor of their own, such
 * as sleeps, have none here. Context: thread, a task of it. */
void simple_executor_spawn(struct simple_executor *executor, struct simple_task *task, struct future *future);

/* Returns once no task is left. Context: thread. */
void simple_executor_run(struct simple_executor *executor);

#endif
