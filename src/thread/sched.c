/*
 * The scheduler: who runs next, and the switch.
 *
 * The ready threads of a priority stand in a ring, and one pointer says whose turn it is; a bit mask of the rings that
 * are not empty makes the pick constant-time. The running thread stays the first of its ring, so that a yield moves a
 * pointer, and a thread that is preempted is where it belongs already. There is no periodic tick unless one is asked
 * for: one-shot timer interrupts come for deadlines, and for the end of a slice only while another thread of the same
 * priority waits for it.
 *
 * On one CPU the scheduler's lock is interrupts-off. It is held across context_switch(), which releases it: to the
 * interrupt state that whoever is switched to had saved itself.
 */
#include "thread/sched.h"

#include "lib/critical.h"
#include "thread/account.h"
#include "thread/switching.h"
#include "thread/waiting.h"

struct cpu cpu_boot;

__attribute__((noinline)) void switch_armed(struct thread *previous, struct thread *next, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    if ((int64_t)next->slice_left_ns < 0) /* overdrawn, and contended only now */
        slice_contend(cpu);
    else if (!cpu->slices_unwatched)
        arm_by(cpu, next->slice_end_ns); /* a rest that is over by now ends at once: no new turn */
    context_switch(&previous->sp, &next->sp, flags);
}

void slice_contend(struct cpu *cpu)
{
    if (cpu->slices_unwatched)
        return;
    cpu->current->slice_end_ns = slice_end(cpu->current, clock_now_ns());
    arm_by(cpu, cpu->current->slice_end_ns);
}

__attribute__((noinline)) void make_ready_contending(struct thread *thread)
{
    struct cpu *cpu = cpu_this();

    slice_contend(cpu);
    ready_insert(cpu, thread, thread->priority);
}

__attribute__((noinline)) void make_ready_rarely(struct thread *thread, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    make_ready(cpu, thread);
    leave(cpu, flags);
}

__attribute__((noinline)) void make_ready_unequal(struct thread *thread, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    ready_insert(cpu, thread, thread->priority);
    leave(cpu, flags);
}

__attribute__((noinline)) void wait_queue_wake_rarely(struct thread *thread, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    wait_queue_wake_inline(cpu, thread, false);
    leave(cpu, flags);
}

/* A thread that is preempted keeps what is left of its turn; every other has a whole one before it whenever it does not
 * run, so that those ways to the CPU and from it need not say so. */
static inline void preempt_current(struct cpu *cpu)
{
    uint64_t now = clock_now_ns();
    struct thread *next;

    end_turn_if_over(cpu, now);
    cpu->need_resched = false;
    next = pick(cpu);
    if (next != cpu->current)
        switch_to(cpu, cpu->current, next, (struct irq_moment){0, now}, switch_attended_forced);
    cpu->current->slice_left_ns = cpu->current->quantum_ns;
}

/* Unless threads are preempted anywhere, need_resched stays until something switches. A last step, as the usual way
 * needs no more. */
static __attribute__((noinline)) void preempt_rarely(struct cpu *cpu)
{
    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    if (cpu->preemption == PREEMPTION_ANYWHERE)
        sched_preempt_now();
}

void sched_preempt(void)
{
    struct cpu *cpu = cpu_this();

    if (unlikely(cpu->not_plain != CPU_PLAIN_BUT_RESCHED))
        preempt_rarely(cpu);
    else
        sched_preempt_now();
}

__attribute__((noinline)) void sched_preempt_now(void)
{
    preempt_current(cpu_this());
}

__attribute__((noinline)) void preempt(uint64_t flags)
{
    sched_preempt();
    irq_restore(flags);
}

__attribute__((noinline)) void leave_due(uint64_t flags)
{
    if ((flags & IRQ_ENABLED) && cpu_this()->preempt_count == 0)
        sched_preempt();
    irq_restore(flags);
}

/* Nothing but the running thread itself makes the question obsolete that preempt_point() asked. */
void sched_preempt_here(void)
{
    uint64_t flags = irq_save();

    if (flags & IRQ_ENABLED)
        sched_preempt_now();
    irq_restore(flags);
}

seldom void sched_preempt_edge(void)
{
    struct cpu *cpu = cpu_this();

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    if (cpu->not_plain == CPU_POINT_IS_DUE)
        sched_preempt_now();
}

void sched_timer_interrupt(void)
{
    struct cpu *cpu = cpu_this();
    uint64_t now = clock_now_ns();

    cpu->timer_armed_ns = TIMER_NEVER;
    arm_by(cpu, timer_queue_expire(&cpu->timers, now));
    if (!slice_contended(cpu))
        return;
    if (now >= cpu->current->slice_end_ns)
        cpu->need_resched = true;
    else if (!cpu->slices_unwatched)
        arm_by(cpu, cpu->current->slice_end_ns);
}

/* By the last one's time, not the clock's: ticks do not drift. Those that a stalled machine missed are one interrupt.
 */
static seldom void tick_expired(struct waker *waker)
{
    struct cpu *cpu = container_of(waker, struct cpu, ticker);
    uint64_t late_ns = clock_now_ns() - cpu->tick.deadline_ns;
    uint64_t next_ns = cpu->tick.deadline_ns + (late_ns / cpu->tick_ns + 1) * cpu->tick_ns;

    timer_queue_insert(&cpu->timers, &cpu->tick, next_ns, waker);
}

seldom void sched_tick_start(uint64_t period_ns)
{
    struct cpu *cpu = cpu_this();

    ASSERT(period_ns > 0);
    cpu->slices_unwatched = true;
    cpu->tick_ns = period_ns;
    cpu->ticker.wake = tick_expired;
    sched_timer_start(&cpu->tick, clock_now_ns() + period_ns, &cpu->ticker);
}

seldom enum preemption sched_set_preemption(enum preemption preemption)
{
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();
    enum preemption before = (enum preemption)cpu->preemption;

    cpu->preemption = (uint8_t)preemption;
    cpu->slices_unwatched = preemption == PREEMPTION_NEVER || cpu->tick_ns > 0;
    if (slice_contended(cpu) && slice_unwatched(cpu))
        slice_contend(cpu);
    leave(cpu, flags);
    return before;
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
    uint8_t condition = thread->condition;

    if (condition == THREAD_READY && thread == cpu_this()->current)
        return THREAD_RUNNING;
    return condition == THREAD_PARKED_WATCHED ? THREAD_PARKED : (enum thread_state)condition;
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

/* The rest of thread_yield() where more is due than a turn of the ring, or may not be had by being preempted. Something
 * more urgent runs first, but the turn is given away all the same. */
static seldom void yield_rarely(struct cpu *cpu, struct irq_moment moment)
{
    struct thread *current = cpu->current;
    struct thread *next;

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    cpu->need_resched = false;
    cpu->ready[current->priority] = ring_next(current);
    next = pick(cpu);
    if (next == current)
        irq_restore(moment.flags);
    else
        switch_to(cpu, current, next, moment, switch_attended);
}

void critical_leave_woken(uint64_t flags)
{
    leave(cpu_this(), flags);
}

void critical_pause(uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    preempt_count_up(&cpu->preempt_count);
    let_interrupts_in(flags);
    (void)preempt_count_down(&cpu->preempt_count);
}

bool critical_interrupted(void)
{
    return cpu_this()->irq_depth > 0;
}

void thread_yield(void)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    struct thread *next = ring_next(current);

    if (unlikely(cpu->not_plain)) {
        yield_rarely(cpu, moment);
        return;
    }
    if (next == current) {
        irq_restore(moment.flags);
        return;
    }
    cpu->ready[current->priority] = next;
    switch_to(cpu, current, next, moment, switch_attended);
}

_Noreturn void wait_refused(void)
{
    const struct cpu *cpu = cpu_this();
    const char *where = "inside a poll";

    if (cpu->irq_depth)
        where = "in an interrupt";
    else if (cpu->preempt_count)
        where = "while preemption is disabled";
    panic("thread %s waits %s", cpu->current->name, where);
}

static inline void park(struct cpu *cpu, struct irq_moment moment)
{
    struct thread *current = cpu->current;

    if (current->token) {
        current->token = false;
        leave(cpu, moment.flags);
        return;
    }
    wait(cpu, THREAD_PARKED, moment);
}

void thread_park(void)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    park(cpu, moment);
}

void thread_park_between_polls(void)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    if (unlikely(!may_switch(cpu)))
        wait_refused();
    park(cpu, moment);
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
    if (deadline_ns == 0) {
        preempt_point();
        return;
    }
    flags = irq_save();
    timer_queue_insert(&cpu->timers, &current->deadline, deadline_ns, &current->waker);
    arm_by(cpu, deadline_ns);
    thread_park();
    timer_queue_remove(&cpu->timers, &current->deadline);
    leave(cpu, flags);
}

void sleep_expired(struct waker *waker)
{
    make_ready(cpu_this(), container_of(waker, struct thread, expired));
}

void thread_sleep_until(uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (deadline_ns <= moment.now_ns || unlikely(cpu->current->cancelled)) {
        leave(cpu, moment.flags);
        return;
    }
    wait_queue_limit(cpu, deadline_ns, sleep_expired);
    wait(cpu, THREAD_SLEEPING, moment);
}

uint64_t thread_sleep_next(uint64_t *deadline_ns, uint64_t period_ns)
{
    uint64_t now = clock_now_ns();
    uint64_t missed = 0;

    ASSERT(period_ns > 0);
    *deadline_ns += period_ns;
    if (*deadline_ns < now)
        missed = (now - *deadline_ns + period_ns - 1) / period_ns;
    *deadline_ns += missed * period_ns;
    thread_sleep_until(*deadline_ns);
    return missed;
}

/* Out of line, and a last step, as make_ready_rarely() is. */
static __attribute__((noinline)) void wake_with_insight(struct thread *thread, uint64_t flags)
{
    if (thread->condition == THREAD_PARKED_WATCHED) {
        account_woken(thread);
        make_ready_rarely(thread, flags);
    } else {
        thread->token = true;
        irq_restore(flags);
    }
}

void thread_waker_wake(struct waker *waker)
{
    struct thread *thread = container_of(waker, struct thread, waker);
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();

    if (likely(thread->condition == THREAD_PARKED)) {
        make_ready_last(cpu, thread, flags);
    } else if (unlikely(cpu->insight)) {
        wake_with_insight(thread, flags);
    } else {
        thread->token = true;
        irq_restore(flags);
    }
}

void thread_wake(struct thread *thread)
{
    thread_waker_wake(&thread->waker);
}
