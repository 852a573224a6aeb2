/*
 * Message queues: messages of one size, first in, first out, in storage of the caller's.
 *
 * A message sent while threads wait to receive is copied straight to the most urgent of them, and of equals to the one
 * that came first; nobody who comes later can take it. While the queue is full, senders wait in the same order, and the
 * message of the first is taken in by whoever makes room: it is the next in the queue, and nobody overtakes it. A
 * sender whose time is up has sent nothing.
 */
#ifndef DUET_THREAD_MESSAGE_QUEUE_H
#define DUET_THREAD_MESSAGE_QUEUE_H

#include "thread/thread.h"
#include "thread/wait_queue.h"

/* Messages are copied with interrupts off, two at most at a time: larger ones are sent by their address. */
enum { MESSAGE_QUEUE_BYTES_MAX = 256 };

/* Interrupts off. */
struct message_queue {
    unsigned char *in;  /* where the next message goes */
    unsigned char *out; /* the oldest message, if there is any */
    unsigned count;     /* capacity, if threads wait to send; 0, if threads wait to receive */
    unsigned capacity;  /* set once, as all that follows */
    size_t message_bytes;
    unsigned char *storage, *end;
    struct wait_queue receivers;
    struct wait_queue senders;
};

/* Empty; `storage` has room for `capacity` messages of `message_bytes`, without alignment, and is the queue's from now
 * on. 1 to MESSAGE_QUEUE_BYTES_MAX bytes, at least one message. Nobody may be using it. */
void message_queue_init(struct message_queue *queue, void *storage, size_t message_bytes, unsigned capacity);

/* Sends a copy of the message, and waits for room if there is none. A more urgent thread that gets it runs before this
 * returns. Context: thread, not in a poll. */
void message_queue_send(struct message_queue *queue, const void *message);

/* The same, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if there was no room until then. A deadline already
 * past takes the room that is there. Context: thread, not in a poll. */
enum status message_queue_send_until(struct message_queue *queue, const void *message, uint64_t deadline_ns) must_check;

/* Sends the message if there is room. Called with interrupts off, a more urgent thread that gets it runs once they are
 * on and something else is woken or an interrupt ends. Context: any. */
bool message_queue_send_try(struct message_queue *queue, const void *message) must_check;

/* Takes the oldest message, and waits for one if there is none. Context: thread, not in a poll. */
void message_queue_receive(struct message_queue *queue, void *message);

/* The same, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if no message came until then; `*message` is then
 * untouched. A deadline already past takes what is there. Context: thread, not in a poll. */
enum status message_queue_receive_until(struct message_queue *queue, void *message, uint64_t deadline_ns) must_check;

/* Takes the oldest message if there is one. A more urgent thread whose message is taken in for it runs as in
 * message_queue_send_try(). Context: any. */
bool message_queue_receive_try(struct message_queue *queue, void *message) must_check;

/* How many messages could be taken now. Context: any. */
unsigned message_queue_count(const struct message_queue *queue);

#endif
