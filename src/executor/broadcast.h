/*
 * Every message to every receiver: senders, each of them a task, a thread or an interrupt, never wait, and overwrite
 * the oldest message; a receiver (a task; a thread by bridge/block_on.h) that lags behind further than the messages
 * kept is told how many it has lost, exactly. Received + lost = sent since it subscribed.
 *
 * A receiver is a position of its own, which only a receive that is ready moves. So cancel safety is free: a receive
 * that is dropped has taken nothing.
 */
#ifndef DUET_EXECUTOR_BROADCAST_H
#define DUET_EXECUTOR_BROADCAST_H

#include "executor/future.h"
#include "lib/waiters.h"

struct broadcast {
    uint64_t sent; /* in critical sections, as all but what is set once */
    bool closed;
    struct waiters waiters;
    uint32_t capacity; /* set once, as all that follows */
    size_t message_bytes;
    unsigned char *storage;
};

/* A receiver's own, used by one flow at a time. There is nothing to end. */
struct broadcast_receiver {
    struct broadcast *broadcast;
    uint64_t next;   /* the number of the message it takes next */
    uint64_t missed; /* lost just before the message that it took last */
    uint64_t lost;   /* in all */
};

/* Ready once a message is taken (STATUS_OK), or it is closed and there will be none (STATUS_CLOSED). */
struct broadcast_receive {
    struct future future;
    enum status status; /* once ready */
    struct broadcast_receiver *receiver;
    void *message;
    struct waiter waiter;
};

/* Empty; `storage` has room for `capacity` messages, a power of two, of 1 to COPY_BYTES_MAX bytes. Nobody may be using
 * it. */
void broadcast_init(struct broadcast *broadcast, void *storage, size_t message_bytes, uint32_t capacity);

/* A receiver of all that is sent from now on. Context: any. */
struct broadcast_receiver broadcast_subscribe(struct broadcast *broadcast);

/* Sends a copy of the message, and wakes all who wait, some at a time. STATUS_CLOSED if it is closed. Context: any. */
enum status broadcast_send(struct broadcast *broadcast, const void *message);

/* Nothing more is sent; what was sent can still be taken. Context: any. */
void broadcast_close(struct broadcast *broadcast);

/* Takes the oldest message that the receiver has not taken and that is kept: STATUS_OK, STATUS_AGAIN if there is none
 * yet, or STATUS_CLOSED. Context: any. */
enum status broadcast_receive_try(struct broadcast_receiver *receiver, void *message) must_check;

/* Context: task, thread. */
struct broadcast_receive broadcast_receive(struct broadcast_receiver *receiver, void *message);

#endif
