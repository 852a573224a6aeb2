/*
 * Message queues: see message_queue.h.
 *
 * A ring of messages, with interrupts off: turning them off and on again is less than any way to share a ring without.
 * Threads wait on one side at most, and only while the ring is as empty, or as full, as can be, so a message never
 * passes another: it goes to a receiver only if the ring is empty, and into the ring only if no sender waits.
 */
#include "thread/message_queue.h"

#include "lib/mem.h"
#include "thread/waiting.h"

void message_queue_init(struct message_queue *queue, void *storage, size_t message_bytes, unsigned capacity)
{
    ASSERT(message_bytes > 0 && message_bytes <= MESSAGE_QUEUE_BYTES_MAX);
    ASSERT(capacity > 0);
    queue->in = queue->out = queue->storage = storage;
    queue->end = queue->storage + capacity * message_bytes;
    queue->count = 0;
    queue->capacity = capacity;
    queue->message_bytes = message_bytes;
    wait_queue_init(&queue->receivers);
    wait_queue_init(&queue->senders);
}

unsigned message_queue_count(const struct message_queue *queue)
{
    return queue->count;
}

/* ---- the ring, interrupts off ------------------------------------------------------------------------------------ */

/* The usual sizes are a few moves, the others a call. Freestanding, memcpy() itself is always one. */
static inline void copy(void *to, const void *from, size_t bytes)
{
    if (bytes == 16)
        __builtin_memcpy(to, from, 16);
    else if (bytes == 8)
        __builtin_memcpy(to, from, 8);
    else if (bytes == 32)
        __builtin_memcpy(to, from, 32);
    else
        memcpy(to, from, bytes);
}

static inline unsigned char *next_place(const struct message_queue *queue, unsigned char *place)
{
    place += queue->message_bytes;
    return place == queue->end ? queue->storage : place;
}

static inline void push(struct message_queue *queue, const void *message)
{
    copy(queue->in, message, queue->message_bytes);
    queue->in = next_place(queue, queue->in);
    queue->count++;
}

static inline void pop(struct message_queue *queue, void *message)
{
    copy(message, queue->out, queue->message_bytes);
    queue->out = next_place(queue, queue->out);
    queue->count--;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void hand_over(struct message_queue *queue, const void *message, uint64_t flags)
{
    struct cpu *cpu = cpu_this();
    struct thread *receiver = wait_queue_first(&queue->receivers);

    ASSERT(queue->count == 0);
    copy(receiver->receives, message, queue->message_bytes);
    wait_queue_wake_last(cpu, &queue->receivers, flags);
}

/* Interrupts off, and as `flags` says afterwards, unless there is no room: then false. */
static inline bool send_now(struct message_queue *queue, const void *message, uint64_t flags)
{
    if (unlikely(!list_empty(&queue->receivers.threads))) {
        hand_over(queue, message, flags);
        return true;
    }
    if (unlikely(queue->count == queue->capacity))
        return false;
    push(queue, message);
    irq_restore(flags);
    return true;
}

static __attribute__((noinline)) void send_later(struct message_queue *queue, const void *message, uint64_t flags)
{
    struct irq_moment moment = {flags, clock_now_ns()};
    struct cpu *cpu = cpu_this();

    cpu->current->sends = message;
    wait_queue_enter(cpu, &queue->senders, NULL);
    switch_away(cpu, moment);
}

static __attribute__((noinline)) enum status send_later_until(struct message_queue *queue, const void *message,
                                                              uint64_t deadline_ns, uint64_t flags)
{
    struct irq_moment moment = {flags, clock_now_ns()};
    struct cpu *cpu = cpu_this();

    if (deadline_ns <= moment.now_ns) {
        irq_restore(flags);
        return STATUS_TIMEOUT;
    }
    cpu->current->sends = message;
    return wait_queue_switch_until(cpu, &queue->senders, deadline_ns, moment);
}

void message_queue_send(struct message_queue *queue, const void *message)
{
    uint64_t flags = irq_save();

    ASSERT(may_wait(cpu_this()));
    if (unlikely(!send_now(queue, message, flags)))
        send_later(queue, message, flags);
}

enum status message_queue_send_until(struct message_queue *queue, const void *message, uint64_t deadline_ns)
{
    uint64_t flags = irq_save();

    ASSERT(may_wait(cpu_this()));
    if (likely(send_now(queue, message, flags)))
        return STATUS_OK;
    return send_later_until(queue, message, deadline_ns, flags);
}

bool message_queue_send_try(struct message_queue *queue, const void *message)
{
    uint64_t flags = irq_save();

    if (likely(send_now(queue, message, flags)))
        return true;
    irq_restore(flags);
    return false;
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

/* There is room, and a sender that waits for it. */
static __attribute__((noinline)) void take_in(struct message_queue *queue, uint64_t flags)
{
    struct cpu *cpu = cpu_this();
    struct thread *sender = wait_queue_first(&queue->senders);

    ASSERT(queue->count == queue->capacity - 1);
    push(queue, sender->sends);
    wait_queue_wake_last(cpu, &queue->senders, flags);
}

/* Interrupts off, and as `flags` says afterwards, unless there is no message: then false. */
static inline bool receive_now(struct message_queue *queue, void *message, uint64_t flags)
{
    if (unlikely(queue->count == 0))
        return false;
    pop(queue, message);
    if (unlikely(!list_empty(&queue->senders.threads)))
        take_in(queue, flags);
    else
        irq_restore(flags);
    return true;
}

static __attribute__((noinline)) void receive_later(struct message_queue *queue, void *message, uint64_t flags)
{
    struct irq_moment moment = {flags, clock_now_ns()};
    struct cpu *cpu = cpu_this();

    cpu->current->receives = message;
    wait_queue_enter(cpu, &queue->receivers, NULL);
    switch_away(cpu, moment);
}

static __attribute__((noinline)) enum status receive_later_until(struct message_queue *queue, void *message,
                                                                 uint64_t deadline_ns, uint64_t flags)
{
    struct irq_moment moment = {flags, clock_now_ns()};
    struct cpu *cpu = cpu_this();

    if (deadline_ns <= moment.now_ns) {
        irq_restore(flags);
        return STATUS_TIMEOUT;
    }
    cpu->current->receives = message;
    return wait_queue_switch_until(cpu, &queue->receivers, deadline_ns, moment);
}

void message_queue_receive(struct message_queue *queue, void *message)
{
    uint64_t flags = irq_save();

    ASSERT(may_wait(cpu_this()));
    if (unlikely(!receive_now(queue, message, flags)))
        receive_later(queue, message, flags);
}

enum status message_queue_receive_until(struct message_queue *queue, void *message, uint64_t deadline_ns)
{
    uint64_t flags = irq_save();

    ASSERT(may_wait(cpu_this()));
    if (likely(receive_now(queue, message, flags)))
        return STATUS_OK;
    return receive_later_until(queue, message, deadline_ns, flags);
}

bool message_queue_receive_try(struct message_queue *queue, void *message)
{
    uint64_t flags = irq_save();

    if (likely(receive_now(queue, message, flags)))
        return true;
    irq_restore(flags);
    return false;
}
