/* See broadcast.h. */
#include "executor/broadcast.h"

#include "lib/copy.h"

void broadcast_init(struct broadcast *broadcast, void *storage, size_t message_bytes, uint32_t capacity)
{
    ASSERT(message_bytes > 0 && message_bytes <= COPY_BYTES_MAX);
    ASSERT(capacity > 0 && (capacity & (capacity - 1)) == 0);
    *broadcast = (struct broadcast){.storage = storage, .message_bytes = message_bytes, .capacity = capacity};
    waiters_init(&broadcast->waiters);
}

struct broadcast_receiver broadcast_subscribe(struct broadcast *broadcast)
{
    uint64_t flags = critical_enter();
    uint64_t sent = broadcast->sent;

    critical_leave(flags);
    return (struct broadcast_receiver){.broadcast = broadcast, .next = sent};
}

static unsigned char *place(const struct broadcast *broadcast, uint64_t number)
{
    return broadcast->storage + (number & (broadcast->capacity - 1)) * broadcast->message_bytes;
}

enum status broadcast_send(struct broadcast *broadcast, const void *message)
{
    uint64_t flags = critical_enter();

    if (broadcast->closed) {
        critical_leave(flags);
        return STATUS_CLOSED;
    }
    copy_value(place(broadcast, broadcast->sent), message, broadcast->message_bytes);
    broadcast->sent++;
    waiters_wake_all(&broadcast->waiters, WAITER_OUT, flags);
    return STATUS_OK;
}

void broadcast_close(struct broadcast *broadcast)
{
    uint64_t flags = critical_enter();

    broadcast->closed = true;
    waiters_wake_all(&broadcast->waiters, WAITER_OUT, flags);
}

/* In a critical section. */
static enum status take(struct broadcast_receiver *receiver, void *message)
{
    const struct broadcast *broadcast = receiver->broadcast;
    uint64_t behind = broadcast->sent - receiver->next;

    if (behind == 0)
        return broadcast->closed ? STATUS_CLOSED : STATUS_AGAIN;
    receiver->missed = behind > broadcast->capacity ? behind - broadcast->capacity : 0;
    receiver->lost += receiver->missed;
    receiver->next += receiver->missed;
    copy_value(message, place(broadcast, receiver->next), broadcast->message_bytes);
    receiver->next++;
    return STATUS_OK;
}

enum status broadcast_receive_try(struct broadcast_receiver *receiver, void *message)
{
    uint64_t flags = critical_enter();
    enum status status = take(receiver, message);

    critical_leave(flags);
    return status;
}

static enum poll receive_poll(struct future *future, struct waker *waker)
{
    struct broadcast_receive *self = container_of(future, struct broadcast_receive, future);
    uint64_t flags = critical_enter();

    self->status = take(self->receiver, self->message);
    if (self->status == STATUS_AGAIN)
        waiters_wait(&self->receiver->broadcast->waiters, &self->waiter, waker);
    else
        (void)waiter_leave(&self->waiter);
    critical_leave(flags);
    return self->status == STATUS_AGAIN ? POLL_PENDING : POLL_READY;
}

static void receive_drop(struct future *future)
{
    struct broadcast_receive *self = container_of(future, struct broadcast_receive, future);
    uint64_t flags = critical_enter();

    (void)waiter_leave(&self->waiter);
    critical_leave(flags);
}

struct broadcast_receive broadcast_receive(struct broadcast_receiver *receiver, void *message)
{
    return (struct broadcast_receive){.future = {receive_poll, receive_drop}, .receiver = receiver, .message = message};
}
