/* What an executor with a record for it knows about its tasks. */
#include "executor/insight.h"

#include "executor/async.h"
#include "executor/sleep.h"
#include "executor/task_pool.h"
#include "support.h"

static struct executor executor;
static struct insight insight;
static struct insight_line lines[32];
static struct task task, other_task;
static const struct task *overran;
static uint64_t overran_ns;

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}
static struct waker parent = {wake_nothing};

static uint64_t clock_now(void)
{
    return support_clock_ns;
}

static void watchdog(const struct task *at, const struct insight_line *line, uint64_t ns)
{
    cr_assert_eq(line->task, at);
    overran = at;
    overran_ns = ns;
}

static enum poll body_poll(struct future *future, struct waker *waker);

static bool has_body(uintptr_t poll)
{
    return poll == (uintptr_t)body_poll;
}

static void init(void)
{
    support_clock_ns = 1000;
    overran = NULL;
    executor_init(&executor, &parent);
    executor.clock = clock_now;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        lines[i] = (struct insight_line){0};
    insight = (struct insight){.lines = lines,
                               .count = ARRAY_SIZE(lines),
                               .budget_ns = 500,
                               .patience_ns = 10000,
                               .has_body = has_body,
                               .overran = watchdog};
    executor_insight(&executor, &insight);
}

TestSuite(insight, .init = init);

/* Takes its time; wakes itself if it is told to. */
struct worker {
    struct future future;
    uint64_t takes_ns;
    bool restless;
    unsigned pends;
};

static enum poll worker_poll(struct future *future, struct waker *waker)
{
    struct worker *self = container_of(future, struct worker, future);

    support_clock_ns += self->takes_ns;
    if (self->restless)
        waker_wake(waker);
    return self->pends-- ? POLL_PENDING : POLL_READY;
}

static void spawn(struct task *at, struct worker *worker)
{
    worker->future.poll = worker_poll;
    executor_spawn(&executor, at, "worker", &worker->future);
}

Test(insight, counts_polls_wakes_and_their_times)
{
    struct worker worker = {.takes_ns = 30, .pends = 9};
    const struct insight_line *line;

    spawn(&task, &worker);
    (void)executor_poll(&executor, 0);
    line = insight_line_of(&executor, &task);
    cr_assert_not_null(line);
    support_clock_ns += 100;
    waker_wake(&task.waker);
    support_clock_ns += 7;
    waker_wake(&task.waker);
    worker.takes_ns = 50;
    (void)executor_poll(&executor, 0);
    cr_assert_eq(line->polls, 2);
    cr_assert_eq(line->wakes, 2);
    cr_assert_eq(line->self_wakes, 0);
    cr_assert_eq(line->poll_ns, 80);
    cr_assert_eq(line->longest_ns, 50);
    cr_assert_eq(line->waiting_ns, 7);
    cr_assert_eq(insight.poll_ns, 80);
    cr_assert_eq(task.polls, 2);
}

Test(insight, knows_nothing_without_a_record)
{
    struct worker worker = {.pends = 9};

    executor_init(&executor, &parent);
    spawn(&task, &worker);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(task.waker.wake, task_wake);
}

Test(insight, tells_a_tasks_own_wakes_from_others)
{
    struct worker worker = {.restless = true, .pends = 999};

    spawn(&task, &worker);
    for (unsigned i = 0; i < 101; i++)
        (void)executor_poll(&executor, 0);
    cr_assert_eq(insight_line_of(&executor, &task)->self_wakes, 101);
    cr_assert_eq(insight_lint(&executor, insight_line_of(&executor, &task), support_clock_ns), INSIGHT_SELF_WAKES);
}

/* The second point comes after the first poll. */
static void wake_at_a_point(struct executor *at, uint64_t until_ns)
{
    static unsigned points;

    if (until_ns == 0) {
        if (++points == 2)
            waker_wake(&task.waker);
        return;
    }
    cr_assert_eq(insight_line_of(at, &task)->polls, 2);
    cr_assert_eq(insight_line_of(at, &task)->wakes, 1);
    cr_assert_eq(insight_line_of(at, &task)->self_wakes, 0);
    task_cancel(&task);
    executor_stop(at);
}

Test(insight, takes_a_wake_between_batches_for_anothers)
{
    struct worker worker = {.pends = 9};

    spawn(&task, &worker);
    executor.park = wake_at_a_point;
    executor.attention |= EXECUTOR_POINTS;
    cr_assert_eq(executor_run(&executor), TIMER_NEVER);
    cr_assert(completion_done(&task.done));
}

Test(insight, barks_at_a_poll_beyond_its_budget_and_names_the_task)
{
    struct worker worker = {.takes_ns = 500, .pends = 9};

    spawn(&task, &worker);
    (void)executor_poll(&executor, 0);
    cr_assert_null(overran);
    worker.takes_ns = 501;
    waker_wake(&task.waker);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(overran, &task);
    cr_assert_eq(overran_ns, 501);
    cr_assert_eq(insight.overruns, 1);
    cr_assert_eq(insight_lint(&executor, insight_line_of(&executor, &task), support_clock_ns), INSIGHT_OVERRAN);
}

static struct insight_poll begun;
static unsigned ended;

static void note_begin(struct insight *at, const struct insight_poll *poll)
{
    cr_assert_eq(at, &insight);
    begun = *poll;
}

static void note_end(struct insight *at)
{
    cr_assert_eq(at, &insight);
    ended++;
}

static enum poll sees_its_poll_begun(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    cr_assert_str_eq(begun.name, "task");
    cr_assert_eq(begun.begun_ns, 1000);
    cr_assert_eq(ended, 0);
    return POLL_READY;
}

Test(insight, tells_the_watchdog_of_a_poll_before_and_after)
{
    struct future future = {.poll = sees_its_poll_begun};

    insight.begins = note_begin;
    insight.ends = note_end;
    executor_spawn(&executor, &task, "task", &future);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(ended, 1);
}

Test(insight, suspects_who_waits_for_long_and_not_who_is_woken)
{
    struct worker worker = {.takes_ns = 1, .pends = 9};
    const struct insight_line *line;

    spawn(&task, &worker);
    (void)executor_poll(&executor, 0);
    line = insight_line_of(&executor, &task);
    cr_assert_eq(insight_lint(&executor, line, support_clock_ns + 10000), INSIGHT_FINE);
    cr_assert_eq(insight_lint(&executor, line, support_clock_ns + 10001), INSIGHT_WAITS_LONG);
    waker_wake(&task.waker);
    cr_assert_eq(insight_lint(&executor, line, support_clock_ns + 10001), INSIGHT_FINE);
}

Test(insight, names_who_leaves_its_executor_little_time)
{
    struct worker worker = {.takes_ns = 400, .pends = 999};

    spawn(&task, &worker);
    for (unsigned i = 0; i < 101; i++) {
        (void)executor_poll(&executor, 0);
        waker_wake(&task.waker);
        support_clock_ns += 10;
    }
    cr_assert_eq(insight_lint(&executor, insight_line_of(&executor, &task), support_clock_ns), INSIGHT_NEVER_YIELDS);
    for (unsigned i = INSIGHT_FINE; i <= INSIGHT_SELF_WAKES; i++)
        cr_assert_not_null(insight_lint_text((enum insight_lint)i));
}

struct body {
    struct async async;
    struct yield_now yield;
    unsigned line;
};

static enum poll body_poll(struct future *future, struct waker *waker)
{
    struct body *self = container_of(future, struct body, async.future);

    ASYNC (&self->async) {
        support_clock_ns += 5;
        self->line = __LINE__ + 2;
        self->yield = yield_now();
        AWAIT(&self->yield.future);
        support_clock_ns += 50;
        self->yield = yield_now();
        AWAIT(&self->yield.future);
        support_clock_ns += 20;
        ASYNC_RETURN;
    }
}

Test(insight, says_at_which_line_the_longest_poll_began)
{
    struct body body = {.async = ASYNC_BODY(body_poll)};
    const struct insight_line *line;

    executor_spawn(&executor, &task, "body", &body.async.future);
    (void)executor_poll(&executor, 0);
    line = insight_line_of(&executor, &task);
    cr_assert_eq(line->longest_line, 0);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(line->longest_line, body.line);
    cr_assert_eq(line->longest_ns, 50);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(line->longest_line, body.line);
    cr_assert(completion_done(&task.done));
    cr_assert_null(insight_line_of(&executor, &task), "it is over");
}

static void park(struct executor *self, uint64_t until_ns)
{
    (void)until_ns;
    support_clock_ns += 300;
    executor_stop(self);
    task_cancel(&task);
}

Test(insight, judges_by_a_hundred_polls_and_by_no_fewer)
{
    struct worker worker = {.takes_ns = 400, .pends = 999};

    spawn(&task, &worker);
    for (unsigned i = 0; i < 99; i++) {
        (void)executor_poll(&executor, 0);
        waker_wake(&task.waker);
    }
    cr_assert_eq(insight_lint(&executor, insight_line_of(&executor, &task), support_clock_ns), INSIGHT_FINE);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(insight_lint(&executor, insight_line_of(&executor, &task), support_clock_ns), INSIGHT_NEVER_YIELDS);
}

Test(insight, divides_an_executors_time)
{
    struct worker worker = {.takes_ns = 40, .pends = 9};

    executor.park = park;
    spawn(&task, &worker);
    (void)executor_run(&executor);
    cr_assert(completion_done(&task.done));
    cr_assert_eq(insight.poll_ns, 40);
    cr_assert_eq(insight.idle_ns, 300);
}

Test(insight, begins_anew_with_a_new_life_and_forgets_who_has_ended)
{
    static struct task tasks[100];
    static struct worker workers[100];

    for (unsigned i = 0; i < 100; i++) {
        workers[i] = (struct worker){.takes_ns = 1};
        spawn(&tasks[i], &workers[i]);
        (void)executor_poll(&executor, 0);
    }
    cr_assert_eq(insight.unseen, 0);
    for (unsigned i = 0; i < 100; i++) {
        workers[i] = (struct worker){.takes_ns = 1, .pends = 9};
        spawn(&tasks[i], &workers[i]);
    }
    (void)executor_poll(&executor, 0);
    cr_assert_gt(insight.unseen, 0);
    cr_assert_leq(insight.unseen, 100 - 16);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(tasks[i].polls, 1, "seen or not");
}

Test(insight, sees_who_is_cancelled_end)
{
    struct worker worker = {.pends = 9};

    spawn(&task, &worker);
    spawn(&other_task, &worker);
    task_cancel(&other_task);
    (void)executor_poll(&executor, 0);
    task_cancel(&task);
    (void)executor_poll(&executor, 0);
    cr_assert_null(insight_line_of(&executor, &task));
    cr_assert_null(insight_line_of(&executor, &other_task));
    cr_assert(completion_done(&task.done) && completion_done(&other_task.done));
}

struct sleeper {
    struct async async;
    struct sleep sleep;
};

static enum poll sleeper_poll(struct future *future, struct waker *waker)
{
    struct sleeper *self = container_of(future, struct sleeper, async.future);

    ASYNC (&self->async) {
        self->sleep = sleep_ns(70);
        AWAIT(&self->sleep.future);
        ASYNC_RETURN_VALUE(7);
    }
}

Test(insight, leaves_a_tasks_sleeps_and_its_value_as_they_are)
{
    struct sleeper body = {.async = ASYNC_BODY(sleeper_poll)};

    executor_spawn(&executor, &task, "sleeper", &body.async.future);
    cr_assert_eq(executor_poll(&executor, support_clock_ns), 1070);
    cr_assert_eq(insight_line_of(&executor, &task)->wakes, 0);
    support_clock_ns = 1070;
    (void)executor_poll(&executor, support_clock_ns);
    cr_assert(completion_done(&task.done));
    cr_assert_eq(task.value, 7);
}

/* Wakes itself in the poll in which it is ready: it is queued once more when it has ended. */
Test(insight, counts_no_poll_for_the_turn_in_which_a_task_is_let_go)
{
    struct worker worker = {.takes_ns = 30, .restless = true};
    const struct insight_line *line;

    spawn(&task, &worker);
    (void)executor_poll(&executor, 0);
    line = insight_line_of(&executor, &task);
    cr_assert_not_null(line);
    cr_assert_not(completion_done(&task.done));
    (void)executor_poll(&executor, 0);
    cr_assert(completion_done(&task.done));
    cr_assert_eq(line->polls, 1);
    cr_assert_eq(line->poll_ns, 30);
    cr_assert(line->ended);
}

Test(insight, lets_a_wake_that_comes_after_the_end_pass)
{
    struct worker worker = {0};

    spawn(&task, &worker);
    (void)executor_poll(&executor, 0);
    cr_assert(completion_done(&task.done));
    waker_wake(&task.waker);
    cr_assert_null(insight_line_of(&executor, &task));
    cr_assert_eq(executor_poll(&executor, 0), TIMER_NEVER);
}

Test(insight, needs_neither_a_watchdog_nor_to_know_bodies)
{
    struct body body = {.async = ASYNC_BODY(body_poll)};

    insight.has_body = NULL;
    insight.overran = NULL;
    insight.budget_ns = 1;
    executor_spawn(&executor, &task, "body", &body.async.future);
    (void)executor_poll(&executor, 0);
    (void)executor_poll(&executor, 0);
    cr_assert_eq(insight.overruns, 2);
    cr_assert_not(insight_line_of(&executor, &task)->body);
    cr_assert_eq(insight_line_of(&executor, &task)->longest_line, 0);
}

Test(insight, suspects_nobody_whose_own_wakes_are_few_and_polls_short)
{
    struct worker worker = {.takes_ns = 1, .restless = true, .pends = 9999};
    const struct insight_line *line;

    spawn(&task, &worker);
    for (unsigned i = 0; i < 150; i++) {
        (void)executor_poll(&executor, 0);
        waker_wake(&task.waker);
        waker_wake(&task.waker);
        support_clock_ns += 10;
    }
    line = insight_line_of(&executor, &task);
    cr_assert_eq(line->self_wakes, 150);
    cr_assert_eq(line->wakes, 450);
    cr_assert_eq(line->polls, 150);
    cr_assert_eq(insight_lint(&executor, line, support_clock_ns), INSIGHT_FINE);
}

Test(insight, panics_without_a_clock, .exit_code = PANIC_EXIT)
{
    executor.clock = NULL;
    executor_insight(&executor, &insight);
}
