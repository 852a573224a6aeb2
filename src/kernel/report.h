/*
 * What the machine is doing, in lines for people: for tests, a shell, and whoever debugs.
 */
#ifndef DUET_KERNEL_REPORT_H
#define DUET_KERNEL_REPORT_H

#include "lib/json.h"

/* Where a report goes, whole lines. console_print() is one. */
typedef void report_print(const char *format, ...) printf_like(1, 2);

/* Frames, page tables, stacks, the heap. Context: thread. */
void report_memory(report_print *print);

/* A line for each thread: the priority it runs at and its own, state, CPU time and its share of the time since the
 * first thread began, how often it was switched to, and how much of its stack was ever used; with insight also
 * voluntary and forced switches, and its wakes with the mean and the longest time from there to its running, which are
 * zero without; and the thread that owns the mutex it waits for. Then a line for where the CPU's time went. Context:
 * thread. */
void report_threads(report_print *print);

/* What console_send_json() does. */
typedef void report_send(struct json *json);

/* The same for machines: an object for each thread, and one for the CPU. Times are in nanoseconds; what only insight
 * counts is left out without it. Context: thread. */
void report_threads_json(report_send *send);

/* Each executor's tasks: how often they were polled, and where those that wait do so. Context: thread. */
void report_tasks(report_print *print);

/* A line for each vector that was ever taken. Context: thread. */
void report_interrupts(report_print *print);

/* The longest time that interrupts, and preemption, were off, and the code that began and ended it; or that nobody
 * looks, without irqoff=on. Context: thread. */
void report_stretches(report_print *print);

/* A report as text, one at a time: at most `size` bytes, with no NUL. Returns how long it is. Context: thread. */
enum report {
    REPORT_PROCESSES,
    REPORT_THREADS,
    REPORT_TASKS,
    REPORT_MEMORY,
    REPORT_INTERRUPTS,
    REPORT_LOG,
    REPORTS,
};
size_t report_text(enum report kind, char *text, size_t size);

#endif
