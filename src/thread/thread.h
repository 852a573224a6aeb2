/*
 * Preemptive threads: their life, and what a thread may ask of the scheduler.
 *
 * A struct thread belongs to its creator, who keeps it until thread_join() returned; its stack belongs to the
 * scheduler. The scheduler runs the ready thread of the highest priority; threads of one priority take turns, each for
 * a quantum. A wake of a higher priority preempts at once (from an interrupt: at its exit), a wake of an equal one
 * never does.
 */
#ifndef DUET_THREAD_THREAD_H
#define DUET_THREAD_THREAD_H

#include "lib/completion.h"
#include "lib/list.h"
#include "lib/timer_queue.h"
#include "lib/waker.h"

enum {
    THREAD_PRIORITIES = 32, /* 0 is the idle thread's alone; greater is more urgent */
    THREAD_PRIORITY_IDLE = 0,
    THREAD_PRIORITY_NORMAL = 16,
    THREAD_PRIORITY_HIGH = 24,
    THREAD_STACK_BYTES = 16384,
    THREAD_NAME_BYTES = 16,
};

enum thread_state {
    THREAD_RUNNING,
    THREAD_READY,
    THREAD_PARKED,
    THREAD_SLEEPING, /* a wake is kept for its next park */
    THREAD_WAITING,  /* in a wait queue: likewise */
    THREAD_DEAD,
};

struct mutex;
struct wait_queue;

typedef void *thread_entry(void *argument);

struct thread {
    /* interrupts off */
    uintptr_t sp;           /* valid while it does not run; points at a struct switch_frame */
    struct waker waker;     /* waking it is thread_wake() */
    struct list ring;       /* the ready threads of its priority, in the order of their turns; or its wait queue */
    uint8_t condition;      /* enum thread_state, THREAD_READY for the running one too: see thread_state() */
    bool token;             /* woken while not parked: the next park returns at once */
    bool timed_out;         /* why its last wait in a queue ended */
    uint8_t priority;       /* what it runs at: its own, or what it inherits */
    uint8_t attention;      /* a switch from or to it is more than a change of stacks: it uses vector registers */
    uint64_t slice_end_ns;  /* while running */
    uint64_t slice_left_ns; /* while not: a whole quantum, unless it was preempted */
    uint64_t quantum_ns;
    uint64_t run_ns;   /* while it runs, less the time at which it was switched to: see thread_run_ns() */
    uint64_t switches; /* times it was switched to */
    struct timer deadline;
    struct waker expired;        /* what the deadline of a wait in a queue wakes */
    struct wait_queue *waits_in; /* while THREAD_WAITING */
    struct mutex *waits_for;     /* whose queue that is; NULL: something without an owner */
    union {
        const void *sends; /* while it waits in a message queue: its message */
        void *receives;    /* or where to put one */
    };
    struct list contended;  /* the mutexes it owns that others wait for */
    struct completion done; /* signalled when it has ended and its stack is free */

    /* the thread itself */
    void *vectors;     /* the state of its vector registers, when another's is in them; NULL: it did not ask for any */
    uint16_t mutexes;  /* that it owns, and rwlocks that it holds */
    bool may_not_park; /* inside a poll: the executor's thread runs a future */

    /* set once */
    uint8_t base_priority; /* its own */
    uint32_t id;
    char name[THREAD_NAME_BYTES];
    void *stack; /* lowest usable byte; a guard page lies below */
    uint32_t stack_bytes;
    thread_entry *entry;
    union {
        void *argument;
        void *result; /* once it has ended */
    };
    struct list all;
};
_Static_assert(sizeof(struct thread) <= 272, "a thread's block stays small");

/* Every thread that is not joined yet, for reports and debuggers. Interrupts off. */
extern struct list thread_all;

/*
 * Starts a thread. The name is copied, and shortened to fit. Returns STATUS_NO_MEMORY if there is no stack for it.
 * Context: thread.
 */
enum status thread_start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry,
                         void *argument) must_check;

/* Ends the running thread; returning from its entry function does the same. Context: thread. */
_Noreturn void thread_exit(void *result);

/* Waits until `thread` has ended and its stack is free, and returns its result. One joiner a thread. Context: thread.
 */
void *thread_join(struct thread *thread);

/* The running thread, or in an interrupt the one interrupted. Context: any. */
struct thread *thread_current(void);

/* What it is doing. Context: any. */
enum thread_state thread_state(const struct thread *thread);

/* How long it has run in all. Context: any. */
uint64_t thread_run_ns(const struct thread *thread);

/* Lets the other ready threads of this priority run first. Context: thread. */
void thread_yield(void);

/*
 * Waits for a wake. Returns at once if one came since the last park, and may return without one: the caller re-checks
 * its condition. thread_park_until() also returns at `deadline_ns`. Context: thread, not in a poll.
 */
void thread_park(void);
void thread_park_until(uint64_t deadline_ns);

/* Returns at or after `deadline_ns`, however often the thread is woken. Context: thread, not in a poll. */
void thread_sleep_until(uint64_t deadline_ns);

/* Makes `thread` ready if it is parked, else makes its next park return at once. A more urgent thread runs before this
 * returns; called with interrupts off, once they are on and something else is woken or an interrupt ends. Context: any.
 */
void thread_wake(struct thread *thread);

#endif
