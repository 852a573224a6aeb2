/*
 * Which boots a benchmark consists of, in the fixed order in which their results are listed.
 *
 * The matrix is driver x device x load x priority, the last varying fastest. It is followed by one boot for
 * the micro figures of threads, one for the same with irqoff=on, one for all others, one for Thread-Metric, and by one
 * cell of the matrix again, booted through GRUB from the ISO.
 */
#ifndef DUET_BENCH_PLAN_H
#define DUET_BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "qemu.h"

enum {
    PLAN_DRIVERS = 2,
    PLAN_DEVICES = 2,
    PLAN_LOADS = 4,
    PLAN_PRIORITIES = 2,
    PLAN_CELLS = PLAN_DRIVERS * PLAN_DEVICES * PLAN_LOADS * PLAN_PRIORITIES,
    PLAN_THREADS = PLAN_CELLS,
    PLAN_IRQOFF,
    PLAN_MICRO,
    PLAN_THREAD_METRIC,
    PLAN_GRUB,
    PLAN_BOOTS,
};

extern const char
    *const plan_drivers[PLAN_DRIVERS]; /* async, thread: in this order the report sets them side by side */
extern const char *const plan_devices[PLAN_DEVICES];
extern const char *const plan_loads[PLAN_LOADS];
extern const char *const plan_priorities[PLAN_PRIORITIES];

/* Where a cell is in the matrix; each coordinate is an index into the array of that name. */
size_t plan_index(size_t driver, size_t device, size_t load, size_t priority);

/* The index of the cell that the GRUB boot repeats. */
size_t plan_grub_twin(void);

/* One boot of the kernel: what is asked, and where its output goes. Strings are fresh, set once by plan_make(). */
struct boot {
    char *name; /* "async keyboard threads:4 equal", "threads", "irqoff", "micro", "grub async keyboard threads:1 equal"
                 */
    char *words; /* the kernel's command line */
    char *com1;
    char *com2;
    char *log;                                     /* what QEMU itself printed */
    char **command;                                /* QEMU's argument list */
    const char *driver, *device, *load, *priority; /* NULL for what is no cell */
    bool thread_metric;
};

struct plan_options {
    const char *kernel;
    const char *programs; /* its programs */
    const char *iso;
    const char *folder; /* of the logs */
    unsigned events;    /* injected per cell */
};

/* Fills all PLAN_BOOTS boots. */
void plan_make(struct boot boots[PLAN_BOOTS], const struct qemu_machine *machine, const struct plan_options *options);

#endif
