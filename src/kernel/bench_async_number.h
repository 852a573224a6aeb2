/*
 * The example that executors are introduced with: a task that awaits a number and prints `async number: 42`, on the
 * simplest executor, which polls whether anything woke it or not.
 */
#ifndef DUET_KERNEL_BENCH_ASYNC_NUMBER_H
#define DUET_KERNEL_BENCH_ASYNC_NUMBER_H

#include "lib/base.h"

struct async_number {
    unsigned number;
    uint64_t polls;
};

/* Runs it. Context: thread. */
struct async_number async_number_run(void);

#endif
