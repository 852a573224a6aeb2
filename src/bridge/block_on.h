/*
 * The thread style of whatever has a task style: a thread that polls a future itself, and parks between the polls. Its
 * waker is a waker like a task's, so there is nothing else to it. A future that belongs to an executor, as a sleep
 * does, needs one to be polled by: executor_block_on() runs it here.
 */
#ifndef DUET_BRIDGE_BLOCK_ON_H
#define DUET_BRIDGE_BLOCK_ON_H

#include "executor/executor.h"

/* Waits until `future` is ready. Context: thread, not in a poll. */
void block_on(struct future *future);

/* The same, but drops it and returns STATUS_TIMEOUT if it is not ready at `deadline_ns`, or when the thread is
 * cancelled: what that leaves undone is the future's to say. It is polled once even if the deadline is past. Context:
 * thread, not in a poll. */
enum status block_on_until(struct future *future, uint64_t deadline_ns) must_check;

/* Runs the executor on the running thread, which parks meanwhile, until the future is ready, and returns the value that
 * the future said. `executor` is initialised here; other tasks spawned on it are polled too, for so long. Context:
 * thread, not in a poll. */
uintptr_t executor_block_on(struct executor *executor, struct future *future);

#endif
