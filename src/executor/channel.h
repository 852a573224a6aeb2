/*
 * Channels: messages of one size, in the order they were sent, between any number of senders and receivers, each of
 * them a task, a thread (bridge/block_on.h) or an interrupt (the two that end in _try).
 *
 * Whoever waits is served first come first served. A receiver that is woken has a message promised, and a sender room;
 * nobody overtakes them. The message stays in the channel, and the room empty, until they are polled. So cancel safety
 * is exact: a send that is dropped has sent nothing, a receive that is dropped has taken nothing, and what was promised
 * to it goes to the next who waits.
 */
#ifndef DUET_EXECUTOR_CHANNEL_H
#define DUET_EXECUTOR_CHANNEL_H

#include "executor/future.h"
#include "lib/copy.h"
#include "lib/waiters.h"

/* In critical sections. What is not in `messages`, `room` or promised does not exist: they add up to the capacity. */
struct channel {
    unsigned char *in;  /* where the next message goes */
    unsigned char *out; /* the oldest message, if there is any */
    uint32_t room;     /* messages that anybody may send at once, and take at once: 0 as well if there is more to it, */
    uint32_t messages; /* because somebody waits on the other side, or it is closed. Then the rest is withheld: */
    uint32_t room_withheld;
    uint32_t messages_withheld;
    uint32_t promised; /* messages, to receivers that were woken */
    bool closed;
    struct waiters senders;
    struct waiters receivers;

    /* set once */
    size_t message_bytes;
    unsigned char *storage, *end;
};

/* Empty; `storage` has room for `capacity` messages of `message_bytes`, without alignment, and is the channel's from
 * now on. 1 to COPY_BYTES_MAX bytes, at least one message. Nobody may be using it. */
void channel_init(struct channel *channel, void *storage, size_t message_bytes, uint32_t capacity);

/*
 * A message on its way: ready once it is in the channel (STATUS_OK), or the channel is closed (STATUS_CLOSED).
 * `message` is read in the poll that is ready. Dropped before, it has not been sent.
 */
struct channel_send {
    struct future future;
    enum status status; /* once ready */
    struct channel *channel;
    const void *message;
    struct waiter waiter;
};

/*
 * Ready once a message has been taken (STATUS_OK), or the channel is closed and there will be none (STATUS_CLOSED).
 * `message` is written in the poll that is ready. Dropped before, it has taken none.
 */
struct channel_receive {
    struct future future;
    enum status status; /* once ready */
    struct channel *channel;
    void *message;
    struct waiter waiter;
};

/* Context: task, thread. */
struct channel_send channel_send(struct channel *channel, const void *message);
struct channel_receive channel_receive(struct channel *channel, void *message);

/* Nothing more is sent: what is in the channel can still be taken, whoever waits to send is told. Closing again does
 * nothing. Context: any. */
void channel_close(struct channel *channel);

/* Messages in the channel, promised or not. Context: any. */
uint32_t channel_count(struct channel *channel);

/* The long ways of the two below; they end the critical section. */
enum status channel_send_rarely(struct channel *channel, const void *message, uint64_t flags);
enum status channel_receive_rarely(struct channel *channel, void *message, uint64_t flags);

/* In critical sections. */
static inline void channel_put(struct channel *channel, const void *message)
{
    unsigned char *next = channel->in + channel->message_bytes;

    copy_value(channel->in, message, channel->message_bytes);
    channel->in = next == channel->end ? channel->storage : next;
}

static inline void channel_get(struct channel *channel, void *message)
{
    unsigned char *next = channel->out + channel->message_bytes;

    copy_value(message, channel->out, channel->message_bytes);
    channel->out = next == channel->end ? channel->storage : next;
}

/* Sends a copy of the message if there is room: STATUS_OK, STATUS_AGAIN, or STATUS_CLOSED. Inline: in a loop it is
 * cheaper than a future, which is for when there is no room. Context: any. */
must_check static inline enum status channel_send_try(struct channel *channel, const void *message)
{
    uint64_t flags = critical_enter();

    if (unlikely(channel->room == 0))
        return channel_send_rarely(channel, message, flags);
    channel->room--;
    channel->messages++;
    channel_put(channel, message);
    critical_leave(flags);
    return STATUS_OK;
}

/* Takes the oldest message if there is one that is not promised: STATUS_OK; STATUS_AGAIN; or STATUS_CLOSED if there
 * will be none. Context: any. */
must_check static inline enum status channel_receive_try(struct channel *channel, void *message)
{
    uint64_t flags = critical_enter();

    if (unlikely(channel->messages == 0))
        return channel_receive_rarely(channel, message, flags);
    channel->messages--;
    channel->room++;
    channel_get(channel, message);
    critical_leave(flags);
    return STATUS_OK;
}

#endif
