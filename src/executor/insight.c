/* See insight.h. Lines are found by open addressing; a task keeps its waker's function but for a detour that counts. */
#include "executor/insight.h"

#include "executor/async.h"
#include "executor/internal.h"
#include "lib/trace.h"

enum {
    PROBES = 16,
    MANY_POLLS = 100, /* before a share of them means anything */
};

static size_t place_of(const struct insight *insight, const struct task *task, size_t probe)
{
    uint64_t hash = (uint64_t)(uintptr_t)task * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */

    return (size_t)((hash >> 32) + probe) & (insight->count - 1);
}

struct insight_line *insight_line_of(const struct executor *executor, const struct task *task)
{
    const struct insight *insight = executor->insight;

    for (size_t probe = 0; probe < PROBES; probe++) {
        struct insight_line *line = &insight->lines[place_of(insight, task, probe)];

        if (line->task == task && !line->ended)
            return line;
    }
    return NULL;
}

void insight_wake(struct waker *waker)
{
    struct task *task = task_of_waker(waker);
    struct insight_line *line = insight_line_of(task->executor, task);

    if (line) {
        line->wakes++;
        line->self_wakes += task->executor->current == task;
        if (!task_queued(task))
            line->woken_ns = task->executor->clock();
    }
    trace_note(TRACE_TASK_WAKE, (uintptr_t)task);
    task_wake(waker);
}

static struct insight_line *line_for_newcomer(struct executor *executor, struct task *task)
{
    struct insight *insight = executor->insight;

    for (size_t probe = 0; probe < PROBES; probe++) {
        struct insight_line *line = &insight->lines[place_of(insight, task, probe)];

        if (line->task && !line->ended)
            continue;
        *line = (struct insight_line){.body = insight->has_body && insight->has_body((uintptr_t)task->future->poll),
                                      .ended = true};
        line->task = task;
        line->ended = false;
        task->waker.wake = insight_wake;
        return line;
    }
    return NULL;
}

static void note_poll(struct insight *insight, struct insight_line *line, uint32_t at_line, uint64_t ns)
{
    line->polls++;
    line->poll_ns += ns;
    if (ns > line->longest_ns) {
        line->longest_ns = ns;
        line->longest_line = at_line;
    }
    if (ns <= insight->budget_ns)
        return;
    line->overran = true;
    insight->overruns++;
    if (insight->overran)
        insight->overran(line->task, line, ns);
}

/* After its turn a task that has ended may be its owner's already: only the line, and what was read before, is used. */
void insight_poll(struct executor *executor, struct task *task)
{
    struct insight *insight = executor->insight;
    bool ended = !task_future(task) || atomic_load(&task->state) & TASK_CANCELLED;
    struct insight_line *line = insight_line_of(executor, task);
    uint64_t begin_ns = executor->clock();
    uint32_t at_line = 0;
    bool live;

    if (!line && !ended)
        line = line_for_newcomer(executor, task);
    if (line && !ended) {
        at_line = line->body ? container_of(task->future, struct async, future)->line : 0;
        line->waiting_ns += line->woken_ns ? begin_ns - line->woken_ns : 0;
        line->woken_ns = 0;
    }
    if (insight->begins)
        insight->begins(insight, &(struct insight_poll){task->name, begin_ns, at_line});
    trace_note(TRACE_POLL, (uintptr_t)task);
    live = task_turn(executor, task);
    trace_note(TRACE_POLL_END, (uintptr_t)task);
    if (insight->ends)
        insight->ends(insight);
    if (line) {
        line->polled_ns = executor->clock();
        insight->poll_ns += line->polled_ns - begin_ns;
        if (!ended)
            note_poll(insight, line, at_line, line->polled_ns - begin_ns);
        line->ended = !live;
    } else {
        insight->poll_ns += executor->clock() - begin_ns;
        insight->unseen++;
    }
}

void insight_park(struct executor *executor, uint64_t until_ns)
{
    uint64_t begin_ns = executor->clock();

    executor->park(executor, until_ns);
    executor->insight->idle_ns += executor->clock() - begin_ns;
}

void executor_insight(struct executor *executor, struct insight *insight)
{
    ASSERT(executor->clock && insight->count && (insight->count & (insight->count - 1)) == 0);
    insight->begun_ns = executor->clock();
    executor->insight = insight;
    atomic_fetch_or(&executor->attention, EXECUTOR_INSIGHT);
}

enum insight_lint insight_lint(const struct executor *executor, const struct insight_line *line, uint64_t now_ns)
{
    const struct insight *insight = executor->insight;

    if (line->overran)
        return INSIGHT_OVERRAN;
    if (line->self_wakes >= MANY_POLLS && line->self_wakes * 2 > line->wakes)
        return INSIGHT_SELF_WAKES;
    if (line->polls >= MANY_POLLS && line->poll_ns * 2 > now_ns - insight->begun_ns)
        return INSIGHT_NEVER_YIELDS;
    if (!task_queued(line->task) && now_ns - line->polled_ns > insight->patience_ns)
        return INSIGHT_WAITS_LONG;
    return INSIGHT_FINE;
}

const char *insight_lint_text(enum insight_lint lint)
{
    static const char *const texts[] = {
        [INSIGHT_FINE] = "",
        [INSIGHT_OVERRAN] = "a poll exceeded its budget",
        [INSIGHT_WAITS_LONG] = "nobody wakes it: a lost waker?",
        [INSIGHT_NEVER_YIELDS] = "it leaves its executor little time",
        [INSIGHT_SELF_WAKES] = "it mostly wakes itself",
    };

    return texts[lint];
}
