/* results.json: everything that was measured and what it depends on, and nothing that differs between two runs. */
#ifndef DUET_BENCH_RESULTS_H
#define DUET_BENCH_RESULTS_H

#include <jansson.h>
#include <stdbool.h>

#include "guest.h"
#include "plan.h"

struct results_context {
    const char *machine; /* the reference machine's arguments */
    const char *qemu;    /* its version */
    unsigned events;
    bool quick;
};

/* Assembles the results of all boots, as a fresh object. */
json_t *results_make(const struct results_context *context, const struct boot *boots, const struct guest *guests);

/* Writes it, replacing an old file only by a complete new one; exits if it cannot. */
void results_write(const json_t *results, const char *path);

/* One line for every member in which the two differ ("stages.event.p50: 312, 313"), fresh; NULL if they are equal. */
char *results_differences(json_t *one, json_t *other);

#endif
