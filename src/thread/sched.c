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
struct list thread_all = LIST_INIT(thread_all);
static uint32_t next_thread_id;

/* What a dead thread's stack holds at its lowest end. */
struct dead_stack {
    void *next;
    size_t bytes;
};

/* Frees the stacks of dead threads. Whoever calls this runs, so they do not. */
static void reap(struct cpu *cpu)
{
    while (unlikely(cpu->dead_stacks != NULL)) {
        struct dead_stack dead = *(struct dead_stack *)cpu->dead_stacks;
        void *stack = cpu->dead_stacks;

        *(struct dead_stack *)stack = (struct dead_stack){0}; /* as if it was never used so deep */
        cpu->dead_stacks = dead.next;
        stack_free(stack, dead.bytes);
    }
}

__attribute__((noinline)) void switch_armed(struct thread *previous, struct thread *next, uint64_t flags)
{
    struct cpu *cpu = cpu_this();

    cpu->timer_armed_ns = next->slice_end_ns;
    timer_arm(next->slice_end_ns);
    context_switch(&previous->sp, next->sp, flags);
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

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    if (unlikely(cpu->need_resched)) {
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

static void thread_waker_wake(struct waker *waker)
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

/* Where thread_trampoline leads: the other end of the switch that started this thread. */
_Noreturn void thread_main(void);

_Noreturn void thread_main(void)
{
    struct thread *current = thread_current();

    thread_exit(current->entry(current->argument));
}

static void thread_prepare(struct thread *thread, const char *name, unsigned priority, thread_entry *entry,
                           void *argument)
{
    *thread = (struct thread){.waker = {thread_waker_wake},
                              .condition = THREAD_PARKED,
                              .priority = (uint8_t)priority,
                              .base_priority = (uint8_t)priority,
                              .slice_left_ns = cpu_this()->quantum_ns,
                              .entry = entry,
                              .argument = argument};
    for (size_t i = 0; i < THREAD_NAME_BYTES - 1 && name[i]; i++)
        thread->name[i] = name[i];
    list_init(&thread->contended);
}

/* The stack as context_switch() wants to find it: every register zero, and the return address the trampoline. The ABI
 * has rsp 16-byte aligned before a call, hence on top of the frame. */
static void thread_prepare_stack(struct thread *thread, void *stack, size_t stack_bytes)
{
    uintptr_t top = ((uintptr_t)stack + stack_bytes) & ~(uintptr_t)15;
    struct switch_frame *frame = (struct switch_frame *)(top - sizeof(*frame));

    thread->stack = stack;
    thread->stack_bytes = stack_bytes;
    *frame = (struct switch_frame){.flags = IRQ_ENABLED, .rip = (uintptr_t)thread_trampoline};
    thread->sp = (uintptr_t)frame;
}

static void thread_enlist(struct thread *thread)
{
    thread->id = next_thread_id++;
    list_push_back(&thread_all, &thread->all);
}

enum status thread_start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry,
                         void *argument)
{
    uint64_t flags = irq_save();
    void *stack;

    ASSERT(priority > THREAD_PRIORITY_IDLE && priority < THREAD_PRIORITIES);
    reap(cpu_this());
    stack = stack_alloc(THREAD_STACK_BYTES);
    if (!stack) {
        irq_restore(flags);
        return STATUS_NO_MEMORY;
    }
    thread_prepare(thread, name, priority, entry, argument);
    thread_prepare_stack(thread, stack, THREAD_STACK_BYTES);
    thread_enlist(thread);
    irq_restore(flags);
    thread_wake(thread);
    return STATUS_OK;
}

/* The stack it stands on becomes a dead one, which is not freed before another thread runs. So does the thread: whoever
 * is told by `done` runs only once it does not. */
_Noreturn void thread_exit(void *result)
{
    struct irq_moment moment = irq_save_now();
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    ASSERT(!current->may_not_park);
    ASSERT(current->mutexes == 0);
    current->result = result;
    current->condition = THREAD_DEAD;
    ready_remove_current(cpu);
    list_remove(&current->all);
    *(struct dead_stack *)current->stack = (struct dead_stack){cpu->dead_stacks, current->stack_bytes};
    cpu->dead_stacks = current->stack;
    completion_signal(&current->done);
    reschedule(cpu, moment);
    panic("a dead thread ran");
}

void *thread_join(struct thread *thread)
{
    struct thread *current = thread_current();
    uint64_t flags;

    ASSERT(thread != current);
    while (completion_register(&thread->done, &current->waker))
        thread_park();
    flags = irq_save();
    reap(cpu_this());
    irq_restore(flags);
    return thread->result;
}

void *sched_idle(void *unused)
{
    (void)unused;
    for (;;) {
        irq_save();
        reap(cpu_this());
        cpu_wait();
    }
}

void sched_start(struct thread *boot, void *stack, size_t stack_bytes, uint64_t quantum_ns)
{
    struct cpu *cpu = cpu_this();
    void *idle_stack = stack_alloc(THREAD_STACK_BYTES);

    *cpu = (struct cpu){.inheritance = true, .quantum_ns = quantum_ns, .timer_armed_ns = TIMER_NEVER};
    list_init(&thread_all);

    thread_prepare(boot, "boot", THREAD_PRIORITY_NORMAL, NULL, NULL);
    boot->stack = stack;
    boot->stack_bytes = stack_bytes;
    cpu->switched_in_ns = clock_now_ns();
    boot->slice_end_ns = cpu->switched_in_ns + quantum_ns;
    cpu->current = boot;
    ready_insert(cpu, boot);
    thread_enlist(boot);

    ASSERT(idle_stack);
    thread_prepare(&cpu->idle, "idle", THREAD_PRIORITY_IDLE, sched_idle, NULL);
    thread_prepare_stack(&cpu->idle, idle_stack, THREAD_STACK_BYTES);
    ready_insert(cpu, &cpu->idle);
    thread_enlist(&cpu->idle);
}
