/*
 * The cooperative half: tasks, and the executor that polls them.
 *
 * A wake marks its task queued and pushes it onto the executor's inbox; a task already queued is left alone, so wakes
 * coalesce, cannot overflow and need no memory. The executor takes the whole inbox at once and polls it in the order of
 * the wakes: no task is polled twice before every other one that was ready has been polled once. An executor that found
 * its inbox empty is asleep, and the wake that ends this wakes its parent, which is just another waker; one that is
 * awake looks again by itself.
 *
 * A struct task belongs to its creator until task->done is done, or to a pool (executor/task_pool.h).
 */
#ifndef DUET_EXECUTOR_EXECUTOR_H
#define DUET_EXECUTOR_EXECUTOR_H

#include "executor/future.h"
#include "lib/completion.h"
#include "lib/timer_queue.h"

struct executor;
struct insight;
struct task_pool;

struct task {
    struct waker waker; /* waking it queues it */
    union {
        struct future *future;
        uintptr_t value; /* once it has ended: what task_return() said, else the future's address */
    };
    struct executor *executor;
    union {
        struct task *next;  /* in the inbox or a batch; belongs to whoever set TASK_QUEUED */
        uint64_t free_next; /* a free slot's, in its pool */
    };
    const char *name;
    struct completion done; /* signalled when the executor has let go of the task */
    atomic_uint state;
    uint32_t polls;
    union {
        struct task *all;       /* the executor's other tasks; executor thread only */
        struct task_pool *pool; /* of a TASK_POOLED one, which is no member of that list */
    };
};
_Static_assert(sizeof(struct task) <= 64, "a task's header is one cache line");

/* A task's state. The highest bit is set whenever a poll has more to look at than TASK_QUEUED, the lowest. */
enum {
    TASK_QUEUED = 1 << 0,    /* a finished task stays queued for ever, which makes late wakes harmless */
    TASK_NEW = 1 << 1,       /* in no list yet, as it was not polled, or never will be */
    TASK_CANCELLED = 1 << 2, /* to be dropped in place of its next poll */
    TASK_ENDED = 1 << 3,     /* ready, but woken during that poll: let go of when it comes round */
    TASK_URGENT = 1 << 4,
    TASK_POOLED = 1 << 5,
    TASK_FREE = 1 << 6,       /* the slot of a pool, and no task */
    TASK_GENERATION = 1 << 7, /* the lowest bit of 24 that number the lives of a pool's slot */
};
#define TASK_SPECIAL (UINT32_C(1) << 31)

/* The value of a task that was cancelled before it was ready. */
#define TASK_CANCELLED_VALUE UINTPTR_MAX

/* What an executor has to look at besides its inbox. */
enum {
    EXECUTOR_TIMERS = 1 << 0,  /* there are some */
    EXECUTOR_URGENT = 1 << 1,  /* it has urgent tasks */
    EXECUTOR_INSIGHT = 1 << 2, /* polls are measured */
    EXECUTOR_STOP = 1 << 3,    /* executor_run() is to return once no task is left */
    EXECUTOR_POINTS = 1 << 4,  /* executor_run() is to park until 0, which is past, before each batch. Set once */
};

struct executor {
    struct task *_Atomic inbox; /* latest first, and the last one's next is NULL or EXECUTOR_ASLEEP */
    struct waker *parent;       /* woken when there is something to poll. Set once */
    atomic_uint attention;

    /* executor thread only */
    uint32_t urgent_left;    /* urgent polls until a task that is not urgent has its turn */
    struct task *current;    /* being polled */
    struct task *all;        /* polled, not finished, and in no pool */
    uint64_t polls;          /* of the tasks that have ended */
    uint64_t ended;          /* tasks that have */
    uint64_t now_ns;         /* the latest that it was told, or asked for */
    uint64_t (*clock)(void); /* NULL: it is told. Set once */
    void (*park)(struct executor *self,
                 uint64_t until_ns); /* waits for a wake of the parent, or until then. Set once */
    struct timer_queue timers;
    struct task *batch, *batch_last; /* collected with EXECUTOR_URGENT or EXECUTOR_INSIGHT, in order */
    size_t batch_count;
    struct task *urgent, *urgent_last;
    struct insight *insight; /* with EXECUTOR_INSIGHT */
    struct task_pool *pools; /* whose tasks it polls */
};

/* The inbox of an executor that will not look into it by itself. */
#define EXECUTOR_ASLEEP ((struct task *)1)

/* `parent` is woken from any context, and outlives the executor. Context: boot, thread. */
void executor_init(struct executor *executor, struct waker *parent);

/*
 * Makes `future` a task that the executor polls until it is ready. The caller owns both structs and takes them back
 * when task->done is done; the name is kept, not copied. An urgent task is polled before all that are not, each time it
 * is woken, but for one of those after every EXECUTOR_URGENT_POLLS. Context: any.
 */
static inline void executor_spawn(struct executor *executor, struct task *task, const char *name,
                                  struct future *future);
void executor_spawn_urgent(struct executor *executor, struct task *task, const char *name, struct future *future);
enum { EXECUTOR_URGENT_POLLS = 8 };

/*
 * Ends a task before its next poll: its future is dropped by the executor, once, and task->done is done with the value
 * TASK_CANCELLED_VALUE. A task that becomes ready in the poll that is under way ends as if it had not been cancelled,
 * and one that has ended is left alone. The task's memory is its owner's only once it is done. Context: any.
 */
void task_cancel(struct task *task);

/* Ends the future that is a task's own, with a value for who joins it: return task_return(future, waker, value).
 * Context: task. */
enum poll task_return(struct future *future, struct waker *waker, uintptr_t value);

/*
 * Expires timers, as many as one timer_queue_expire() does, then polls every task that was ready once. Returns the time
 * to poll again at: 0 for at once, TIMER_NEVER for not before the parent is woken. Context: the executor's thread.
 */
uint64_t executor_poll(struct executor *executor, uint64_t now_ns);

/* Polls batch after batch, timers in between, and parks while nothing is ready, until after executor_stop() no task is
 * left; without a way to park until nothing is ready. Returns what executor_poll() does. The executor has a clock.
 * Context: the executor's thread. */
uint64_t executor_run(struct executor *executor);

/* Asks executor_run() to return once no task is left, and says whether that is so. Context: any; the executor's thread,
 * not in a poll. */
void executor_stop(struct executor *executor);
bool executor_stopped(const struct executor *executor);

/* The time as tasks see it: never later than it is, and not earlier than at the begin of the poll if the executor has a
 * clock. Context: task of `executor`. */
uint64_t executor_now(struct executor *executor);

/* Has the executor wake `waker` at the deadline. Taken back by timer_queue_remove(&executor->timers, ...).
 * Context: task of `executor`. */
void executor_timer_start(struct executor *executor, struct timer *timer, uint64_t deadline_ns, struct waker *waker);

/* The task that `waker` wakes. Only for a waker that an executor passed to a poll. */
static inline struct task *task_of_waker(struct waker *waker)
{
    return container_of(waker, struct task, waker);
}

/* What waking a task's waker does. Context: any. */
void task_wake(struct waker *waker);

/* Puts a task whose TASK_QUEUED the caller has just set onto the inbox. Context: any. */
static inline void executor_push(struct executor *executor, struct task *task)
{
    struct task *first = atomic_load_explicit(&executor->inbox, memory_order_relaxed); /* the exchange orders */

    do
        task->next = first;
    while (!atomic_compare_exchange_weak(&executor->inbox, &first, task));
    if (unlikely(first == EXECUTOR_ASLEEP))
        waker_wake(executor->parent);
}

static inline void task_start(struct executor *executor, struct task *task, const char *name, struct future *future,
                              uint32_t state)
{
    task->waker.wake = task_wake;
    task->future = future;
    task->executor = executor;
    task->name = name;
    atomic_init(&task->done.waiter, NULL);
    atomic_init(&task->state, state);
    task->polls = 0;
    executor_push(executor, task);
}

/* Inline: what it takes is a third of the life of a task that is ready at once. */
static inline void executor_spawn(struct executor *executor, struct task *task, const char *name, struct future *future)
{
    task_start(executor, task, name, future, TASK_NEW | TASK_SPECIAL | TASK_QUEUED);
}

/* Whether a task waits for its next poll, or has ended. Context: any. */
static inline bool task_queued(const struct task *task)
{
    return atomic_load(&task->state) & TASK_QUEUED;
}

/* What the task polls, NULL once it has ended. Context: any; the task does not end meanwhile. */
static inline struct future *task_future(const struct task *task)
{
    bool ended = atomic_load(&task->state) & TASK_ENDED || atomic_load(&task->done.waiter) == &completion_done_mark;

    return ended ? NULL : task->future;
}

/* The task after `task` of all that the executor has polled and not finished, NULL the first or last; those of its
 * pools come last. Context: the executor's thread, or the executor does not run. */
struct task *executor_next_task(const struct executor *executor, const struct task *task);

/* How often it has polled in all. Walks its tasks. Context: as above. */
uint64_t executor_polls(const struct executor *executor);

#endif
