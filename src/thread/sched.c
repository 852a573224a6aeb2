/*
 * The scheduler: who runs next, and the switch.
 *
 * The ready threads of a priority stand in a ring, and one pointer says whose turn it is; a bit mask of the rings that
 * are not empty makes the pick constant-time. The running thread stays the first of its ring, so that a yield moves a
 * pointer, and a thread that is preempted is where it belongs already. There is no periodic tick: one-shot timer
 * interrupts come for deadlines, and for the end of a slice only while another thread of the same priority waits for
 * it.
 *
 * On one CPU the scheduler's lock is interrupts-off. It is held across context_switch(), which releases it: to the
 * interrupt state that whoever is switched to had saved itself.
 */
#include "thread/sched.h"

#include "thread/switching.h"

struct cpu cpu_boot;

__attribute__((noinline)) void switch_armed(struct thread *previous, struct thread *next, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    cpu->timer_armed_ns = next->slice_end_ns;
    timer_arm(next->slice_end_ns);
    context_switch(&previous->sp, &next->sp, flags);
}

void sched_preempt(void)
{
    preempt_with(cpu_this(), 0);
}

__attribute__((noinline)) void preempt(uint64_t flags)
{
    preempt_with(cpu_this(), flags);
}

void sched_timer_interrupt(void)
{
    struct cpu *cpu = cpu_this();
    uint64_t now = clock_now_ns();

    cpu->timer_armed_ns = TIMER_NEVER;
    timer_queue_expire(&cpu->timers, now);
    arm_by(cpu, timer_queue_next_deadline(&cpu->timers));
    if (!slice_contended(cpu))
        return;
    if (now >= cpu->current->slice_end_ns)
        cpu->need_resched = true;
    else
        arm_by(cpu, cpu->current->slice_end_ns);
}

void sched_timer_start(struct timer *timer, uint64_t deadline_ns, struct waker *waker)
{
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();

    timer_queue_insert(&cpu->timers, timer, deadline_ns, waker);
    arm_by(cpu, deadline_ns);
    irq_restore(flags);
}

void sched_timer_cancel(struct timer *timer)
{
    uint64_t flags = irq_save();

    timer_queue_remove(&cpu_this()->timers, timer);
    irq_restore(flags);
}

struct thread *thread_current(void)
{
    return cpu_this()->current;
}

enum thread_state thread_state(const struct thread *thread)
{
    enum thread_state condition = (enum thread_state)thread->condition;

    return condition == THREAD_READY && thread == cpu_this()->current ? THREAD_RUNNING : condition;
}

uint64_t thread_run_ns(const struct thread *thread)
{
    uint64_t flags = irq_save();
    uint64_t run_ns = thread->run_ns + (thread == cpu_this()->current ? clock_now_ns() : 0);

    irq_restore(flags);
    return run_ns;
}

void sched_preempt_enabled(void)
{
    uint64_t flags = irq_save();

    leave(cpu_this(), flags);
}

void thread_yield(void)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    struct thread *next = ring_next(current);

    if (unlikely(cpu->not_plain)) {
        ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
        leave(cpu, moment.flags);
        return;
    }
    if (next == current) {
        irq_restore(moment.flags);
        return;
    }
    current->slice_left_ns = cpu->quantum_ns;
    cpu->ready[current->priority] = next;
    switch_to(cpu, next, moment);
}

void thread_park(void)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    ASSERT(!current->may_not_park);
    if (current->token) {
        current->token = false;
        leave(cpu, moment.flags);
        return;
    }
    wait(cpu, moment);
}

void thread_park_until(uint64_t deadline_ns)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    uint64_t flags;

    if (deadline_ns == TIMER_NEVER) {
        thread_park();
        return;
    }
    if (deadline_ns == 0)
        return;
    flags = irq_save();
    timer_queue_insert(&cpu->timers, &current->deadline, deadline_ns, &current->waker);
    arm_by(cpu, deadline_ns);
    thread_park();
    timer_queue_remove(&cpu->timers, &current->deadline);
    leave(cpu, flags);
}

void thread_sleep_until(uint64_t deadline_ns)
{
    while (clock_now_ns() < deadline_ns)
        thread_park_until(deadline_ns);
}

void thread_waker_wake(struct waker *waker)
{
    struct thread *thread = container_of(waker, struct thread, waker);
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();

    if (thread->condition != THREAD_PARKED) {
        thread->token = true;
        irq_restore(flags);
        return;
    }
    make_ready(cpu, thread);
    leave(cpu, flags);
}

void thread_wake(struct thread *thread)
{
    thread_waker_wake(&thread->waker);
}
