/*
 * What the shell, which is a process, has of the kernel that no other process has.
 */
#ifndef DUET_KERNEL_SHELL_H
#define DUET_KERNEL_SHELL_H

#include "lib/base.h"

/* Whether this is the shell: the one process that mode=shell starts. Context: any. */
bool shell_is(uint64_t pid);

/* Measures what can be measured while all else goes on, and comes back when it is printed. STATUS_NO_MEMORY;
 * STATUS_INVALID: there is no such suite. Context: thread, one at a time. */
enum shell_suite { SHELL_BENCH_USER, SHELL_BENCH_TASKS, SHELL_BENCH_TIMERS, SHELL_BENCH_MEMORY, SHELL_BENCHES };
enum status shell_bench(uint64_t suite) must_check;

#endif
