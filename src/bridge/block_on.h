/*
 * The thread style of whatever has a task style: a thread that polls a future itself, and parks between the polls. Its
 * waker is a waker like a task's, so there is nothing else to it. Not for futures that belong to an executor: a sleep.
 */
#ifndef DUET_BRIDGE_BLOCK_ON_H
#define DUET_BRIDGE_BLOCK_ON_H

#include "executor/future.h"

/* Waits until `future` is ready. Context: thread, not in a poll. */
void block_on(struct future *future);

/* The same, but drops it and returns STATUS_TIMEOUT if it is not ready at `deadline_ns`, or when the thread is
 * cancelled: what that leaves undone is the future's to say. It is polled once even if the deadline is past. Context:
 * thread, not in a poll. */
enum status block_on_until(struct future *future, uint64_t deadline_ns) must_check;

#endif
