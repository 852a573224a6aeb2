/* The histogram against sorted arrays: exact where it says so, and else within its promise. */
#include "lib/histogram.h"

#include <stdlib.h>

#include "lib/stats.h"
#include "support.h"

enum { MANY = 100000 };

static struct histogram histogram, other;
static uint64_t samples[MANY];

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

Test(histogram, has_one_bucket_for_every_value_and_none_between)
{
    for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t least = histogram_bucket_least(bucket), beyond = histogram_bucket_least(bucket + 1);

        cr_assert_lt(least, beyond);
        cr_assert_eq(histogram_bucket(least), bucket);
        cr_assert_eq(histogram_bucket(beyond - 1), bucket);
        cr_assert((beyond - least) * HISTOGRAM_EXACT <= (least > HISTOGRAM_EXACT ? least : HISTOGRAM_EXACT),
                  "bucket %zu is %llu wide at %llu", bucket, (unsigned long long)(beyond - least),
                  (unsigned long long)least);
    }
    cr_assert_eq(histogram_bucket_least(HISTOGRAM_BUCKETS), UINT64_C(1) << HISTOGRAM_VALUE_BITS);
}

Test(histogram, counts_what_is_too_great_in_its_last_bucket_and_knows_the_greatest)
{
    uint64_t value = 0;

    histogram_clear(&histogram);
    for (unsigned i = 0; i < 20; i++)
        histogram_add(&histogram, UINT64_MAX - 20 + i, i);
    cr_assert_eq(histogram.counts[HISTOGRAM_BUCKETS - 1], 20);
    cr_assert_eq(histogram_bucket(UINT64_C(1) << HISTOGRAM_VALUE_BITS), HISTOGRAM_BUCKETS - 1);
    cr_assert_eq(histogram.max, UINT64_MAX - 1);
    cr_assert_eq(histogram.worst, 19);
    cr_assert_eq(histogram.sum, UINT64_MAX, "it saturates");
    cr_assert(histogram_percentile(&histogram, 2, &value));
    cr_assert_eq(value, UINT64_MAX - 1);
}

/* `share` of the digits that a value may have, so that there are short and long ones. */
static void fill(size_t count, uint64_t seed)
{
    random_state = seed;
    for (size_t i = 0; i < count; i++)
        samples[i] = next_random() >> (20 + next_random() % 44);
}

static void must_be_like_sorted(size_t count, uint64_t tail, uint64_t exact, bool there)
{
    uint64_t value = 12345;

    cr_assert_eq(histogram_percentile(&histogram, tail, &value), there, "tail %llu of %zu", (unsigned long long)tail,
                 count);
    if (!there) {
        cr_assert_eq(value, 12345);
        return;
    }
    cr_assert_geq(value, exact);
    cr_assert_leq(value, exact + exact / HISTOGRAM_EXACT);
}

static void must_agree(size_t count)
{
    struct stats stats;
    size_t worst = 0;

    histogram_clear(&histogram);
    for (size_t i = 0; i < count; i++) {
        histogram_add(&histogram, samples[i], i);
        if (samples[i] > samples[worst])
            worst = i;
    }
    cr_assert_eq(histogram.worst, worst);
    stats_of(samples, count, &stats); /* sorts */
    cr_assert_eq(histogram.n, count);
    cr_assert_eq(histogram.min, stats.min);
    cr_assert_eq(histogram.max, stats.max);
    cr_assert_eq(histogram_mean(&histogram), stats.mean);
    must_be_like_sorted(count, 2, stats.p50, true);
    must_be_like_sorted(count, 10, stats.p90, stats.has_p90);
    must_be_like_sorted(count, 100, stats.p99, stats.has_p99);
    must_be_like_sorted(count, 1000, stats.p999, stats.has_p999);
    must_be_like_sorted(count, 10000, samples[count - count / 10000 - 1], count >= 100000);
}

Test(histogram, agrees_with_a_sorted_array_of_any_size)
{
    static const size_t sizes[] = {1, 2, 3, 9, 10, 99, 100, 101, 999, 1000, 9999, 10000, 99999, MANY};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            fill(sizes[i], seed);
            must_agree(sizes[i]);
        }
}

Test(histogram, of_short_values_is_exact)
{
    uint64_t value;

    histogram_clear(&histogram);
    for (uint64_t i = 0; i < 1000; i++)
        histogram_add(&histogram, i % 100, i);
    cr_assert(histogram_percentile(&histogram, 2, &value) && value == 49);
    cr_assert(histogram_percentile(&histogram, 100, &value) && value == 98);
    cr_assert_eq(histogram_mean(&histogram), 50, "49.5, a half upwards");
    cr_assert_eq(histogram.worst, 99, "the first of ten");
}

Test(histogram, has_no_percentile_above_the_maximum)
{
    uint64_t value;

    histogram_clear(&histogram);
    histogram_add(&histogram, 1000, 1);
    cr_assert(histogram_percentile(&histogram, 2, &value) && value == 1000);
}

Test(histogram, of_nothing_says_nothing)
{
    uint64_t value = 7;

    histogram_clear(&histogram);
    cr_assert_not(histogram_percentile(&histogram, 2, &value));
    cr_assert_eq(value, 7);
    cr_assert_eq(histogram_mean(&histogram), 0);
    histogram_add(&histogram, 0, 3);
    cr_assert(histogram_percentile(&histogram, 2, &value) && value == 0);
    cr_assert_eq(histogram.worst, 3);
}

/* In any order, and whichever part a value was in: but for the worst, of which the first argument's counts. */
Test(histogram, merged_of_parts_is_that_of_the_whole)
{
    static struct histogram parts[3], whole;

    fill(3000, 11);
    histogram_clear(&whole);
    for (size_t i = 0; i < 3; i++)
        histogram_clear(&parts[i]);
    for (size_t i = 0; i < 3000; i++) {
        histogram_add(&whole, samples[i], i);
        histogram_add(&parts[i * 7 % 3], samples[i], i);
    }
    histogram_clear(&histogram);
    histogram_clear(&other);
    histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.n, 0);
    for (size_t i = 3; i-- > 0;)
        histogram_merge(&histogram, &parts[i]);
    histogram_merge(&histogram, &other);
    cr_assert_arr_eq(&histogram, &whole, sizeof(whole));
}

Test(histogram, keeps_the_worst_of_the_first_of_two_that_are_as_bad)
{
    histogram_clear(&histogram);
    histogram_clear(&other);
    histogram_add(&histogram, 500, 1);
    histogram_add(&other, 500, 2);
    histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.worst, 1);
    histogram_add(&other, 501, 3);
    histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.worst, 3);
    cr_assert_eq(histogram.n, 4);
}

Test(histogram, has_no_percentile_below_the_median, .exit_code = PANIC_EXIT)
{
    uint64_t value;

    histogram_clear(&histogram);
    histogram_add(&histogram, 1, 1);
    (void)histogram_percentile(&histogram, 1, &value);
}
