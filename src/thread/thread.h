/*
 * Preemptive threads: their life, and what a thread may ask of the scheduler.
 *
 * A struct thread belongs to its creator, who keeps it until thread_join() returned, or, once it is detached, until its
 * release function is called; its stack belongs to the scheduler. The scheduler runs the ready thread of the highest
 * priority; threads of one priority take turns, each for a quantum. A wake of a higher priority preempts at once (from
 * an interrupt: at its exit), a wake of an equal one never does. sched_set_preemption() changes that.
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
    THREAD_STACK_BYTES = 16384, /* where nothing else is asked for; other sizes are powers of two too */
    THREAD_STACK_BYTES_MIN = 4096,
    THREAD_STACK_BYTES_MAX = 262144,
    THREAD_NAME_BYTES = 16,
};
#define THREAD_QUANTUM_NS_MAX (UINT64_C(1) << 62) /* which never ends, and still adds up with the time */

enum thread_state {
    THREAD_RUNNING,
    THREAD_READY,
    THREAD_PARKED,
    THREAD_SLEEPING, /* a wake is kept for its next park */
    THREAD_WAITING,  /* in a wait queue: likewise */
    THREAD_DEAD,
};

/* In struct thread's condition only: THREAD_PARKED of a thread whose wakes are timed. */
enum { THREAD_PARKED_WATCHED = THREAD_DEAD + 1 };

/* Bits. */
enum thread_attention {
    ATTENTION_VECTORS = 1 << 0, /* it uses vector registers */
    ATTENTION_INSIGHT = 1 << 1, /* it has an account */
    ATTENTION_WOKEN = 1 << 2,   /* its wait ended since it last ran, and its account says when */
    ATTENTION_SPACE = 1 << 3,   /* it runs in an address space of its own, and in ring 3: see space_enter() */
};

struct mutex;
struct thread;
struct wait_queue;

typedef void *thread_entry(void *argument);

/* Called once a detached thread has ended and its stack is free: the block is the creator's again. Context: thread,
 * maybe the idle one, interrupts as the caller of thread_start(), thread_join() or thread_detach() has them. It does
 * not wait. */
typedef void thread_release(struct thread *thread);

struct thread {
    /* interrupts off */
    uintptr_t sp;           /* valid while it does not run; points at a struct switch_frame */
    struct waker waker;     /* waking it is thread_wake() */
    struct list ring;       /* the ready threads of its priority, in the order of their turns; or its wait queue */
    uint8_t condition;      /* enum thread_state, THREAD_READY for the running one too: see thread_state() */
    bool token;             /* woken while not parked: the next park returns at once */
    bool timed_out;         /* why its last wait in a queue ended */
    uint8_t priority;       /* what it runs at: its own, or what it inherits */
    uint8_t base_priority;  /* its own */
    uint8_t attention;      /* a switch from or to it is more than a change of stacks: enum thread_attention */
    bool cancelled;         /* it is to end at its next safe point */
    bool detached;          /* nobody joins it */
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
    uint32_t stack_bytes;
    void *stack; /* lowest usable byte, where its account lies; a guard page lies below */
    uint64_t id; /* of no other thread before or after */
    char name[THREAD_NAME_BYTES];
    union {
        void *result;            /* once it has ended, for who joins it */
        thread_release *release; /* of a detached one, whom nobody joins; NULL: nobody wants to know */
    };
    struct list all;
};
_Static_assert(sizeof(struct thread) <= 256, "a thread's block stays small");

/* Every thread that has not ended, in the order of their ids, for reports and debuggers. Interrupts off. */
extern struct list thread_all;

/* What a thread may be given beside its name and priority. Zero is the default of each. */
struct thread_options {
    size_t stack_bytes;      /* at least; rounded up to a power of two: THREAD_STACK_BYTES */
    uint64_t quantum_ns;     /* of its turns among equals, THREAD_QUANTUM_NS_MAX at most: the scheduler's */
    bool detached;           /* from its start */
    thread_release *release; /* of a detached one */
};

/* What a thread calls, and what it finds in the registers of the first six arguments. The trampoline pops it. */
struct thread_call {
    uint64_t arguments[6];
    uintptr_t function;
};
_Static_assert(sizeof(struct thread_call) == 56 && offsetof(struct thread_call, function) == 48,
               "thread_trampoline pops six arguments and the function");

/*
 * Starts a thread that calls entry(argument). The name is copied, and shortened to fit. Returns STATUS_NO_MEMORY if
 * there is no stack for it. Context: thread.
 */
enum status thread_start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry,
                         void *argument) must_check;

/*
 * enum status thread_start_with(struct thread *, const char *name, unsigned priority, function, arguments...)
 * enum status thread_start_options(struct thread *, const char *name, unsigned priority,
 *                                  const struct thread_options *, function, arguments...)
 *
 * Start a thread that calls any function of zero to six parameters which returns void *, with these arguments. Each is
 * an integer or a pointer, and has exactly the type of its parameter, but for qualifiers of the parameter itself: what
 * a call would convert, a constant too, does not compile, nor does another count, type or size. A constant is cast:
 * (uint8_t)7. Registers without an argument are zero.
 *
 * Errors are thread_start()'s; and STATUS_INVALID: no stack is as large as the options ask, or no quantum as long. NULL
 * options: all defaults.
 * Context: thread.
 */
#define thread_start_with(thread, name, priority, ...) thread_start_options(thread, name, priority, NULL, __VA_ARGS__)
#define thread_start_options(thread, name, priority, options, ...) \
    thread_start_call(thread, name, priority, options, &(const struct thread_call)THREAD_CALL(__VA_ARGS__))

enum status thread_start_call(struct thread *thread, const char *name, unsigned priority,
                              const struct thread_options *options, const struct thread_call *call) must_check;

/* The rest is what these two are made of. A function is chosen by the one type that its arguments allow. */
#define THREAD_CALL(...)                                                                                           \
    THREAD_CALL_PICK(__VA_ARGS__, THREAD_CALL_MANY, THREAD_CALL_MANY, THREAD_CALL_6, THREAD_CALL_5, THREAD_CALL_4, \
                     THREAD_CALL_3, THREAD_CALL_2, THREAD_CALL_1, THREAD_CALL_0, )                                 \
    (__VA_ARGS__)
#define THREAD_CALL_PICK(f, a, b, c, d, e, g, h, i, chosen, ...) chosen
#define THREAD_CALL_MANY(...)                 \
    {                                         \
        {0}, a_thread_has_at_most_6_arguments \
    }
#define THREAD_FUNCTION(f, ...) (uintptr_t) _Generic((f), void *(*)(__VA_ARGS__) : (f))
#define THREAD_WORD(a)                                                                                                \
    ((void)sizeof(struct {                                                                                            \
         _Static_assert(sizeof(__typeof__(((void)0, (a)))) <= 8, "an argument of a thread has at most 64 bits");      \
         _Static_assert(_Generic((a), float : 0, double : 0, default : 1), "an argument of a thread is no fraction"); \
         char unused;                                                                                                 \
     }),                                                                                                              \
     (uint64_t)(uintptr_t)(a))
#define THREAD_CALL_0(f)              \
    {                                 \
        {0}, THREAD_FUNCTION(f, void) \
    }
#define THREAD_CALL_1(f, a)                                 \
    {                                                       \
        {THREAD_WORD(a)}, THREAD_FUNCTION(f, __typeof__(a)) \
    }
#define THREAD_CALL_2(f, a, b)                                                             \
    {                                                                                      \
        {THREAD_WORD(a), THREAD_WORD(b)}, THREAD_FUNCTION(f, __typeof__(a), __typeof__(b)) \
    }
#define THREAD_CALL_3(f, a, b, c)                                           \
    {                                                                       \
        {THREAD_WORD(a), THREAD_WORD(b), THREAD_WORD(c)},                   \
            THREAD_FUNCTION(f, __typeof__(a), __typeof__(b), __typeof__(c)) \
    }
#define THREAD_CALL_4(f, a, b, c, d)                                                       \
    {                                                                                      \
        {THREAD_WORD(a), THREAD_WORD(b), THREAD_WORD(c), THREAD_WORD(d)},                  \
            THREAD_FUNCTION(f, __typeof__(a), __typeof__(b), __typeof__(c), __typeof__(d)) \
    }
#define THREAD_CALL_5(f, a, b, c, d, e)                                                                   \
    {                                                                                                     \
        {THREAD_WORD(a), THREAD_WORD(b), THREAD_WORD(c), THREAD_WORD(d), THREAD_WORD(e)},                 \
            THREAD_FUNCTION(f, __typeof__(a), __typeof__(b), __typeof__(c), __typeof__(d), __typeof__(e)) \
    }
#define THREAD_CALL_6(f, a, b, c, d, e, g)                                                                \
    {                                                                                                     \
        {THREAD_WORD(a), THREAD_WORD(b), THREAD_WORD(c), THREAD_WORD(d), THREAD_WORD(e), THREAD_WORD(g)}, \
            THREAD_FUNCTION(f, __typeof__(a), __typeof__(b), __typeof__(c), __typeof__(d), __typeof__(e), \
                            __typeof__(g))                                                                \
    }

/* Ends the running thread; returning from its function does the same. Context: thread. */
_Noreturn void thread_exit(void *result);

/* Waits until `thread` has ended and its stack is free, and returns its result. One joiner a thread; a detached one has
 * none. Not ended by a cancel of the caller. Context: thread, not in a poll. */
void *thread_join(struct thread *thread);

/* The same, with the result in *result, but returns STATUS_TIMEOUT, at or after `deadline_ns`, if it has not ended
 * then: it is still to be joined, or detached. Context: thread, not in a poll. */
enum status thread_join_until(struct thread *thread, uint64_t deadline_ns, void **result) must_check;

/* Nobody will join the thread, which may have ended already, or be the running one: `release`, if not NULL, is called
 * when its block can be reused. Context: thread. */
void thread_detach(struct thread *thread, thread_release *release);

/*
 * Asks the thread to end, once and for good. Nothing ends it but itself, at a safe point, so it lets go of what it
 * holds in its own time:
 *   - thread_cancel_point() ends it, unless it owns a mutex, is inside a poll, or preemption is disabled;
 *   - a park is woken; if it does not park, its next one returns at once. Later ones park again;
 *   - a sleep ends early, and later ones return at once;
 *   - a wait with a deadline, in whatever queue or for a thread's end, ends with STATUS_TIMEOUT as if the deadline had
 * come, and so do later ones that find nothing to take;
 *   - a wait without a deadline, and a join, go on until what they wait for is there.
 * Context: any, until the thread is joined or released.
 */
void thread_cancel(struct thread *thread);
#define THREAD_CANCELLED ((void *)UINTPTR_MAX) /* the result of a thread that thread_cancel_point() ended */

/* Whether the running thread is cancelled. Context: thread. */
bool thread_cancelled(void);

/* A safe point: ends the running thread if it is cancelled and may end here. Context: any. */
void thread_cancel_point(void);

/* The thread's own priority from now on; it runs at a higher one while it inherits that. Not for the idle thread.
 * Context: any. */
void thread_set_priority(struct thread *thread, unsigned priority);

/* What its turns among equals last, THREAD_QUANTUM_NS_MAX at most, from its next turn on; one that a more urgent thread
 * has cut into begins anew. Context: any. */
void thread_set_quantum(struct thread *thread, uint64_t quantum_ns);

/* The running thread, or in an interrupt the one interrupted. Context: any. */
struct thread *thread_current(void);

/* What it is doing. Context: any. */
enum thread_state thread_state(const struct thread *thread);

/* How long it has run in all; while cpu.insight is on, without the interrupts that came to it. Context: any. */
uint64_t thread_run_ns(const struct thread *thread);

/* Lets the other ready threads of this priority run first; unless threads are preempted anywhere, more urgent ones too.
 * Context: thread. */
void thread_yield(void);

/*
 * Waits for a wake. Returns at once if one came since the last park, and may return without one: the caller re-checks
 * its condition. thread_park_until() also returns at `deadline_ns`, for 0 at once: it is a preempt_point() then.
 * Context: thread, not in a poll.
 */
void thread_park(void);
void thread_park_until(uint64_t deadline_ns);

/* thread_park() for whoever polls futures and is marked as in a poll throughout: it alone may wait all the same, where
 * none is being polled. Context: thread. */
void thread_park_between_polls(void);

/* Returns at or after `deadline_ns`, however often the thread is woken; early only if it is cancelled.
 * Context: thread, not in a poll. */
void thread_sleep_until(uint64_t deadline_ns);

/*
 * Sleeps in a rhythm that does not drift, however late each waking is: until the next of the deadlines that follow
 * *deadline_ns, the last one, in steps of `period_ns`; *deadline_ns is that one then. Those already past are left out,
 * and their number is returned. Context: thread, not in a poll.
 */
uint64_t thread_sleep_next(uint64_t *deadline_ns, uint64_t period_ns);

/* Makes `thread` ready if it is parked, else makes its next park return at once. A more urgent thread runs before this
 * returns; called with interrupts off, once they are on and something else is woken or an interrupt ends. Context: any.
 */
void thread_wake(struct thread *thread);

#endif
