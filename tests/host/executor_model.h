/*
 * An executor, its timers, its pool, cancels, and channels between its tasks and others, driven by support_random()
 * against a naive reference.
 *
 * The reference knows of each task only what it was told: whether it is ready, in what order, when it is due, whether
 * it is cancelled, what it sends or waits for. It predicts the trace of every round, with each message.
 */
#ifndef DUET_TESTS_EXECUTOR_MODEL_H
#define DUET_TESTS_EXECUTOR_MODEL_H

#include <stdint.h>

void executor_model_begin(uint64_t seed);
void executor_model_operate(void);

struct executor_model_counts {
    uint64_t sends, receives; /* by tasks */
    uint64_t lost_grants;     /* dropped with something held for them */
};

/* All tasks are cancelled, and nothing is left of them. */
void executor_model_end(struct executor_model_counts *counts);

#endif
