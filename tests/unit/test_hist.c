/* test_hist.c -- the histogram against a sorted array of the same values, and its slots against HdrHistogram's rule.
 *
 * What a percentile is, is asked of the raw values: the one at the rank, in whole numbers. The histogram may only round
 * it up to the end of its slot. The distributions are those that a bench sees, and those that break one: all values the
 * same, two humps, a tail over the whole range, more than an hour.
 *
 * SPDX-License-Identifier: MIT */
#include "base/hist.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define MANY 100000

static struct hist h, other;
static int64_t values[MANY];

static int reset(void **state __attribute__((unused)))
{
    memset(&h, 0, sizeof h);
    memset(&other, 0, sizeof other);
    return 0;
}

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers everywhere. */
static uint64_t seed;

static uint64_t next_random(void)
{
    uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t below(int64_t limit)
{
    return (int64_t)(next_random() % (uint64_t)limit);
}

/* HdrHistogram's countsArrayIndex() for lowestDiscernibleValue 1 and 3 digits, as its sources put it:
 * subBucketCount 2048, subBucketHalfCountMagnitude 10, unitMagnitude 0. */
static uint32_t index_in_hdrhistogram(int64_t value)
{
    int leading_zeros = __builtin_clzll((uint64_t)value | 2047);
    int bucket = 64 - leading_zeros - (10 + 1);
    int64_t sub_bucket = value >> bucket;

    return (uint32_t)(((int64_t)(bucket + 1) << 10) + (sub_bucket - 1024));
}

TEST(slots_are_those_of_hdrhistogram)
{
    static const int64_t edges[] = {0,    1,    2,    1023,         1024,           2047,
                                    2048, 2049, 2050, 4095,         4096,           4097,
                                    8191, 8192, 1000, NS_PER_S - 1, 3600 * NS_PER_S};

    for (size_t i = 0; i < LENGTH(edges); i++)
        assert_int_equal(hist_slot(edges[i]), index_in_hdrhistogram(edges[i]));
    for (seed = 1; seed < 100000; seed++) {
        int64_t value = below(HIST_MAX_NS + 1) >> (seed % 42);

        assert_int_equal(hist_slot(value), index_in_hdrhistogram(value));
    }
    assert_int_equal(hist_slot(2047), 2047);
    assert_int_equal(hist_slot(2048), 2048);
    assert_int_equal(hist_slot(2049), 2048);
    assert_true(hist_slot(HIST_MAX_NS) < HIST_SLOTS);
    /* HdrHistogram has a further doubling only where the one before does not hold the highest value */
    assert_true(hist_slot_highest(HIST_SLOTS - HIST_HALF - 1) < HIST_MAX_NS);
}

TEST(slots_lie_end_to_end_and_are_fine_enough)
{
    assert_int_equal(hist_slot_lowest(0), 0);
    for (uint32_t i = 0; i < HIST_SLOTS; i++) {
        int64_t lowest = hist_slot_lowest(i), highest = hist_slot_highest(i);

        assert_int_equal(hist_slot(lowest), i);
        assert_int_equal(hist_slot(highest), i);
        assert_true((highest - lowest) * 1000 < lowest || highest == lowest);
        if (i > 0)
            assert_int_equal(hist_slot_highest(i - 1) + 1, lowest);
    }
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Holds the histogram of the first 'n' values against them. In thousandths of a percent, to be exact. */
static void check_percentiles(size_t n)
{
    static const uint64_t percents[] = {0,     1,     1000,  25000, 33333, 50000, 66667, 75000,
                                        90000, 95000, 99000, 99900, 99990, 99999, 100000};

    qsort(values, n, sizeof *values, by_size);
    for (size_t i = 0; i < LENGTH(percents); i++) {
        uint64_t rank = (percents[i] * n + 99999) / 100000;
        int64_t exact = values[rank > 0 ? rank - 1 : 0];
        int64_t got = hist_percentile(&h, (double)percents[i] / 1000);

        if (got < exact || (got - exact) * 1000 > exact)
            print_error("p%g of %zu: %jd, not %jd\n", (double)percents[i] / 1000, n, (intmax_t)got,
                        (intmax_t)exact);
        assert_true(got >= exact);
        assert_true((got - exact) * 1000 <= exact);
        assert_int_equal(hist_slot(got), hist_slot(exact));
    }
    assert_int_equal(h.count, n);
    assert_int_equal(h.min_ns, values[0]);
    assert_int_equal(h.max_ns, values[n - 1]);
    assert_int_equal(hist_percentile(&h, 0), values[0]);
    assert_int_equal(hist_percentile(&h, 100), values[n - 1]);
}

static int64_t always_the_same(void)
{
    return 123457;
}

static int64_t small(void)
{
    return below(3000);
}

static int64_t even(void)
{
    return below(100 * NS_PER_MS);
}

static int64_t two_humps(void)
{
    return below(100) == 0 ? 20 * NS_PER_MS + below(NS_PER_MS) : NS_PER_MS + below(NS_PER_MS / 10);
}

static int64_t any_magnitude(void)
{
    return below(HIST_MAX_NS + 1) >> below(42);
}

static int64_t stalls(void)
{
    return below(10) == 0 ? below(100 * NS_PER_MS) : 30000 + below(5000) * below(5);
}

/* rows: B10 */
TEST(percentiles_are_those_of_the_sorted_values)
{
    static int64_t (*const distributions[])(void) = {always_the_same, small,         even,
                                                     two_humps,       any_magnitude, stalls};
    static const size_t sizes[] = {1, 2, 3, 10, 100, 999, 1000, 1001, 12345, MANY};

    seed = 4;
    for (size_t d = 0; d < LENGTH(distributions); d++)
        for (size_t s = 0; s < LENGTH(sizes); s++) {
            hist_clear(&h);
            for (size_t i = 0; i < sizes[s]; i++) {
                values[i] = distributions[d]();
                hist_record(&h, values[i]);
            }
            check_percentiles(sizes[s]);
        }
}

/* 99.9 % of 1000 is 999.0000000000001 in floating point: still the 999th. */
TEST(percentile_does_not_count_one_more_for_rounding)
{
    for (int64_t i = 1; i <= 1000; i++)
        hist_record(&h, i);
    for (int i = 1; i < 1000; i++)
        assert_int_equal(hist_percentile(&h, i / 10.0), i);
}

TEST(above_counts_the_slots_above)
{
    seed = 5;
    for (size_t i = 0; i < MANY; i++) {
        values[i] = even();
        hist_record(&h, values[i]);
    }
    for (int64_t limit = 0; limit <= 110 * NS_PER_MS; limit += NS_PER_MS / 3) {
        uint64_t n = 0;

        for (size_t i = 0; i < MANY; i++)
            n += hist_slot(values[i]) > hist_slot(limit);
        assert_int_equal(hist_above(&h, limit), n);
    }
    assert_int_equal(hist_above(&h, -1), MANY);
    assert_int_equal(hist_above(&h, INT64_MAX), 0);
}

TEST(without_values_everything_is_nought)
{
    assert_int_equal(hist_percentile(&h, 50), 0);
    assert_int_equal(hist_percentile(&h, 100), 0);
    assert_int_equal(hist_above(&h, 0), 0);
    assert_true(hist_mean_ns(&h) == 0);
    assert_true(hist_stddev_ns(&h) == 0);
    hist_add(&h, &other);
    assert_int_equal(h.count, 0);
    hist_clear(&h);
    hist_record(&h, 1500000);
    assert_int_equal(hist_percentile(&h, 0), 1500000);
    assert_int_equal(hist_percentile(&h, 50), 1500000);
    assert_int_equal(hist_percentile(&h, 100), 1500000);
    assert_true(hist_mean_ns(&h) == 1500000); /* and not its slot's middle, which is greater */
    assert_true(hist_stddev_ns(&h) == 0);
}

TEST(values_beyond_the_ends_count_at_the_ends)
{
    hist_record(&h, -5);
    hist_record(&h, 0);
    assert_int_equal(h.slots[0], 2);
    assert_int_equal(h.min_ns, 0);
    hist_record(&h, HIST_MAX_NS);
    hist_record(&h, HIST_MAX_NS + 1);
    hist_record(&h, INT64_MAX);
    assert_int_equal(h.slots[hist_slot(HIST_MAX_NS)], 3);
    assert_int_equal(h.max_ns, HIST_MAX_NS);
    assert_int_equal(h.count, 5);
}

/* A day at a million a second is more than 2^36 values; the counters are set as such a run would leave them.
 * rows: B09 */
TEST(counters_go_beyond_32_bits)
{
    hist_record_many(&h, 1000, UINT64_C(999) << 33);
    hist_record_many(&h, 5 * NS_PER_MS, UINT64_C(1) << 33);
    assert_int_equal(h.count, UINT64_C(1000) << 33);
    assert_int_equal(hist_percentile(&h, 99.9), 1000);
    assert_int_equal(hist_percentile(&h, 99.90001), h.max_ns);
    assert_int_equal(hist_above(&h, 1000), UINT64_C(1) << 33);
    hist_add(&other, &h);
    hist_add(&other, &h);
    assert_int_equal(other.count, UINT64_C(2000) << 33);
    assert_int_equal(other.slots[1000], UINT64_C(1998) << 33);
    assert_int_equal(hist_percentile(&other, 50), 1000);
}

TEST(sum_of_parts_is_the_whole)
{
    static struct hist parts[3];

    memset(parts, 0, sizeof parts);
    seed = 6;
    for (size_t i = 0; i < MANY; i++) {
        int64_t value = any_magnitude();

        hist_record(&h, value);
        hist_record(&parts[i % 3], value);
    }
    for (size_t i = 0; i < 3; i++)
        hist_add(&other, &parts[i]);
    assert_memory_equal(&h, &other, sizeof h);
}

TEST(cleared_is_as_new)
{
    static const struct hist empty;

    for (size_t i = 0; i < 1000; i++)
        hist_record(&h, any_magnitude());
    hist_clear(&h);
    assert_memory_equal(&h, &empty, sizeof h);
}

TEST(nothing_recorded_many_times_is_nothing)
{
    static const struct hist empty;

    hist_record_many(&h, 7, 0);
    assert_memory_equal(&h, &empty, sizeof h);
}

TEST(moments_are_those_of_the_values)
{
    double mean, stddev;

    for (int64_t i = 0; i < 1000; i++) {
        hist_record(&h, 10 * NS_PER_MS);
        hist_record(&h, 30 * NS_PER_MS);
    }
    mean = hist_mean_ns(&h);
    stddev = hist_stddev_ns(&h);
    assert_true(mean > 19.98e6 && mean < 20.02e6);
    assert_true(stddev > 9.98e6 && stddev < 10.02e6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_hdrhistogram),
        cmocka_unit_test(slots_lie_end_to_end_and_are_fine_enough),
        cmocka_unit_test_setup(percentiles_are_those_of_the_sorted_values, reset),
        cmocka_unit_test_setup(percentile_does_not_count_one_more_for_rounding, reset),
        cmocka_unit_test_setup(above_counts_the_slots_above, reset),
        cmocka_unit_test_setup(without_values_everything_is_nought, reset),
        cmocka_unit_test_setup(values_beyond_the_ends_count_at_the_ends, reset),
        cmocka_unit_test_setup(counters_go_beyond_32_bits, reset),
        cmocka_unit_test_setup(sum_of_parts_is_the_whole, reset),
        cmocka_unit_test_setup(cleared_is_as_new, reset),
        cmocka_unit_test_setup(nothing_recorded_many_times_is_nothing, reset),
        cmocka_unit_test_setup(moments_are_those_of_the_values, reset),
    };

    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
