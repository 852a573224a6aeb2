/*
 * A histogram with buckets of equal relative width, as HdrHistogram's: values below HISTOGRAM_EXACT have one each, and
 * every doubling above is divided into HISTOGRAM_EXACT, so that a bucket is narrower than 1/128 of the values in it:
 * two significant digits. How many values there were, the least, the greatest, which was that, and the sum are exact.
 *
 * Its size is fixed, it is a sum of values and nothing else, and so histograms of many runs are merged by adding them
 * up. No floating point, no allocation. Owner: whoever declares it; all calls are made by one context at a time.
 */
#ifndef DUET_LIB_HISTOGRAM_H
#define DUET_LIB_HISTOGRAM_H

#include "lib/base.h"

enum {
    HISTOGRAM_BITS = 7,
    HISTOGRAM_EXACT = 1 << HISTOGRAM_BITS,
    HISTOGRAM_VALUE_BITS = 44, /* whatever is longer counts in the last bucket: five hours of nanoseconds */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_BITS + 1) * HISTOGRAM_EXACT,
};

struct histogram {
    uint64_t n;
    uint64_t min, max; /* 0 of none */
    uint64_t sum;      /* saturates */
    uint64_t worst;    /* the run number of the first of the greatest values */
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* Forgets everything. Context: any. */
void histogram_clear(struct histogram *histogram);

/* Adds a value, which the run of that number had. Context: any. */
void histogram_add(struct histogram *histogram, uint64_t value, uint64_t run);

/* Adds all that `from` has. The worst is the first argument's if both are as bad. Context: any. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* Rounded to nearest, a half upwards; 0 of none. Context: any. */
uint64_t histogram_mean(const struct histogram *histogram);

/*
 * The least value such that at most one value in `tail` is greater (2: the median; 10: p90; 100: p99; 1,000; 10,000:
 * p99.99), by the nearest rank, as stats_of() does it: the greatest value of its bucket, and never more than the
 * maximum, so it is too great by less than 1/128. False, and *value untouched, if fewer than ten values lie beyond,
 * which would describe the run rather than the system; of the median, which has as many on both sides, if there is no
 * value at all. Context: any.
 */
bool histogram_percentile(const struct histogram *histogram, uint64_t tail, uint64_t *value);

/* The bucket a value counts in, and the least value of a bucket; that of HISTOGRAM_BUCKETS is beyond all. Context: any.
 */
size_t histogram_bucket(uint64_t value);
uint64_t histogram_bucket_least(size_t bucket);

#endif
