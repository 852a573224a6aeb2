/*
 * Deadlines and the one-shot timer: two threads start and cancel timers, a tick starts itself again, and the hardware
 * interrupts once when the time it was told has come.
 *
 * Time goes on between any two steps. The wheel is a set that knows a time no later than its earliest deadline, which
 * is what timer_queue.h promises of it and its host tests hold it to; an expiry stops after one timer, in C after 32.
 *
 * src/thread/sched.c: sched_timer_start sched_timer_cancel sched_timer_interrupt tick_expired
 * src/thread/switching.h: arm_by
 * src/lib/timer_queue.c: timer_queue_insert timer_queue_remove timer_queue_expire bound
 */
#define TIMERS 3
#define TICK 2
#define NEVER 15
#define LAST 4   /* time ends */
#define PERIOD 2 /* cpu->tick_ns */

byte now;
byte deadline[TIMERS] = NEVER; /* NEVER: not queued */
byte armed = NEVER;            /* cpu->timer_armed_ns */
byte hardware = NEVER;         /* what timer_arm() told it */
bool pending;                  /* the interrupt is to come */
byte off;                      /* who has interrupts off; 0: nobody */
hidden byte i;

#define mine (off == 0 || off == _pid)

active proctype clock()
{
    do
    ::
        d_step {
            now < LAST ->
            now++;
            if
            :: hardware <= now -> pending = true; hardware = NEVER
            :: else
            fi
        }
    :: now == LAST -> break
    od
}

inline irq_save()
{
    d_step { mine -> off = _pid }
}

inline irq_restore()
{
    d_step { mine -> off = 0 }
}

/* A deadline that is past interrupts at once. */
inline timer_arm(at)
{
    d_step {
        mine ->
        armed = at;
        hardware = at;
        if
        :: at <= now -> pending = true; hardware = NEVER
        :: else
        fi
    }
}

inline arm_by(at)
{
#ifdef PLANT_LATER_REPLACES_EARLIER
    d_step { mine -> earlier = true };
#else
    d_step { mine -> earlier = at < armed };
#endif
    if
    :: earlier -> earlier = false; timer_arm(at)
    :: else
    fi
}

inline timer_queue_insert(timer, at)
{
    d_step { mine -> deadline[timer] = at }
}

/* A wheel's earliest, or a time before it that is not past. */
inline bound()
{
    atomic {
        next = deadline[0];
        next = (deadline[1] < next -> deadline[1] : next);
        next = (deadline[TICK] < next -> deadline[TICK] : next);
        if
        :: next != NEVER && next > now + 1 -> next--
        :: true
        fi
    }
}

/* ---- threads ---- */

inline sched_timer_start(timer, at)
{
#ifndef PLANT_STARTED_WITH_INTERRUPTS_ON
    irq_save();
#endif
    timer_queue_insert(timer, at);
#ifndef PLANT_STARTED_UNARMED
    arm_by(at);
#endif
    irq_restore()
}

inline sched_timer_cancel(timer)
{
    irq_save();
    d_step { mine -> deadline[timer] = NEVER };
    irq_restore()
}

active proctype sleeper()
{
    bool earlier;
    byte at;

    atomic {
        if
        :: now + 1 <= LAST -> at = now + 1
        :: now + 2 <= LAST -> at = now + 2
        fi
    };
    sched_timer_start(0, at);
    if
    :: true -> sched_timer_cancel(0)
    :: true
    fi
}

active proctype another_sleeper()
{
    bool earlier;
    byte at;

    d_step { now + 1 <= LAST -> at = now + 1 };
    sched_timer_start(1, at);
    deadline[1] == NEVER;
    sched_timer_start(1, at) /* past by then */
}

active proctype starter()
{
    bool earlier;

    sched_timer_start(TICK, PERIOD)
}

/* ---- the interrupt ---- */

/* Removes one that is due, which wakes its waker; `next` is when to be called again. */
inline timer_queue_expire()
{
    d_step {
        mine ->
        expired = NEVER;
        i = 0;
        do
        :: i < TIMERS && deadline[i] <= time -> expired = i; break
        :: i < TIMERS && deadline[i] > time -> i++
        :: i == TIMERS -> break
        od;
        i = 0;
        if
        :: expired != NEVER -> assert(deadline[expired] <= now); at = deadline[expired]; deadline[expired] = NEVER
        :: else
        fi
    };
    if
    :: expired == TICK && at + PERIOD <= LAST -> timer_queue_insert(TICK, at + PERIOD) /* tick_expired() */
    :: else
    fi;
    d_step { expired = 0; at = 0 };
#ifdef PLANT_EXPIRY_FORGETS_THE_REST
    bound();
    next = (next <= time -> NEVER : next)
#else
    bound()
#endif
}

active proctype sched_timer_interrupt()
{
    byte time, next, expired, at;
    bool earlier;

    do
    ::
        d_step { pending && off == 0 -> pending = false; off = _pid };
        time = now;
#ifndef PLANT_STAYS_ARMED
        armed = NEVER;
#endif
        timer_queue_expire();
        arm_by(next);
        d_step { mine -> off = 0; time = 0; next = 0 }
    od
}

/* Time stands still in the end: see halt() in cpu.pml. */
active proctype rest()
{
    do
    :: d_step { now == LAST && !pending && off == 0 -> now = LAST }
    od
}

#define covered(timer) (deadline[timer] == NEVER || pending || hardware <= deadline[timer])

ltl armed_before_each_deadline { [] (off == 0 -> covered(0) && covered(1) && covered(TICK)) }
ltl none_is_overdue { [] (off == 0 && !pending -> deadline[0] > now && deadline[1] > now && deadline[TICK] > now) }
