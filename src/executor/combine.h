/*
 * Futures made of others, which their owner keeps: their memory and the array of pointers to them.
 *
 * Each polls all that are left whenever its task is polled. What it does not need any more it drops.
 */
#ifndef DUET_EXECUTOR_COMBINE_H
#define DUET_EXECUTOR_COMBINE_H

#include "executor/sleep.h"

/* Ready once all are. */
struct join_all {
    struct future future;
    struct future **futures; /* NULL: ready */
    size_t count;
};
struct join_all join_all(struct future **futures, size_t count);

/* Ready once one is: the others are dropped. They are asked in turn, beginning with another one each time. */
struct race {
    struct future future;
    struct future **futures;
    size_t count;
    size_t first;  /* to be asked at the next poll */
    size_t winner; /* its index */
};
struct race race(struct future **futures, size_t count);

/* For the next race of a loop: it goes on in turn, so that of two that are always ready each wins every other time. */
void race_again(struct race *race);

/* Ready once `inner` is, or at the deadline: then it is dropped. One that is ready in time is never given up. */
struct timeout {
    struct future future;
    struct future *inner;
    struct sleep sleep;
    bool expired;
};
struct timeout timeout_at(struct future *inner, uint64_t deadline_ns);
struct timeout timeout_after(struct future *inner, uint64_t duration_ns);

/* Times that follow each other by a period, whatever happens in between. */
struct interval {
    uint64_t next_ns;
    uint64_t period_ns;
    uint64_t missed; /* times that were over when they were asked for, and are left out */
};

/* The first time is `first_ns`. */
struct interval interval(uint64_t first_ns, uint64_t period_ns);

/* Sleeps until the next time that is not over: begin with that, and AWAIT it. */
struct sleep interval_next(struct interval *interval, uint64_t now_ns);

#endif
