/*
 * Deadlines and the wakers they call: the earliest timer, and an intrusive hierarchical wheel for the others, exact to
 * the nanosecond.
 *
 * A timer's place in the wheel follows from the highest digit, of six bits, in which its deadline differs from the
 * base, which is no later than any of them: that digit's position is the level, and the digit the slot. So all of a
 * lower level come before all of a higher one, and a slot before the next; a slot of level 0 holds one deadline only.
 * There is no tick, and nothing is rounded: the first timer of a slot is its earliest. Once time has reached a slot,
 * the base follows, and the slot's timers move to lower levels: each does so ten times at most, of a million within a
 * second about three times, and not at all while the slot holds few.
 *
 * Insert and remove are O(1), and no call is long: an expiry wakes or moves TIMER_STEPS timers at most, and asks to be
 * called again at once if there is more to do. Nothing is allocated; 5.8 KiB a queue. Equal deadlines expire in the
 * order they were inserted. A zeroed queue is empty. The queue neither reads a clock nor locks: its owner passes the
 * time, which never goes back, and protects it.
 */
#ifndef DUET_LIB_TIMER_QUEUE_H
#define DUET_LIB_TIMER_QUEUE_H

#include "lib/base.h"
#include "lib/waker.h"

#define TIMER_NEVER UINT64_MAX

enum {
    TIMER_DIGIT_BITS = 6,
    TIMER_SLOTS = 1 << TIMER_DIGIT_BITS,
    TIMER_LEVELS = (64 + TIMER_DIGIT_BITS - 1) / TIMER_DIGIT_BITS,
    TIMER_STEPS = 32,
};

struct timer {
    uint64_t deadline_ns; /* or past_ns when it was inserted, if that is later */
    struct waker *waker;
    struct timer *next; /* NULL for the last of its slot */
    struct timer *prev; /* the last one for the first of its slot */
};

/* A place is a level and a digit in one number, level * TIMER_SLOTS + digit, and the order of places that of their
 * timers. */
struct timer_queue {
    struct timer *first; /* the earliest, in no slot; NULL: it has to be found, if there are any */
    uint64_t past_ns;    /* what expired last, or the start of a slot that time has reached: no timer is earlier */
    uint64_t base_ns;    /* of the wheel: no later than past_ns */
    uint64_t levels;     /* bit l: occupied[l] is not zero */
    size_t moving;       /* the place whose timers are on their way to lower levels; 0: none. Above level 0 the only one
                          * that is occupied and whose digit is the base's */
    uint64_t occupied[TIMER_LEVELS];                 /* bit d: there are timers at digit d */
    uint64_t unsure[TIMER_LEVELS];                   /* bit d: the first of them need not be the earliest any more */
    struct timer *slots[TIMER_LEVELS * TIMER_SLOTS]; /* the first timer of each place; valid while occupied */
};

/* True while the timer is in a queue. A zeroed timer is not. */
static inline bool timer_queued(const struct timer *timer)
{
    return timer->prev != NULL;
}

/* Queues `timer` to wake `waker` at `deadline_ns`. The timer belongs to the queue until it expires or is removed. One
 * that is earlier than past_ns is taken for due then. */
void timer_queue_insert(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns, struct waker *waker);

/* Takes `timer` out; one that is not queued is left alone. */
void timer_queue_remove(struct timer_queue *queue, struct timer *timer);

/* Removes the timers whose deadline has come and wakes their wakers, earliest first. A waker may insert or remove
 * timers. Returns when to call again: timer_queue_next_deadline(), which is `now_ns` or earlier if TIMER_STEPS did not
 * suffice. */
uint64_t timer_queue_expire(struct timer_queue *queue, uint64_t now_ns);

/* The earliest deadline, or TIMER_NEVER. Where more than TIMER_STEPS timers stand in the way of it, no later than that:
 * past_ns while they move; and if they share a slot whose earliest was removed, the slot's start. */
uint64_t timer_queue_next_deadline(struct timer_queue *queue);

#endif
