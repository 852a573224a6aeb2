/* Heapsort, because its worst case is also its usual one: a benchmark's samples are often sorted or all equal. */
#include "lib/stats.h"

/* Restores the heap below `root`, the only place where it is broken, in samples[0..count). */
static void sift_down(uint64_t *samples, size_t root, size_t count)
{
    uint64_t value = samples[root];

    while (root < count / 2) { /* it has a left child */
        size_t child = 2 * root + 1;

        if (child + 1 < count && samples[child + 1] > samples[child])
            child++;
        if (samples[child] <= value)
            break;
        samples[root] = samples[child];
        root = child;
    }
    samples[root] = value;
}

void stats_sort(uint64_t *samples, size_t count)
{
    for (size_t root = count / 2; root-- > 0;)
        sift_down(samples, root, count);
    for (size_t end = count; end-- > 1;) {
        uint64_t largest = samples[0];

        samples[0] = samples[end];
        samples[end] = largest;
        sift_down(samples, 0, end);
    }
}

/* Quotients and remainders are summed apart: the plain sum would need 128 bits. */
static uint64_t mean_of(const uint64_t *samples, size_t count)
{
    uint64_t mean = 0;
    uint64_t remainder = 0; /* below count, as is what is added: no overflow short of 2^63 samples */

    for (size_t i = 0; i < count; i++) {
        mean += samples[i] / count;
        remainder += samples[i] % count;
        if (remainder >= count) {
            remainder -= count;
            mean++;
        }
    }
    return remainder >= count - remainder ? mean + 1 : mean;
}

/* The nearest rank of the share 1 - 1/tail: ceil(n * (1 - 1/tail)), counted from 1, is n - floor(n/tail). */
static uint64_t percentile(const uint64_t *sorted, size_t count, size_t tail)
{
    return sorted[count - count / tail - 1];
}

void stats_of(uint64_t *samples, size_t count, struct stats *out)
{
    *out = (struct stats){.n = count};
    if (!count)
        return;
    stats_sort(samples, count);
    out->min = samples[0];
    out->max = samples[count - 1];
    out->mean = mean_of(samples, count);
    out->p50 = percentile(samples, count, 2);
    out->has_p90 = count >= 100;
    out->has_p99 = count >= 1000;
    out->has_p999 = count >= 10000;
    out->p90 = out->has_p90 ? percentile(samples, count, 10) : 0;
    out->p99 = out->has_p99 ? percentile(samples, count, 100) : 0;
    out->p999 = out->has_p999 ? percentile(samples, count, 1000) : 0;
}
