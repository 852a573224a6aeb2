/* Statistics of samples as JSON, by the kernel's own arithmetic. */
#ifndef DUET_STOPWATCH_FIGURE_H
#define DUET_STOPWATCH_FIGURE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* n, min, p50, p99 if there are samples enough, max: a fresh object. Sorts the samples. */
json_t *figure_json(uint64_t *samples, size_t count);

#endif
