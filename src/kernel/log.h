/*
 * The kernel's log: log_info("%u of them", n) anywhere in src/kernel. A line costs its writer the filling of one slot
 * and a wake, and nothing but a predicted branch if its level is filtered out; a thread that only runs when nothing
 * else wants to prints the lines on the console. Lines written before that thread starts gather in the ring.
 */
#ifndef DUET_KERNEL_LOG_H
#define DUET_KERNEL_LOG_H

#include "kernel/report.h"
#include "lib/log.h"

enum { LOG_RECORDS = 256 };

/* Lines of greater levels are neither kept nor shown. At first all are kept. Set once, but for tests. */
extern enum log_level log_threshold;

/* The ring, for reports, tests and debuggers. */
extern struct log kernel_log;

/*
 * One line, of at most LOG_TEXT_BYTES - 1 characters, with the time and who runs: the thread and the task, or
 * "interrupt" in its place. The arguments are not evaluated if the level is filtered out. Context: any; a line from an
 * NMI, or whatever else has a stack of its own, is printed only after the next one from elsewhere.
 */
#define log_error(...)   log_at(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_DEBUG, __VA_ARGS__)

#define log_at(level, ...) (unlikely((level) <= log_threshold) ? log_add((level), __VA_ARGS__) : (void)0)

/* What log_at() calls: adds a line whatever the threshold. Context: any. */
void log_add(enum log_level level, const char *format, ...) printf_like(2, 3);

/* Starts the thread that prints, and returns when what was said so far is printed. Context: thread. */
void log_start(void);

/* Waits until every line begun before is printed: for ever if some thread never lets one of priority 1 run. One waiter
 * at a time. Context: thread, not in a poll. */
void log_flush(void);

/* Records on the console, or passed over as filtered or lost: the number of the next to be printed. Context: any. */
uint64_t log_printed(void);

/* Prints the last `count` lines, whether they were on the console already or not. Context: thread. */
void log_report(report_print *print, uint32_t count);

/* Prints what was not printed yet, lines still being written as far as they are. The machine is about to stop: nobody
 * else prints any more. Does nothing when called from within itself. Context: any, interrupts off. */
void log_replay(void);

#endif
