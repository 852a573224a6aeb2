/*
 * Channels: see channel.h.
 *
 * The short ways, inline in the header, see two counts only. Whenever somebody waits, or the channel is closed, the
 * count of the other side is withheld, so that the short way finds none and comes here: one comparison is all that
 * waiters and closing cost those who do not meet them.
 */
#include "executor/channel.h"

void channel_init(struct channel *channel, void *storage, size_t message_bytes, uint32_t capacity)
{
    ASSERT(message_bytes > 0 && message_bytes <= COPY_BYTES_MAX);
    ASSERT(capacity > 0);
    *channel = (struct channel){.in = storage,
                                .out = storage,
                                .room = capacity,
                                .message_bytes = message_bytes,
                                .storage = storage,
                                .end = (unsigned char *)storage + capacity * message_bytes};
    waiters_init(&channel->senders);
    waiters_init(&channel->receivers);
}

/* ---- in critical sections ---------------------------------------------------------------------------------------- */

static void reveal(struct channel *channel)
{
    channel->room += channel->room_withheld;
    channel->messages += channel->messages_withheld;
    channel->room_withheld = channel->messages_withheld = 0;
}

static uint64_t begin(struct channel *channel)
{
    uint64_t flags = critical_enter();

    reveal(channel);
    return flags;
}

static void withhold(struct channel *channel)
{
    if (channel->closed || !waiters_empty(&channel->receivers)) {
        channel->room_withheld = channel->room;
        channel->room = 0;
    }
    if (channel->closed || !waiters_empty(&channel->senders)) {
        channel->messages_withheld = channel->messages;
        channel->messages = 0;
    }
}

/* There is nothing in it, and will be nothing. */
static bool drained(const struct channel *channel)
{
    return channel->closed && channel->messages + channel->messages_withheld + channel->promised == 0;
}

/* Ends what began with reveal(). If it is closed, senders are told at once, and receivers when it is drained. */
static void end(struct channel *channel, uint64_t flags)
{
    withhold(channel);
    if (likely(!channel->closed)) {
        critical_leave_woken(flags);
        return;
    }
    if (drained(channel))
        waiters_move(&channel->senders, &channel->receivers);
    waiters_wake_all(&channel->senders, WAITER_OUT, flags);
}

/* A message in the channel is nobody's. */
static void offer_message(struct channel *channel)
{
    if (waiters_empty(&channel->receivers)) {
        channel->messages++;
        return;
    }
    channel->promised++;
    waiters_wake_first(&channel->receivers, WAITER_GRANTED);
}

static void offer_room(struct channel *channel)
{
    if (waiters_empty(&channel->senders))
        channel->room++;
    else
        waiters_wake_first(&channel->senders, WAITER_GRANTED);
}

static enum status send_now(struct channel *channel, const void *message)
{
    if (channel->closed)
        return STATUS_CLOSED;
    if (channel->room == 0)
        return STATUS_AGAIN;
    channel->room--;
    channel_put(channel, message);
    offer_message(channel);
    return STATUS_OK;
}

static enum status receive_now(struct channel *channel, void *message)
{
    if (channel->messages == 0)
        return drained(channel) ? STATUS_CLOSED : STATUS_AGAIN;
    channel->messages--;
    channel_get(channel, message);
    offer_room(channel);
    return STATUS_OK;
}

/* ---- at once ----------------------------------------------------------------------------------------------------- */

__attribute__((noinline)) enum status channel_send_rarely(struct channel *channel, const void *message, uint64_t flags)
{
    enum status status;

    reveal(channel);
    status = send_now(channel, message);
    end(channel, flags);
    return status;
}

__attribute__((noinline)) enum status channel_receive_rarely(struct channel *channel, void *message, uint64_t flags)
{
    enum status status;

    reveal(channel);
    status = receive_now(channel, message);
    end(channel, flags);
    return status;
}

void channel_close(struct channel *channel)
{
    uint64_t flags = begin(channel);

    channel->closed = true;
    end(channel, flags);
}

uint32_t channel_count(struct channel *channel)
{
    uint64_t flags = critical_enter();
    uint32_t count = channel->messages + channel->messages_withheld + channel->promised;

    critical_leave(flags);
    return count;
}

/* ---- futures ----------------------------------------------------------------------------------------------------- */

static enum poll send_poll(struct future *future, struct waker *waker)
{
    struct channel_send *self = container_of(future, struct channel_send, future);
    struct channel *channel = self->channel;
    uint64_t flags = begin(channel);

    if (self->waiter.state == WAITER_GRANTED) {
        (void)waiter_leave(&self->waiter);
        channel->room++;
    }
    self->status = send_now(channel, self->message);
    if (self->status == STATUS_AGAIN)
        waiters_wait(&channel->senders, &self->waiter, waker);
    else
        (void)waiter_leave(&self->waiter);
    end(channel, flags);
    return self->status == STATUS_AGAIN ? POLL_PENDING : POLL_READY;
}

static void send_drop(struct future *future)
{
    struct channel_send *self = container_of(future, struct channel_send, future);
    uint64_t flags = begin(self->channel);

    if (waiter_leave(&self->waiter) == WAITER_GRANTED)
        offer_room(self->channel);
    end(self->channel, flags);
}

struct channel_send channel_send(struct channel *channel, const void *message)
{
    return (struct channel_send){.future = {send_poll, send_drop}, .channel = channel, .message = message};
}

static enum poll receive_poll(struct future *future, struct waker *waker)
{
    struct channel_receive *self = container_of(future, struct channel_receive, future);
    struct channel *channel = self->channel;
    uint64_t flags = begin(channel);

    if (self->waiter.state == WAITER_GRANTED) {
        (void)waiter_leave(&self->waiter);
        channel->promised--;
        channel->messages++;
    }
    self->status = receive_now(channel, self->message);
    if (self->status == STATUS_AGAIN)
        waiters_wait(&channel->receivers, &self->waiter, waker);
    else
        (void)waiter_leave(&self->waiter);
    end(channel, flags);
    return self->status == STATUS_AGAIN ? POLL_PENDING : POLL_READY;
}

static void receive_drop(struct future *future)
{
    struct channel_receive *self = container_of(future, struct channel_receive, future);
    uint64_t flags = begin(self->channel);

    if (waiter_leave(&self->waiter) == WAITER_GRANTED) {
        self->channel->promised--;
        offer_message(self->channel);
    }
    end(self->channel, flags);
}

struct channel_receive channel_receive(struct channel *channel, void *message)
{
    return (struct channel_receive){.future = {receive_poll, receive_drop}, .channel = channel, .message = message};
}
