/* See oneshot.h. */
#include "executor/oneshot.h"

#include "lib/copy.h"

void oneshot_init(struct oneshot *oneshot, void *storage, size_t bytes)
{
    ASSERT(bytes <= COPY_BYTES_MAX && (storage || bytes == 0));
    *oneshot = (struct oneshot){.value = storage, .bytes = bytes};
    waiters_init(&oneshot->receiver);
}

/* Ends the critical section. */
static void settle(struct oneshot *oneshot, enum oneshot_state state, uint64_t flags)
{
    oneshot->state = state;
    if (!waiters_empty(&oneshot->receiver))
        waiters_wake_first(&oneshot->receiver, WAITER_OUT);
    critical_leave_woken(flags);
}

enum status oneshot_send(struct oneshot *oneshot, const void *value)
{
    uint64_t flags = critical_enter();

    if (oneshot->state == ONESHOT_CLOSED) {
        critical_leave(flags);
        return STATUS_CLOSED;
    }
    ASSERT(oneshot->state == ONESHOT_OPEN);
    if (oneshot->bytes)
        copy_value(oneshot->value, value, oneshot->bytes);
    settle(oneshot, ONESHOT_SENT, flags);
    return STATUS_OK;
}

void oneshot_abandon(struct oneshot *oneshot)
{
    uint64_t flags = critical_enter();

    ASSERT(oneshot->state == ONESHOT_OPEN || oneshot->state == ONESHOT_CLOSED);
    settle(oneshot, ONESHOT_ABANDONED, flags);
}

/* In a critical section. */
static enum status status_now(const struct oneshot *oneshot)
{
    if (oneshot->state == ONESHOT_OPEN)
        return STATUS_AGAIN;
    return oneshot->state == ONESHOT_SENT ? STATUS_OK : STATUS_CLOSED;
}

enum status oneshot_receive_try(struct oneshot *oneshot)
{
    uint64_t flags = critical_enter();
    enum status status = status_now(oneshot);

    critical_leave(flags);
    return status;
}

void oneshot_close(struct oneshot *oneshot)
{
    uint64_t flags = critical_enter();

    ASSERT(waiters_empty(&oneshot->receiver));
    if (oneshot->state == ONESHOT_OPEN)
        oneshot->state = ONESHOT_CLOSED;
    critical_leave(flags);
}

bool oneshot_closed(struct oneshot *oneshot)
{
    uint64_t flags = critical_enter();
    bool closed = oneshot->state == ONESHOT_CLOSED;

    critical_leave(flags);
    return closed;
}

static enum poll receive_poll(struct future *future, struct waker *waker)
{
    struct oneshot_receive *self = container_of(future, struct oneshot_receive, future);
    struct oneshot *oneshot = self->oneshot;
    uint64_t flags = critical_enter();

    self->status = status_now(oneshot);
    if (self->status == STATUS_AGAIN) {
        ASSERT(waiters_empty(&oneshot->receiver) || waiters_first(&oneshot->receiver) == &self->waiter);
        waiters_wait(&oneshot->receiver, &self->waiter, waker);
    }
    critical_leave(flags);
    return self->status == STATUS_AGAIN ? POLL_PENDING : POLL_READY;
}

static void receive_drop(struct future *future)
{
    struct oneshot_receive *self = container_of(future, struct oneshot_receive, future);
    uint64_t flags = critical_enter();

    (void)waiter_leave(&self->waiter);
    critical_leave(flags);
}

struct oneshot_receive oneshot_receive(struct oneshot *oneshot)
{
    return (struct oneshot_receive){.future = {receive_poll, receive_drop}, .oneshot = oneshot};
}
