/* The reports say what is so: each is printed into a buffer and read. */
#include "kernel/report.h"

#include "executor/async.h"
#include "executor/sleep.h"
#include "kernel/kmalloc.h"
#include "kernel/log.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "thread/account.h"
#include "thread/mutex.h"

static char text[8192];
static size_t length;

printf_like(1, 2) static void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    length += format_text_va(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    if (length > sizeof(text) - 1)
        length = sizeof(text) - 1;
}

/* The report's line that begins with these words, blanks before them left out; NULL if there is none. */
static const char *line_with(const char *words)
{
    for (const char *at = text; *at; at++) {
        if ((at == text || at[-1] == '\n' || at[-1] == ' ') && string_starts(at, words))
            return at;
    }
    return NULL;
}

/* The n-th number, from 0, at or after `at`. */
static uint64_t number_at(const char *at, unsigned n)
{
    uint64_t value;

    for (;;) {
        while (*at && (*at < '0' || *at > '9'))
            at++;
        value = 0;
        while (*at >= '0' && *at <= '9')
            value = value * 10 + (uint64_t)(*at++ - '0');
        if (n-- == 0 || !*at)
            return value;
    }
}

static void report(void (*what)(report_print *print))
{
    length = 0;
    text[0] = '\0';
    what(print);
}

/* The start of the line that `at` is in. */
static const char *line_of(const char *at)
{
    while (at > text && at[-1] != '\n')
        at--;
    return at;
}

TEST(memory_report, "report.memory")
{
    struct frames_report frames;
    const char *line;
    struct physical frame;

    CHECK(frame_alloc(&frame) == STATUS_OK);
    frames = physical_report();
    report(report_memory);
    line = line_with("memory:");
    CHECK(line != NULL);
    if (!line)
        return;
    CHECK_EQUAL(number_at(line, 0), frames.total * 4);
    CHECK_EQUAL(number_at(line, 1), frames.used * 4);
    CHECK_EQUAL(number_at(line, 2), frames.free * 4);
    CHECK_EQUAL(number_at(line, 3), frames.largest_run * 4);
    frame_free(frame);
    report(report_memory);
    CHECK_EQUAL(number_at(line_with("memory:"), 2), frames.free * 4 + 4);
    CHECK(line_with("heap ") != NULL);
}

TEST(heap_report, "report.heap")
{
    uint64_t live;
    void *block;

    report(report_memory);
    live = number_at(line_with("heap "), 1);
    block = kmalloc(100);
    report(report_memory);
    CHECK_EQUAL(number_at(line_with("heap "), 1), live + 1);
    kfree(block);
    report(report_memory);
    CHECK_EQUAL(number_at(line_with("heap "), 1), live);
}

static void *park_once(void *unused)
{
    thread_park();
    return unused;
}

TEST(threads_report, "report.threads")
{
    struct thread thread;
    const char *line;

    start(&thread, "reported", THREAD_PRIORITY_HIGH, park_once, NULL);
    report(report_threads);
    line = line_with("reported");
    CHECK(line != NULL);
    if (line) {
        line = line_of(line);
        CHECK_EQUAL(number_at(line, 0), thread.id);
        CHECK_EQUAL(number_at(line, 1), THREAD_PRIORITY_HIGH);
        CHECK_EQUAL(number_at(line, 2), THREAD_PRIORITY_HIGH);
        CHECK_EQUAL(number_at(line, 3), thread.run_ns / 1000000);
        CHECK_EQUAL(number_at(line, 4), thread.run_ns / 1000 % 1000);
        CHECK_EQUAL(number_at(line, 7), thread.switches);
        CHECK_EQUAL(number_at(line, 8), account_of(&thread) ? 1 : 0);
        CHECK(number_at(line, 13) > 0 && number_at(line, 13) <= THREAD_STACK_BYTES);
        CHECK_EQUAL(number_at(line, 14), THREAD_STACK_BYTES);
        CHECK_EQUAL(number_at(line, 15), cpu_this()->quantum_ns / 1000);
    }
    CHECK(line_with("parked") != NULL);
    CHECK(line_with("running") != NULL);
    CHECK(line_with("boot") != NULL && line_with("idle") != NULL);
    CHECK(line_with("(cancelled)") == NULL);
    thread_set_priority(&thread, PRIORITY_LOW);
    thread_cancel(&thread);
    report(report_threads);
    CHECK(line_with("reported (cancelled)") != NULL);
    (void)thread_join(&thread);
    report(report_threads);
    CHECK(line_with("reported") == NULL);
}

static struct sleeper {
    struct async async;
    struct sleep pause;
} sleeper;

static enum poll sleeper_poll(struct future *future, struct waker *waker)
{
    struct sleeper *self = container_of(future, struct sleeper, async.future);

    ASYNC (&self->async) {
        self->pause = sleep_until(task_of_waker(waker)->executor, clock_now_ns() + 20 * MS);
        AWAIT(&self->pause.future);
        ASYNC_RETURN;
    }
}

TEST(tasks_report, "report.tasks")
{
    static struct task task;

    sleeper = (struct sleeper){.async.future.poll = sleeper_poll};
    executor_spawn(&executor_at(THREAD_PRIORITY_NORMAL)->executor, &task, "report-sleeper", &sleeper.async.future);
    sleep_for(MS);
    report(report_tasks);
    CHECK(line_with("report-sleeper") != NULL);
    CHECK(line_with("waiting") != NULL);
    CHECK(line_with("async sleeper_poll") != NULL); /* where it waits... */
    CHECK(line_with("async sleep_poll") != NULL);   /* ...and for what */
    task_wait(&task);
    report(report_tasks);
    CHECK(line_with("report-sleeper") == NULL);
}

static enum poll spins_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    spin_for(3 * MS);
    return POLL_PENDING;
}

static void last_lines(report_print *print_line)
{
    log_report(print_line, 8);
}

/* Amid one that lasts. */
static void *read_log_amid_poll(void *executor)
{
    struct task *task = NULL;

    for (unsigned looks = 0; looks < 15; looks = task ? looks + 1 : 0) {
        sleep_for(100 * US);
        task = ((struct executor *)executor)->current;
    }
    report(last_lines);
    return task;
}

static unsigned spin_line;

static enum poll spins_later_poll(struct future *future, struct waker *waker)
{
    struct sleeper *self = container_of(future, struct sleeper, async.future);

    ASYNC (&self->async) {
        self->pause = sleep_until(task_of_waker(waker)->executor, clock_now_ns() + MS);
        spin_line = __LINE__ + 1;
        AWAIT(&self->pause.future);
        spin_for(3 * MS);
        ASYNC_RETURN;
    }
}

/* The poll lasts for three milliseconds and may for one. */
static void watch(struct future *spins)
{
    static struct executor_thread executor;
    struct thread reader;
    struct task task;

    executor_thread_insight = executor_thread_watchdog = true;
    if (executor_thread_start(&executor, "watched", THREAD_PRIORITY_NORMAL) != STATUS_OK)
        panic("no stack for a test's executor");
    executor_thread_insight = executor_thread_watchdog = false;
    start(&reader, "reader", THREAD_PRIORITY_HIGH, read_log_amid_poll, &executor.executor);
    executor_spawn(&executor.executor, &task, "hangs", spins);
    CHECK(thread_join(&reader) == &task);
    task_cancel(&task);
    executor_thread_stop(&executor);
}

TEST(watchdog_report, "report.watchdog_barks_meanwhile")
{
    struct future spins = {.poll = spins_poll};
    char line[64];

    watch(&spins);
    CHECK(line_with("task hangs: a poll has not returned for 1") != NULL);
    sleeper = (struct sleeper){.async.future.poll = spins_later_poll};
    watch(&sleeper.async.future);
    format_text(line, sizeof(line), "task hangs: a poll begun at line %u has not returned for 1", spin_line);
    CHECK(line_with(line) != NULL);
}

TEST(insight_report, "report.insight")
{
    static struct executor_thread executor;
    struct future spins = {.poll = spins_poll};
    struct insight_line *line;
    struct task task;

    executor_thread_insight = true;
    if (executor_thread_start(&executor, "insight", THREAD_PRIORITY_NORMAL) != STATUS_OK)
        panic("no stack for a test's executor");
    executor_thread_insight = false;
    executor_spawn(&executor.executor, &task, "spins", &spins);
    sleep_until_holds(task.polls == 1 && !executor.executor.current);
    sleep_for(6 * MS);
    waker_wake(&task.waker);
    sleep_until_holds(task.polls == 2 && !executor.executor.current);
    line = insight_line_of(&executor.executor, &task);
    CHECK(line != NULL);
    CHECK_EQUAL(line->polls, 2);
    CHECK_EQUAL(line->wakes, 1);
    CHECK(line->longest_ns >= 3 * MS);
    CHECK_EQUAL(executor.executor.insight->overruns, 2);
    CHECK(executor.executor.insight->idle_ns >= 5 * MS);
    report(report_tasks);
    CHECK(line_with("2 polls, 1 wakes, 0 its own") != NULL);
    CHECK(line_with("exceeded its budget") != NULL);
    CHECK(line_with("of 1000: ") != NULL);
    task_cancel(&task);
    executor_thread_stop(&executor);
}

TEST(interrupts_report, "report.interrupts")
{
    char wanted[64];

    raise_41();
    breakpoint();
    sleep_for(MS); /* the timer interrupts */
    report(report_interrupts);
    format_text(wanted, sizeof(wanted), "%u %10lu", SUITE_VECTOR_UNUSED,
                (unsigned long)interrupt_count(SUITE_VECTOR_UNUSED));
    CHECK(line_with(wanted) != NULL);
    CHECK(line_with("breakpoint") != NULL);
    CHECK(line_with("timer (local APIC)") != NULL);
    CHECK_EQUAL(number_at(line_with("spurious"), 1), interrupt_unexpected());
}

static struct mutex wanted = MUTEX_INIT(wanted);

static void *want(void *unused)
{
    mutex_lock(&wanted);
    mutex_unlock(&wanted);
    return unused;
}

TEST(waits_report, "report.who_waits_for_whom")
{
    struct thread thread;
    const char *line;

    mutex_lock(&wanted);
    start(&thread, "wants", THREAD_PRIORITY_HIGH, want, NULL);
    report(report_threads);
    line = line_with("wants (waits for ");
    CHECK(line != NULL);
    if (line)
        CHECK_EQUAL(number_at(line, 0), thread_current()->id);
    mutex_unlock(&wanted);
    (void)thread_join(&thread);
    report(report_threads);
    CHECK(line_with("wants") == NULL);
}

/* Each says how long it is, and keeps to the room that it has. Tasks and the log may have nothing to say. */
TEST(texts, "report.texts_keep_to_their_room")
{
    static const char *const begin[REPORTS] = {
        [REPORT_PROCESSES] = "processes: ", [REPORT_THREADS] = "threads: ",       [REPORT_TASKS] = "",
        [REPORT_MEMORY] = "memory: ",       [REPORT_INTERRUPTS] = "interrupts: ", [REPORT_LOG] = "",
    };

    for (enum report kind = 0; kind < REPORTS; kind++) {
        enum { ROOM = 10 };
        size_t least = *begin[kind] ? ROOM + 1 : 0;
        size_t whole = report_text(kind, text, sizeof(text) - 1);

        CHECK(whole >= least);
        text[whole < sizeof(text) - 1 ? whole : sizeof(text) - 1] = '\0';
        CHECK(string_starts(text, begin[kind]));
        memset(text, '#', sizeof(text));
        CHECK(report_text(kind, text, ROOM) >= least);
        CHECK(text[ROOM] == '#' && (!least || text[ROOM - 1] != '#'));
        CHECK(report_text(kind, text, 0) >= least);
    }
}
