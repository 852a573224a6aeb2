/*
 * Futures that let time or other tasks pass.
 */
#ifndef DUET_EXECUTOR_SLEEP_H
#define DUET_EXECUTOR_SLEEP_H

#include "executor/executor.h"

/* Ready at or after its deadline. */
struct sleep {
    struct future future;
    struct executor *executor; /* NULL: not polled yet */
    uint64_t deadline_ns;
    uint64_t duration_ns; /* until the first poll makes a deadline of it; 0: there is one */
    struct timer timer;
};

/* Ready at the second poll: every other ready task is polled in between. */
struct yield_now {
    struct future future;
    bool yielded;
};

/* NULL: the executor whose task polls it first. Context: any; polled by a task of `executor`. */
struct sleep sleep_until(struct executor *executor, uint64_t deadline_ns);

/* From its first poll on, on the executor whose task that is of. Context: any. */
struct sleep sleep_ns(uint64_t duration_ns);

/* Context: task. */
struct yield_now yield_now(void);

#endif
