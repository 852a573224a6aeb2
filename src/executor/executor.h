/*
 * The cooperative half: tasks, and the executor that polls them.
 *
 * A wake marks its task queued and pushes it onto the executor's inbox; a task already queued is left alone, so wakes
 * coalesce, cannot overflow and need no memory. The executor takes the whole inbox at once and polls it in the order of
 * the wakes: no task is polled twice before every other one that was ready has been polled once. When the inbox turns
 * non-empty the executor wakes its parent, which is just another waker.
 */
#ifndef DUET_EXECUTOR_EXECUTOR_H
#define DUET_EXECUTOR_EXECUTOR_H

#include "executor/future.h"
#include "lib/completion.h"
#include "lib/timer_queue.h"

struct executor;

struct task {
    struct waker waker; /* waking it queues it */
    struct future *future;
    struct executor *executor;
    struct task *next; /* in the inbox or a batch; belongs to whoever set `queued` */
    const char *name;
    struct completion done; /* signalled when the executor has let go of the task */
    atomic_bool queued;     /* a finished task stays queued for ever, which makes late wakes harmless */
    uint32_t polls;
    struct task *all; /* the executor's other tasks; executor thread only */
};
_Static_assert(sizeof(struct task) <= 64, "a task's header is one cache line");

struct executor {
    struct task *_Atomic inbox; /* latest first */
    struct waker *parent;       /* woken when there is something to poll. Set once */

    /* executor thread only */
    uint64_t now_ns;
    struct task *current; /* being polled */
    struct task *all;
    struct timer_queue timers;
    uint64_t polls;
};

/* `parent` is woken from any context, and outlives the executor. Context: boot, thread. */
void executor_init(struct executor *executor, struct waker *parent);

/*
 * Makes `future` a task that the executor polls until it is ready. The caller owns both structs and takes them back
 * when task->done is done; the name is kept, not copied. Context: any.
 */
void executor_spawn(struct executor *executor, struct task *task, const char *name, struct future *future);

/*
 * Expires timers, then polls every task that was ready once. Returns the time to poll again at: 0 for at once,
 * TIMER_NEVER for not before the parent is woken. Context: the executor's thread.
 */
uint64_t executor_poll(struct executor *executor, uint64_t now_ns);

/* The task that `waker` wakes. Only for a waker that an executor passed to a poll. */
static inline struct task *task_of_waker(struct waker *waker)
{
    return container_of(waker, struct task, waker);
}

#endif
