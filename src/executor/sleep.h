/*
 * Futures that let time or other tasks pass.
 */
#ifndef DUET_EXECUTOR_SLEEP_H
#define DUET_EXECUTOR_SLEEP_H

#include "executor/executor.h"

/* Ready at or after its deadline. */
struct sleep {
    struct future future;
    struct executor *executor;
    uint64_t deadline_ns;
    struct timer timer;
};

/* Ready at the second poll: every other ready task is polled in between. */
struct yield_now {
    struct future future;
    bool yielded;
};

/* Context: task of `executor`. */
struct sleep sleep_until(struct executor *executor, uint64_t deadline_ns);

/* Context: task. */
struct yield_now yield_now(void);

#endif
