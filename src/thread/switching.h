/*
 * Inside src/thread: what the scheduler and everything that blocks are made of. All of it with interrupts off.
 *
 * Inline, so that each operation that may switch is one function whose last step is the switch.
 */
#ifndef DUET_THREAD_SWITCHING_H
#define DUET_THREAD_SWITCHING_H

#include "lib/clock.h"
#include "thread/arch.h"
#include "thread/sched.h"

static inline struct thread *ring_next(const struct thread *thread)
{
    return container_of(thread->ring.next, struct thread, ring);
}

/* Makes a thread ready, as the only one of `priority`, its own. */
static inline void ready_insert_first(struct cpu *cpu, struct thread *thread, size_t priority)
{
    thread->condition = THREAD_READY;
    list_init(&thread->ring);
    cpu->ready[priority] = thread;
    cpu->ready_mask |= UINT64_C(1) << priority;
}

/* The same, its turn after all others'. */
static inline void ready_insert(struct cpu *cpu, struct thread *thread, size_t priority)
{
    struct thread *first = cpu->ready[priority];

    if (!first) {
        ready_insert_first(cpu, thread, priority);
        return;
    }
    thread->condition = THREAD_READY;
    list_push_back(&first->ring, &thread->ring);
}

/* Takes the running thread, whose turn it is, out of its ring. */
static inline void ready_remove(struct cpu *cpu, struct thread *current)
{
    size_t priority = current->priority;
    struct thread *next = ring_next(current);

    if (next == current) {
        cpu->ready[priority] = NULL;
        cpu->ready_mask &= ~(UINT64_C(1) << priority);
        return;
    }
    list_remove(&current->ring);
    cpu->ready[priority] = next;
}

/* Moves a ready thread to the front of another priority's ring; only the running thread is before all others. Whether
 * the running thread still is the right one is left to resettle(). */
static inline void ready_move(struct cpu *cpu, struct thread *thread, uint8_t priority)
{
    struct thread *next = ring_next(thread);
    struct thread *first = cpu->ready[priority];

    list_remove(&thread->ring);
    if (next == thread) {
        cpu->ready[thread->priority] = NULL;
        cpu->ready_mask &= ~(UINT64_C(1) << thread->priority);
    } else if (cpu->ready[thread->priority] == thread) {
        cpu->ready[thread->priority] = next;
    }
    thread->priority = priority;
    if (first && first == cpu->current) {
        list_push_front(&first->ring, &thread->ring);
        return;
    }
    ready_insert(cpu, thread, priority);
    cpu->ready[priority] = thread;
}

/* Another thread waits for the current one's slice to end. */
static inline bool slice_contended(const struct cpu *cpu)
{
    return ring_next(cpu->current) != cpu->current;
}

static inline void arm_by(struct cpu *cpu, uint64_t deadline_ns)
{
    if (deadline_ns >= cpu->timer_armed_ns)
        return;
    cpu->timer_armed_ns = deadline_ns;
    timer_arm(deadline_ns);
}

/* The end of the turn that `now` falls in. Turns follow each other in a fixed rhythm, contended or not, so whoever
 * comes to wait does so for a quantum at most, and never finds a turn already overdrawn. */
static inline uint64_t slice_end(const struct thread *thread, uint64_t now)
{
    if (now < thread->slice_end_ns)
        return thread->slice_end_ns;
    return now + thread->quantum_ns - (now - thread->slice_end_ns) % thread->quantum_ns;
}

/* The rest of switch_to() where the timer must be armed for the end of the turn: out of line, and a last step too, so
 * that the usual switch saves no register across a call. */
void switch_armed(struct thread *previous, struct thread *next, uint64_t flags);

/* The rest of switch_to() where either thread needs attention: in vectors.c. Of one that gives up the CPU, and of one
 * that it is taken from. */
typedef void switch_rest(struct thread *previous, struct thread *next, uint64_t flags);
switch_rest switch_attended, switch_attended_forced;

/*
 * Switches from the current thread, `previous`, to `next`; `flags` are restored when the first, which is already where
 * it belongs, runs again. An armed timer is left as it is when it is early enough: it costs one needless interrupt a
 * quantum at most, and saves arming at every switch. Nothing comes after the switch, so a caller that does nothing more
 * either needs no frame.
 */
static inline void switch_to(struct cpu *cpu, struct thread *previous, struct thread *next, struct irq_moment moment,
                             switch_rest *attended)
{
    previous->run_ns += moment.now_ns;
    next->run_ns -= moment.now_ns;
    next->slice_end_ns = moment.now_ns + next->slice_left_ns;
    next->switches++;
    cpu->switches++;
    cpu->current = next;
    if (unlikely(previous->attention | next->attention))
        attended(previous, next, moment.flags);
    else if (unlikely(next->slice_end_ns < cpu->timer_armed_ns) && slice_contended(cpu))
        switch_armed(previous, next, moment.flags);
    else
        context_switch(&previous->sp, &next->sp, moment.flags);
}

/* The first of the most urgent. */
static inline struct thread *pick(const struct cpu *cpu)
{
    return cpu->ready[63 ^ (unsigned)__builtin_clzll(cpu->ready_mask)]; /* 63 - clz, and one instruction */
}

/* The running thread has left its ring: whoever is to run now is another. */
static inline void switch_away(struct cpu *cpu, struct irq_moment moment)
{
    cpu->need_resched = false;
    switch_to(cpu, cpu->current, pick(cpu), moment, switch_attended);
}

/* The current thread loses the CPU, ready. Its turn over, the next of its equals is first; else a more urgent thread
 * cuts in and the turn goes on afterwards. One that nobody waited for the end of may be overdrawn. */
static inline void end_turn_if_over(struct cpu *cpu, uint64_t now)
{
    struct thread *current = cpu->current;

    if (unlikely(now >= current->slice_end_ns) && slice_contended(cpu))
        cpu->ready[current->priority] = ring_next(current);
    else
        current->slice_left_ns = current->slice_end_ns - now;
}

/* Has the CPU given to whom it belongs now, and comes back with interrupts as `flags` says. */
void preempt(uint64_t flags);

/* The rest of leave() where a switch is due, and may be forbidden. */
void leave_due(uint64_t flags);

/* Ends a critical section that may have made a more urgent thread ready. A caller that had interrupts off leaves the
 * switch to whoever turns them on. */
static inline void leave(struct cpu *cpu, uint64_t flags)
{
    if (unlikely(cpu->need_resched))
        leave_due(flags);
    else
        irq_restore(flags);
}

/* Between two steps of a long critical section: lets in what interrupts have come, if `flags` had them on. What it
 * leaves as it was is what interrupts leave alone; threads too, while preemption is off. */
static inline void let_interrupts_in(uint64_t flags)
{
    irq_restore(flags);
    (void)irq_save();
}

/* A first thread comes to wait for the end of the current one's turn. */
void slice_contend(struct cpu *cpu);

/* True if nobody waits for the end of the current thread's turn yet: a timer armed for no later than that end says both
 * that the turn is not over and that its end will be noticed. */
static inline bool slice_unwatched(const struct cpu *cpu)
{
    return unlikely(cpu->timer_armed_ns > cpu->current->slice_end_ns);
}

/* The rest of make_ready() where a turn is to be watched: out of line, so that a waker of which it is the last step
 * needs no frame. */
void make_ready_contending(struct thread *thread);

/* Makes a thread that waits, in no ring, ready; the switch to it, if it is more urgent, is left to leave(). */
static inline void make_ready(struct cpu *cpu, struct thread *thread)
{
    if (thread->priority > cpu->current->priority)
        cpu->need_resched = true;
    if (thread->priority == cpu->current->priority && slice_unwatched(cpu) && !slice_contended(cpu))
        make_ready_contending(thread);
    else
        ready_insert(cpu, thread, thread->priority);
}

/* The rest of make_ready_last() where a turn is to be watched: out of line, and a last step too, so that the usual way
 * saves no register across a call. */
void make_ready_rarely(struct thread *thread, uint64_t flags);

/* The same for a thread that is less urgent than the running one, or behind one as urgent, which has asked for the
 * switch. */
void make_ready_unequal(struct thread *thread, uint64_t flags);

/* make_ready() and leave(), as the last step of a critical section. The running thread is in its ring; that of one more
 * urgent is usually empty. The fence has the priority compared with anew rather than kept in a register, which would
 * cost the wake of an equal an instruction. */
static inline void make_ready_last(struct cpu *cpu, struct thread *thread, uint64_t flags)
{
    struct thread *current = cpu->current;
    uint8_t priority = thread->priority;

    if (priority == current->priority) {
        if (slice_unwatched(cpu) && !slice_contended(cpu)) {
            make_ready_rarely(thread, flags);
            return;
        }
        thread->condition = THREAD_READY;
        list_push_back(&current->ring, &thread->ring);
        leave(cpu, flags);
        return;
    }
    atomic_signal_fence(memory_order_seq_cst);
    if (priority < current->priority || unlikely(cpu->ready[priority])) {
        make_ready_unequal(thread, flags);
        return;
    }
    ready_insert_first(cpu, thread, priority);
    cpu->need_resched = true;
    if (!(flags & IRQ_ENABLED))
        return;
    if (cpu->preempt_count == 0)
        preempt(flags);
    else
        irq_restore(flags);
}

/* After a ready_move() that took the running thread's lead, or gave it an equal. */
static inline void resettle(struct cpu *cpu)
{
    if (slice_contended(cpu) && slice_unwatched(cpu))
        slice_contend(cpu);
    if (pick(cpu) != cpu->current)
        cpu->need_resched = true;
}

/* What the end of a sleep wakes. */
void sleep_expired(struct waker *waker);

/* What waking a thread's waker does. Context: any. */
void thread_waker_wake(struct waker *waker);

/* Takes the running thread off the CPU until make_ready(); it goes on with interrupts as the moment's flags say. */
static inline void wait(struct cpu *cpu, enum thread_state condition, struct irq_moment moment)
{
    struct thread *current = cpu->current;

    current->condition = (uint8_t)condition;
    ready_remove(cpu, current);
    cpu->need_resched = false;
    switch_to(cpu, current, pick(cpu), moment, switch_attended);
}

#endif
