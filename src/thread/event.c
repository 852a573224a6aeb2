/*
 * Events: see event.h.
 *
 * While nobody waits, a signal is one compare-and-swap of the state, and so is what takes it. A thread that must wait
 * makes the state EVENT_AWAITED, with interrupts off, and from then on a signal's swap fails and it comes to the queue.
 * The state stays so when waiters time out; the next signal finds the queue empty.
 */
#include "thread/event.h"

#include "thread/waiting.h"

static inline bool pass(struct event *event)
{
    int32_t set = EVENT_SET;

    if (!event_is_set(event))
        return false;
    return !event->automatic || atomic_compare_exchange_strong_explicit(&event->state, &set, EVENT_CLEAR,
                                                                        memory_order_acquire, memory_order_relaxed);
}

bool event_try(struct event *event)
{
    return pass(event);
}

void event_reset(struct event *event)
{
    int32_t set = EVENT_SET;

    (void)atomic_compare_exchange_strong_explicit(&event->state, &set, EVENT_CLEAR, memory_order_relaxed,
                                                  memory_order_relaxed);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Interrupts off, and not set. */
static inline void mark_awaited(struct event *event)
{
    atomic_store_explicit(&event->state, EVENT_AWAITED, memory_order_relaxed);
}

static __attribute__((noinline)) void wait_slowly(struct event *event)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    if (pass(event)) {
        leave(cpu, moment.flags);
        return;
    }
    mark_awaited(event);
    wait_queue_enter(cpu, &event->queue, NULL);
    switch_away(cpu, moment);
}

void event_wait(struct event *event)
{
    ASSERT(may_wait(cpu_this()));
    if (!pass(event))
        wait_slowly(event);
}

static __attribute__((noinline)) enum status wait_slowly_until(struct event *event, uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    if (pass(event)) {
        leave(cpu, moment.flags);
        return STATUS_OK;
    }
    if (deadline_ns <= moment.now_ns) {
        leave(cpu, moment.flags);
        return STATUS_TIMEOUT;
    }
    mark_awaited(event);
    return wait_queue_switch_until(cpu, &event->queue, deadline_ns, moment);
}

enum status event_wait_until(struct event *event, uint64_t deadline_ns)
{
    ASSERT(may_wait(cpu_this()));
    if (pass(event))
        return STATUS_OK;
    return wait_slowly_until(event, deadline_ns);
}

/* ---- signalling -------------------------------------------------------------------------------------------------- */

/* False if threads may wait. */
static inline bool set(struct event *event)
{
    int32_t state = atomic_load_explicit(&event->state, memory_order_relaxed);

    while (state != EVENT_AWAITED)
        if (likely(atomic_compare_exchange_weak_explicit(&event->state, &state, EVENT_SET, memory_order_release,
                                                         memory_order_relaxed)))
            return true;
    return false;
}

/* Interrupts that signal or reset between the wakes find a state that is not EVENT_AWAITED, and leave the queue alone.
 */
static __attribute__((noinline)) void let_all_through(struct event *event, uint64_t flags)
{
    atomic_store_explicit(&event->state, EVENT_SET, memory_order_relaxed);
    wait_queue_wake_each(&event->queue, flags);
}

static __attribute__((noinline)) void signal_slowly(struct event *event)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();

    if (!event->automatic) {
        let_all_through(event, flags);
        return;
    }
    if (list_empty(&event->queue.threads)) {
        atomic_store_explicit(&event->state, EVENT_SET, memory_order_relaxed);
        irq_restore(flags);
        return;
    }
    wait_queue_wake_last(cpu, &event->queue, flags);
}

void event_signal(struct event *event)
{
    if (!set(event))
        signal_slowly(event);
}
