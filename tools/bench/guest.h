/*
 * What a guest said on COM2: one JSON object a line, told apart by its member "event".
 *
 * boot: which build it is, and absolute times, which no result may depend on. cell: the figures of one matrix cell.
 * micro: one micro figure. thread_metric: one test of Thread-Metric. done: the last line. Others are ignored.
 */
#ifndef DUET_BENCH_GUEST_H
#define DUET_BENCH_GUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "plan.h"

struct guest {
    json_t *boot;          /* object or NULL */
    json_t *cell;          /* object without "event", or NULL */
    json_t *micro;         /* array of objects without "event" */
    json_t *thread_metric; /* the same */
};

/* The stages of an event's way, in their order. */
enum { GUEST_STAGES = 4 };
extern const char *const guest_stages[GUEST_STAGES];

enum { GUEST_THREAD_METRIC = 8 }; /* its tests */

/*
 * Parses and checks the output of one boot of `events` events: all lines are there, they answer what was asked, and
 * every injected event was either delivered or dropped. NULL, or a fresh text that says what is wrong.
 */
char *guest_read(struct guest *guest, const char *text, const struct boot *boot, unsigned events);

#endif
