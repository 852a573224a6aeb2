/*
 * What the machine is doing, in lines for people: for tests, a shell, and whoever debugs.
 */
#ifndef DUET_KERNEL_REPORT_H
#define DUET_KERNEL_REPORT_H

#include "lib/base.h"

/* Where a report goes, whole lines. console_print() is one. */
typedef void report_print(const char *format, ...) printf_like(1, 2);

/* Frames, page tables, stacks, the heap. Context: thread. */
void report_memory(report_print *print);

/* A line for each thread: priority, state, CPU time, switches, and how much of its stack was ever used. Context:
 * thread.
 */
void report_threads(report_print *print);

/* Each executor's tasks: how often they were polled, and where those that wait do so. Context: thread. */
void report_tasks(report_print *print);

/* A line for each vector that was ever taken. Context: thread. */
void report_interrupts(report_print *print);

#endif
