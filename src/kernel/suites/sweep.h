/*
 * The sweep: an interrupt at every instruction of a scenario, placed there by the local APIC's timer.
 *
 * On the reference machine the clock counts instructions, and the timer interrupts after the instruction asked for. A
 * scenario is run once by single steps, which gives the trace of its window: every instruction boundary, and whether
 * an interrupt can be delivered there. Then it is run once for each boundary, and an interrupt strikes there:
 *      hit      it was delivered at the very boundary
 *      masked   interrupts were off there, or it followed sti; delivered at the next boundary of the trace that allows
 *      missed   neither: the interrupt did not come where the trace says that it must
 * After each run the scenario and the harness say what is wrong: a failure. Every register and flag is compared before
 * and after the interrupt, whatever ran in between.
 *
 * The window follows the control flow, through every switch, up to where it is closed or the CPU halts.
 * Facts: Intel SDM vol. 3, 10.5.4 (APIC timer), 17.3.1.4 (single steps), 6.8.1 (sti).
 */
#ifndef DUET_KERNEL_SUITES_SWEEP_H
#define DUET_KERNEL_SUITES_SWEEP_H

#include <stdatomic.h>

#include "kernel/suite.h"
#include "thread/thread.h"

/* Each run begins with set_up() and is deterministic up to the strike. The test's own thread, of priority NORMAL, is
 * the one that calls all but strike(). What is not needed is NULL. */
struct sweep {
    const char *name;
    void (*set_up)(void); /* the other threads, which wait, and what is between them */
    void (*window)(void); /* what is swept: something in it, or called by it, opens the window and closes it */
    void (*strike)(void); /* what the interrupt does. Context: irq */
    void (*check)(void);  /* waits for the others' end and looks whether all is as it must be */
};

/* SWEEP(name, set_up, window, strike, check) registers the test sweep.name, no part of test=all. */
#define SWEEP(id, set_up, window, strike, check)                                          \
    static const struct sweep id##_sweep = {"sweep." #id, set_up, window, strike, check}; \
    TEST_APART(id##_is_swept, "sweep." #id)                                               \
    {                                                                                     \
        sweep_run(&id##_sweep);                                                           \
    }

void sweep_run(const struct sweep *sweep);

/* The window: what lies between these is swept. Once a run. Context: thread, irq. */
void sweep_open(void);
void sweep_close(void);

/* When the interrupt of this run is to come: what waits until then waits for the strike. Context: in the window. */
uint64_t sweep_deadline_ns(void);

/* Notes that this run failed. Context: any. */
void sweep_fail(const char *file, int line, const char *what);

#define SWEEP_CHECK(expression) ((expression) ? (void)0 : sweep_fail(__FILE__, __LINE__, #expression))

/* A thread that waits to be called for, and then acts: once for each call. */
struct rival {
    struct thread thread;
    void (*act)(void);
    atomic_uint calls, acts;
    atomic_bool over;
};

/* Starts a rival, and returns once it waits. Context: thread. */
void rival_start(struct rival *rival, unsigned priority, void (*act)(void));

/* Context: any. */
void rival_call(struct rival *rival);

/* Waits until it has answered all calls and ended. Context: thread. */
void rival_end(struct rival *rival);

/* What sweep_open() and the vector's gate lead to, in sweep_gate.S. */
enum { SWEEP_VECTOR = 0x42 };

struct sweep_registers {
    uint64_t general[15]; /* rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15 */
    uint64_t rflags, rsp, rip;
};
_Static_assert(offsetof(struct sweep_registers, rflags) == 15 * 8 && offsetof(struct sweep_registers, rsp) == 16 * 8 &&
                   offsetof(struct sweep_registers, rip) == 17 * 8,
               "sweep_gate.S knows these offsets");

/* Whoever was interrupted: as the CPU came, and as it came back. */
extern struct sweep_registers sweep_before, sweep_after;

void sweep_gate(void);                                                   /* the vector's own way in */
void sweep_arm(volatile uint32_t *count, uint32_t ticks, uint64_t trap); /* the last step of opening */
void sweep_raise(void);                                                  /* the interrupt, at once */
void sweep_straight(void);                                               /* instructions, each another one */

#endif
