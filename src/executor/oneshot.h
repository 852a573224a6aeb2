/*
 * One value, once, from one sender to one receiver, each of them a task, a thread (bridge/block_on.h) or an interrupt.
 * Either end may leave instead: the other is told.
 *
 * The value is copied into the oneshot's storage, and is the receiver's there once a receive was ready. So cancel
 * safety is simple: a receive that is dropped has taken nothing, and another one finds the value.
 */
#ifndef DUET_EXECUTOR_ONESHOT_H
#define DUET_EXECUTOR_ONESHOT_H

#include "executor/future.h"
#include "lib/waiters.h"

enum oneshot_state {
    ONESHOT_OPEN,
    ONESHOT_SENT,
    ONESHOT_ABANDONED, /* by the sender: there will be no value */
    ONESHOT_CLOSED,    /* by the receiver: nobody wants one */
};

struct oneshot {
    enum oneshot_state state; /* in critical sections, as the waiters: one at most */
    struct waiters receiver;
    void *value; /* set once, as its size */
    size_t bytes;
};

/* Ready once there is a value, in the storage (STATUS_OK), or there will be none (STATUS_CLOSED). One at a time. */
struct oneshot_receive {
    struct future future;
    enum status status; /* once ready */
    struct oneshot *oneshot;
    struct waiter waiter;
};

/* Open; a value is at most COPY_BYTES_MAX large, and `storage`, which may be NULL for none, is the oneshot's until it
 * is received. Nobody may be using it. */
void oneshot_init(struct oneshot *oneshot, void *storage, size_t bytes);

/* The sender's end, one of them, once: sends a copy of the value, or none. STATUS_CLOSED if nobody wants it.
 * Context: any. */
enum status oneshot_send(struct oneshot *oneshot, const void *value);
void oneshot_abandon(struct oneshot *oneshot);

/* Context: task, thread. */
struct oneshot_receive oneshot_receive(struct oneshot *oneshot);

/* The receive's status if it were ready, STATUS_AGAIN if it were not. Context: any. */
enum status oneshot_receive_try(struct oneshot *oneshot) must_check;

/* The receiver's end leaves: no receive waits, and none follows. A value already sent stays. Context: any. */
void oneshot_close(struct oneshot *oneshot);

/* Whether the receiver has left, so that a long computation can end early. Context: any. */
bool oneshot_closed(struct oneshot *oneshot);

#endif
