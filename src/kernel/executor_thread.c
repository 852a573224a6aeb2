/* The bridge between the two halves: it is this short because a thread's waker is all that an executor needs. */
#include "kernel/executor_thread.h"

#include "kernel/backtrace.h"
#include "kernel/kmalloc.h"
#include "kernel/log.h"
#include "lib/clock.h"
#include "thread/sched.h"

enum {
    INSIGHT_LINES = 256,
    POLL_BUDGET_NS = 1000000,
};
#define PATIENCE_NS UINT64_C(60000000000)

struct executor_thread *executor_thread_all;
bool executor_thread_insight;
bool executor_thread_watchdog;

static uint64_t now_ns(void)
{
    return clock_now_ns();
}

/* What an executor is watched by: a timer that only a poll over its budget lives to see. */
struct watchdog {
    struct insight insight;
    struct insight_poll poll;
    struct timer timer;
    struct waker waker;
};

static seldom void bark(struct waker *waker)
{
    const struct insight_poll *poll = &container_of(waker, struct watchdog, waker)->poll;
    unsigned long us = (unsigned long)((clock_now_ns() - poll->begun_ns) / 1000);

    if (poll->line)
        log_warning("task %s: a poll begun at line %u has not returned for %lu us", poll->name, poll->line, us);
    else
        log_warning("task %s: a poll has not returned for %lu us", poll->name, us);
}

static seldom void begins(struct insight *insight, const struct insight_poll *poll)
{
    struct watchdog *self = container_of(insight, struct watchdog, insight);

    self->poll = *poll;
    sched_timer_start(&self->timer, poll->begun_ns + insight->budget_ns, &self->waker);
}

static seldom void ends(struct insight *insight)
{
    sched_timer_cancel(&container_of(insight, struct watchdog, insight)->timer);
}

static seldom void warn(const struct task *task, const struct insight_line *line, uint64_t ns)
{
    if (line->body)
        log_warning("task %s: a poll of %lu us, begun at line %u", task->name, (unsigned long)(ns / 1000),
                    line->longest_line);
    else
        log_warning("task %s: a poll of %lu us", task->name, (unsigned long)(ns / 1000));
}

/* Without memory for it, the executor goes without. */
static void begin_insight(struct executor *executor)
{
    struct watchdog *watchdog = kzalloc(1, sizeof(*watchdog));
    struct insight_line *lines = kzalloc(INSIGHT_LINES, sizeof(*lines));

    if (!watchdog || !lines) {
        kfree(watchdog);
        kfree(lines);
        return;
    }
    watchdog->waker.wake = bark;
    watchdog->insight = (struct insight){.lines = lines,
                                         .count = INSIGHT_LINES,
                                         .budget_ns = POLL_BUDGET_NS,
                                         .patience_ns = PATIENCE_NS,
                                         .has_body = backtrace_has_body,
                                         .begins = executor_thread_watchdog ? begins : NULL,
                                         .ends = executor_thread_watchdog ? ends : NULL,
                                         .overran = warn};
    executor_insight(executor, &watchdog->insight);
}

static void park(struct executor *executor, uint64_t until_ns)
{
    struct thread *thread = &container_of(executor, struct executor_thread, executor)->thread;

    if (likely(until_ns == TIMER_NEVER)) {
        thread_park_between_polls();
        return;
    }
    thread->may_not_park = false;
    thread_park_until(until_ns);
    thread->may_not_park = true;
}

static void *executor_thread_main(void *argument)
{
    struct executor_thread *self = argument;

    self->thread.may_not_park = true; /* a future that blocked would stop every other one */
    (void)executor_run(&self->executor);
    self->thread.may_not_park = false;
    return NULL;
}

seldom enum status executor_thread_start(struct executor_thread *self, const char *name, unsigned priority)
{
    enum status status;

    executor_init(&self->executor, &self->thread.waker);
    self->executor.clock = now_ns;
    self->executor.park = park;
    if (cpu_this()->preemption == PREEMPTION_AT_POINTS)
        atomic_fetch_or(&self->executor.attention, EXECUTOR_POINTS);
    if (executor_thread_insight)
        begin_insight(&self->executor);
    status = thread_start(&self->thread, name, priority, executor_thread_main, self);
    if (status != STATUS_OK)
        return status;
    self->next = executor_thread_all;
    executor_thread_all = self;
    return STATUS_OK;
}

seldom void executor_thread_stop(struct executor_thread *self)
{
    struct executor_thread **link = &executor_thread_all;

    executor_stop(&self->executor);
    (void)thread_join(&self->thread);
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    if (self->executor.insight) {
        kfree(self->executor.insight->lines);
        kfree(container_of(self->executor.insight, struct watchdog, insight));
    }
}

const struct task *executor_thread_task(void)
{
    const struct thread *current = thread_current();

    for (const struct executor_thread *at = executor_thread_all; at; at = at->next)
        if (&at->thread == current)
            return at->executor.current;
    return NULL;
}
