/*
 * One CPU with its scheduler: what the models of threads share.
 *
 * Threads and handlers of interrupts are processes, and a process takes a step only while the CPU is `mine`. An
 * interrupt begins only while irq_on, and then has the CPU until its end. So a critical section is what it is in C: the
 * steps from irq_save() to irq_restore(). An inline is named after the C function whose steps it takes.
 *
 * The including model first defines THREADS, of which number 0 is the idle one, and PRIORITIES; its threads are
 * processes 1, 2, and so on, its handlers those that follow.
 *
 * src/thread/sched.c: preempt_current preempt_rarely preempt yield_rarely thread_yield make_ready_unequal
 * src/thread/sched.c: make_ready_rarely leave_due
 * src/thread/sched.h: sched_preempt_due
 * src/thread/switching.h: ring_next ready_insert_first ready_insert ready_remove slice_contended switch_to pick switch_away
 * src/thread/switching.h: end_turn_if_over leave make_ready make_ready_last wait
 * src/thread/thread.c: sched_idle
 * src/kernel/x86_64/arch.S: cpu_wait
 * src/kernel/x86_64/interrupt.c: interrupt_take
 */
#define IDLE 0
#define NOBODY 255

#define READY 0
#define PARKED 1
#define WAITING 2
#define DEAD 3

byte current = NOBODY; /* cpu->current; nobody until start() */
bool irq_on;           /* RFLAGS.IF */
bool halted;           /* in hlt */
byte handler;          /* whose interrupt it is; 0: none. cpu->irq_depth */
bool need_resched;     /* cpu->need_resched */
bool turn_over;        /* the clock has reached slice_end_ns */
byte level[THREADS];   /* thread->priority */
byte condition[THREADS];
bool saved_flags[THREADS];                      /* on the stack of a thread that does not run, for context_switch() */
chan ready[PRIORITIES] = [THREADS] of { byte }; /* whose turn it is comes first, and is still in it */
hidden byte at, first;

#define mine (handler == 0 && current == _pid && !halted || handler == _pid && handler > 0)
#define contended (len(ready[level[current]]) > 1)

#ifdef TO_COMPLETION
#define preemptive false
#else
#define preemptive true
#endif

inline irq_save()
{
    d_step { mine -> flags = irq_on; irq_on = false }
}

inline irq_restore()
{
    d_step { mine -> irq_on = flags }
}

/* ---- rings: parts of steps ---- */

inline ready_insert(thread)
{
    condition[thread] = READY;
    ready[level[thread]]!thread
}

/* The running thread, which is the first of its ring. */
inline ready_remove(thread)
{
    ready[level[thread]]?first;
    assert(first == thread)
}

inline next_turn()
{
    ready[level[current]]?first;
    ready[level[current]]!first
}

inline pick()
{
    at = PRIORITIES - 1;
    do
    :: at > 0 && len(ready[at]) == 0 -> at--
    :: else -> break
    od;
    ready[at]?<first>;
    at = 0
}

inline switch_to(previous, thread, own_flags)
{
    saved_flags[previous] = own_flags;
    irq_on = saved_flags[thread];
    current = thread;
    first = 0
}

inline switch_away(own_flags)
{
    need_resched = false;
    pick();
    switch_to(current, first, own_flags)
}

inline preempt_current(own_flags)
{
    if
    :: turn_over && contended -> next_turn()
    :: else
    fi;
    turn_over = false;
    need_resched = false;
    pick();
    switch_to(current, first, own_flags)
}

inline make_ready(thread)
{
    if
    :: level[thread] > level[current] -> need_resched = true
    :: else
    fi;
    ready_insert(thread)
}

/* ---- steps; `flags` is a local of the process, and what follows a switch waits for the CPU to be mine again ---- */

inline wait(why)
{
    d_step { mine -> condition[current] = why; ready_remove(current); switch_away(flags) };
    d_step { mine -> skip }
}

inline leave()
{
#ifndef PLANT_LEAVE_FORGETS
    d_step {
        mine ->
        if
        :: need_resched && flags && preemptive -> preempt_current(false)
        :: else
        fi
    };
#endif
    irq_restore()
}

/* Of one more urgent that is the first of its ring, the flag is set without comparing. */
inline make_ready_last(thread)
{
    d_step {
        mine ->
        if
        :: level[thread] > level[current] && len(ready[level[thread]]) == 0 ->
            ready_insert(thread);
#ifndef PLANT_URGENT_UNNOTED
            need_resched = true
#endif
        :: else -> make_ready(thread)
        fi
    };
    leave()
}

inline thread_yield()
{
    irq_save();
    d_step {
        mine ->
        if
        :: need_resched || !preemptive -> need_resched = false; next_turn(); pick(); switch_to(current, first, flags)
        :: else ->
            if
            :: contended -> next_turn(); ready[level[current]]?<first>; switch_to(current, first, flags)
            :: else -> irq_on = flags
            fi
        fi
    };
    d_step { mine -> skip }
}

/* The gate turns interrupts off, and the CPU has left hlt. */
inline interrupt_begin()
{
    d_step { handler == 0 && irq_on -> handler = _pid; irq_on = false; halted = false }
}

/* The end of interrupt_take(), and iretq. */
inline interrupt_take()
{
    d_step {
        mine ->
        handler = 0;
#ifndef PLANT_EXIT_FORGETS
        if
        :: need_resched && preemptive -> preempt_current(true)
        :: else -> irq_on = true
        fi
#else
        irq_on = true
#endif
    }
}

inline cpu_wait()
{
#ifdef PLANT_STI_NOP_HLT
    d_step { mine -> irq_on = true };
    d_step { mine -> halted = true }
#else
    d_step { mine -> irq_on = true; halted = true } /* none comes between sti and hlt */
#endif
}

/* The whole of the idle process, which is the model's first. start() makes the others ready. */
inline sched_idle()
{
    bool flags, alone;

    d_step {
        ready[0]!IDLE;
        start();
        irq_on = true;
        pick();
        current = first;
        first = 0
    };
    do
    ::
#ifndef PLANT_IDLE_LOOKS_OPEN
        irq_save();
#endif
        d_step { mine -> pick(); alone = (first == IDLE && len(ready[0]) == 1); first = 0 };
        if
        :: alone -> alone = false; cpu_wait()
        :: else -> flags = true; irq_restore(); thread_yield()
        fi
    od
}

/* A thread that begins, in start(). */
inline thread_start(thread, priority_of)
{
    level[thread] = priority_of;
    saved_flags[thread] = true;
    ready_insert(thread)
}

/* A halted CPU goes on being halted. Without a step there spin, asked for fairness, would overlook that state. */
inline halt()
{
    do
    :: d_step { halted -> halted = true }
    od
}
