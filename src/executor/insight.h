/*
 * What tasks cost and how they behave: counted and timed only while an executor has a record for it, which costs the
 * others nothing. A task's line is found by its address, in memory that the owner of the record gives; tasks that find
 * no room there are not seen.
 *
 * A wake that comes during a task's own poll counts as its own, an interrupt's too.
 */
#ifndef DUET_EXECUTOR_INSIGHT_H
#define DUET_EXECUTOR_INSIGHT_H

#include "executor/executor.h"

/* What looks like a mistake. */
enum insight_lint {
    INSIGHT_FINE,
    INSIGHT_OVERRAN,      /* a poll took longer than the budget: it delays every other task of its executor */
    INSIGHT_WAITS_LONG,   /* pending, and woken by nobody for longer than `patience_ns`: a lost waker, maybe */
    INSIGHT_NEVER_YIELDS, /* its polls are most of what the executor does */
    INSIGHT_SELF_WAKES,   /* most of its wakes are its own: it polls what it should wait for */
};

struct insight_line {
    const struct task *task; /* NULL: free */
    bool body;               /* its future is a struct async's */
    bool ended;              /* and the line is the next newcomer's */
    bool overran;
    uint32_t longest_line; /* of a body: the line it had waited at before its longest poll, 0 at its start */
    uint64_t polls, wakes, self_wakes;
    uint64_t poll_ns, longest_ns;
    uint64_t waiting_ns; /* ready, until it was polled */
    uint64_t woken_ns;   /* the wake that made it ready; 0: it is not */
    uint64_t polled_ns;  /* when its latest poll ended */
};

/* A poll that is under way. */
struct insight_poll {
    const char *name; /* the task's */
    uint64_t begun_ns;
    uint32_t line; /* of a body, as longest_line */
};

struct insight {
    /* Set by the owner, before executor_insight(). */
    struct insight_line *lines;
    size_t count;                     /* a power of two */
    uint64_t budget_ns;               /* of a poll */
    uint64_t patience_ns;             /* before a task that waits is suspected */
    bool (*has_body)(uintptr_t poll); /* as async_trace()'s; NULL: nobody knows */
    /* The watchdog, or NULL: a poll begins, one ends, and one has ended that took longer than the budget. */
    void (*begins)(struct insight *insight, const struct insight_poll *poll);
    void (*ends)(struct insight *insight);
    void (*overran)(const struct task *task, const struct insight_line *line, uint64_t ns);

    /* the executor's thread */
    uint64_t begun_ns;
    uint64_t poll_ns, idle_ns; /* the rest of the time is the executor's own, and that of who preempted it */
    uint64_t overruns;
    uint64_t unseen; /* polls of tasks that found no line */
};

/* Begins to count. The executor has a clock; the record stays for good. Context: before the executor runs. */
void executor_insight(struct executor *executor, struct insight *insight);

/* The task's line, NULL if it has none. Context: any. */
struct insight_line *insight_line_of(const struct executor *executor, const struct task *task);

/* What is to be said about a task. Context: the executor's thread, or it does not run. */
enum insight_lint insight_lint(const struct executor *executor, const struct insight_line *line, uint64_t now_ns);
const char *insight_lint_text(enum insight_lint lint);

/* The turn of a task, and the park of the executor, measured. For the executor. Context: its thread. */
void insight_poll(struct executor *executor, struct task *task);
void insight_park(struct executor *executor, uint64_t until_ns);

#endif
