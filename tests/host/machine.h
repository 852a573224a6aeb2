/*
 * A machine of one CPU for the host: the other side of thread/arch.h, on the clock that tests set.
 *
 * Interrupts are simulated, in the order of the kernel's own: they come while the running thread computes
 * (machine_run), when irq_restore() turns them on, when the idle thread halts, and, by machine_explore(), at every
 * single instruction. Stacks are real, and so is context_switch().
 */
#ifndef DUET_TESTS_HOST_MACHINE_H
#define DUET_TESTS_HOST_MACHINE_H

#include "thread/sched.h"

typedef void machine_handler(void);

struct machine {
    bool irq_on;         /* RFLAGS.IF */
    uint64_t timer_ns;   /* the timer is armed for; TIMER_NEVER: not armed */
    unsigned timer_arms; /* calls of timer_arm() */
    unsigned interrupts; /* delivered */
    unsigned halts;      /* calls of cpu_wait() */
    unsigned stacks;     /* allocated and not freed */
    unsigned stacks_max; /* stack_alloc() fails beyond */
    bool vectors_on;
    const struct thread *space; /* that space_enter() was called for last */
    unsigned space_enters;
    uint64_t vectors;           /* the vector registers: all of them one number */
    unsigned vector_saves;      /* calls of vector_state_save() */
    unsigned vector_loads;      /* and of vector_state_load() */
    unsigned vector_states;     /* allocated and not freed */
    unsigned vector_states_max; /* vector_state_alloc() fails beyond */
    struct thread boot;         /* the test's own flow, after machine_start() */
};
extern struct machine machine;

/* Forgets everything, and makes the test the thread machine.boot, of priority NORMAL, with interrupts on. Threads of an
 * earlier machine are gone. */
void machine_start(uint64_t quantum_ns);

/* An interrupt, at once; with interrupts off as soon as they are on. */
void machine_interrupt(machine_handler *handler);

/* An interrupt at this time of the clock. */
void machine_at(uint64_t at_ns, machine_handler *handler);

/* An interrupt once the CPU halts and nothing else is to come. To halt without one is a deadlock, and fails the test.
 */
void machine_when_idle(machine_handler *handler);

/* The running thread computes for this long: of its own time, so if it is preempted it ends that much later. */
void machine_run(uint64_t duration_ns);

/*
 * Runs `scenario` again and again, each time with one interrupt at another instruction of the window it opens: at every
 * one that is executed with interrupts on. Runs it first with the interrupt only once the CPU halts. The scenario is
 * deterministic and begins from scratch. Returns the number of places interrupted.
 */
unsigned machine_explore(void (*scenario)(void), machine_handler *handler);
void machine_window_open(void);
void machine_window_close(void);

/* Where the interrupt of this run comes, for messages. */
const char *machine_place(void);

#endif
