/*
 * Reader-writer locks: see rwlock.h.
 *
 * While nobody waits, each operation is one compare-and-swap of the state. A thread that must wait marks it, with
 * interrupts off, and from then on all fail their swap and come here, with interrupts off. While threads wait, somebody
 * holds the lock; and if readers hold it, a writer waits.
 *
 * Who waits to read and who waits to write stand in the queues of two mutexes that nobody locks. They are there to lend
 * their waiters' priority: both are among the contended ones of the writer that holds the lock, and have no owner while
 * readers do; but for those who wait to read while somebody lets them in, which is a thread of its own and takes a
 * while.
 */
#include "thread/rwlock.h"

#include "thread/mutex_internal.h"
#include "thread/waiting.h"

_Static_assert(_Alignof(struct thread) >= RWLOCK_READER, "a thread's address leaves room for the marks");

static inline bool take_read(struct rwlock *rwlock, struct thread *current)
{
    uintptr_t state = atomic_load_explicit(&rwlock->state, memory_order_relaxed);

    while (likely(!(state & (RWLOCK_WRITER | RWLOCK_CONTENDED)))) {
        if (unlikely(!atomic_compare_exchange_weak_explicit(&rwlock->state, &state, state + RWLOCK_READER,
                                                            memory_order_acquire, memory_order_relaxed)))
            continue;
        current->mutexes++;
        return true;
    }
    return false;
}

static inline bool take_write(struct rwlock *rwlock, struct thread *current)
{
    uintptr_t nobody = 0;

    if (unlikely(!atomic_compare_exchange_strong_explicit(&rwlock->state, &nobody, (uintptr_t)current | RWLOCK_WRITER,
                                                          memory_order_acquire, memory_order_relaxed)))
        return false;
    current->mutexes++;
    return true;
}

/* ---- who waits, interrupts off ----------------------------------------------------------------------------------- */

static inline bool anybody_waits(const struct mutex *side)
{
    return !list_empty(&side->queue.threads);
}

/* `holder` is the readers or the writer, as the state has them. */
static void set_holder(struct rwlock *rwlock, uintptr_t holder)
{
    bool contended = anybody_waits(&rwlock->readers) || anybody_waits(&rwlock->writers);

    atomic_store_explicit(&rwlock->state, holder | (contended ? RWLOCK_CONTENDED : 0), memory_order_relaxed);
}

static uintptr_t holder_of(struct rwlock *rwlock)
{
    return atomic_load_explicit(&rwlock->state, memory_order_relaxed) & ~(uintptr_t)RWLOCK_CONTENDED;
}

/* Begins to lend the writer, if there is one, what this side's waiters have. */
static void lend(struct mutex *side, struct thread *writer)
{
    if (!writer)
        return;
    list_push_back(&writer->contended, &side->contended);
    atomic_store_explicit(&side->owner, (uintptr_t)writer | MUTEX_CONTENDED, memory_order_relaxed);
}

static void take_back(struct mutex *side)
{
    if (!mutex_owner(side))
        return;
    list_remove(&side->contended);
    atomic_store_explicit(&side->owner, 0, memory_order_relaxed);
}

/* Who does not wait, nor did anybody before on this side, closes no circle that is looked for. */
static void refuse(struct rwlock *rwlock, struct mutex *side, const struct thread *current)
{
    const struct thread *writer = rwlock_writer(rwlock);

    if (writer == current)
        panic("%s locks an rwlock that it writes", current->name);
    if (mutex_owner(side))
        mutex_refuse_deadlock(side, current);
}

/* Somebody holds it. */
static void wait_for_holder(struct cpu *cpu, struct rwlock *rwlock, struct mutex *side, struct irq_moment moment)
{
    struct thread *writer = rwlock_writer(rwlock);

    if (!anybody_waits(side))
        lend(side, writer);
    refuse(rwlock, side, cpu->current);
    wait_queue_enter(cpu, &side->queue, side);
    set_holder(rwlock, holder_of(rwlock));
    mutex_inherit(cpu, mutex_owner(side));
    switch_away(cpu, moment);
}

/* ---- who is let in, interrupts off ------------------------------------------------------------------------------- */

static void admit_reader(struct cpu *cpu, struct rwlock *rwlock)
{
    struct thread *first = wait_queue_first(&rwlock->readers.queue);

    wait_queue_wake(cpu, first, false);
    first->mutexes++;
    if (!anybody_waits(&rwlock->readers))
        take_back(&rwlock->readers);
    set_holder(rwlock, holder_of(rwlock) + RWLOCK_READER);
}

/* All that wait to read, beside `readers` that do already. Interrupts are let in after each, and threads are not: no
 * other comes to wait, and deadlines find a lock that is read. */
static void admit_readers(struct cpu *cpu, struct rwlock *rwlock, uintptr_t readers, uint64_t flags)
{
    struct thread *borrower = mutex_owner(&rwlock->readers);

    set_holder(rwlock, readers * RWLOCK_READER);
    preempt_count_up(&cpu->preempt_count);
    while (anybody_waits(&rwlock->readers)) {
        admit_reader(cpu, rwlock);
        let_interrupts_in(flags);
    }
    (void)preempt_count_down(&cpu->preempt_count);
    mutex_inherit(cpu, borrower);
}

/* Nobody holds it. Readers that wait may be more urgent than the writer. */
static void admit_writer(struct cpu *cpu, struct rwlock *rwlock)
{
    struct thread *first = wait_queue_first(&rwlock->writers.queue);

    wait_queue_wake(cpu, first, false);
    first->mutexes++;
    if (anybody_waits(&rwlock->readers))
        lend(&rwlock->readers, first);
    if (anybody_waits(&rwlock->writers))
        lend(&rwlock->writers, first);
    set_holder(rwlock, (uintptr_t)first | RWLOCK_WRITER);
    mutex_inherit(cpu, first);
}

/* The running thread writes no more; it reads, or `readers` is 0. The last step of a critical section. */
static void end_writing(struct cpu *cpu, struct rwlock *rwlock, uintptr_t readers, uint64_t flags)
{
    take_back(&rwlock->writers);
    mutex_inherit(cpu, cpu->current);
    if (!readers && !anybody_waits(&rwlock->readers) && anybody_waits(&rwlock->writers))
        admit_writer(cpu, rwlock);
    else
        admit_readers(cpu, rwlock, readers, flags);
    resettle(cpu);
    leave(cpu, flags);
}

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

/* The thread waits no more. Readers that wait behind the last writer to do so are let in by that thread, which may be
 * many and would keep interrupts off here: it has their priority for that. */
static void give_up(struct cpu *cpu, struct rwlock *rwlock, struct mutex *side, struct thread *thread)
{
    struct thread *borrower = mutex_owner(side);

    wait_queue_wake(cpu, thread, true);
    if (!anybody_waits(side))
        take_back(side);
    set_holder(rwlock, holder_of(rwlock));
    if (anybody_waits(&rwlock->readers) && !anybody_waits(&rwlock->writers) && !mutex_owner(&rwlock->readers)) {
        lend(&rwlock->readers, thread);
        borrower = thread;
    }
    mutex_inherit(cpu, borrower);
    resettle(cpu);
}

/* What a writer that gave up has left to do. */
static void let_readers_in(struct rwlock *rwlock)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();

    if (mutex_owner(&rwlock->readers) == cpu->current) {
        admit_readers(cpu, rwlock, rwlock_readers(rwlock), flags);
        resettle(cpu);
    }
    leave(cpu, flags);
}

static seldom void read_expired(struct waker *waker)
{
    struct thread *thread = container_of(waker, struct thread, expired);
    struct rwlock *rwlock = container_of(thread->waits_for, struct rwlock, readers);

    give_up(cpu_this(), rwlock, &rwlock->readers, thread);
}

static seldom void write_expired(struct waker *waker)
{
    struct thread *thread = container_of(waker, struct thread, expired);
    struct rwlock *rwlock = container_of(thread->waits_for, struct rwlock, writers);

    give_up(cpu_this(), rwlock, &rwlock->writers, thread);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static seldom enum status read_slowly(struct rwlock *rwlock, uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    if (take_read(rwlock, current)) {
        leave(cpu, moment.flags);
        return STATUS_OK;
    }
    if (deadline_ns <= moment.now_ns) {
        refuse(rwlock, &rwlock->readers, current);
        leave(cpu, moment.flags);
        return STATUS_TIMEOUT;
    }
    wait_queue_limit(cpu, deadline_ns, read_expired);
    wait_for_holder(cpu, rwlock, &rwlock->readers, moment);
    return wait_status(current);
}

enum status rwlock_read_lock_until(struct rwlock *rwlock, uint64_t deadline_ns)
{
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (likely(take_read(rwlock, cpu->current)))
        return STATUS_OK;
    return read_slowly(rwlock, deadline_ns);
}

void rwlock_read_lock(struct rwlock *rwlock)
{
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (unlikely(!take_read(rwlock, cpu->current)))
        read_slowly(rwlock, TIMER_NEVER);
}

bool rwlock_read_try(struct rwlock *rwlock)
{
    struct cpu *cpu = cpu_this();

    ASSERT(cpu->irq_depth == 0);
    return take_read(rwlock, cpu->current);
}

static seldom void read_unlock_slowly(struct rwlock *rwlock)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();
    size_t readers = rwlock_readers(rwlock);

    if (readers == 0)
        panic("%s unlocks an rwlock that nobody reads", cpu->current->name);
    if (readers == 1 && mutex_owner(&rwlock->readers)) {
        admit_readers(cpu, rwlock, 0, flags);
        resettle(cpu);
    } else if (readers == 1 && anybody_waits(&rwlock->writers)) {
        admit_writer(cpu, rwlock);
        resettle(cpu);
    } else {
        set_holder(rwlock, (readers - 1) * RWLOCK_READER);
    }
    leave(cpu, flags);
}

void rwlock_read_unlock(struct rwlock *rwlock)
{
    struct cpu *cpu = cpu_this();
    uintptr_t state = atomic_load_explicit(&rwlock->state, memory_order_relaxed);

    ASSERT(cpu->irq_depth == 0 && cpu->current->mutexes > 0);
    cpu->current->mutexes--;
    while (likely(state >= RWLOCK_READER && !(state & (RWLOCK_WRITER | RWLOCK_CONTENDED))))
        if (likely(atomic_compare_exchange_weak_explicit(&rwlock->state, &state, state - RWLOCK_READER,
                                                         memory_order_release, memory_order_relaxed)))
            return;
    read_unlock_slowly(rwlock);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static seldom enum status write_slowly(struct rwlock *rwlock, uint64_t deadline_ns)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    if (take_write(rwlock, current)) {
        leave(cpu, moment.flags);
        return STATUS_OK;
    }
    if (deadline_ns <= moment.now_ns) {
        refuse(rwlock, &rwlock->writers, current);
        leave(cpu, moment.flags);
        return STATUS_TIMEOUT;
    }
    wait_queue_limit(cpu, deadline_ns, write_expired);
    wait_for_holder(cpu, rwlock, &rwlock->writers, moment);
    if (current->timed_out)
        let_readers_in(rwlock);
    return wait_status(current);
}

enum status rwlock_write_lock_until(struct rwlock *rwlock, uint64_t deadline_ns)
{
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (likely(take_write(rwlock, cpu->current)))
        return STATUS_OK;
    return write_slowly(rwlock, deadline_ns);
}

void rwlock_write_lock(struct rwlock *rwlock)
{
    struct cpu *cpu = cpu_this();

    ASSERT(may_wait(cpu));
    if (unlikely(!take_write(rwlock, cpu->current)))
        write_slowly(rwlock, TIMER_NEVER);
}

bool rwlock_write_try(struct rwlock *rwlock)
{
    struct cpu *cpu = cpu_this();

    ASSERT(cpu->irq_depth == 0);
    return take_write(rwlock, cpu->current);
}

static void check_writer(const struct cpu *cpu, struct rwlock *rwlock)
{
    const struct thread *writer = rwlock_writer(rwlock);

    if (writer != cpu->current)
        panic("%s unlocks an rwlock that %s writes", cpu->current->name, writer ? writer->name : "nobody");
}

static seldom void write_unlock_slowly(struct rwlock *rwlock)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();

    check_writer(cpu, rwlock);
    end_writing(cpu, rwlock, 0, flags);
}

void rwlock_write_unlock(struct rwlock *rwlock)
{
    struct cpu *cpu = cpu_this();
    uintptr_t writer = (uintptr_t)cpu->current | RWLOCK_WRITER;

    ASSERT(cpu->irq_depth == 0);
    cpu->current->mutexes--;
    if (unlikely(!atomic_compare_exchange_strong_explicit(&rwlock->state, &writer, 0, memory_order_release,
                                                          memory_order_relaxed)))
        write_unlock_slowly(rwlock);
}

seldom void rwlock_downgrade(struct rwlock *rwlock)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();

    ASSERT(cpu->irq_depth == 0);
    check_writer(cpu, rwlock);
    end_writing(cpu, rwlock, 1, flags);
}
