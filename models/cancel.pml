/*
 * Cancellation and what a channel has handed over: two tasks receive, an interrupt sends, and the owner of the first
 * task cancels it at any moment, joins it, and takes its memory back.
 *
 * A critical section is one step, with the wakes in it: on one CPU nothing comes between. Everything else that is
 * atomic in C is a step of its own, but for a push, which executor.pml shows to be as good as one. Senders that wait are
 * left out, since they wait as receivers do.
 *
 * src/executor/executor.c: task_wake task_cancel task_retire task_finish task_settle task_end task_attend task_poll
 * src/executor/executor.c: task_signal task_signal_waiter task_retire_new executor_rest
 * src/executor/channel.c: reveal begin withhold end offer_message send_now receive_now channel_send_rarely
 * src/executor/channel.c: receive_poll receive_drop
 * src/executor/channel.h: channel_send_try
 * src/executor/task_join.c: task_join_poll task_join_drop task_take_value
 * src/lib/waiters.h: waiters_wait waiter_leave waiters_wake_first
 * src/lib/completion.h: completion_register completion_unregister completion_signal completion_signal_unwaited
 */
#define NONE 0
#define FIRST 1  /* ready once it has a message */
#define SECOND 2 /* receives for ever */
#define TASKS 2
#define MESSAGES 2
#define CAPACITY 2

#define QUEUED 1 /* TASK_QUEUED, and so on */
#define NEW 2
#define CANCELLED 4
#define ENDED 8
#define SPECIAL 16

#define OUT 0 /* WAITER_OUT, and so on */
#define WAITS 1
#define GRANTED 2

#define NOBODY 0 /* task->done.waiter: one of the owner's two wakers, or the mark of what is done */
#define JOIN 1
#define JOIN_AGAIN 2
#define DONE 3

chan inbox = [TASKS] of { byte };
byte state[TASKS + 1];
byte done; /* of the first task */
bool token, parked;
bool woken[3]; /* of the owner, by either waker */

chan slots = [CAPACITY] of { byte };
byte room = CAPACITY, room_withheld, messages, promised;
chan receivers = [TASKS] of { byte };
byte waiter[TASKS + 1];

/* What the properties speak of. */
byte sent, received, last; /* the last is the second task's latest message */
bool freed;                /* the first task is its owner's again */
bool gone;                 /* the first join is: its waker may not be woken any more */
bool over, joined;         /* the first task's future is ready or dropped */
bool took, dropped;        /* which of them */
hidden byte head;

inline executor_push(task)
{
    assert(!(task == FIRST && freed));
    inbox!task;
    token = true
}

/* Part of a step. */
inline task_wake(task)
{
    assert(!(task == FIRST && freed));
    if
    :: state[task] & QUEUED
    :: else -> state[task] = state[task] | QUEUED; executor_push(task)
    fi
}

/* ---- the channel: parts of steps ---- */

inline reveal()
{
    room = room + room_withheld;
    room_withheld = 0
}

inline withhold()
{
#ifndef PLANT_ROOM_NOT_WITHHELD
    if
    :: len(receivers) > 0 -> room_withheld = room; room = 0
    :: else
    fi;
#endif
    assert(room + room_withheld + messages + promised == CAPACITY && messages + promised == len(slots))
}

inline offer_message()
{
    if
    :: len(receivers) == 0 -> messages++
    :: else ->
        promised++;
        receivers?head;
        waiter[head] = GRANTED;
        task_wake(head);
        head = 0
    fi
}

inline channel_send_try()
{
    d_step {
        room + room_withheld > 0 ->
        sent++;
        slots!sent;
        if
        :: room == 0 -> reveal(); room--; offer_message(); withhold()
        :: else -> room--; messages++
        fi
    }
}

inline waiter_leave(task)
{
    if
    :: waiter[task] == WAITS -> receivers??eval(task)
    :: else
    fi;
    waiter[task] = OUT
}

/* What is received is `got`; NONE if it waits. */
inline receive_poll()
{
    d_step {
        reveal();
        if
        :: waiter[task] == GRANTED -> waiter_leave(task); promised--; messages++
        :: else
        fi;
        if
        :: messages > 0 -> messages--; slots?got; room++; waiter_leave(task); received++
        :: else ->
            if
            :: waiter[task] == OUT -> waiter[task] = WAITS; receivers!task
            :: else
            fi
        fi;
        withhold()
    }
}

inline receive_drop()
{
    d_step {
        reveal();
        if
        :: waiter[task] == GRANTED ->
            waiter_leave(task);
            promised--;
#ifdef PLANT_DROP_KEEPS_PROMISE
            slots?head; head = 0; room++
#else
#ifdef PLANT_DROP_TELLS_NOBODY
            messages++
#else
            offer_message()
#endif
#endif
        :: else ->
#ifdef PLANT_DROP_LEAVES_WAITER
            waiter[task] = OUT
#else
            waiter_leave(task)
#endif
        fi;
        withhold()
    }
}

active proctype device()
{
    do
    :: sent < MESSAGES -> channel_send_try()
    :: else -> break
    od
}

/* ---- the executor's thread ---- */

/* A part of a step. The waker is one that its owner has not taken back. */
inline waker_wake(waker)
{
    if
    :: waker != NOBODY -> assert(!(waker == JOIN && gone)); woken[waker] = true
    :: else
    fi
}

/* In task_signal_waiter()'s critical section. */
inline completion_signal()
{
#ifdef PLANT_SIGNALS_OPEN
    d_step { assert(!freed && done != DONE); was = done; done = DONE };
    d_step { waker_wake(was); was = NOBODY }
#else
    d_step { assert(!freed && done != DONE); was = done; done = DONE; waker_wake(was); was = NOBODY }
#endif
}

inline task_signal()
{
    d_step { assert(!freed); unwaited = (done == NOBODY); done = (unwaited -> DONE : done) };
    if
    :: unwaited -> unwaited = false
    :: else -> completion_signal()
    fi
}

inline task_retire()
{
    d_step { assert(!freed); was = state[task] & QUEUED; state[task] = state[task] | QUEUED };
    if
#ifndef PLANT_RETIRE_AT_ONCE
    :: was -> d_step { state[task] = state[task] | SPECIAL | ENDED; was = 0 }
#endif
    :: else -> was = 0; task_signal()
    fi
}

inline task_settle()
{
    seen = state[task];
    do
    ::
        d_step {
            assert(!(task == FIRST && freed));
            if
#ifndef PLANT_SETTLE_BY_STORE
            :: state[task] != seen -> seen = state[task]
#endif
            :: else -> state[task] = seen & (seen & CANCELLED -> ~NEW : ~(NEW | SPECIAL)); seen = 0
            fi
        };
        if
        :: seen == 0 -> break
        :: else
        fi
    od
}

inline task_end()
{
    if
#ifdef PLANT_DROPS_WHAT_ENDED
    :: true ->
#else
    :: !(state[task] & ENDED) ->
#endif
        d_step { assert(!over); over = true; dropped = true };
        receive_drop()
    :: else
    fi;
    task_retire()
}

inline future_poll()
{
    d_step { assert(!(task == FIRST && (over || freed))) };
    receive_poll();
    if
    :: got == NONE
    :: got != NONE && task == FIRST -> d_step { over = true; took = true; got = NONE; ready = true }
    :: got != NONE && task == SECOND -> d_step { assert(got > last); last = got; got = NONE }; receive_poll()
    fi
}

inline task_poll()
{
    d_step { assert(state[task] & QUEUED); state[task] = state[task] - QUEUED; seen = state[task] & SPECIAL };
    if
    :: seen && state[task] & (ENDED | CANCELLED) -> seen = 0; task_end()
    :: else ->
        future_poll();
        if
        :: ready -> ready = false; seen = 0; task_retire()
        :: !ready && seen -> task_settle()
        :: else -> seen = 0
        fi
    fi
}

active proctype executor_run()
{
    byte task, got, was, seen;
    bool ready, unwaited;

    d_step {
        state[FIRST] = QUEUED | NEW | SPECIAL;
        state[SECOND] = QUEUED | NEW | SPECIAL;
        inbox!FIRST;
        inbox!SECOND
    };
    do
    :: inbox?task -> task_poll(); task = NONE
    :: empty(inbox) ->
        parked = true;
        d_step { token -> token = false; parked = false }
    od
}

/* ---- the owner ---- */

inline task_cancel()
{
#ifdef PLANT_CANCEL_ALWAYS_PUSHES
    d_step { state[FIRST] = state[FIRST] | SPECIAL | CANCELLED | QUEUED; wake = true };
#else
    d_step { wake = !(state[FIRST] & QUEUED); state[FIRST] = state[FIRST] | SPECIAL | CANCELLED | QUEUED };
#endif
    if
    :: wake -> d_step { wake = false; executor_push(FIRST) }
    :: else
    fi
}

/* `is_done` if there is nothing to wait for. */
inline completion_register(waker)
{
#ifdef PLANT_REGISTER_BY_STORE
    is_done = (done == DONE);
    if
    :: !is_done -> done = waker
    :: else
    fi
#else
    d_step {
        is_done = (done == DONE);
        done = (is_done -> DONE : waker)
    }
#endif
}

/* And the memory of who joined is another's. */
inline task_join_drop()
{
    d_step {
#ifndef PLANT_JOIN_LEAVES_WAKER
        done = (done == JOIN -> NOBODY : done);
#endif
        gone = true
    }
}

active proctype owner()
{
    bool is_done, wake;

    state[FIRST] != 0; /* spawned */
    if
    :: true -> completion_register(JOIN); task_join_drop()
    :: true
    fi;
    task_cancel();
    if
    :: true -> task_cancel()
    :: true
    fi;
    completion_register(JOIN_AGAIN);
    if
    :: is_done
    :: else -> woken[JOIN_AGAIN]
    fi;
    d_step { assert(done == DONE && over && took + dropped == 1); freed = true; joined = true }
}

/* Who is parked goes on being parked: see halt() in cpu.pml. */
active proctype rest()
{
    do
    :: d_step { parked && !token -> parked = true }
    od
}

ltl every_message_is_received { <> (received == MESSAGES) }
ltl every_join_ends { <> joined }
