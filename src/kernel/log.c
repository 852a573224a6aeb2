/* From anywhere into the ring, and from the ring to the console. */
#include "kernel/log.h"

#include "kernel/console.h"
#include "kernel/executor_thread.h"
#include "lib/critical.h"
#include "thread/sched.h"

enum {
    PRIORITY_LOG = THREAD_PRIORITY_IDLE + 1,
    LINE_BYTES = 160, /* the time, the level, two names and the text */
};

static struct log_slot slots[LOG_RECORDS];
struct log kernel_log = LOG_INIT(slots);
enum log_level log_threshold = LOG_DEBUG;

static struct thread log_thread;
static struct waker_slot waiting; /* the log's thread, when there is nothing to print */
static struct waker_slot flusher;

/* The log's thread, and whoever stops the machine. Moved on once a line is printed whole: a panic in the middle of one
 * prints it again. */
static struct log_cursor cursor;
static _Atomic uint64_t printed; /* cursor.next, for others */
static bool replaying;

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* An NMI may have interrupted the scheduler, so nothing may be woken from it; it has a stack of its own. */
static bool may_wake(const struct thread *current)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t base = current ? (uintptr_t)current->stack : 0;

    return current && here >= base && here - base < current->stack_bytes;
}

static const char *task_name(void)
{
    const struct task *task;

    if (cpu_this()->irq_depth > 0)
        return "interrupt";
    task = executor_thread_task();
    return task ? task->name : NULL;
}

void log_add(enum log_level level, const char *format, ...)
{
    const struct thread *current = thread_current();
    va_list arguments;

    va_start(arguments, format);
    (void)log_write_va(&kernel_log, level, current ? current->name : "boot", task_name(), format, arguments);
    va_end(arguments);
    if (may_wake(current))
        waker_slot_wake(&waiting);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_lost(report_print *print, uint64_t lost)
{
    if (lost)
        print("[-----.------] %-7s log: %lu line%s lost\n", log_level_name(LOG_WARNING), (unsigned long)lost,
              lost == 1 ? "" : "s");
}

static void print_line(report_print *print, const struct log_line *line, const char *remark)
{
    char text[LINE_BYTES];

    if (line->level > log_threshold)
        return;
    log_line_format(text, sizeof(text), line);
    print("%s%s\n", text, remark);
}

/* Prints the next line, or what was lost before it. False if there is neither. */
static bool print_next(void)
{
    struct log_cursor next = cursor;
    struct log_line line;
    uint64_t lost;
    enum log_status status = log_read(&kernel_log, &next, &line, &lost);

    print_lost(console_print, lost);
    if (status == LOG_READ)
        print_line(console_print, &line, "");
    cursor = next;
    atomic_store(&printed, next.next);
    return status == LOG_READ || lost;
}

/* Who flushes need not stay: it may be gone as soon as the lines are. */
static void wake_flusher(void)
{
    uint64_t flags = critical_enter();

    waker_slot_wake(&flusher);
    critical_leave_woken(flags);
}

_Noreturn static void *log_main(void *unused)
{
    (void)unused;
    for (;;) {
        while (print_next())
            preempt_point();
        waker_slot_register(&waiting, &log_thread.waker);
        if (print_next())
            continue;
        wake_flusher();
        thread_park();
    }
}

void log_start(void)
{
    if (thread_start(&log_thread, "log", PRIORITY_LOG, log_main, NULL) != STATUS_OK)
        panic("no memory for the log's stack");
    log_flush();
}

uint64_t log_printed(void)
{
    return atomic_load(&printed);
}

void log_flush(void)
{
    uint64_t end = log_count(&kernel_log);

    while (log_printed() < end) {
        waker_slot_register(&flusher, &thread_current()->waker);
        if (log_printed() < end)
            thread_park();
    }
    waker_slot_clear(&flusher);
}

/* ---- reports ----------------------------------------------------------------------------------------------------- */

/* Prints all from *at on, without waiting for writers that have not ended. */
static void print_rest(report_print *print, struct log_cursor *at)
{
    struct log_line line;
    uint64_t lost;
    enum log_status status;

    do {
        status = log_read(&kernel_log, at, &line, &lost);
        print_lost(print, lost);
        if (status == LOG_UNFINISHED)
            at->next++;
        if (status != LOG_EMPTY)
            print_line(print, &line, status == LOG_UNFINISHED ? " (unfinished)" : "");
    } while (status != LOG_EMPTY);
}

void log_report(report_print *print, uint32_t count)
{
    struct log_cursor at = log_last(&kernel_log, count);

    print_rest(print, &at);
}

void log_replay(void)
{
    if (replaying)
        return;
    replaying = true;
    print_rest(console_print, &cursor);
    replaying = false;
}
