/* What the tests of the scheduler let their threads do. */
#ifndef DUET_TESTS_HOST_BODIES_H
#define DUET_TESTS_HOST_BODIES_H

#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

/* A machine whose threads have quanta of 10 ms, at time 0, and nothing said yet. */
void bodies_init(void);

/* Starts a thread, which must succeed. */
void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument);

/* Computes a millisecond at a time, and says so whenever it goes on after another thread: who@when. */
void compute(uint64_t duration_ms);

/* As threads, their argument the milliseconds. */
void *compute_and_end(void *duration_ms);
void *park_and_compute(void *duration_ms);

/* Says its name. As a thread, it returns its argument. */
void *say(void *argument);
void *park_and_say(void *argument);

#endif
