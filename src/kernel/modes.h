/*
 * What the machine does once it is up. Each runs on the boot thread and ends the machine, or never returns.
 */
#ifndef DUET_KERNEL_MODES_H
#define DUET_KERNEL_MODES_H

#include "kernel/options.h"

_Noreturn void demo_run(const struct options *options);
_Noreturn void echo_run(const struct options *options);
_Noreturn void bench_run(const struct options *options);
_Noreturn void suite_run(const struct options *options);
_Noreturn void shell_run(const struct options *options);
_Noreturn void soak_run(const struct options *options);

/* Nanoseconds of clock_now_ns() from the kernel's entry until the drivers could be started. */
extern uint64_t boot_ready_ns;

#endif
