/*
 * The scheduler's face towards the kernel: start-up, the timer interrupt, and the way out of every interrupt.
 */
#ifndef DUET_THREAD_SCHED_H
#define DUET_THREAD_SCHED_H

#include "thread/arch.h"
#include "thread/thread.h"

enum { SCHED_QUANTUM_NS = 10000000 };

/* Where a thread that is ready to go on may lose the CPU. At a yield, a wait and its end in any case. */
enum preemption {
    PREEMPTION_ANYWHERE,  /* by every interrupt, and by every call that makes a more urgent thread ready */
    PREEMPTION_AT_POINTS, /* at preempt_point() */
    PREEMPTION_NEVER,     /* it runs to completion */
};

/* One CPU's scheduler state. Interrupts off. */
struct cpu {
    struct thread *current;
    union {
        struct {
            bool need_resched;     /* something more urgent than the current thread is ready, or its turn is over */
            uint8_t preemption;    /* enum preemption */
            uint16_t irq_depth;    /* greater than 0: in an interrupt */
            int32_t preempt_count; /* greater than 0: the current thread keeps the CPU */
        };
        uint64_t not_plain; /* all of these in one: zero in a thread that can be preempted, and need not be */
    };
    bool slices_unwatched;                   /* the timer is not armed for ends of turns */
    bool inheritance;                        /* off: who waits for a mutex lends its owner no priority */
    bool insight;                            /* on: threads have accounts; off: see account_insight() */
    uint64_t ready_mask;                     /* bit p: ready[p] is not NULL */
    struct thread *ready[THREAD_PRIORITIES]; /* whose turn it is, in a ring of those whose turn it will be; the running
                                              * thread is the first of its ring, and the idle thread always ready */
    struct timer_queue timers;
    struct timer tick; /* queued while there is a tick */
    struct waker ticker;
    uint64_t tick_ns;        /* 0: there is none */
    uint64_t timer_armed_ns; /* what timer_arm() was last told */
    uint64_t quantum_ns;     /* of threads that are given none of their own */
    uint64_t switches;
    uint64_t started_ns;         /* when the first thread began; while insight is on, all run times, ended_ns and
                                  * interrupt_ns make up the time since */
    uint64_t ended_ns;           /* what threads ran that have ended */
    uint64_t interrupt_ns;       /* in handlers of interrupts, while insight was on; else that is the threads' */
    void *dead_stacks;           /* of threads that have ended, each holding the next and what it was */
    struct thread *vector_owner; /* whose state the vector registers hold, it need not run; NULL: nobody's */
    struct thread idle;
};

/* cpu.not_plain if need_resched is all there is; and if, besides, there is preemption at points alone. */
enum { CPU_PLAIN_BUT_RESCHED = 1, CPU_POINT_IS_DUE = 1 | PREEMPTION_AT_POINTS << 8 };
_Static_assert(offsetof(struct cpu, need_resched) == offsetof(struct cpu, not_plain), "it is the lowest byte");
_Static_assert(offsetof(struct cpu, preemption) == offsetof(struct cpu, not_plain) + 1, "it is the next one");

/* The CPU this code runs on: there is one. */
extern struct cpu cpu_boot;
static inline struct cpu *cpu_this(void)
{
    return &cpu_boot;
}

/* Turns the running flow into the thread `boot` on the stack it is on, and creates the idle thread.
 * Context: boot, interrupts off. */
void sched_start(struct thread *boot, void *stack, size_t stack_bytes, uint64_t quantum_ns);

/*
 * Chooses where threads are preempted, and returns what was chosen before; at first it is anywhere. Else a more urgent
 * thread that is woken runs at the next place where threads switch, a yield gives way to it too, and who computes on
 * freezes the others. A turn that is over ends at the next point; where nothing preempts, none ends, and the timer is
 * not armed for it. Context: thread, or boot after sched_start().
 */
enum preemption sched_set_preemption(enum preemption preemption);

/*
 * From now on a timer interrupt comes every `period_ns`, exactly and whatever else is due, and ends the turns that are
 * over: the timer is not armed for them. Deadlines keep their own interrupts. Called once. Context: as above.
 */
void sched_tick_start(uint64_t period_ns);

/* The idle thread's body: the only place that halts. */
void *sched_idle(void *unused);

/* The timer interrupt: expires timers and ends slices. Context: irq. */
void sched_timer_interrupt(void);

/* Queues `timer` on this CPU: `waker` is woken in the timer interrupt. Context: any. */
void sched_timer_start(struct timer *timer, uint64_t deadline_ns, struct waker *waker);
void sched_timer_cancel(struct timer *timer);

/* Gives the CPU to whom it belongs now. Context: interrupts off, irq_depth and preempt_count zero. */
void sched_preempt(void);

/* The same where sched_preempt_due() has just said so. */
void sched_preempt_now(void);

/* True if the way out of an interrupt must call sched_preempt_now(). Context: interrupts off. */
static inline bool sched_preempt_due(const struct cpu *cpu)
{
    return unlikely(cpu->not_plain == CPU_PLAIN_BUT_RESCHED);
}

/* What preempt_point() does when a switch may be due. */
void sched_preempt_here(void);

/* The return to ring 3 where preemption is at points: it is one. Context: interrupts off, irq_depth zero. */
void sched_preempt_edge(void);

/*
 * The running thread may lose the CPU here, where it would not otherwise: for loops that neither wait nor end soon.
 * Does nothing in an interrupt, with interrupts off or preemption disabled, nor where threads run to completion.
 * Context: any.
 */
static inline void preempt_point(void)
{
    if (unlikely(cpu_this()->not_plain == CPU_POINT_IS_DUE))
        sched_preempt_here();
}

/* Keeps the running thread on the CPU, interrupts on. They nest. Context: thread. */
static inline void preempt_disable(void)
{
    preempt_count_up(&cpu_this()->preempt_count);
    atomic_signal_fence(memory_order_seq_cst); /* what it protects comes after */
}

/* What preempt_enable() does when a switch may be due. */
void sched_preempt_enabled(void);

/* The first half of preempt_enable(): true if sched_preempt_enabled() must follow. An interrupt that comes once the
 * count is zero switches on its way out, so only one that came before is looked for. */
static inline bool preempt_release(void)
{
    struct cpu *cpu = cpu_this();

    atomic_signal_fence(memory_order_seq_cst);
    if (unlikely(!preempt_count_down(&cpu->preempt_count)))
        panic("preemption is enabled more often than disabled");
    atomic_signal_fence(memory_order_seq_cst);
    return unlikely(cpu->need_resched);
}

static inline void preempt_enable(void)
{
    if (preempt_release())
        sched_preempt_enabled();
}

#endif
