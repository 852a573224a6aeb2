/*
 * What runs beside a driver that is measured, and when its events come: the words of `load=` and `arrival=`.
 */
#ifndef DUET_LIB_WORKLOAD_H
#define DUET_LIB_WORKLOAD_H

#include "lib/base.h"

enum load_kind {
    LOAD_IDLE,
    LOAD_THREADS,  /* threads that compute and never wait */
    LOAD_TASKS,    /* a neighbour on the driver's executor that computes in each poll */
    LOAD_READY,    /* many neighbours that are always ready and do next to nothing */
    LOAD_PRINT,    /* a thread that prints */
    LOAD_ALLOC,    /* a thread that allocates and frees */
    LOAD_IRQSTORM, /* interrupts of another line */
    LOAD_BOTH,     /* the other device's events, through a driver of the same style */
    LOAD_ALL,      /* one after the other */
};

enum load_priority { LOAD_EQUAL, LOAD_LOWER, LOAD_HIGHER };

struct load {
    enum load_kind kind;
    unsigned count;              /* LOAD_THREADS: 1 to 16; LOAD_READY: 1 to 1000 */
    enum load_priority priority; /* LOAD_THREADS, beside a driver at equal priority */
    uint64_t duration_ns;        /* LOAD_TASKS: what it computes */
    bool yields;                 /* LOAD_TASKS: in ten polls, not in one */
};

#define WORKLOAD_LOADS                                                                                             \
    "idle, threads:1 to threads:16 and then :lower, :equal or :higher, tasks:1us to tasks:100ms and then :yield, " \
    "ready:1 to ready:1000, print, alloc, irqstorm, both"

/* Reads a load other than "all". False, and *load untouched, if it is none. Context: any. */
bool load_parse(const char *text, struct load *load);

enum arrival_kind {
    ARRIVAL_JITTER,   /* a period apart, more or less: by up to half of it, at random */
    ARRIVAL_PERIODIC, /* exactly */
    ARRIVAL_BURST,    /* so many bytes at a time, as many as else in the same time */
    ARRIVAL_BACK,     /* each as soon as the one before was read */
};

struct arrival {
    enum arrival_kind kind;
    unsigned bytes; /* ARRIVAL_BURST: 2 to 16 */
};

#define WORKLOAD_ARRIVALS "jitter, periodic, burst:2 to burst:16, back-to-back"

/* Reads an arrival. False, and *arrival untouched, if it is none. Context: any. */
bool arrival_parse(const char *text, struct arrival *arrival);

/* Reads decimal digits up to the end of the text, 1 to `maximum`. False, and *number untouched, if it is anything else.
 * Context: any. */
bool workload_number(const char *text, unsigned maximum, unsigned *number) must_check;

#endif
