/*
 * Condition variables: see condvar.h.
 *
 * A chosen thread goes from this queue to the mutex, as its owner or into its queue, without running. So whoever wakes
 * it is the mutex, which does not know of deadlines here: how the wait ended is kept on the waiter's stack.
 */
#include "thread/condvar.h"

#include "thread/mutex_internal.h"
#include "thread/waiting.h"

struct limit {
    struct waker waker;
    struct thread *thread;
    bool expired;
};

static seldom void account_for(const struct condvar *condvar, struct thread *thread)
{
    if (mutex_owner(condvar->mutex))
        account_moved(thread);
    else
        account_woken(thread);
}

/* Out of the queue; the switch is left to leave(). */
static inline void move_to_mutex(struct cpu *cpu, struct condvar *condvar, struct thread *thread, bool timed_out)
{
    list_remove(&thread->ring);
    if (timer_queued(&thread->deadline)) {
        timer_queue_remove(&cpu->timers, &thread->deadline);
        if (unlikely(cpu->insight))
            account_for(condvar, thread);
    } else if (timed_out && unlikely(cpu->insight)) {
        account_for(condvar, thread);
    }
    mutex_grant(cpu, condvar->mutex, thread);
}

/* The deadline of a waiter that no signal has chosen has come. */
static void wait_expired(struct waker *waker)
{
    struct limit *limit = container_of(waker, struct limit, waker);

    limit->expired = true;
    move_to_mutex(cpu_this(), container_of(limit->thread->waits_in, struct condvar, queue), limit->thread, true);
}

/* Interrupts off. */
static void wait_for_signal(struct cpu *cpu, struct condvar *condvar, struct mutex *mutex, struct irq_moment moment)
{
    if (!list_empty(&condvar->queue.threads) && condvar->mutex != mutex)
        panic("%s waits with another mutex than who waits already", cpu->current->name);
    condvar->mutex = mutex;
    mutex_release(cpu, mutex);
    wait_queue_enter(cpu, &condvar->queue, NULL);
    switch_away(cpu, moment);
}

static void check_owner(const struct cpu *cpu, struct mutex *mutex)
{
    ASSERT(may_wait(cpu));
    if (mutex_owner(mutex) != cpu->current)
        panic("%s waits without owning the mutex", cpu->current->name);
}

void condvar_wait(struct condvar *condvar, struct mutex *mutex)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    check_owner(cpu, mutex);
    wait_for_signal(cpu, condvar, mutex, moment);
}

enum status condvar_wait_until(struct condvar *condvar, struct mutex *mutex, uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct limit limit = {{wait_expired}, cpu->current, false};

    check_owner(cpu, mutex);
    if (is_over(cpu, deadline_ns, moment)) {
        leave(cpu, moment.flags);
        return STATUS_TIMEOUT;
    }
    if (deadline_ns != TIMER_NEVER) {
        timer_queue_insert(&cpu->timers, &cpu->current->deadline, deadline_ns, &limit.waker);
        arm_by(cpu, deadline_ns);
    }
    wait_for_signal(cpu, condvar, mutex, moment);
    return limit.expired ? STATUS_TIMEOUT : STATUS_OK;
}

void condvar_signal(struct condvar *condvar)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();
    struct thread *first = wait_queue_first(&condvar->queue);

    ASSERT(cpu->irq_depth == 0);
    if (first)
        move_to_mutex(cpu, condvar, first, false);
    leave(cpu, flags);
}

/* No thread runs meanwhile, so nobody comes to wait; a deadline that comes between two steps is a timeout. */
void condvar_broadcast(struct condvar *condvar)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();
    struct thread *first;

    ASSERT(cpu->irq_depth == 0);
    preempt_count_up(&cpu->preempt_count);
    while ((first = wait_queue_first(&condvar->queue))) {
        move_to_mutex(cpu, condvar, first, false);
        let_interrupts_in(flags);
    }
    (void)preempt_count_down(&cpu->preempt_count);
    leave(cpu, flags);
}
