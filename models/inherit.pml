/*
 * Priority inheritance: LOW owns A; MIDDLE owns B and wants A; HIGH wants B; OTHER, more urgent than the first two,
 * computes and wants A. Interrupts let the last three begin at any moments, and deadlines come at any.
 *
 * src/thread/mutex.c: due_priority set_priority inherit mark_contended wait_for_owner mutex_lock_slowly lock_expired
 * src/thread/mutex.c: lock_slowly_until mutex_lock_until hand_over mutex_unlock_slowly
 * src/thread/mutex.h: mutex_take_free mutex_lock mutex_unlock
 * src/thread/switching.h: ready_move resettle
 * src/thread/waiting.h: wait_queue_first wait_queue_insert wait_queue_enter wait_queue_wake_inline
 */
#define THREADS 5
#define PRIORITIES 5
#define LOW 1
#define MIDDLE 2
#define OTHER 3
#define HIGH 4
#define MUTEX_A 1
#define MUTEX_B 2
#define NO_MUTEX 0

#include "cpu.pml"

byte owner[3];     /* mutex->owner; 0: nobody, as the idle thread owns none */
bool contended_[3]; /* MUTEX_CONTENDED in it */
byte listed[3];    /* in whose thread->contended the mutex is */
chan queue[3] = [THREADS] of { byte };
byte waits_for[THREADS];
bool timed_out[THREADS];
bool owns[THREADS]; /* is between a lock and its unlock */
hidden byte thread, due, rest, other, mutex_at, inserted, next_owner;

inline start()
{
    thread_start(LOW, 1);
    d_level(MIDDLE, 2);
    d_level(OTHER, 3);
    d_level(HIGH, 4)
}

/* A thread that begins later. */
inline d_level(who, base)
{
    level[who] = base;
    saved_flags[who] = true;
    condition[who] = PARKED
}

active proctype idle()
{
    sched_idle()
}

/* ---- parts of steps ---- */

inline due_priority(who, base)
{
    due = base;
    mutex_at = MUTEX_A;
    do
    :: mutex_at <= MUTEX_B ->
        if
        :: listed[mutex_at] == who ->
            queue[mutex_at]?<other>;
            due = (level[other] > due -> level[other] : due)
        :: else
        fi;
        mutex_at++
    :: else -> break
    od;
    mutex_at = 0
}

/* To the front of its ring, behind the running thread alone. */
inline ready_move(who, priority_due)
{
    ready[level[who]]??eval(who);
    level[who] = priority_due;
    rest = len(ready[priority_due]);
    if
    :: rest > 0 && ready[priority_due]?[eval(current)] ->
        ready[priority_due]?other;
        ready[priority_due]!other;
        rest--
    :: else
    fi;
    ready[priority_due]!who;
    do
    :: rest > 0 -> ready[priority_due]?other; ready[priority_due]!other; rest--
    :: else -> break
    od
}

/* Behind all that are as urgent. */
inline wait_queue_insert(mutex, who)
{
    rest = len(queue[mutex]);
    inserted = false;
    do
    :: rest > 0 ->
        queue[mutex]?other;
        if
        :: !inserted && level[other] < level[who] -> queue[mutex]!who; inserted = true
        :: else
        fi;
        queue[mutex]!other;
        rest--
    :: else -> break
    od;
    if
    :: !inserted -> queue[mutex]!who
    :: else
    fi
}

/* set_priority(), which spin has a function of its own for. */
inline change_priority(who)
{
    if
    :: condition[who] == READY -> ready_move(who, due)
    :: else ->
        level[who] = due;
#ifndef PLANT_WAITER_KEEPS_PLACE
        if
        :: condition[who] == WAITING ->
            queue[waits_for[who]]??eval(who);
            wait_queue_insert(waits_for[who], who)
        :: else
        fi
#endif
    fi
}

inline inherit(who)
{
    thread = who;
    do
    :: thread == 0 -> break
    :: else ->
        due_priority(thread, thread); /* thread->base_priority: in this model, its number */
        if
        :: due == level[thread] -> break
        :: else ->
            change_priority(thread);
#ifdef PLANT_NOT_TRANSITIVE
            break
#else
            thread = (condition[thread] == WAITING -> owner[waits_for[thread]] : 0)
#endif
        fi
    od
}

inline resettle()
{
    pick();
    need_resched = (first != current -> true : need_resched);
    first = 0
}

inline mark_contended(mutex)
{
    if
    :: len(queue[mutex]) == 0 ->
        listed[mutex] = owner[mutex];
#ifndef PLANT_OWNER_NOT_TOLD
        contended_[mutex] = true
#endif
    :: else
    fi
}

inline wait_queue_enter(mutex)
{
    ready_remove(current);
    condition[current] = WAITING;
    waits_for[current] = mutex;
    wait_queue_insert(mutex, current)
}

inline wait_queue_wake(who, by_time)
{
    queue[waits_for[who]]??eval(who);
    timed_out[who] = by_time;
    waits_for[who] = NO_MUTEX;
    make_ready(who)
}

inline wait_for_owner(mutex)
{
    mark_contended(mutex);
    wait_queue_enter(mutex);
#ifndef PLANT_WAITER_LENDS_NOTHING
    inherit(owner[mutex]);
#endif
    switch_away(flags)
}

inline hand_over(mutex)
{
    queue[mutex]?<first>;
    next_owner = first;
    assert(waits_for[MIDDLE] != mutex || level[MIDDLE] <= level[next_owner]);
    assert(waits_for[OTHER] != mutex || level[OTHER] <= level[next_owner]);
    listed[mutex] = 0;
#ifndef PLANT_UNLOCK_KEEPS_PRIORITY
    inherit(current);
#endif
    wait_queue_wake(next_owner, false);
    contended_[mutex] = len(queue[mutex]) > 0;
#ifndef PLANT_NEW_OWNER_INHERITS_NOTHING
    listed[mutex] = (contended_[mutex] -> next_owner : 0);
#endif
    owner[mutex] = next_owner;
    next_owner = 0
}

/* ---- steps ---- */

/* Returns whether it timed out: only where a deadline comes. */
inline mutex_lock(mutex)
{
    d_step { /* mutex_take_free() */
        mine ->
        timed_out[_pid] = false;
        took = (owner[mutex] == 0);
        owner[mutex] = (took -> _pid : owner[mutex])
    };
    if
    :: took -> took = false
    :: else -> /* mutex_lock_slowly() */
        irq_save();
        d_step {
            mine ->
            if
            :: owner[mutex] == 0 -> owner[mutex] = _pid; irq_on = flags
            :: else -> wait_for_owner(mutex)
            fi
        }
    fi;
    d_step { mine -> assert(timed_out[_pid] || owner[mutex] == _pid); owns[_pid] = owner[mutex] == _pid }
}

inline mutex_unlock(mutex)
{
#ifdef PLANT_UNLOCK_WITHOUT_COMPARING
    d_step { mine -> took = !contended_[mutex] };
    d_step { mine -> owner[mutex] = (took -> 0 : owner[mutex]) };
#else
    d_step {
        mine ->
        took = (owner[mutex] == _pid && !contended_[mutex]);
        owner[mutex] = (took -> 0 : owner[mutex])
    };
#endif
    if
    :: took -> took = false
    :: else -> /* mutex_unlock_slowly() */
        irq_save();
        d_step {
            mine ->
            assert(owner[mutex] == _pid);
            if
            :: len(queue[mutex]) > 0 -> hand_over(mutex); resettle()
            :: else -> owner[mutex] = 0
            fi
        };
        leave()
    fi
}

inline thread_exit()
{
    irq_save();
    wait(DEAD)
}

active proctype low()
{
    bool flags, took;

    mutex_lock(MUTEX_A);
    mutex_unlock(MUTEX_A);
    thread_exit()
}

active proctype middle()
{
    bool flags, took;

    mutex_lock(MUTEX_B);
    mutex_lock(MUTEX_A);
    if
    :: owns[MIDDLE] -> mutex_unlock(MUTEX_A)
    :: else
    fi;
    mutex_unlock(MUTEX_B);
    thread_exit()
}

active proctype other_one()
{
    bool flags, took;

    mutex_lock(MUTEX_A);
    if
    :: owns[OTHER] -> mutex_unlock(MUTEX_A)
    :: else
    fi;
    thread_exit()
}

active proctype high()
{
    bool flags, took;

    mutex_lock(MUTEX_B);
    if
    :: owns[HIGH] -> mutex_unlock(MUTEX_B)
    :: else
    fi;
    thread_exit()
}

/* ---- interrupts ---- */

active proctype beginner()
{
    bool begun[THREADS];
    byte who;

    do
    :: atomic { who == 0 && !begun[MIDDLE] -> who = MIDDLE }
    :: atomic { who == 0 && !begun[OTHER] -> who = OTHER }
    :: atomic { who == 0 && !begun[HIGH] -> who = HIGH }
    :: atomic { who != 0 -> skip };
        interrupt_begin();
        d_step { mine -> begun[who] = true; make_ready(who); who = 0 };
        interrupt_take()
    :: begun[MIDDLE] && begun[OTHER] && begun[HIGH] -> break
    od
}

inline lock_expired(who)
{
    mutex = waits_for[who];
    wait_queue_wake(who, true);
    if
    :: len(queue[mutex]) == 0 -> listed[mutex] = 0; contended_[mutex] = false
    :: else
    fi;
#ifndef PLANT_TIMEOUT_KEEPS_PRIORITY
    inherit(owner[mutex]);
#endif
    resettle();
    mutex = 0
}

inline expire(waiter)
{
    interrupt_begin();
    d_step {
        mine ->
        if
        :: condition[waiter] == WAITING && (waiter != MIDDLE || waits_for[waiter] == MUTEX_A) ->
            lock_expired(waiter);
            left--
        :: else
        fi
    };
    interrupt_take()
}

/* Of any wait but for the lock that MIDDLE begins with, which it takes in any case. */
active proctype deadline()
{
    byte mutex, left = 2;

    do
    :: left > 0 && condition[MIDDLE] == WAITING && waits_for[MIDDLE] == MUTEX_A -> expire(MIDDLE)
    :: left > 0 && condition[OTHER] == WAITING -> expire(OTHER)
    :: left > 0 && condition[HIGH] == WAITING -> expire(HIGH)
    :: true -> break
    od
}

active proctype hlt()
{
    halt()
}

#define outside (irq_on && handler == 0)
#define lends(waiter, who) (condition[waiter] == WAITING && owner[waits_for[waiter]] == who)
#define at_least(waiter, who) (!lends(waiter, who) || level[who] >= level[waiter])
#define by(waiter, who) (lends(waiter, who) && level[who] == level[waiter])
#define due_to(who) (level[who] == who || by(MIDDLE, who) || by(OTHER, who) || by(HIGH, who))
#define lent_to(who) (at_least(MIDDLE, who) && at_least(OTHER, who) && at_least(HIGH, who) && level[who] >= who)
#define kept_waiting(who) (condition[who] == READY && level[who] > level[current])

ltl priority_is_the_most_urgent_waiters { [] (outside -> lent_to(LOW) && lent_to(MIDDLE) && lent_to(OTHER)) }
ltl priority_goes_with_the_waiters { [] (outside -> due_to(LOW) && due_to(MIDDLE) && due_to(OTHER) && due_to(HIGH)) }
ltl most_urgent_runs { [] (outside -> !kept_waiting(LOW) && !kept_waiting(MIDDLE) && !kept_waiting(OTHER) && !kept_waiting(HIGH)) }
ltl every_lock_ends { <> (condition[LOW] == DEAD && condition[MIDDLE] == DEAD && condition[OTHER] == DEAD && condition[HIGH] == DEAD) }
