/* The statistics against qsort, a 128-bit mean and the definition of the nearest rank, taken literally. */
#include "lib/stats.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* The smallest sample with at least per_mille / 1000 of all at or below it, found by counting. */
static uint64_t naive_percentile(const uint64_t *sorted, size_t count, size_t per_mille)
{
    for (size_t i = 0; i < count; i++) {
        size_t below = i + 1;

        while (below < count && sorted[below] == sorted[i])
            below++;
        if (below * 1000 >= count * per_mille)
            return sorted[i];
    }
    return 0;
}

static uint64_t naive_mean(const uint64_t *samples, size_t count)
{
    unsigned __int128 sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += samples[i];
    return (uint64_t)((2 * sum + count) / (2 * count));
}

static void assert_like_naive(const uint64_t *samples, size_t count)
{
    uint64_t *ours = malloc(count * sizeof(*ours)), *sorted = malloc(count * sizeof(*sorted));
    struct stats stats;

    memcpy(ours, samples, count * sizeof(*ours));
    memcpy(sorted, samples, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    stats_of(ours, count, &stats);
    cr_assert_arr_eq(ours, sorted, count * sizeof(*ours));
    cr_assert_eq(stats.n, count);
    cr_assert_eq(stats.min, sorted[0]);
    cr_assert_eq(stats.max, sorted[count - 1]);
    cr_assert_eq(stats.mean, naive_mean(samples, count));
    cr_assert_eq(stats.p50, naive_percentile(sorted, count, 500));
    cr_assert_eq(stats.has_p90, count >= 100);
    cr_assert_eq(stats.has_p99, count >= 1000);
    cr_assert_eq(stats.has_p999, count >= 10000);
    cr_assert_eq(stats.p90, stats.has_p90 ? naive_percentile(sorted, count, 900) : 0);
    cr_assert_eq(stats.p99, stats.has_p99 ? naive_percentile(sorted, count, 990) : 0);
    cr_assert_eq(stats.p999, stats.has_p999 ? naive_percentile(sorted, count, 999) : 0);
    free(ours);
    free(sorted);
}

#define MOST 20011

static uint64_t samples[MOST];

Test(stats, agrees_with_the_naive_version_at_every_small_count)
{
    uint64_t seed = 41;

    for (size_t count = 1; count <= 260; count++) {
        for (size_t i = 0; i < count; i++)
            samples[i] = support_random(&seed) >> support_random(&seed) % 64;
        assert_like_naive(samples, count);
    }
}

Test(stats, agrees_with_the_naive_version_around_each_threshold)
{
    static const size_t counts[] = {99, 100, 101, 999, 1000, 1001, 1999, 9999, 10000, 10001, MOST};
    uint64_t seed = 42;

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        for (size_t j = 0; j < counts[i]; j++)
            samples[j] = support_random(&seed) % 1000;
        assert_like_naive(samples, counts[i]);
    }
}

Test(stats, does_not_mind_the_order_or_equal_samples)
{
    for (unsigned shape = 0; shape < 6; shape++) {
        for (size_t i = 0; i < MOST; i++) {
            uint64_t shapes[] = {i, MOST - i, 7, i % 2, i < MOST / 2 ? i : MOST - i, UINT64_MAX - i % 3};

            samples[i] = shapes[shape];
        }
        assert_like_naive(samples, MOST);
    }
}

Test(stats, has_no_mean_that_overflows)
{
    for (size_t i = 0; i < 1000; i++)
        samples[i] = UINT64_MAX;
    assert_like_naive(samples, 1000);
    samples[0] = 0;
    assert_like_naive(samples, 1000);
    samples[0] = UINT64_MAX - 1;
    assert_like_naive(samples, 1000);
}

Test(stats, rounds_the_mean_to_nearest_and_a_half_upwards)
{
    struct stats stats;
    uint64_t half[] = {1, 2}, third[] = {1, 1, 2}, two_thirds[] = {1, 2, 2};

    stats_of(half, 2, &stats);
    cr_assert_eq(stats.mean, 2);
    stats_of(third, 3, &stats);
    cr_assert_eq(stats.mean, 1);
    stats_of(two_thirds, 3, &stats);
    cr_assert_eq(stats.mean, 2);
}

Test(stats, of_nothing_are_all_zero)
{
    struct stats stats;

    memset(&stats, 0xff, sizeof(stats));
    stats_of(NULL, 0, &stats);
    cr_assert_eq(stats.n, 0);
    cr_assert_eq(stats.min | stats.max | stats.mean | stats.p50 | stats.p90 | stats.p99 | stats.p999, 0);
    cr_assert_not(stats.has_p90 || stats.has_p99 || stats.has_p999);
    stats_sort(NULL, 0);
}

Test(stats, of_one_sample_are_that_sample)
{
    struct stats stats;
    uint64_t one = 42;

    stats_of(&one, 1, &stats);
    cr_assert_eq(stats.min, 42);
    cr_assert_eq(stats.max, 42);
    cr_assert_eq(stats.mean, 42);
    cr_assert_eq(stats.p50, 42);
    cr_assert_not(stats.has_p90);
}

Test(stats, know_the_ranks_of_one_to_ten_thousand)
{
    struct stats stats;

    for (uint64_t i = 0; i < 10000; i++)
        samples[i] = 10000 - i;
    stats_of(samples, 10000, &stats);
    cr_assert_eq(stats.p50, 5000);
    cr_assert_eq(stats.p90, 9000);
    cr_assert_eq(stats.p99, 9900);
    cr_assert_eq(stats.p999, 9990);
}
