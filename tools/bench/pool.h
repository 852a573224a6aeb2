/*
 * Runs programs, at most so many at once, each with a time limit.
 *
 * Limits are wall-clock and only detect hangs. Children are in process groups of their own, so that Ctrl-C reaches only
 * us; we then kill them, and the system does it if we are killed ourselves.
 */
#ifndef DUET_BENCH_POOL_H
#define DUET_BENCH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct job {
    char *const *command; /* in: argument list, NULL-terminated */
    const char *log;      /* in: path that takes its standard output and error */
    unsigned limit_s;     /* in */
    bool timed_out;       /* out: killed at its limit */
    int status;           /* out: as waitpid() gives it */
    pid_t pid;            /* pool's own: 0 while not running */
    time_t deadline_s;    /* pool's own: on the monotonic clock */
};

struct pool {
    struct job *jobs;
    size_t count;
    size_t parallel;
    /* Called once for each job when it has ended; false means that no further job shall start. */
    bool (*ended)(void *context, size_t index);
    void *context;
};

/* Runs the jobs in their order; returns when none runs any more. 0, or the signal that interrupted it. */
int pool_run(const struct pool *pool);

#endif
