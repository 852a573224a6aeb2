/*
 * What keeps a peer honest: how often each task must have run, and a model of its timers. Whatever does not agree ends
 * the process by native_die(). Tested by tests/host/test_native.c.
 */
#ifndef DUET_NATIVE_CHECK_H
#define DUET_NATIVE_CHECK_H

#include "native.h"

enum { TIMER_BLOCK = 2000 }; /* how many more than its live ones a model has */

/* The timers that a peer ought to have; numbered from 0 to most - 1. */
struct model {
    size_t most, live_count, spare_count;
    uint32_t *live, *spare, *place; /* place: where a live one is in `live` */
    uint64_t *deadline;             /* of each timer, in ns */
    uint64_t last_expired;          /* the deadline of the last one that expired */

    /* what was chosen last */
    uint32_t *batch;
    uint64_t *batch_deadlines;
};
extern struct model model;

/* `task` of a peer did something `done` times; `what` names both. */
void check_count(const char *what, size_t task, uint64_t done, uint64_t expected);

/* A model of no timer, of which `live` can be. */
void model_init(size_t live);

/* Chooses timers to insert, due within a second after the last one that expired, or live ones to cancel: from now on
 * they are live, or not. */
void model_choose_inserts(size_t count);
void model_choose_cancels(size_t count);

/* What timers_expired() was told: each was live, and they came in order. */
void model_expired(void);

/* None that is live was due before one that expired. */
void model_check(void);

#endif
