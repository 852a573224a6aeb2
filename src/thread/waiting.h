/*
 * Inside src/thread: entering a wait queue and leaving it. All of it with interrupts off.
 */
#ifndef DUET_THREAD_WAITING_H
#define DUET_THREAD_WAITING_H

#include "thread/account.h"
#include "thread/switching.h"
#include "thread/wait_queue.h"

/* The most urgent of those that wait, or NULL. */
static inline struct thread *wait_queue_first(const struct wait_queue *queue)
{
    if (list_empty(&queue->threads))
        return NULL;
    return container_of(queue->threads.next, struct thread, ring);
}

/* Puts a thread that is in no ring behind all that are as urgent. */
static inline void wait_queue_insert(struct wait_queue *queue, struct thread *thread)
{
    struct list *before = queue->threads.prev;

    while (before != &queue->threads && container_of(before, struct thread, ring)->priority < thread->priority)
        before = before->prev;
    list_push_front(before, &thread->ring);
}

/* Takes the running thread out of its ring and into a queue; what is left to do is switch_away(). */
static inline void wait_queue_enter(struct cpu *cpu, struct wait_queue *queue, struct mutex *mutex)
{
    struct thread *current = cpu->current;

    ready_remove(cpu, current);
    current->condition = THREAD_WAITING;
    current->waits_in = queue;
    current->waits_for = mutex;
    wait_queue_insert(queue, current);
}

/* There is nothing left of a wait until then: a cancelled thread's deadlines have come, but for one that never does. */
static inline bool is_over(const struct cpu *cpu, uint64_t deadline_ns, struct irq_moment moment)
{
    return deadline_ns <= moment.now_ns || (unlikely(cpu->current->cancelled) && deadline_ns != TIMER_NEVER);
}

/* Has `expired` woken with the running thread's waker of that name if it still waits at the deadline. */
static inline void wait_queue_limit(struct cpu *cpu, uint64_t deadline_ns, void (*expired)(struct waker *))
{
    struct thread *current = cpu->current;

    if (deadline_ns == TIMER_NEVER)
        return;
    if (unlikely(current->cancelled))
        deadline_ns = 0;
    current->expired.wake = expired;
    timer_queue_insert(&cpu->timers, &current->deadline, deadline_ns, &current->expired);
    arm_by(cpu, deadline_ns);
}

/* Ends a thread's wait; the switch to it, if it is more urgent, is left to leave(). */
void wait_queue_wake(struct cpu *cpu, struct thread *thread, bool timed_out);

/* The same, inline. */
static inline void wait_queue_wake_inline(struct cpu *cpu, struct thread *thread, bool timed_out)
{
    list_remove(&thread->ring);
    thread->timed_out = timed_out;
    if (timer_queued(&thread->deadline)) {
        timer_queue_remove(&cpu->timers, &thread->deadline);
        if (unlikely(cpu->insight))
            account_woken(thread);
    } else if (timed_out && unlikely(cpu->insight)) {
        account_woken(thread);
    }
    make_ready(cpu, thread);
}

/*
 * Ends the waits of all, in their order, and the critical section whose `flags` those are. Interrupts come in after
 * each, if `flags` had them on, and threads do not: nobody joins the queue meanwhile, and whoever is more urgent than
 * the running thread finds all that should run before it ready. Interrupts may wake and expire who waits.
 */
void wait_queue_wake_each(struct wait_queue *queue, uint64_t flags);

/* What wait_queue_wake_last() does when a deadline is to be taken back: out of line, and a last step too. */
void wait_queue_wake_rarely(struct thread *thread, uint64_t flags);

/* Ends the wait of the first, there is one, as the last step of a critical section. */
static inline void wait_queue_wake_last(struct cpu *cpu, struct wait_queue *queue, uint64_t flags)
{
    struct thread *first = wait_queue_first(queue);

    if (unlikely(timer_queued(&first->deadline))) {
        wait_queue_wake_rarely(first, flags);
        return;
    }
    (void)list_pop_front(&queue->threads);
    first->timed_out = false;
    make_ready_last(cpu, first, flags);
}

/* What a wait that has ended returns. */
static inline enum status wait_status(const struct thread *current)
{
    return current->timed_out ? STATUS_TIMEOUT : STATUS_OK;
}

/* wait_queue_enter(), switch_away() and wait_status() of those who wait no longer than until `deadline_ns` and need not
 * be told when one of them leaves. Out of line: beside the queue of timers a call is little. */
enum status wait_queue_switch_until(struct cpu *cpu, struct wait_queue *queue, uint64_t deadline_ns,
                                    struct irq_moment moment);

/* The running flow is a thread that may lose the CPU. */
static inline bool may_switch(const struct cpu *cpu)
{
    return likely(!cpu->not_plain) || (cpu->irq_depth == 0 && cpu->preempt_count == 0);
}

/* And no future that is polled. */
static inline bool can_wait(const struct cpu *cpu)
{
    return may_switch(cpu) && !cpu->current->may_not_park;
}

/* Panics with why the running flow cannot. */
_Noreturn void wait_refused(void);

/* The same for who is about to wait: true, or a panic with the reason. */
static inline bool may_wait(const struct cpu *cpu)
{
    if (unlikely(!can_wait(cpu)))
        wait_refused();
    return true;
}

#endif
