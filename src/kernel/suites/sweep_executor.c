/* Scenarios of the sweep: an executor that is woken, polls a batch, and parks. */
#include "executor/task_join.h"
#include "kernel/executor_thread.h"
#include "kernel/suites/support.h"
#include "kernel/suites/sweep.h"

enum { TASKS = 4 };

/* A future that has work to do: each wake tells of some, and a poll does all there is. */
static struct worker {
    struct future future;
    struct task task;
    atomic_uint work;
    atomic_bool over;
    unsigned done, polls, nested;
    bool inside;
} workers[TASKS];

static struct executor_thread *executor;
static unsigned opens_in, closes_in; /* the worker whose poll does; TASKS: none */
static atomic_uint given;            /* by threads and interrupts */

static enum poll worker_poll(struct future *future, struct waker *waker)
{
    struct worker *self = container_of(future, struct worker, future);
    unsigned number = (unsigned)(self - workers);

    (void)waker;
    if (number == opens_in && atomic_load(&self->work)) {
        opens_in = TASKS;
        sweep_open();
    }
    self->nested += self->inside;
    self->inside = true;
    self->polls++;
    self->done += atomic_exchange(&self->work, 0);
    self->inside = false;
    if (number == closes_in)
        sweep_close();
    return atomic_load(&self->over) ? POLL_READY : POLL_PENDING;
}

static void work_give(unsigned number)
{
    atomic_fetch_add(&given, 1);
    atomic_fetch_add(&workers[number].work, 1);
    waker_wake(&workers[number].task.waker);
}

static void settle(void)
{
    while (thread_state(&executor->thread) != THREAD_PARKED)
        thread_yield();
}

/* All tasks wait. */
static void workers_set_up(unsigned priority)
{
    executor = executor_at(priority);
    opens_in = closes_in = TASKS;
    atomic_store(&given, 0);
    for (unsigned i = 0; i < TASKS; i++) {
        workers[i] = (struct worker){.future = {.poll = worker_poll}};
        executor_spawn(&executor->executor, &workers[i].task, "worker", &workers[i].future);
    }
    settle();
}

static void workers_check(void)
{
    unsigned done = 0;

    sleep_for(US);
    SWEEP_CHECK(thread_state(&executor->thread) == THREAD_PARKED);
    SWEEP_CHECK(!executor->executor.current && atomic_load(&executor->executor.inbox) == EXECUTOR_ASLEEP);
    for (unsigned i = 0; i < TASKS; i++) {
        SWEEP_CHECK(!atomic_load(&workers[i].work) && !workers[i].nested);
        SWEEP_CHECK(!task_queued(&workers[i].task));
        SWEEP_CHECK(workers[i].polls <= 1 + workers[i].done);
        done += workers[i].done;
    }
    SWEEP_CHECK(done == atomic_load(&given));
    for (unsigned i = 0; i < TASKS; i++) {
        atomic_store(&workers[i].over, true);
        waker_wake(&workers[i].task.waker);
        task_wait(&workers[i].task);
    }
    SWEEP_CHECK(!executor->executor.all);
}

static void strike_first_and_last(void)
{
    work_give(0);
    work_give(TASKS - 1);
}

/* ---- wake: by a thread, and by the interrupt -----------------------------------------------------------------------
 */

static void equal_set_up(void)
{
    workers_set_up(THREAD_PRIORITY_NORMAL);
}

static void urgent_set_up(void)
{
    workers_set_up(THREAD_PRIORITY_HIGH);
}

static void wake_window(void)
{
    sweep_open();
    work_give(0);
    work_give(1);
    work_give(0);
    sweep_close();
}

SWEEP(executor_wake, equal_set_up, wake_window, strike_first_and_last, workers_check)
SWEEP(executor_wake_urgent, urgent_set_up, wake_window, strike_first_and_last, workers_check)

/* ---- batch: from the first poll of it to the last ------------------------------------------------------------------
 */

static void batch_window(void)
{
    opens_in = 0;
    closes_in = TASKS - 1;
    for (unsigned i = 0; i < TASKS; i++)
        work_give(i);
    settle();
}

SWEEP(executor_batch, equal_set_up, batch_window, strike_first_and_last, workers_check)

/* ---- park: from the last poll into the halt ------------------------------------------------------------------------
 */

/* The test's own thread sleeps, so that the halt is this executor's. */
static void park_window(void)
{
    opens_in = 0;
    work_give(0);
    sleep_for(60 * (uint64_t)MS);
    sweep_close();
}

SWEEP(executor_park, equal_set_up, park_window, strike_first_and_last, workers_check)

/* ---- cancel: by a thread and by the interrupt, of a task that is woken meanwhile -----------------------------------
 */

static unsigned drops;

static void worker_drop(struct future *future)
{
    (void)future;
    drops++;
}

static void cancel_set_up(void)
{
    workers_set_up(THREAD_PRIORITY_NORMAL);
    drops = 0;
    workers[0].future.drop = worker_drop;
}

static void cancel_window(void)
{
    opens_in = 0;
    work_give(0);
    settle();
    task_cancel(&workers[0].task);
    settle();
    sweep_close();
}

static void strike_cancel(void)
{
    waker_wake(&workers[0].task.waker);
    task_cancel(&workers[0].task);
    work_give(1);
}

/* Dropped once, done once, and nobody else missed anything. */
static void cancel_check(void)
{
    unsigned polls;

    SWEEP_CHECK(task_take_value(&workers[0].task) == TASK_CANCELLED_VALUE && drops == 1);
    polls = workers[0].polls;
    waker_wake(&workers[0].task.waker);
    task_cancel(&workers[0].task);
    sleep_for(US);
    SWEEP_CHECK(thread_state(&executor->thread) == THREAD_PARKED);
    SWEEP_CHECK(workers[0].polls == polls && drops == 1);
    SWEEP_CHECK(workers[1].done == 1);
    for (unsigned i = 1; i < TASKS; i++) {
        atomic_store(&workers[i].over, true);
        waker_wake(&workers[i].task.waker);
        task_wait(&workers[i].task);
    }
    SWEEP_CHECK(!executor->executor.all);
}

SWEEP(executor_cancel, cancel_set_up, cancel_window, strike_cancel, cancel_check)

/* ---- join: a task ends whose joiner is cancelled by the interrupt --------------------------------------------------
 */

static struct task_join first_join;
static struct task joiner;

static void wake_of_nobody(struct waker *waker)
{
    (void)waker;
    sweep_fail(__FILE__, __LINE__, "a joiner that has ended is woken");
}

/* The joiner's memory is its owner's again. */
static void joiner_done(struct waker *waker)
{
    (void)waker;
    joiner.waker.wake = wake_of_nobody;
}

static struct waker on_joiner_done = {joiner_done};

static void join_set_up(void)
{
    workers_set_up(THREAD_PRIORITY_NORMAL);
    first_join = task_join(&workers[0].task);
    executor_spawn(&executor->executor, &joiner, "joiner", &first_join.future);
    SWEEP_CHECK(completion_register(&joiner.done, &on_joiner_done));
    settle();
}

static void join_window(void)
{
    sweep_open();
    atomic_store(&workers[0].over, true);
    work_give(0);
    settle();
    sweep_close();
}

static void strike_joiner(void)
{
    task_cancel(&joiner);
}

/* It has ended, one way or the other, and nothing points at it. */
static void join_check(void)
{
    uintptr_t value;

    task_wait(&joiner);
    value = task_take_value(&joiner);
    SWEEP_CHECK(value == TASK_CANCELLED_VALUE || first_join.value == (uintptr_t)&workers[0].future);
    SWEEP_CHECK(completion_done(&workers[0].task.done));
    sleep_for(US);
    SWEEP_CHECK(thread_state(&executor->thread) == THREAD_PARKED);
    for (unsigned i = 1; i < TASKS; i++) {
        atomic_store(&workers[i].over, true);
        waker_wake(&workers[i].task.waker);
        task_wait(&workers[i].task);
    }
    SWEEP_CHECK(!executor->executor.all);
}

SWEEP(executor_join, join_set_up, join_window, strike_joiner, join_check)
