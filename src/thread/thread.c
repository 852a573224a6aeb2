/*
 * The life of a thread: its start, its end, and what becomes of its stack. The first two, boot and idle, included.
 */
#include "thread/thread.h"

#include "thread/switching.h"
#include "thread/vectors.h"

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
                              .quantum_ns = cpu_this()->quantum_ns,
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
    thread->stack_bytes = (uint32_t)stack_bytes;
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
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    struct irq_moment moment;

    if (current->vectors)
        vectors_leave();
    moment = irq_save_now();
    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    ASSERT(!current->may_not_park);
    ASSERT(current->mutexes == 0);
    current->result = result;
    current->condition = THREAD_DEAD;
    list_remove(&current->all);
    *(struct dead_stack *)current->stack = (struct dead_stack){cpu->dead_stacks, current->stack_bytes};
    cpu->dead_stacks = current->stack;
    completion_signal(&current->done);
    ready_remove_current(cpu);
    switch_away(cpu, moment);
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
    uint64_t now_ns;

    *cpu = (struct cpu){.inheritance = true, .quantum_ns = quantum_ns, .timer_armed_ns = TIMER_NEVER};
    list_init(&thread_all);

    thread_prepare(boot, "boot", THREAD_PRIORITY_NORMAL, NULL, NULL);
    boot->stack = stack;
    boot->stack_bytes = (uint32_t)stack_bytes;
    now_ns = clock_now_ns();
    boot->run_ns = -now_ns;
    boot->slice_end_ns = now_ns + quantum_ns;
    cpu->current = boot;
    ready_insert(cpu, boot);
    thread_enlist(boot);

    ASSERT(idle_stack);
    thread_prepare(&cpu->idle, "idle", THREAD_PRIORITY_IDLE, sched_idle, NULL);
    thread_prepare_stack(&cpu->idle, idle_stack, THREAD_STACK_BYTES);
    ready_insert(cpu, &cpu->idle);
    thread_enlist(&cpu->idle);
}
