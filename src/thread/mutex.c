/*
 * Mutexes: see mutex.h.
 *
 * While nobody waits, locking and unlocking are one compare-and-swap of the owner each. A thread that must wait marks
 * the word, with interrupts off, so that the owner's swap fails and it comes here too, with interrupts off. Whatever
 * cuts in before a swap changes the word, and the swap fails, or leaves it as it was, and nothing happened; after it,
 * the word already says who owns the mutex, which is all that others look at.
 */
#include "thread/mutex.h"

#include "thread/mutex_internal.h"
#include "thread/waiting.h"

static inline void set_owner(struct mutex *mutex, struct thread *owner, bool contended)
{
    atomic_store_explicit(&mutex->owner, (uintptr_t)owner | (contended ? MUTEX_CONTENDED : 0), memory_order_relaxed);
}

/* ---- inheritance, interrupts off --------------------------------------------------------------------------------- */

/* The priority a thread is to run at. */
static uint8_t due_priority(const struct cpu *cpu, struct thread *thread)
{
    uint8_t priority = thread->base_priority;

    if (!cpu->inheritance)
        return priority;
    list_for_each (node, &thread->contended) {
        const struct thread *first = wait_queue_first(&container_of(node, struct mutex, contended)->queue);

        if (first->priority > priority)
            priority = first->priority;
    }
    return priority;
}

/* Moves the thread to where its priority belongs, in the ring or the queue it is in. */
static void set_priority(struct cpu *cpu, struct thread *thread, uint8_t priority)
{
    if (thread->condition == THREAD_READY) {
        ready_move(cpu, thread, priority);
    } else {
        thread->priority = priority;
        if (thread->condition == THREAD_WAITING) {
            list_remove(&thread->ring);
            wait_queue_insert(thread->waits_in, thread);
        }
    }
}

/* Of a thread that gained or lost a waiter, and on along the chain of owners it waits for, until nothing changes. There
 * is no circle: lock refuses to close one. Readers of a reader-writer lock are no owner: the chain ends at them. */
static void inherit(struct cpu *cpu, struct thread *thread)
{
    while (thread) {
        uint8_t priority = due_priority(cpu, thread);

        if (priority == thread->priority)
            return;
        set_priority(cpu, thread, priority);
        if (thread->condition != THREAD_WAITING || !thread->waits_for)
            return;
        thread = mutex_owner(thread->waits_for);
    }
}

void thread_set_priority(struct thread *thread, unsigned priority)
{
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();

    ASSERT(priority > THREAD_PRIORITY_IDLE && priority < THREAD_PRIORITIES && thread != &cpu->idle);
    thread->base_priority = (uint8_t)priority;
    inherit(cpu, thread);
    resettle(cpu);
    leave(cpu, flags);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Panics if the owner waits, in the end, for the running thread. */
static void refuse_deadlock(struct mutex *mutex, const struct thread *current)
{
    const struct thread *owner = mutex_owner(mutex);

    if (owner == current)
        panic("%s locks a mutex that it owns", current->name);
    while (owner->condition == THREAD_WAITING && owner->waits_for) {
        owner = mutex_owner(owner->waits_for);
        if (!owner)
            return;
        if (owner == current)
            panic("deadlock: %s locks a mutex of %s, which waits for %s", current->name, mutex_owner(mutex)->name,
                  current->name);
    }
}

/* Before a first waiter comes. */
static inline void mark_contended(struct mutex *mutex, struct thread *owner)
{
    if (!list_empty(&mutex->queue.threads))
        return;
    list_push_back(&owner->contended, &mutex->contended);
    set_owner(mutex, owner, true);
}

/* Interrupts off, and not free. */
static inline void wait_for_owner(struct cpu *cpu, struct mutex *mutex, struct irq_moment moment)
{
    struct thread *owner = mutex_owner(mutex);

    mark_contended(mutex, owner);
    wait_queue_enter(cpu, &mutex->queue, mutex);
    inherit(cpu, owner);
    switch_away(cpu, moment);
}

void mutex_lock_slowly(struct mutex *mutex)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (mutex_take_free(mutex, cpu->current)) {
        leave(cpu, moment.flags);
        return;
    }
    refuse_deadlock(mutex, cpu->current);
    wait_for_owner(cpu, mutex, moment);
}

/* The deadline of a waiter has come. */
static seldom void lock_expired(struct waker *waker)
{
    struct thread *thread = container_of(waker, struct thread, expired);
    struct cpu *cpu = cpu_this();
    struct mutex *mutex = thread->waits_for;
    struct thread *owner = mutex_owner(mutex);

    wait_queue_wake(cpu, thread, true);
    if (list_empty(&mutex->queue.threads)) {
        list_remove(&mutex->contended);
        set_owner(mutex, owner, false);
    }
    inherit(cpu, owner);
    resettle(cpu);
}

static __attribute__((noinline)) enum status lock_slowly_until(struct mutex *mutex, uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    if (mutex_take_free(mutex, current)) {
        leave(cpu, moment.flags);
        return STATUS_OK;
    }
    refuse_deadlock(mutex, current);
    if (deadline_ns <= moment.now_ns) {
        leave(cpu, moment.flags);
        return STATUS_TIMEOUT;
    }
    wait_queue_limit(cpu, deadline_ns, lock_expired);
    wait_for_owner(cpu, mutex, moment);
    return wait_status(current);
}

enum status mutex_lock_until(struct mutex *mutex, uint64_t deadline_ns)
{
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (likely(mutex_take_free(mutex, cpu->current)))
        return STATUS_OK;
    return lock_slowly_until(mutex, deadline_ns);
}

bool mutex_try(struct mutex *mutex)
{
    struct cpu *cpu = cpu_this();

    ASSERT(cpu->irq_depth == 0);
    return mutex_take_free(mutex, cpu->current);
}

/* ---- unlocking --------------------------------------------------------------------------------------------------- */

/* Makes the first waiter the owner: as urgent as any that still waits, so its own priority stays. */
static inline void hand_over(struct cpu *cpu, struct mutex *mutex, struct thread *first)
{
    bool contended;

    list_remove(&mutex->contended);
    inherit(cpu, cpu->current);
    wait_queue_wake_inline(cpu, first, false);
    contended = !list_empty(&mutex->queue.threads);
    if (contended)
        list_push_back(&first->contended, &mutex->contended);
    first->mutexes++;
    set_owner(mutex, first, contended);
}

void mutex_unlock_slowly(struct mutex *mutex)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();
    struct thread *owner = mutex_owner(mutex);
    struct thread *first = wait_queue_first(&mutex->queue);

    ASSERT(cpu->irq_depth == 0);
    if (owner != cpu->current)
        panic("%s unlocks a mutex of %s", cpu->current->name, owner ? owner->name : "nobody");
    owner->mutexes--;
    if (first) {
        hand_over(cpu, mutex, first);
        resettle(cpu);
    } else {
        set_owner(mutex, NULL, false); /* they have timed out since */
    }
    leave(cpu, flags);
}

/* ---- what mutex_internal.h promises ------------------------------------------------------------------------------ */

void mutex_inherit(struct cpu *cpu, struct thread *thread)
{
    inherit(cpu, thread);
}

void mutex_refuse_deadlock(struct mutex *mutex, const struct thread *thread)
{
    refuse_deadlock(mutex, thread);
}

void mutex_release(struct cpu *cpu, struct mutex *mutex)
{
    struct thread *first = wait_queue_first(&mutex->queue);

    ASSERT(mutex_owner(mutex) == cpu->current);
    cpu->current->mutexes--;
    if (first)
        hand_over(cpu, mutex, first);
    else
        set_owner(mutex, NULL, false);
}

void mutex_grant(struct cpu *cpu, struct mutex *mutex, struct thread *thread)
{
    struct thread *owner = mutex_owner(mutex);

    if (!owner) {
        thread->mutexes++;
        set_owner(mutex, thread, false);
        make_ready(cpu, thread);
        return;
    }
    refuse_deadlock(mutex, thread);
    mark_contended(mutex, owner);
    thread->waits_in = &mutex->queue;
    thread->waits_for = mutex;
    wait_queue_insert(&mutex->queue, thread);
    inherit(cpu, owner);
    resettle(cpu);
}
