/*
 * The seam between threads and the machine. The kernel and the host tests each define these functions, at link time or
 * inline in a header of their own folder machine/; nothing else in src/thread touches hardware.
 */
#ifndef DUET_THREAD_ARCH_H
#define DUET_THREAD_ARCH_H

#include <machine/interrupts.h>

#include "lib/clock.h"

/* In the flags of irq_save() and irq_restore(): interrupts are on. RFLAGS.IF (Intel SDM vol. 1, 3.4.3). */
#define IRQ_ENABLED UINT64_C(0x200)

/*
 * From machine/interrupts.h. Context: any.
 *
 * uint64_t irq_save(void): turns interrupts off and returns what irq_restore() needs to put them back as they were.
 * void irq_restore(uint64_t flags): they nest.
 * bool irq_enabled(void)
 *
 * void preempt_count_up(int32_t *count), bool preempt_count_down(int32_t *count): one more and one less, of the running
 * CPU's preempt_count. The second is false if the count is negative then.
 */

/* Most critical sections of the scheduler begin with both. */
struct irq_moment {
    uint64_t flags;
    uint64_t now_ns;
};

static inline struct irq_moment irq_save_now(void)
{
    uint64_t flags = irq_save();

    return (struct irq_moment){flags, clock_now_ns()};
}

/*
 * Waits for an interrupt: turns interrupts on and halts with no instruction between, so that an interrupt cannot slip
 * in before the halt and be slept through. Called with interrupts off, returns with them on. Context: idle thread.
 */
void cpu_wait(void);

/* Asks for one timer interrupt at `deadline_ns`, replacing what was asked before; TIMER_NEVER asks for none. A deadline
 * already past interrupts at once. Context: interrupts off. */
void timer_arm(uint64_t deadline_ns);

/* Memory for a stack of a size from THREAD_STACK_BYTES_MIN to THREAD_STACK_BYTES_MAX, a power of two, with an unmapped
 * guard page under it. Returns its lowest usable byte, or NULL. Context: interrupts off, neither irq nor NMI. */
void *stack_alloc(size_t size_bytes);
void stack_free(void *stack, size_t size_bytes);

/*
 * Saves the callee-saved registers and `flags` on the running stack, stores the stack pointer in *save, and continues
 * on the stack whose pointer is *load, with the flags saved there, as irq_restore() puts them back. Returns, its
 * caller's interrupts as `flags` says, when something switches back. In switch.S, the same file for kernel and host.
 * Context: interrupts off.
 */
void context_switch(uintptr_t *save, const uintptr_t *load, uint64_t flags);

/* Where a new thread's first switch lands: makes its struct thread_call, which lies above the frame, and ends the
 * thread with what that returns. In switch.S. */
void thread_trampoline(void);

/*
 * The vector and x87 registers. They are off at first, and turned on or off again at will: off, an instruction that
 * uses them panics with the running thread's name. A state is memory for all that they hold, NULL if there is none, and
 * a new one is what vectors_use() promises. Saving and loading need them on.
 */
void *vector_state_alloc(void);            /* Context: thread. */
void vector_state_free(void *state);       /* Context: thread. */
void vector_state_save(void *state);       /* Context: interrupts off. */
void vector_state_load(const void *state); /* Context: interrupts off. */
void vector_on(void);                      /* Context: interrupts off. */
void vector_off(void);                     /* Context: interrupts off. */

struct thread;

/* Called before each switch to a thread that has ATTENTION_SPACE: makes its address space the CPU's, and its stack the
 * one on which ring 3 is left. Whoever has none runs in any. Context: interrupts off. */
void space_enter(struct thread *thread);

/* What context_switch() pops, lowest address first: the stack of a thread that does not run begins with this. */
struct switch_frame {
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t flags;
    uint64_t rip;
};
_Static_assert(sizeof(struct switch_frame) == 64, "switch.S pops seven words and returns");
_Static_assert(offsetof(struct switch_frame, r15) == 0 && offsetof(struct switch_frame, r14) == 8 &&
                   offsetof(struct switch_frame, r13) == 16 && offsetof(struct switch_frame, r12) == 24 &&
                   offsetof(struct switch_frame, rbx) == 32 && offsetof(struct switch_frame, rbp) == 40 &&
                   offsetof(struct switch_frame, flags) == 48 && offsetof(struct switch_frame, rip) == 56,
               "switch.S pops in this order");

#endif
