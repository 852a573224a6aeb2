/* The executor: an inbox of woken tasks, and the loop that polls them in batches. */
#include "executor/executor.h"

#include "executor/internal.h"
#include "lib/critical.h"

/* ---- waking ------------------------------------------------------------------------------------------------------ */

void task_wake(struct waker *waker)
{
    struct task *task = task_of_waker(waker);

    if (!(atomic_fetch_or(&task->state, TASK_QUEUED) & TASK_QUEUED))
        executor_push(task->executor, task);
}

void executor_init(struct executor *executor, struct waker *parent)
{
    *executor = (struct executor){.inbox = EXECUTOR_ASLEEP, .parent = parent, .urgent_left = EXECUTOR_URGENT_POLLS};
}

void executor_spawn_urgent(struct executor *executor, struct task *task, const char *name, struct future *future)
{
    atomic_fetch_or(&executor->attention, EXECUTOR_URGENT);
    task_start(executor, task, name, future, TASK_NEW | TASK_SPECIAL | TASK_QUEUED | TASK_URGENT);
}

void task_cancel(struct task *task)
{
    if (!(atomic_fetch_or(&task->state, TASK_SPECIAL | TASK_CANCELLED | TASK_QUEUED) & TASK_QUEUED))
        executor_push(task->executor, task);
}

/* ---- the life of a task ------------------------------------------------------------------------------------------ */

enum poll task_return(struct future *future, struct waker *waker, uintptr_t value)
{
    struct task *task = task_of_waker(waker);

    if (unlikely(!is_tasks_waker(waker)))
        panic("a future returns a value, but it is polled by no executor's task");
    if (task->future != future)
        panic("a future returns a value, but it is not the task's own: %s's", task->name);
    task->value = value;
    return POLL_READY;
}

static void executor_unlist(struct executor *executor, struct task *task)
{
    struct task **link = &executor->all;

    while (*link != task)
        link = &(*link)->all;
    *link = task->all;
}

__attribute__((noinline)) void task_signal_waiter(struct task *task)
{
    uint64_t flags = critical_enter();

    completion_signal(&task->done);
    critical_leave_woken(flags);
}

static inline void task_signal(struct task *task)
{
    if (unlikely(!completion_signal_unwaited(&task->done)))
        task_signal_waiter(task);
}

/* The last thing the executor has to do with a task: from then on its memory is its owner's. */
static inline void task_finish(struct executor *executor, struct task *task)
{
    uint32_t state = atomic_load_explicit(&task->state, memory_order_relaxed);

    executor->polls += task->polls;
    executor->ended++;
    if (unlikely(state & TASK_POOLED)) {
        task_pool_finish(task);
        return;
    }
    if (!(state & TASK_NEW))
        executor_unlist(executor, task);
    task_signal(task);
}

static void executor_list(struct executor *executor, struct task *task)
{
    task->all = executor->all;
    executor->all = task;
}

/* A wake came first: the inbox links the task, or will, and it is let go when it comes round. Until then the executor
 * is not without tasks, even if this one was in no list yet. */
static __attribute__((noinline)) void task_retire_later(struct executor *executor, struct task *task)
{
    uint32_t state = atomic_fetch_or(&task->state, TASK_SPECIAL | TASK_ENDED);

    if (state & TASK_NEW) {
        executor_list(executor, task);
        atomic_fetch_and(&task->state, ~(uint32_t)TASK_NEW);
    }
}

/* Queued for good. */
static __attribute__((noinline)) void task_retire(struct executor *executor, struct task *task)
{
    if (atomic_fetch_or(&task->state, TASK_QUEUED) & TASK_QUEUED)
        task_retire_later(executor, task);
    else
        task_finish(executor, task);
}

/* The same for a task that was ready at once. */
static inline void task_retire_new(struct executor *executor, struct task *task)
{
    if (atomic_fetch_or(&task->state, TASK_QUEUED) & TASK_QUEUED) {
        task_retire_later(executor, task);
        return;
    }
    executor->polls++;
    executor->ended++;
    task_signal(task);
}

/* A task that was polled once is not new any more; and if nobody cancelled it meanwhile, it is not special. */
static __attribute__((noinline)) void task_settle(struct executor *executor, struct task *task)
{
    uint32_t state = atomic_load_explicit(&task->state, memory_order_relaxed);
    uint32_t settled;

    if (state & TASK_NEW)
        executor_list(executor, task);
    do
        settled = state & ~(uint32_t)(state & TASK_CANCELLED ? TASK_NEW : TASK_NEW | TASK_SPECIAL);
    while (!atomic_compare_exchange_weak(&task->state, &state, settled));
}

static inline enum poll task_poll_future(struct executor *executor, struct task *task)
{
    task->polls++;
    executor->current = task;
    return future_poll(task->future, &task->waker);
}

/* The turn of a task that was cancelled, or became ready in its turn before. */
static __attribute__((noinline)) void task_end(struct executor *executor, struct task *task)
{
    if (!(atomic_load_explicit(&task->state, memory_order_relaxed) & TASK_ENDED)) {
        executor->current = task;
        future_drop(task->future);
        task->value = TASK_CANCELLED_VALUE;
    }
    task_retire(executor, task);
}

/* The turn of a task that is new, cancelled or over. */
static inline void task_attend(struct executor *executor, struct task *task)
{
    if (atomic_load_explicit(&task->state, memory_order_relaxed) & (TASK_ENDED | TASK_CANCELLED))
        task_end(executor, task);
    else if (task_poll_future(executor, task) == POLL_PENDING)
        task_settle(executor, task);
    else
        task_retire_new(executor, executor->current);
}

static __attribute__((noinline)) void task_attend_alone(struct executor *executor, struct task *task)
{
    task_attend(executor, task);
}

/* TASK_QUEUED is cleared before the poll, so that a wake during it queues the task again. Pairs with task_wake. A task
 * that is woken alone is rarely new, one of many may be. After a poll the task is executor->current, so that nothing of
 * it need be kept in a register meanwhile. */
static inline void task_poll(struct executor *executor, struct task *task, bool alone)
{
    if (unlikely((int32_t)(atomic_fetch_sub(&task->state, TASK_QUEUED) - TASK_QUEUED) < 0)) {
        if (alone)
            task_attend_alone(executor, task);
        else
            task_attend(executor, task);
    } else if (unlikely(task_poll_future(executor, task) != POLL_PENDING)) {
        task_retire(executor, executor->current);
    }
}

/* False for what ends a list: NULL or EXECUTOR_ASLEEP. */
static inline bool is_task(const struct task *task)
{
    return (uintptr_t)task > (uintptr_t)EXECUTOR_ASLEEP;
}

/* The inbox is a stack; reversed, it is the order in which the tasks were woken. */
static inline struct task *in_order(struct task *last)
{
    struct task *batch = NULL;

    do {
        struct task *next = last->next;

        last->next = batch;
        batch = last;
        last = next;
    } while (is_task(last));
    return batch;
}

/* Polls all that was woken, once. False if nothing was. */
static inline bool executor_poll_batch(struct executor *executor)
{
    struct task *task = atomic_exchange(&executor->inbox, NULL);

    if (!is_task(task))
        return false;
    if (!is_task(task->next)) {
        task_poll(executor, task, true);
        return true;
    }
    task = in_order(task);
    do {
        struct task *next = task->next; /* read first: a poll may queue the task again */

        task_poll(executor, task, false);
        task = next;
    } while (is_task(task));
    return true;
}

static void executor_expire(struct executor *executor)
{
    struct task *asleep = EXECUTOR_ASLEEP;

    if (executor->clock)
        executor->now_ns = executor->clock();
    if (executor->now_ns < timer_queue_next_deadline(&executor->timers))
        return;
    /* Awake: it is about to look, so what expires need not wake its parent. */
    (void)atomic_compare_exchange_strong(&executor->inbox, &asleep, NULL);
    (void)timer_queue_expire(&executor->timers, executor->now_ns);
    if (timer_queue_next_deadline(&executor->timers) == TIMER_NEVER)
        atomic_fetch_and(&executor->attention, ~(uint32_t)EXECUTOR_TIMERS);
}

static void append(struct task **first, struct task **last, struct task *task)
{
    task->next = NULL;
    if (*first)
        (*last)->next = task;
    else
        *first = task;
    *last = task;
}

/* Moves what was woken to the two lanes. */
static void executor_collect(struct executor *executor)
{
    struct task *task = atomic_exchange(&executor->inbox, NULL);

    if (!is_task(task))
        return;
    task = in_order(task);
    while (task) {
        struct task *next = task->next;

        if (atomic_load_explicit(&task->state, memory_order_relaxed) & TASK_URGENT) {
            append(&executor->urgent, &executor->urgent_last, task);
        } else {
            append(&executor->batch, &executor->batch_last, task);
            executor->batch_count++;
        }
        task = next;
    }
}

/* The next in turn: an urgent one, unless a task that is not urgent has waited for too many of them. NULL if nobody is
 * ready, or would be polled a second time: `turns` of those that are not urgent are left. */
static struct task *executor_next(struct executor *executor, size_t *turns)
{
    struct task *task = executor->urgent;

    if (task && (executor->urgent_left || !executor->batch)) {
        executor->urgent_left -= executor->urgent_left > 0;
        executor->urgent = task->next;
        return task;
    }
    task = executor->batch;
    if (!task || !*turns)
        return NULL;
    --*turns;
    executor->urgent_left = EXECUTOR_URGENT_POLLS;
    executor->batch = task->next;
    executor->batch_count--;
    return task;
}

/* A task that has ended says so to its owner, who may have it back before this returns: what it ended with is counted
 * before that. */
bool task_turn(struct executor *executor, struct task *task)
{
    uint64_t ended = executor->ended;

    task_poll(executor, task, true);
    return executor->ended == ended;
}

/* As executor_poll_batch(), but urgent tasks go first, also those that are woken meanwhile, and polls are measured. */
static bool executor_poll_lanes(struct executor *executor, uint32_t attention)
{
    struct task *task;
    size_t turns, most, polled;

    executor_collect(executor);
    turns = executor->batch_count;
    most = EXECUTOR_URGENT_POLLS + turns * (1 + EXECUTOR_URGENT_POLLS);
    for (polled = 0; polled < most && (task = executor_next(executor, &turns)) != NULL; polled++) {
        if (attention & EXECUTOR_INSIGHT)
            insight_poll(executor, task);
        else
            task_poll(executor, task, true);
        if (attention & EXECUTOR_URGENT)
            executor_collect(executor);
    }
    return polled > 0;
}

static __attribute__((noinline)) bool executor_attend(struct executor *executor, uint32_t attention)
{
    if (attention & EXECUTOR_POINTS) {
        executor->current = NULL;
        executor->park(executor, 0);
    }
    if (attention & EXECUTOR_TIMERS)
        executor_expire(executor);
    if (attention & (EXECUTOR_URGENT | EXECUTOR_INSIGHT))
        return executor_poll_lanes(executor, attention);
    return executor_poll_batch(executor);
}

/* False if nothing was ready. */
static inline bool executor_round(struct executor *executor)
{
    uint32_t attention = atomic_load_explicit(&executor->attention, memory_order_relaxed);

    return unlikely(attention) ? executor_attend(executor, attention) : executor_poll_batch(executor);
}

/* Nothing is being polled any more. Falls asleep unless something is ready; returns what executor_poll() does. */
static uint64_t executor_rest(struct executor *executor)
{
    struct task *none = NULL;
    uint64_t again_ns;

    executor->current = NULL;
    if (executor->batch || executor->urgent)
        return 0;
    if (!atomic_compare_exchange_strong(&executor->inbox, &none, EXECUTOR_ASLEEP) && none != EXECUTOR_ASLEEP)
        return 0;
    if (!(atomic_load_explicit(&executor->attention, memory_order_relaxed) & EXECUTOR_TIMERS))
        return TIMER_NEVER;
    again_ns = timer_queue_next_deadline(&executor->timers);
    return again_ns > executor->now_ns ? again_ns : 0;
}

uint64_t executor_poll(struct executor *executor, uint64_t now_ns)
{
    executor->now_ns = now_ns;
    (void)executor_round(executor);
    return executor_rest(executor);
}

/* What executor_run() does when nothing was ready and more than the inbox says what is next: zero if it is to go on,
 * else what it returns. */
static __attribute__((noinline)) uint64_t executor_rest_attended(struct executor *executor)
{
    uint64_t again_ns = executor_rest(executor);

    if (again_ns == 0)
        return 0;
    if (!executor->park || executor_stopped(executor))
        return again_ns;
    if (executor->insight)
        insight_park(executor, again_ns);
    else
        executor->park(executor, again_ns);
    return 0;
}

/* Without attention the inbox is all that there is, and who asks for any between the look and the park wakes the
 * parent. */
uint64_t executor_run(struct executor *executor)
{
    for (;;) {
        uint32_t attention = atomic_load_explicit(&executor->attention, memory_order_relaxed);
        struct task *none = NULL;

        if (unlikely(attention)) {
            uint64_t again_ns = executor_attend(executor, attention) ? 0 : executor_rest_attended(executor);

            if (again_ns)
                return again_ns;
            continue;
        }
        if (executor_poll_batch(executor))
            continue;
        executor->current = NULL;
        if (!atomic_compare_exchange_strong(&executor->inbox, &none, EXECUTOR_ASLEEP))
            continue;
        if (unlikely(!executor->park))
            return TIMER_NEVER;
        executor->park(executor, TIMER_NEVER);
    }
}

void executor_stop(struct executor *executor)
{
    atomic_fetch_or(&executor->attention, EXECUTOR_STOP);
    waker_wake(executor->parent);
}

bool executor_stopped(const struct executor *executor)
{
    return atomic_load(&executor->attention) & EXECUTOR_STOP && !is_task(atomic_load(&executor->inbox)) &&
           !executor_next_task(executor, NULL);
}

/* ---- what tasks ask for ------------------------------------------------------------------------------------------ */

uint64_t executor_now(struct executor *executor)
{
    if (executor->clock)
        executor->now_ns = executor->clock();
    return executor->now_ns;
}

void executor_timer_start(struct executor *executor, struct timer *timer, uint64_t deadline_ns, struct waker *waker)
{
    timer_queue_insert(&executor->timers, timer, deadline_ns, waker);
    atomic_fetch_or(&executor->attention, EXECUTOR_TIMERS);
}

uint64_t executor_polls(const struct executor *executor)
{
    uint64_t polls = executor->polls;

    for (const struct task *task = NULL; (task = executor_next_task(executor, task)) != NULL;)
        polls += task->polls;
    return polls;
}

struct task *executor_next_task(const struct executor *executor, const struct task *task)
{
    struct task_pool *pool;

    if (task && !(atomic_load_explicit(&task->state, memory_order_relaxed) & TASK_POOLED)) {
        if (task->all)
            return task->all;
        task = NULL;
    } else if (!task && executor->all) {
        return executor->all;
    }
    for (pool = task ? task->pool : executor->pools; pool; pool = pool->next, task = NULL) {
        struct task *next = task_pool_next(pool, task);

        if (next)
            return next;
    }
    return NULL;
}
