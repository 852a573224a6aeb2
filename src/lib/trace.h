/*
 * What happened, in order: switches, wakes, polls and interrupts, each with its time, in memory that the owner gives.
 *
 * The places that record are those of insight (thread/account.h, executor/insight.h), which nothing comes to while it
 * is off; with it on and no trace, each costs a predicted branch. Recording never prints, allocates or waits, so it
 * changes when things happen and not in which order. When the memory is full the oldest are overwritten, which `count`
 * tells.
 */
#ifndef DUET_LIB_TRACE_H
#define DUET_LIB_TRACE_H

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/critical.h"

enum trace_kind {
    TRACE_SWITCH,        /* to this thread */
    TRACE_WAKE,          /* this thread's wait has ended */
    TRACE_TASK_WAKE,     /* of this task */
    TRACE_POLL,          /* this task's turn begins */
    TRACE_POLL_END,      /* and ends; it may be its owner's again */
    TRACE_INTERRUPT,     /* the handler of this vector begins */
    TRACE_INTERRUPT_END, /* and ends */
};

struct trace_record {
    uint64_t ticks;
    uintptr_t who; /* a thread, a task, or a vector */
    enum trace_kind kind;
};

struct trace {
    struct trace_record *records; /* NULL: off */
    uint64_t mask;                /* how many there is room for, a power of two, less one */
    uint64_t count;               /* recorded so far, with those overwritten */
};

extern struct trace trace;

/* Context: any. */
static inline void trace_note(enum trace_kind kind, uintptr_t who)
{
    uint64_t flags;

    if (likely(!trace.records))
        return;
    flags = critical_enter();
    trace.records[trace.count++ & trace.mask] = (struct trace_record){clock_ticks(), who, kind};
    critical_leave(flags);
}

#endif
