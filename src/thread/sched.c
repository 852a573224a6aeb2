/*
 * The scheduler: who runs next, and the switch.
 *
 * Ready threads wait in one FIFO a priority; a bit mask of the non-empty ones makes the pick constant-time. The running
 * thread is in no queue. There is no periodic tick: one-shot timer interrupts come for deadlines, and for the end of a
 * slice only while another thread of the same priority waits for it.
 *
 * On one CPU the scheduler's lock is interrupts-off. It is held across context_switch(): whoever is switched to
 * releases it, on its own stack, with the interrupt state it had saved itself.
 */
#include "thread/sched.h"

#include "lib/clock.h"
#include "thread/arch.h"

struct cpu cpu_boot;
struct list thread_all = LIST_INIT(thread_all);
static uint32_t next_thread_id;

static inline void ready_push_back(struct cpu *cpu, struct thread *thread)
{
    size_t priority = thread->priority;

    thread->state = THREAD_READY;
    list_push_back(&cpu->ready[priority], &thread->queue);
    cpu->ready_mask |= 1u << priority;
}

static inline void ready_push_front(struct cpu *cpu, struct thread *thread)
{
    size_t priority = thread->priority;

    thread->state = THREAD_READY;
    list_push_front(&cpu->ready[priority], &thread->queue);
    cpu->ready_mask |= 1u << priority;
}

/* Takes the first thread of the highest priority; the idle thread if there is none. */
static inline struct thread *ready_pop(struct cpu *cpu)
{
    uint32_t mask = cpu->ready_mask;
    size_t priority;
    struct list *head, *first;

    if (!mask)
        return &cpu->idle;
    priority = 31 ^ (size_t)__builtin_clz(mask); /* 31 - clz, and one instruction */
    head = &cpu->ready[priority];
    first = head->next;
    head->next = first->next;
    first->next->prev = head;
    if (list_empty(head))
        cpu->ready_mask = mask & ~(1u << priority);
    return container_of(first, struct thread, queue);
}

/* Another thread waits for the current one's slice to end. */
static bool slice_contended(const struct cpu *cpu)
{
    return cpu->ready_mask >> cpu->current->priority & 1;
}

static void arm_by(struct cpu *cpu, uint64_t deadline_ns)
{
    if (deadline_ns >= cpu->timer_armed_ns)
        return;
    cpu->timer_armed_ns = deadline_ns;
    timer_arm(deadline_ns);
}

/* What is left of the turn that `now` falls in. Turns follow each other in a fixed rhythm, contended or not, so whoever
 * comes to wait does so for a quantum at most, and never finds a turn already overdrawn. */
static uint64_t slice_left(const struct thread *thread, uint64_t now, uint64_t quantum_ns)
{
    if (now < thread->slice_end_ns)
        return thread->slice_end_ns - now;
    return quantum_ns - (now - thread->slice_end_ns) % quantum_ns;
}

/* A thread ended, and nothing runs on its stack any more: frees it, and lets its joiner go on. */
static __attribute__((noinline, cold)) void reap(struct cpu *cpu)
{
    struct thread *ended = cpu->ended;

    cpu->ended = NULL;
    stack_free(ended->stack, ended->stack_bytes);
    list_remove(&ended->all);
    completion_signal(&ended->done); /* may set need_resched: whoever switched here looks at it before going on */
}

/* The end of every switch, on the stack switched to. */
static inline void switch_finish(struct cpu *cpu)
{
    if (unlikely(cpu->ended))
        reap(cpu);
}

/*
 * Switches to `next`. The current thread is already in the queue it belongs in, or in none. An armed timer is left as
 * it is when it is early enough: it costs one needless interrupt a quantum at most, and saves arming at every switch.
 */
static inline void switch_to(struct cpu *cpu, struct thread *next, uint64_t now)
{
    struct thread *previous = cpu->current;

    previous->run_ns += now - previous->switched_in_ns;
    next->switched_in_ns = now;
    next->slice_end_ns = now + next->slice_left_ns;
    next->state = THREAD_RUNNING;
    next->switches++;
    cpu->switches++;
    cpu->current = next;
    if (slice_contended(cpu))
        arm_by(cpu, next->slice_end_ns);
    context_switch(&previous->sp, next->sp);
    switch_finish(cpu_this());
}

/* Picks the next thread and switches to it if it is another. */
static inline void reschedule(struct cpu *cpu, uint64_t now)
{
    struct thread *next = ready_pop(cpu);

    cpu->need_resched = false;
    if (next != cpu->current)
        switch_to(cpu, next, now);
    else
        next->state = THREAD_RUNNING;
}

/* The current thread loses the CPU, ready. Its turn over, it goes behind its equals; else a more urgent thread cuts in
 * and the turn goes on afterwards. */
static inline void requeue(struct cpu *cpu, struct thread *current, uint64_t now)
{
    if (slice_contended(cpu) && now >= current->slice_end_ns) {
        current->slice_left_ns = cpu->quantum_ns;
        ready_push_back(cpu, current);
    } else {
        current->slice_left_ns = slice_left(current, now, cpu->quantum_ns);
        ready_push_front(cpu, current);
    }
}

void sched_preempt(void)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    do {
        uint64_t now = clock_now_ns();

        if (current == &cpu->idle)
            current->state = THREAD_READY; /* but in no queue: it is what runs when none is */
        else
            requeue(cpu, current, now);
        reschedule(cpu, now);
    } while (unlikely(cpu->need_resched));
}

/* Ends a critical section that may have made a more urgent thread ready. A caller that had interrupts off leaves the
 * switch to whoever turns them on. */
static inline void leave(struct cpu *cpu, uint64_t flags)
{
    if (sched_preempt_due(cpu) && (flags & IRQ_ENABLED))
        sched_preempt();
    irq_restore(flags);
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

void sched_preempt_enabled(void)
{
    uint64_t flags = irq_save();

    leave(cpu_this(), flags);
}

void thread_yield(void)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    uint64_t flags = irq_save();

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    if (cpu->ready_mask >> current->priority) {
        uint64_t now = clock_now_ns();

        current->slice_left_ns = cpu->quantum_ns;
        ready_push_back(cpu, current);
        reschedule(cpu, now);
    }
    leave(cpu, flags);
}

void thread_park(void)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;
    uint64_t flags = irq_save();

    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    ASSERT(!current->may_not_park);
    if (current->token) {
        current->token = false;
    } else {
        current->state = THREAD_PARKED;
        reschedule(cpu, clock_now_ns());
    }
    leave(cpu, flags);
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

/* A first thread comes to wait for the end of the current one's turn. A timer still armed for no later than that end
 * says both that the turn is not over yet and that its end will be noticed. */
static inline void slice_contend(struct cpu *cpu)
{
    uint64_t now;

    if (cpu->timer_armed_ns <= cpu->current->slice_end_ns)
        return;
    now = clock_now_ns();
    cpu->current->slice_end_ns = now + slice_left(cpu->current, now, cpu->quantum_ns);
    arm_by(cpu, cpu->current->slice_end_ns);
}

static void thread_waker_wake(struct waker *waker)
{
    struct thread *thread = container_of(waker, struct thread, waker);
    struct cpu *cpu = cpu_this();
    uint64_t flags = irq_save();

    if (thread->state != THREAD_PARKED) {
        thread->token = true;
        irq_restore(flags);
        return;
    }
    thread->slice_left_ns = cpu->quantum_ns;
    if (thread->priority == cpu->current->priority && !slice_contended(cpu))
        slice_contend(cpu);
    ready_push_back(cpu, thread);
    if (thread->priority > cpu->current->priority)
        cpu->need_resched = true;
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
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    switch_finish(cpu);
    leave(cpu, IRQ_ENABLED);
    thread_exit(current->entry(current->argument));
}

static void thread_prepare(struct thread *thread, const char *name, unsigned priority, thread_entry *entry,
                           void *argument)
{
    *thread = (struct thread){.waker = {thread_waker_wake},
                              .state = THREAD_PARKED,
                              .priority = (uint8_t)priority,
                              .slice_left_ns = cpu_this()->quantum_ns,
                              .entry = entry,
                              .argument = argument};
    for (size_t i = 0; i < THREAD_NAME_BYTES - 1 && name[i]; i++)
        thread->name[i] = name[i];
}

/* The stack as context_switch() wants to find it: every register zero, and the return address the trampoline. The ABI
 * has rsp 16-byte aligned before a call, hence on top of the frame. */
static void thread_prepare_stack(struct thread *thread, void *stack, size_t stack_bytes)
{
    uintptr_t top = ((uintptr_t)stack + stack_bytes) & ~(uintptr_t)15;
    struct switch_frame *frame = (struct switch_frame *)(top - sizeof(*frame));

    thread->stack = stack;
    thread->stack_bytes = stack_bytes;
    *frame = (struct switch_frame){.rip = (uintptr_t)thread_trampoline};
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
    void *stack = stack_alloc(THREAD_STACK_BYTES);
    uint64_t flags;

    ASSERT(priority > THREAD_PRIORITY_IDLE && priority < THREAD_PRIORITIES);
    if (!stack)
        return STATUS_NO_MEMORY;
    thread_prepare(thread, name, priority, entry, argument);
    thread_prepare_stack(thread, stack, THREAD_STACK_BYTES);
    flags = irq_save();
    thread_enlist(thread);
    irq_restore(flags);
    thread_wake(thread);
    return STATUS_OK;
}

_Noreturn void thread_exit(void *result)
{
    struct cpu *cpu = cpu_this();
    struct thread *current = cpu->current;

    irq_save();
    ASSERT(cpu->irq_depth == 0 && cpu->preempt_count == 0);
    ASSERT(!current->may_not_park);
    current->result = result;
    current->state = THREAD_DEAD;
    cpu->ended = current;
    reschedule(cpu, clock_now_ns());
    panic("a dead thread ran");
}

void *thread_join(struct thread *thread)
{
    struct thread *current = thread_current();

    ASSERT(thread != current);
    while (completion_register(&thread->done, &current->waker))
        thread_park();
    return thread->result;
}

void *sched_idle(void *unused)
{
    (void)unused;
    for (;;) {
        irq_save();
        cpu_wait();
    }
}

void sched_start(struct thread *boot, void *stack, size_t stack_bytes, uint64_t quantum_ns)
{
    struct cpu *cpu = cpu_this();
    void *idle_stack = stack_alloc(THREAD_STACK_BYTES);

    *cpu = (struct cpu){.quantum_ns = quantum_ns, .timer_armed_ns = TIMER_NEVER};
    for (size_t i = 0; i < THREAD_PRIORITIES; i++)
        list_init(&cpu->ready[i]);
    list_init(&thread_all);

    thread_prepare(boot, "boot", THREAD_PRIORITY_NORMAL, NULL, NULL);
    boot->stack = stack;
    boot->stack_bytes = stack_bytes;
    boot->state = THREAD_RUNNING;
    boot->switched_in_ns = clock_now_ns();
    boot->slice_end_ns = boot->switched_in_ns + quantum_ns;
    cpu->current = boot;
    thread_enlist(boot);

    ASSERT(idle_stack);
    thread_prepare(&cpu->idle, "idle", THREAD_PRIORITY_IDLE, sched_idle, NULL);
    thread_prepare_stack(&cpu->idle, idle_stack, THREAD_STACK_BYTES);
    cpu->idle.state = THREAD_READY;
    thread_enlist(&cpu->idle);
}
