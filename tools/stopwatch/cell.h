/* One boot of one kernel under the stopwatch: what it is, what QEMU is told, and what came of it. */
#ifndef DUET_STOPWATCH_CELL_H
#define DUET_STOPWATCH_CELL_H

#include <jansson.h>
#include <stdbool.h>

#include "../bench/pool.h"
#include "../bench/qemu.h"
#include "script.h"

/* When the next event is sent. */
enum pace {
    PACE_IDLE,  /* when the CPU halts */
    PACE_BUSY,  /* after so many instructions that the last one is over, while the CPU computes at a lower priority */
    PACE_CLOSE, /* after fewer than that, or when the CPU halts: within the driver's, or anyone's, work for the last */
    PACE_FREE,  /* at the host's pace, without icount: for loss and order only */
};

struct cell {
    const char *system; /* "duet", or a kernel of fetch.sh's */
    const char *style;  /* duet: thread, async, user; Linux: fifo or normal */
    bool shipped;       /* Linux: without EVIOCGRAB */
    enum script_device device;
    enum pace pace;
};

struct setting {
    const char *machine, *duet, *programs, *kernels, *plugin, *out; /* paths */
    const char *self;                                               /* this program */
    size_t events; /* a cell of Duet's; of Linux's, a quarter of them */
    long drop;     /* the act of this number is not sent, so that the check has something to find; -1: all are */
};

/* What a cell leaves while it runs. */
struct run {
    const struct cell *cell;
    char *name; /* duet-thread-keyboard-idle */
    char *plan, *com2, *log, *command_line;
    char *image, *initrd; /* what is booted */
    struct script script;
    long sent; /* of the script's acts */
    struct job job;
};

/* Makes the script and the command; the files are in setting->out. */
void run_make(struct run *run, const struct cell *cell, const struct setting *setting);

/* What came of it, once the job is over, as a fresh object. "right" is whether every event came, once, in its order.
 * NULL, with why in *failure as a fresh string, if QEMU or the guest failed. */
json_t *run_results(const struct run *run, char **failure);

#endif
