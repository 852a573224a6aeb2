/*
 * Waiting for a condition: see wait_queue.h.
 */
#include "thread/wait_queue.h"

#include "thread/waiting.h"

__attribute__((noinline)) void wait_queue_wake(struct cpu *cpu, struct thread *thread, bool timed_out)
{
    wait_queue_wake_inline(cpu, thread, timed_out);
}

static void wait_expired(struct waker *waker)
{
    wait_queue_wake(cpu_this(), container_of(waker, struct thread, expired), true);
}

enum status wait_queue_switch_until(struct cpu *cpu, struct wait_queue *queue, uint64_t deadline_ns,
                                    struct irq_moment moment)
{
    struct thread *current = cpu->current;

    wait_queue_limit(cpu, deadline_ns, wait_expired);
    wait_queue_enter(cpu, queue, NULL);
    switch_away(cpu, moment);
    return wait_status(current);
}

/* The deadline is looked at after the condition: who is woken in time for it gets it, however late it runs. */
enum status wait_queue_wait_until(struct wait_queue *queue, bool (*condition)(void *), void *argument,
                                  uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    enum status status = STATUS_OK;

    ASSERT(may_wait(cpu));
    while (!condition(argument)) {
        if (is_over(cpu, deadline_ns, moment)) {
            status = STATUS_TIMEOUT;
            break;
        }
        (void)wait_queue_switch_until(cpu, queue, deadline_ns, moment);
        moment = irq_save_now();
    }
    leave(cpu, moment.flags);
    return status;
}

void wait_queue_wait(struct wait_queue *queue, bool (*condition)(void *), void *argument)
{
    enum status status = wait_queue_wait_until(queue, condition, argument, TIMER_NEVER);

    ASSERT(status == STATUS_OK);
}

void wait_queue_wake_one(struct wait_queue *queue)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();
    struct thread *first = wait_queue_first(queue);

    if (first)
        wait_queue_wake(cpu, first, false);
    leave(cpu, flags);
}

void wait_queue_wake_each(struct wait_queue *queue, uint64_t flags)
{
    struct cpu *cpu = cpu_this();
    struct thread *first;

    preempt_count_up(&cpu->preempt_count);
    while ((first = wait_queue_first(queue))) {
        wait_queue_wake(cpu, first, false);
        let_interrupts_in(flags);
    }
    (void)preempt_count_down(&cpu->preempt_count);
    leave(cpu, flags);
}

void wait_queue_wake_all(struct wait_queue *queue)
{
    wait_queue_wake_each(queue, irq_save());
}
