/*
 * Wake, park and idle: a thread that waits for what an interrupt and another thread post.
 *
 * src/thread/sched.c: park thread_park thread_park_between_polls thread_waker_wake sched_timer_interrupt
 * src/drivers/ps2_port.h: ps2_wait
 */
#define THREADS 3
#define PRIORITIES 3
#define WORKER 1
#define WAITER 2
#ifndef WORKER_LEVEL
#define WORKER_LEVEL 1
#endif
#define WAITER_LEVEL 2
#define POSTS 2
#define TURNS 2

#include "cpu.pml"

bool token[THREADS];
byte posted;   /* and not taken yet */
bool wake_due; /* the waiter was woken, and has not looked since */

inline start()
{
    thread_start(WORKER, WORKER_LEVEL);
    thread_start(WAITER, WAITER_LEVEL)
}

active proctype idle()
{
    sched_idle()
}

inline thread_park(me)
{
    bool woken;

#ifdef PLANT_TOKEN_SEEN_OPEN
    d_step { mine -> woken = token[me]; token[me] = false };
    irq_save();
#else
    irq_save();
    d_step { mine -> woken = token[me]; token[me] = false };
#endif
#ifdef PLANT_PARK_WITHOUT_RECHECK
    woken = false;
#endif
    if
    :: woken -> woken = false; leave()
    :: else -> wait(PARKED)
    fi
}

inline thread_waker_wake(thread)
{
    irq_save();
    d_step { mine -> wake_due = true };
    if
    :: condition[thread] == PARKED -> make_ready_last(thread)
    :: else ->
#ifndef PLANT_WAKE_SETS_NO_TOKEN
        d_step { mine -> token[thread] = true };
#endif
        irq_restore()
    fi
}

active proctype worker()
{
    bool flags;
    byte left = POSTS;

    do
    :: left > 0 ->
#ifdef PLANT_WAKE_BEFORE_POST
        thread_waker_wake(WAITER);
        d_step { mine -> posted++; left-- }
#else
        d_step { mine -> posted++; left-- };
        thread_waker_wake(WAITER)
#endif
    :: left > 0 -> thread_yield()
    :: left == 0 -> break
    od;
    irq_save();
    wait(DEAD)
}

active proctype waiter()
{
    bool flags, found;

    do
    ::
        d_step {
            mine ->
            wake_due = false;
            found = posted > 0;
            posted = (found -> posted - 1 : 0)
        };
        if
        :: found -> found = false
        :: else -> thread_park(WAITER)
        fi
    od
}

active proctype device()
{
    bool flags;
    byte left = POSTS;

    do
    :: left > 0 ->
        interrupt_begin();
        d_step { mine -> posted++; left-- };
        thread_waker_wake(WAITER);
        interrupt_take()
    :: true -> break
    od
}

/* The end of a turn, if anybody waits for it. */
active proctype timer()
{
    byte left = TURNS;

    do
    :: left > 0 ->
        interrupt_begin();
        d_step {
            mine ->
            left--;
            if
            :: contended -> turn_over = true; need_resched = true
            :: else
            fi
        };
        interrupt_take()
    :: true -> break
    od
}

active proctype hlt()
{
    halt()
}

#define kept_waiting(thread) (condition[thread] == READY && level[thread] > level[current])

ltl no_wake_is_lost { <>[] (posted == 0) }
ltl wake_is_followed_by_run { [] (wake_due -> <> !wake_due) }
#ifndef TO_COMPLETION
ltl most_urgent_runs { [] (irq_on && handler == 0 -> !kept_waiting(WORKER) && !kept_waiting(WAITER)) }
#endif
