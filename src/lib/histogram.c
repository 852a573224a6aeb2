/* Buckets are numbered without a gap: from the second doubling on, the next 128 begin where its highest bits are 1. */
#include "lib/histogram.h"

#include "lib/mem.h"

enum { ENOUGH_BEYOND = 10 };

size_t histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value < HISTOGRAM_EXACT)
        return (size_t)value;
    if (value >> HISTOGRAM_VALUE_BITS)
        return HISTOGRAM_BUCKETS - 1;
    shift = 63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(value);
    return shift * HISTOGRAM_EXACT + (size_t)(value >> shift);
}

uint64_t histogram_bucket_least(size_t bucket)
{
    size_t shift;

    if (bucket < 2 * HISTOGRAM_EXACT)
        return bucket;
    shift = bucket / HISTOGRAM_EXACT - 1;
    return (uint64_t)(HISTOGRAM_EXACT + bucket % HISTOGRAM_EXACT) << shift;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t run)
{
    if (!histogram->n || value > histogram->max) {
        histogram->max = value;
        histogram->worst = run;
    }
    if (!histogram->n || value < histogram->min)
        histogram->min = value;
    histogram->n++;
    histogram->sum = add_saturating(histogram->sum, value);
    histogram->counts[histogram_bucket(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (!from->n)
        return;
    if (!into->n || from->max > into->max) {
        into->max = from->max;
        into->worst = from->worst;
    }
    if (!into->n || from->min < into->min)
        into->min = from->min;
    into->n += from->n;
    into->sum = add_saturating(into->sum, from->sum);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
}

uint64_t histogram_mean(const struct histogram *histogram)
{
    uint64_t mean, rest;

    if (!histogram->n)
        return 0;
    mean = histogram->sum / histogram->n;
    rest = histogram->sum % histogram->n;
    return rest >= histogram->n - rest ? mean + 1 : mean;
}

bool histogram_percentile(const struct histogram *histogram, uint64_t tail, uint64_t *value)
{
    uint64_t beyond = histogram->n / tail, passed = 0;
    size_t bucket = 0;
    uint64_t greatest;

    ASSERT(tail >= 2);
    if (!histogram->n || (tail > 2 && beyond < ENOUGH_BEYOND))
        return false;
    while ((passed += histogram->counts[bucket]) < histogram->n - beyond)
        bucket++;
    greatest = histogram_bucket_least(bucket + 1) - 1;
    *value = bucket == HISTOGRAM_BUCKETS - 1 || greatest > histogram->max ? histogram->max : greatest;
    return true;
}
