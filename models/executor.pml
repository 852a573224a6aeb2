/*
 * The executor: its inbox, its batches, the urgent lane (LANES), how its thread falls asleep, and how it is stopped (STOP).
 *
 * Every access that is atomic in C is a step, and wakers are processes that step between any two of the executor's: an
 * interrupt, which in the kernel would run through, is one of them. Parking is a token, which is what park.pml shows.
 *
 * src/executor/executor.h: executor_push task_start executor_spawn
 * src/executor/executor.c: task_wake is_task in_order executor_poll_batch executor_rest executor_run executor_round
 * src/executor/executor.c: task_poll task_poll_future task_retire task_finish task_end task_attend
 * src/executor/executor.c: append executor_collect executor_next executor_poll_lanes
 * src/executor/executor.c: executor_spawn_urgent executor_attend executor_rest_attended executor_stop executor_stopped
 * src/kernel/executor_thread.c: park
 * src/thread/sched.c: park thread_park_between_polls
 */
#define NONE 0
#define A 1
#define B 2
#define URGENT 3
#define TASKS 3
#define ASLEEP 4 /* EXECUTOR_ASLEEP */
#define IS_TASK(task) (task > NONE && task < ASLEEP)
#define URGENT_POLLS 2 /* EXECUTOR_URGENT_POLLS */
#define ENDS_AFTER 2   /* B is ready once it has seen as many posts */

byte inbox = ASLEEP;      /* executor->inbox */
bool attention;           /* executor->attention: EXECUTOR_URGENT with LANES, EXECUTOR_STOP with STOP */
bool listed;              /* B is in executor->all */
byte next_of[TASKS + 1];  /* task->next */
bool queued[TASKS + 1];   /* TASK_QUEUED */
bool ended[TASKS + 1];    /* TASK_ENDED */
bool started, returned;
bool token, parked;       /* the parent's, which is the executor's thread */
byte posted[TASKS + 1];   /* for a task to see */
byte seen;                /* by B */

/* What the properties speak of, and C has no need for. */
bool linked[TASKS + 1];   /* in the inbox, the batch or a lane */
bool freed[TASKS + 1];    /* its owner's again */
byte passed[TASKS + 1];   /* bit t: t was polled while it was linked */
byte kept_waiting;        /* polls begun of tasks that are not urgent while the urgent one was linked */

inline thread_park_between_polls()
{
    parked = true;
#ifdef PLANT_PARK_CLEARS_TOKEN
    token = false;
#endif
    d_step { token -> token = false; parked = false }
}

/* Links the task whose QUEUED the caller has set. `head` is a local. */
inline executor_push(task)
{
#ifdef LANES
    /* In one step: that a push is one is shown without lanes, and spin's fairness would let the compare fail forever. */
    d_step {
        assert(!freed[task] && !linked[task]);
        head = inbox;
        next_of[task] = head;
        inbox = task;
        linked[task] = true
    };
#else
    head = inbox;
    do
    :: d_step { assert(!freed[task] && !linked[task]); next_of[task] = head };
#ifdef PLANT_PUSH_BY_STORE
        if
        :: true -> inbox = task; linked[task] = true; break
        fi
#else
        d_step {
            if
            :: inbox == head -> inbox = task; linked[task] = true; passed[task] = 0; swapped = true
            :: else -> head = inbox
            fi
        };
        if
        :: swapped -> swapped = false; break
        :: else
        fi
#endif
    od;
#endif
    if
#ifndef PLANT_PUSH_WAKES_NOBODY
    :: head == ASLEEP -> token = true
#endif
    :: else
    fi;
    head = NONE
}

inline task_wake(task)
{
    d_step { was_queued = queued[task]; queued[task] = true };
    if
    :: was_queued -> was_queued = false
    :: else -> executor_push(task)
    fi
}

/* ---- wakers ---- */

/* Publishes, and then wakes. */
inline post(task)
{
#ifdef PLANT_WAKE_BEFORE_POST
    task_wake(task);
    posted[task]++
#else
    posted[task]++;
    task_wake(task)
#endif
}

inline task_start(task)
{
    queued[task] = true;
    executor_push(task)
}

active proctype starter()
{
    byte head;
    bool was_queued, swapped;

#ifndef STOP /* it never ends */
    task_start(A);
#endif
    task_start(B);
#ifdef LANES
    attention = true; /* executor_spawn_urgent() */
    task_start(URGENT);
#endif
    started = true;
    post(B)
}

active proctype device()
{
    byte head;
    bool was_queued, swapped;

    started ->
#ifndef STOP
    post(A);
#endif
    post(B)
}

#ifdef STOP
active proctype executor_stop()
{
    started ->
#ifdef PLANT_WAKES_BEFORE_STOP
    token = true;
    attention = true
#else
    attention = true;
#ifndef PLANT_STOP_WAKES_NOBODY
    token = true
#endif
#endif
}
#endif

/* ---- the executor's thread; `task` is the one it polls ---- */

inline task_finish()
{
    d_step { assert(!linked[task] && !freed[task]); freed[task] = true; listed = false }
}

inline task_retire()
{
    d_step { was_queued = queued[task]; queued[task] = true };
    if
#ifndef PLANT_RETIRE_AT_ONCE
    :: was_queued -> was_queued = false; ended[task] = true /* task_retire_later() */
#if defined(STOP) && !defined(PLANT_RETIRE_UNLISTED)
        ; listed = true
#endif
#endif
    :: else -> task_finish()
    fi
}

/* What the models' tasks do in a poll. A wakes B once, when it has seen something; B is ready when it has seen enough;
 * the urgent one wakes itself, again and again. */
inline future_poll()
{
    assert(!freed[task] && !ended[task]);
    if
    :: task == A ->
        d_step { found = posted[A] > 0; posted[A] = 0 };
        if
        :: found -> found = false; task_wake(B)
        :: else
        fi
    :: task == B ->
        d_step { seen = (seen + posted[B] > ENDS_AFTER -> ENDS_AFTER : seen + posted[B]); posted[B] = 0 };
        ready = (seen == ENDS_AFTER)
    :: task == URGENT -> task_wake(URGENT)
    fi
}

inline pass()
{
    assert(linked[task]);
    linked[task] = false;
    if
#ifdef LANES
    :: task == URGENT -> kept_waiting = 0
    :: task != URGENT && linked[URGENT] && attended -> kept_waiting++; assert(kept_waiting < 2)
#else
    :: task != A && linked[A] -> assert(!(passed[A] & 1 << task)); passed[A] = passed[A] | 1 << task
    :: task != B && linked[B] -> assert(!(passed[B] & 1 << task)); passed[B] = passed[B] | 1 << task
#endif
    :: else
    fi
}

inline task_poll()
{
#ifdef PLANT_QUEUED_UNTIL_AFTER_POLL
    d_step { pass() };
#else
    d_step { pass(); assert(queued[task]); queued[task] = false };
#endif
    if
    :: ended[task] -> task_retire()
    :: else ->
        future_poll();
#ifdef PLANT_QUEUED_UNTIL_AFTER_POLL
        queued[task] = false;
#endif
        if
        :: ready -> ready = false; task_retire()
#ifdef STOP
        :: else -> listed = true /* task_settle() */
#else
        :: else
#endif
        fi
    fi
}

/* Reverses the list that begins with `task`; of tasks that are queued, so nobody else writes their links. */
inline in_order()
{
    before = NONE;
    do
    :: d_step {
        assert(!freed[task]);
        after = next_of[task];
        next_of[task] = before;
        before = task;
        task = after;
        after = NONE
    };
        if
        :: IS_TASK(task)
        :: else -> break
        fi
    od;
    atomic { task = before; before = NONE }
}

inline executor_poll_batch()
{
    d_step { task = inbox; inbox = NONE };
    polled = IS_TASK(task);
    if
    :: !polled
    :: else ->
        if
        :: !IS_TASK(next_of[task]) -> task_poll()
        :: else ->
            in_order();
            do
            :: IS_TASK(task) ->
#ifdef PLANT_NEXT_READ_AFTER_POLL
                task_poll();
                d_step { assert(!freed[task]); task = next_of[task] }
#else
                d_step { assert(!freed[task]); next = next_of[task] };
                task_poll();
                d_step { task = next; next = NONE }
#endif
            :: else -> break
            od
        fi
    fi;
    task = NONE
}

#ifdef LANES
chan urgent = [TASKS] of { byte };
chan batch = [TASKS] of { byte };
byte urgent_left = URGENT_POLLS;

/* One step: but for the exchange it touches what is the executor's alone. */
inline executor_collect()
{
    d_step {
        task = inbox;
        inbox = NONE;
        before = NONE;
        do
        :: IS_TASK(task) -> next = next_of[task]; next_of[task] = before; before = task; task = next
        :: else -> break
        od;
        task = before;
        do
        :: IS_TASK(task) ->
            if
            :: task == URGENT -> urgent!task
            :: else -> batch!task
            fi;
            task = next_of[task]
        :: else -> break
        od;
        task = NONE;
        next = NONE;
        before = NONE
    }
}

inline executor_next()
{
    d_step {
        task = NONE;
        if
#ifdef PLANT_URGENT_ALWAYS_FIRST
        :: len(urgent) > 0 -> urgent?task
#else
        :: len(urgent) > 0 && (urgent_left > 0 || len(batch) == 0) ->
            urgent_left = (urgent_left > 0 -> urgent_left - 1 : 0);
            urgent?task
#endif
        :: else ->
            if
            :: len(batch) > 0 && turns > 0 -> turns--; urgent_left = URGENT_POLLS; batch?task
            :: else
            fi
        fi
    }
}

inline executor_poll_lanes()
{
    executor_collect();
    atomic { polled = false; turns = len(batch); most = URGENT_POLLS + turns * (1 + URGENT_POLLS) };
    do
    :: most > 0 ->
        most--;
        executor_next();
        if
        :: task == NONE -> break
        :: else -> polled = true; task_poll()
        fi;
#ifndef PLANT_COLLECTS_ONCE
        executor_collect()
#endif
    :: else -> break
    od;
    atomic { most = 0; turns = 0; task = NONE }
}
#endif

/* Falls asleep, which `polled` then says, unless the inbox is another than these. */
inline fall_asleep(none, asleep)
{
#ifdef PLANT_SLEEPS_WITHOUT_COMPARING
    inbox = ASLEEP;
    polled = true
#else
    d_step {
        if
        :: inbox == none || inbox == asleep -> inbox = ASLEEP; polled = true
        :: else
        fi
    }
#endif
}

#ifdef LANES
inline executor_rest()
{
    if
    :: len(batch) == 0 && len(urgent) == 0 -> fall_asleep(NONE, ASLEEP)
    :: else
    fi
}
#else
inline executor_rest()
{
    fall_asleep(NONE, ASLEEP)
}
#endif

/* One step: but for the inbox it looks at what nobody changes meanwhile. */
#ifdef STOP
#define executor_stopped (attention && !IS_TASK(inbox) && !listed)
#else
#define executor_stopped false
#endif

active proctype executor_run()
{
    byte head, task, next, before, after;
    bool was_queued, swapped, found, ready, polled, attended;
#ifdef LANES
    byte turns, most;
#endif

    do
    ::
        attended = attention;
        /* executor_attend(), if it is, else the inbox alone */
#ifdef LANES
        if
        :: attended -> executor_poll_lanes()
        :: else -> executor_poll_batch()
        fi;
#else
        executor_poll_batch();
#endif
        if
        :: polled -> polled = false
        :: else ->
            if
            :: attended -> executor_rest()
            :: else -> fall_asleep(NONE, NONE)
            fi;
            if
            :: polled ->
                polled = false;
                if
                :: attended && executor_stopped -> break
                :: else -> thread_park_between_polls()
                fi
            :: else
            fi
        fi
    od;
    returned = true
}

/* Who is parked goes on being parked: see halt() in cpu.pml. */
active proctype rest()
{
    do
    :: d_step { parked && !token -> parked = true }
    od
}

#ifdef STOP
ltl it_stops { <> (returned && freed[B]) }
#else
ltl a_wake_is_followed_by_a_poll { [] (posted[A] > 0 -> <> (posted[A] == 0)) }
ltl all_posts_are_seen { <> (seen == ENDS_AFTER) }
#ifndef LANES
ltl a_task_ends { <> freed[B] }
ltl the_executor_falls_asleep { <>[] parked }
#endif
#endif
