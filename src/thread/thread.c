/*
 * The life of a thread: its start, its end, and what becomes of its stack. The first two, boot and idle, included.
 */
#include "thread/thread.h"

#include "thread/vectors.h"
#include "thread/waiting.h"

struct list thread_all = LIST_INIT(thread_all);
static uint64_t next_thread_id;

/* What a dead thread's stack holds at its lowest end. */
struct dead_stack {
    void *next;
    size_t bytes;
    struct thread *detached; /* whom to release; NULL: its joiner looks after it, and its block may be gone */
};

/* Frees the stacks of dead threads, and lets go of those that are detached. Whoever calls this runs, so they do not.
 * Interrupts off; between two of them they are as `flags` says. */
static void reap(struct cpu *cpu, uint64_t flags)
{
    while (unlikely(cpu->dead_stacks != NULL)) {
        struct dead_stack dead = *(struct dead_stack *)cpu->dead_stacks;
        void *stack = cpu->dead_stacks;

        *(struct dead_stack *)stack = (struct dead_stack){0}; /* as if it was never used so deep */
        cpu->dead_stacks = dead.next;
        stack_free(stack, dead.bytes);
        if (likely(!dead.detached && !dead.next))
            return;
        irq_restore(flags);
        if (dead.detached && dead.detached->release)
            dead.detached->release(dead.detached);
        irq_save();
    }
}

/* ---- the start --------------------------------------------------------------------------------------------------- */

/* Each field by itself, and only those that are read before they are written: a thread is short of life, and to clear
 * its whole block would be a twentieth of it. */
static inline void prepare(struct thread *thread, const char *name, unsigned priority, uint64_t quantum_ns)
{
    size_t length = 0;

    thread->waker.wake = thread_waker_wake;
    thread->condition = THREAD_PARKED;
    thread->token = thread->timed_out = thread->cancelled = thread->detached = false;
    thread->priority = thread->base_priority = (uint8_t)priority;
    thread->attention = 0;
    thread->vectors = NULL;
    thread->slice_left_ns = thread->quantum_ns = quantum_ns;
    thread->run_ns = thread->switches = 0;
    thread->deadline.prev = NULL;
    list_init(&thread->contended);
    atomic_init(&thread->done.waiter, NULL);
    thread->mutexes = 0;
    thread->may_not_park = false;
    while (length < THREAD_NAME_BYTES - 1 && *name)
        thread->name[length++] = *name++;
    thread->name[length] = '\0';
}

/* The stack as context_switch() wants to find it: every register zero, and the return address the trampoline, which
 * pops what is above. Returns where that is. The ABI has rsp 16-byte aligned before a call, hence on top of it all. */
static inline struct thread_call *prepare_stack(struct thread *thread, void *stack, size_t stack_bytes)
{
    uintptr_t top = ((uintptr_t)stack + stack_bytes) & ~(uintptr_t)15;
    struct thread_call *call = (struct thread_call *)(top - sizeof(*call));
    struct switch_frame *frame = (struct switch_frame *)(void *)call - 1;

    thread->stack = stack;
    thread->stack_bytes = (uint32_t)stack_bytes;
    frame->flags = IRQ_ENABLED;
    frame->r15 = frame->r14 = frame->r13 = frame->r12 = frame->rbx = frame->rbp = 0;
    frame->rip = (uintptr_t)thread_trampoline;
    thread->sp = (uintptr_t)frame;
    return call;
}

static inline void enlist(struct thread *thread)
{
    thread->id = next_thread_id++;
    list_push_back(&thread_all, &thread->all);
}

/* Returns where the thread's call belongs; NULL: there is no stack. Interrupts off, as before it by `flags`. */
static inline struct thread_call *create(struct thread *thread, const char *name, unsigned priority, size_t stack_bytes,
                                         uint64_t quantum_ns, uint64_t flags)
{
    void *stack;

    ASSERT(priority > THREAD_PRIORITY_IDLE && priority < THREAD_PRIORITIES);
    reap(cpu_this(), flags);
    stack = stack_alloc(stack_bytes);
    if (unlikely(!stack))
        return NULL;
    prepare(thread, name, priority, quantum_ns);
    return prepare_stack(thread, stack, stack_bytes);
}

static inline void set_off(struct thread *thread, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    enlist(thread);
    make_ready(cpu, thread);
    leave(cpu, flags);
}

enum status thread_start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry,
                         void *argument)
{
    uint64_t flags = irq_save();
    struct thread_call *call = create(thread, name, priority, THREAD_STACK_BYTES, cpu_this()->quantum_ns, flags);

    if (unlikely(!call)) {
        irq_restore(flags);
        return STATUS_NO_MEMORY;
    }
    call->arguments[0] = (uintptr_t)argument;
    for (size_t i = 1; i < ARRAY_SIZE(call->arguments); i++)
        call->arguments[i] = 0;
    call->function = (uintptr_t)entry;
    set_off(thread, flags);
    return STATUS_OK;
}

/* The smallest stack of at least so many bytes; 0 if even the largest is too small. */
static size_t round_stack(size_t bytes)
{
    size_t rounded = THREAD_STACK_BYTES_MIN;

    while (rounded < bytes && rounded <= THREAD_STACK_BYTES_MAX)
        rounded *= 2;
    return rounded <= THREAD_STACK_BYTES_MAX ? rounded : 0;
}

seldom enum status thread_start_call(struct thread *thread, const char *name, unsigned priority,
                                     const struct thread_options *options, const struct thread_call *call)
{
    static const struct thread_options defaults;
    const struct thread_options *chosen = options ? options : &defaults;
    size_t stack_bytes = chosen->stack_bytes ? round_stack(chosen->stack_bytes) : THREAD_STACK_BYTES;
    uint64_t quantum_ns = chosen->quantum_ns ? chosen->quantum_ns : cpu_this()->quantum_ns;
    struct thread_call *place;
    uint64_t flags;

    if (!stack_bytes || quantum_ns > THREAD_QUANTUM_NS_MAX)
        return STATUS_INVALID;
    flags = irq_save();
    place = create(thread, name, priority, stack_bytes, quantum_ns, flags);
    if (!place) {
        irq_restore(flags);
        return STATUS_NO_MEMORY;
    }
    *place = *call;
    thread->detached = chosen->detached;
    thread->release = chosen->release;
    set_off(thread, flags);
    return STATUS_OK;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* The stack it stands on becomes a dead one, which is not freed before another thread runs. So does the thread: whoever
 * is told by `done` runs only once it does not. */
_Noreturn void thread_exit(void *result)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    struct irq_moment moment;

    if (current->vectors)
        vectors_leave();
    moment = irq_save_now();
    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    if (unlikely(current->may_not_park))
        panic("thread %s ends inside a poll", current->name);
    ASSERT(current->mutexes == 0);
    if (!current->detached)
        current->result = result;
    current->condition = THREAD_DEAD;
    list_remove(&current->all);
    *(struct dead_stack *)current->stack = (struct dead_stack){cpu->dead_stacks, current->stack_bytes,
                                                               current->detached ? current : NULL};
    cpu->dead_stacks = current->stack;
    completion_signal(&current->done);
    ready_remove(cpu, cpu->current);
    switch_away(cpu, moment);
    panic("a dead thread ran");
}

/* The rest of a join, once the thread has ended. */
static inline void *joined(const struct thread *thread)
{
    uint64_t flags = irq_save();

    reap(cpu_this(), flags);
    irq_restore(flags);
    return thread->result;
}

void *thread_join(struct thread *thread)
{
    struct thread *current = thread_current();

    ASSERT(thread != current);
    ASSERT(!thread->detached);
    while (completion_register(&thread->done, &current->waker))
        thread_park();
    return joined(thread);
}

enum status thread_join_until(struct thread *thread, uint64_t deadline_ns, void **result)
{
    struct thread *current = thread_current();

    ASSERT(thread != current);
    ASSERT(!thread->detached);
    while (completion_register(&thread->done, &current->waker)) {
        bool over = clock_now_ns() >= deadline_ns || (current->cancelled && deadline_ns != TIMER_NEVER);

        if (over && completion_unregister(&thread->done, &current->waker))
            return STATUS_TIMEOUT;
        if (!over)
            thread_park_until(deadline_ns);
    }
    *result = joined(thread);
    return STATUS_OK;
}

void thread_detach(struct thread *thread, thread_release *release)
{
    uint64_t flags = irq_save();
    bool dead = thread->condition == THREAD_DEAD;

    ASSERT(!thread->detached);
    ASSERT(dead || !atomic_load(&thread->done.waiter)); /* somebody joins it */
    thread->detached = true;
    thread->release = release;
    if (dead)
        reap(cpu_this(), flags);
    irq_restore(flags);
    if (dead && release)
        release(thread);
}

/* ---- being told -------------------------------------------------------------------------------------------------- */

/* As if the deadline of its sleep or wait had come, whatever is woken by that. A sleep may be without one; a wait at
 * TIMER_NEVER is. */
static void end_wait(struct cpu *cpu, struct thread *thread)
{
    if (thread->condition == THREAD_SLEEPING) {
        timer_queue_remove(&cpu->timers, &thread->deadline);
        if (cpu->insight)
            account_woken(thread);
        make_ready(cpu, thread);
    } else if (thread->condition == THREAD_WAITING && timer_queued(&thread->deadline) &&
               thread->deadline.deadline_ns != TIMER_NEVER) {
        timer_queue_remove(&cpu->timers, &thread->deadline);
        waker_wake(thread->deadline.waker);
    }
}

void thread_cancel(struct thread *thread)
{
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();

    if (!thread->cancelled && thread->condition != THREAD_DEAD) {
        thread->cancelled = true;
        end_wait(cpu, thread);
        thread_wake(thread);
    }
    leave(cpu, flags);
}

bool thread_cancelled(void)
{
    return thread_current()->cancelled;
}

void thread_cancel_point(void)
{
    const struct cpu *cpu = cpu_this();

    if (unlikely(cpu->current->cancelled) && cpu->current->mutexes == 0 && can_wait(cpu))
        thread_exit(THREAD_CANCELLED);
}

void thread_set_quantum(struct thread *thread, uint64_t quantum_ns)
{
    ASSERT(quantum_ns > 0 && quantum_ns <= THREAD_QUANTUM_NS_MAX);
    thread->quantum_ns = thread->slice_left_ns = quantum_ns;
}

/* ---- the first two ----------------------------------------------------------------------------------------------- */

/* Unless threads are preempted anywhere, whoever an interrupt made ready runs because the idle thread yields. */
void *sched_idle(void *unused)
{
    struct cpu *cpu = cpu_this();

    (void)unused;
    for (;;) {
        irq_save();
        reap(cpu, IRQ_ENABLED);
        if (cpu->ready_mask == UINT64_C(1) << THREAD_PRIORITY_IDLE) {
            cpu_wait();
        } else {
            irq_restore(IRQ_ENABLED);
            thread_yield();
        }
    }
}

runs_once void sched_start(struct thread *boot, void *stack, size_t stack_bytes, uint64_t quantum_ns)
{
    struct cpu *cpu = cpu_this();
    void *idle_stack = stack_alloc(THREAD_STACK_BYTES);
    uint64_t now_ns;

    *cpu = (struct cpu){.inheritance = true, .quantum_ns = quantum_ns, .timer_armed_ns = TIMER_NEVER};
    list_init(&thread_all);

    prepare(boot, "boot", THREAD_PRIORITY_NORMAL, quantum_ns);
    boot->stack = stack;
    boot->stack_bytes = (uint32_t)stack_bytes;
    now_ns = cpu->started_ns = clock_now_ns();
    boot->run_ns = -now_ns;
    boot->slice_end_ns = now_ns + quantum_ns;
    cpu->current = boot;
    ready_insert(cpu, boot, boot->priority);
    enlist(boot);

    ASSERT(idle_stack);
    prepare(&cpu->idle, "idle", THREAD_PRIORITY_IDLE, quantum_ns);
    *prepare_stack(&cpu->idle, idle_stack, THREAD_STACK_BYTES) = (struct thread_call){{0}, (uintptr_t)sched_idle};
    ready_insert(cpu, &cpu->idle, THREAD_PRIORITY_IDLE);
    enlist(&cpu->idle);
}
