/*
 * The latest of a value that changes: any number of writers, each of them a task, a thread or an interrupt, and of
 * readers, who may look at any time and wait for a change (tasks; threads by bridge/block_on.h).
 *
 * Each value has a version, from 1 on. A reader keeps the version it has seen, so nothing is handed to anybody, and
 * cancel safety is free: a wait that is dropped has missed nothing. Values in between may be missed, the last never.
 */
#ifndef DUET_EXECUTOR_WATCH_H
#define DUET_EXECUTOR_WATCH_H

#include "executor/future.h"
#include "lib/waiters.h"

struct watch {
    uint64_t version; /* of the value; 0: none yet. In critical sections, as the waiters and the value */
    struct waiters waiters;
    void *value; /* set once, as its size */
    size_t bytes;
};

/* Ready once the version is another than the one seen. */
struct watch_changed {
    struct future future;
    struct watch *watch;
    uint64_t seen;
    struct waiter waiter;
};

/* Without a value; `storage` is the watch's from now on. 1 to COPY_BYTES_MAX bytes. Nobody may be using it. */
void watch_init(struct watch *watch, void *storage, size_t bytes);

/* Makes a copy of `*value` the latest, and wakes all who wait, some at a time. Context: any. */
void watch_set(struct watch *watch, const void *value);

/* Copies the latest value and returns its version; 0, and nothing copied, if there is none yet. Context: any. */
uint64_t watch_get(struct watch *watch, void *value);

/* Context: task, thread. */
struct watch_changed watch_changed(struct watch *watch, uint64_t seen);

#endif
