/*
 * What the examples of docs/async.md share: an executor on the clock of the tests, and what the examples say.
 *
 * A region of an example between two comments, "guide: NAME" and "guide end", is quoted in docs/async.md, to the
 * letter: tools/quotes.sh.
 */
#ifndef DUET_TESTS_HOST_GUIDE_H
#define DUET_TESTS_HOST_GUIDE_H

#include "executor/async.h"
#include "executor/executor.h"
#include "support.h"

#define US     UINT64_C(1000)
#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

/* Ready to spawn on, at time 0, after guide_begin(). */
extern struct executor executor;
void guide_begin(void);

/* Polls until nothing is ready and nobody sleeps: while all do, time jumps to the next deadline. */
void run(void);

/* The same, but not beyond this time. */
void run_until(uint64_t time_ns);

/* Makes the future a task, and runs. */
void run_task(const char *name, struct future *future);

/* What an example has to say. */
#define say support_trace

/* It has said this since it was asked last, and no more. */
void said(const char *text);

/* The scene panics, and the panic says this. */
void expect_panic(void (*scene)(void), const char *text);

#endif
