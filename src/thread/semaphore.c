/*
 * Semaphores: see semaphore.h.
 *
 * While nobody waits, a unit is one compare-and-swap of the count. A thread that must wait makes the count -1, with
 * interrupts off, and from then on both sides fail their swap and meet with interrupts off. The count stays -1 when
 * waiters time out; the next unit finds the queue empty.
 */
#include "thread/semaphore.h"

#include "thread/waiting.h"

static inline bool take_unit(struct semaphore *semaphore)
{
    int32_t units = atomic_load_explicit(&semaphore->units, memory_order_relaxed);

    while (likely(units > 0))
        if (likely(atomic_compare_exchange_weak_explicit(&semaphore->units, &units, units - 1, memory_order_acquire,
                                                         memory_order_relaxed)))
            return true;
    return false;
}

bool semaphore_try(struct semaphore *semaphore)
{
    return take_unit(semaphore);
}

/* Interrupts off, and no unit there. */
static inline void mark_awaited(struct semaphore *semaphore)
{
    atomic_store_explicit(&semaphore->units, -1, memory_order_relaxed);
}

static __attribute__((noinline)) void take_slowly(struct semaphore *semaphore)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    if (take_unit(semaphore)) {
        leave(cpu, moment.flags);
        return;
    }
    mark_awaited(semaphore);
    wait_queue_enter(cpu, &semaphore->queue, NULL);
    switch_away(cpu, moment);
}

void semaphore_take(struct semaphore *semaphore)
{
    ASSERT(may_wait(cpu_this()));
    if (unlikely(!take_unit(semaphore)))
        take_slowly(semaphore);
}

static __attribute__((noinline)) enum status take_slowly_until(struct semaphore *semaphore, uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    if (take_unit(semaphore)) {
        leave(cpu, moment.flags);
        return STATUS_OK;
    }
    if (deadline_ns <= moment.now_ns) {
        leave(cpu, moment.flags);
        return STATUS_TIMEOUT;
    }
    mark_awaited(semaphore);
    return wait_queue_switch_until(cpu, &semaphore->queue, deadline_ns, moment);
}

enum status semaphore_take_until(struct semaphore *semaphore, uint64_t deadline_ns)
{
    ASSERT(may_wait(cpu_this()));
    if (likely(take_unit(semaphore)))
        return STATUS_OK;
    return take_slowly_until(semaphore, deadline_ns);
}

/* False if threads may wait. */
static inline bool give_unit(struct semaphore *semaphore)
{
    int32_t units = atomic_load_explicit(&semaphore->units, memory_order_relaxed);

    while (likely(units >= 0)) {
        ASSERT(units < INT32_MAX);
        if (likely(atomic_compare_exchange_weak_explicit(&semaphore->units, &units, units + 1, memory_order_release,
                                                         memory_order_relaxed)))
            return true;
    }
    return false;
}

static __attribute__((noinline)) void give_slowly(struct semaphore *semaphore)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();

    if (list_empty(&semaphore->queue.threads)) {
        atomic_store_explicit(&semaphore->units, 1, memory_order_relaxed);
        irq_restore(flags);
        return;
    }
    wait_queue_wake_last(cpu, &semaphore->queue, flags);
}

void semaphore_give(struct semaphore *semaphore)
{
    if (unlikely(!give_unit(semaphore)))
        give_slowly(semaphore);
}
