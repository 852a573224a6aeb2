/*
 * The kernel's log: lines of all contexts in one order, none lost uncounted, printed by a thread that is in nobody's
 * way. tests/qemu/test_log.c reads what these tests leave on COM1.
 */
#include "kernel/log.h"
#include "kernel/console.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    LINES = 100,
    EXCESS = 44, /* of a burst, more than the ring holds */
};

/* Lines of a test that need not be seen: kept, and filtered out before the log's thread runs. */
static enum log_level quiet_begin(void)
{
    enum log_level threshold = log_threshold;

    log_flush();
    log_threshold = LOG_DEBUG;
    return threshold;
}

/* The n of "prefix n"; UINT32_MAX if the text is another. */
static uint32_t number_after(const char *text, const char *prefix)
{
    uint32_t number = 0;

    if (!string_starts(text, prefix))
        return UINT32_MAX;
    for (text += string_length(prefix); *text; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

static struct ticker {
    struct waker waker;
    struct timer timer;
    atomic_uint lines;
} ticker;

static void ticker_wake(struct waker *waker)
{
    uint32_t n = atomic_fetch_add(&ticker.lines, 1);

    log_debug("interrupt %u", n);
    if (n + 1 < LINES)
        sched_timer_start(&ticker.timer, clock_now_ns() + 7 * US, waker);
}

/* Interrupts that log come at changing places of a thread that logs without a pause. */
TEST(log_order, "log.order_of_all_contexts")
{
    enum log_level threshold = quiet_begin();
    struct log_cursor cursor = log_last(&kernel_log, 0);
    uint32_t thread_lines = 0, next_thread = 0, next_interrupt = 0;
    uint64_t last_ns = 0, lost;
    struct log_line line;

    ticker.waker.wake = ticker_wake;
    atomic_store(&ticker.lines, 0);
    sched_timer_start(&ticker.timer, clock_now_ns() + US, &ticker.waker);
    while (atomic_load(&ticker.lines) < LINES || thread_lines < LINES)
        if (thread_lines < LINES + LINES / 2)
            log_debug("thread %u", thread_lines++);
    log_threshold = threshold;
    while (log_read(&kernel_log, &cursor, &line, &lost) == LOG_READ) {
        bool interrupt = string_equal(line.task, "interrupt");

        CHECK_EQUAL(lost, 0);
        CHECK(line.time_ns > last_ns);
        CHECK(string_equal(line.thread, "boot"));
        last_ns = line.time_ns;
        if (interrupt)
            CHECK_EQUAL(number_after(line.text, "interrupt "), next_interrupt++);
        else
            CHECK_EQUAL(number_after(line.text, "thread "), next_thread++);
    }
    CHECK_EQUAL(next_thread, thread_lines);
    CHECK_EQUAL(next_interrupt, LINES);
}

static enum poll logging_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    log_debug("from a task");
    return POLL_READY;
}

TEST(log_names, "log.names_thread_and_task")
{
    static struct future future = {.poll = logging_poll};
    static struct task task;
    enum log_level threshold = quiet_begin();
    struct log_cursor cursor = log_last(&kernel_log, 0);
    struct log_line line;
    uint64_t lost;

    executor_spawn(&executor_at(THREAD_PRIORITY_HIGH)->executor, &task, "logging", &future);
    task_wait(&task);
    log_threshold = threshold;
    CHECK(log_read(&kernel_log, &cursor, &line, &lost) == LOG_READ);
    CHECK(string_equal(line.text, "from a task"));
    CHECK(string_equal(line.thread, "suite-high"));
    CHECK(string_equal(line.task, "logging"));
}

TEST(log_filter, "log.filters_by_level")
{
    enum log_level threshold = quiet_begin();
    uint64_t before = log_count(&kernel_log);
    unsigned evaluated = 0;

    for (log_threshold = LOG_ERROR; log_threshold <= LOG_DEBUG; log_threshold++) {
        log_error("%u", evaluated++);
        log_warning("%u", evaluated++);
        log_info("%u", evaluated++);
        log_debug("%u", evaluated++);
    }
    log_threshold = threshold;
    CHECK_EQUAL(evaluated, 1 + 2 + 3 + 4);
    CHECK_EQUAL(log_count(&kernel_log), before + evaluated);
}

/* The log's thread waits for a normal one to let go of the CPU, however long it keeps it. */
TEST(log_priority, "log.printing_is_in_nobodys_way")
{
    uint64_t switches, before;

    log_flush();
    before = log_printed();
    switches = cpu_this()->switches;
    log_info("printed when the CPU is free");
    spin_for(3 * SCHED_QUANTUM_NS);
    CHECK_EQUAL(log_printed(), before);
    CHECK_EQUAL(cpu_this()->switches, switches);
    log_flush();
    CHECK_EQUAL(log_printed(), before + 1);
}

TEST(log_parked, "log.thread_is_parked_when_idle")
{
    uint64_t switches, idle;

    log_flush();
    sleep_for(MS);
    switches = cpu_this()->switches;
    idle = cpu_this()->idle.switches;
    sleep_for(2 * SCHED_QUANTUM_NS);
    CHECK_EQUAL(cpu_this()->switches, switches + 2); /* to idle and back */
    CHECK_EQUAL(cpu_this()->idle.switches, idle + 1);
}

TEST(log_first, "log.unexpected_is_said_once")
{
    uint64_t before;

    raise_41(); /* logged now, or by an earlier test */
    before = log_count(&kernel_log);
    raise_41();
    raise_41();
    CHECK_EQUAL(log_count(&kernel_log), before);
    CHECK(before > 0);
}

TEST(log_burst, "log.burst_counts_what_it_lost")
{
    struct log_cursor cursor;
    struct log_line line;
    uint64_t lost, read = 0, lost_in_all = 0;

    log_flush();
    cursor = log_last(&kernel_log, 0);
    for (uint32_t i = 0; i < LOG_RECORDS + EXCESS; i++)
        log_info("burst %u", i);
    while (log_read(&kernel_log, &cursor, &line, &lost) == LOG_READ) {
        CHECK_EQUAL(number_after(line.text, "burst "), read + EXCESS);
        read++;
        lost_in_all += lost;
    }
    CHECK_EQUAL(read, LOG_RECORDS);
    CHECK_EQUAL(lost_in_all, EXCESS);
    log_flush(); /* says "44 lines lost" and prints the rest */
}

TEST(log_reports, "log.report_of_the_last_lines")
{
    log_error("first of three");
    log_info("second\nof three");
    log_debug("third of three: not to be seen");
    log_flush();
    log_report(console_print, 3);
}

/* ---- panics: what is not printed yet comes with them ---- */

TEST_PANICS(replay_undrained, "log.panic_replays_undrained", "after two lines")
{
    log_flush();
    log_info("first undrained");
    log_warning("second undrained");
    panic("after two lines");
}

static void say_in_interrupt(struct waker *waker)
{
    (void)waker;
    log_info("from the interrupt that panics");
    panic("in an interrupt");
}

TEST_PANICS(replay_in_irq, "log.panic_replays_in_interrupt", "in an interrupt")
{
    static struct waker waker = {say_in_interrupt};
    static struct timer timer;

    sched_timer_start(&timer, clock_now_ns() + MS, &waker);
    spin_for(10 * MS);
}

static const char *volatile unmapped = (const char *)16;

/* The text that was to follow is not there: the line stops in the middle. */
TEST_PANICS(replay_in_writer, "log.panic_replays_in_writer", "page fault: read of unmapped page at 0x10")
{
    log_flush();
    log_info("before the writer");
    log_error("the name is %s", unmapped);
}

static void panic_in_log_thread(struct waker *waker)
{
    static struct timer again;

    if (string_equal(thread_current()->name, "log") && log_printed() % LOG_RECORDS > 4)
        panic("while printing");
    sched_timer_start(&again, clock_now_ns() + US, waker);
}

TEST_PANICS(replay_in_drain, "log.panic_replays_in_drain", "while printing")
{
    static struct waker waker = {panic_in_log_thread};

    log_flush();
    for (uint32_t i = 0; i < LINES; i++)
        log_info("drain %u", i);
    panic_in_log_thread(&waker);
    sleep_for(1000 * MS);
}
