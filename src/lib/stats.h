/*
 * Exact order statistics of an array of samples: no buckets, no floating point, no allocation.
 *
 * A percentile is the nearest rank: the smallest sample with at least that share of the samples at or below it. One
 * that fewer than ten samples lie beyond is not given: it would describe the run rather than the system.
 */
#ifndef DUET_LIB_STATS_H
#define DUET_LIB_STATS_H

#include "lib/base.h"

struct stats {
    size_t n;
    uint64_t min, max;
    uint64_t mean; /* rounded to nearest, a half upwards */
    uint64_t p50;
    uint64_t p90, p99, p999;         /* 0 unless the flag below is set */
    bool has_p90, has_p99, has_p999; /* from 100, 1,000 and 10,000 samples on */
};

/* Sorts ascending in place, in O(n log n) whatever the order was, without recursion. Context: any. */
void stats_sort(uint64_t *samples, size_t count);

/* Sorts the samples and describes them; of none, everything is 0 and `samples` may be NULL. Context: any. */
void stats_of(uint64_t *samples, size_t count, struct stats *out);

#endif
