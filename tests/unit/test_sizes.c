/* test_sizes.c -- the three forms of --size, what is refused, and how often each length comes.
 *
 * The generator is seeded, so the counts are the same in every run; their bounds are six standard deviations.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/sizes.h"

#include "base/err.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define DRAWS 120000

static struct sizes parse(const char *text)
{
    struct sizes sizes;
    struct err err;

    assert_int_equal(sizes_parse(&sizes, text, &err), 0);
    return sizes;
}

TEST(reads_a_number)
{
    struct sizes sizes = parse("64");
    uint64_t random = 1;

    assert_int_equal(sizes.n, 1);
    assert_false(sizes.range);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sizes_next(&sizes, &random), 64);
    assert_int_equal(parse("1").list[0], 1);
    assert_int_equal(parse("64k").list[0], 65536);
    assert_int_equal(parse("1g").list[0], SIZE_LIMIT);
}

TEST(reads_a_range)
{
    struct sizes sizes = parse("64:1k");

    assert_true(sizes.range);
    assert_int_equal(sizes.list[0], 64);
    assert_int_equal(sizes.list[1], 1024);
    assert_int_equal(parse("5:5").list[1], 5);
}

TEST(reads_a_list)
{
    struct sizes sizes = parse("64,512,1400");
    char most[4 * SIZES_MAX] = "1";

    assert_int_equal(sizes.n, 3);
    assert_false(sizes.range);
    assert_int_equal(sizes.list[0], 64);
    assert_int_equal(sizes.list[1], 512);
    assert_int_equal(sizes.list[2], 1400);
    for (int i = 1; i < SIZES_MAX; i++)
        strcat(most, ",1");
    assert_int_equal(parse(most).n, SIZES_MAX);
}

TEST(refuses_what_is_none)
{
    static const char *const bad[] = {
        "",
        " ",
        "x",
        "0",
        "-1",
        "64 ",
        "1.5",
        "64:",
        ":64",
        "64:32",
        "1:2:3",
        "64,",
        ",64",
        "64,,65",
        "64,0",
        "0:64",
        "64:1500,3",
        "1,2:3",
        "2g",
        "1073741825",
        "99999999999999999999999",
        "1:0000000000000000000000000000000000000000000000000000000000000002"};
    char many[4 * SIZES_MAX] = "1";
    struct sizes sizes = {.n = 77};
    char want[300];
    struct err err;

    for (size_t i = 0; i < LENGTH(bad); i++) {
        assert_int_equal(sizes_parse(&sizes, bad[i], &err), -EINVAL);
        snprintf(
            want, sizeof want,
            "--size: '%s' is not N, MIN:MAX or a list N,N,... of at most 64 numbers of 1 to 1g "
            "bytes",
            bad[i]);
        if (strlen(bad[i]) < 30) /* longer words are shortened */
            assert_string_equal(err.text, want);
        assert_int_equal(sizes.n, 77); /* left alone */
    }
    for (int i = 0; i < SIZES_MAX; i++)
        strcat(many, ",1");
    assert_int_equal(sizes_parse(&sizes, many, &err), -EINVAL);
}

/* Is 'count' of DRAWS what an event of probability 'p' gives? */
static void assert_likely(uint64_t count, double p)
{
    double mean = DRAWS * p;

    assert_true(fabs((double)count - mean) < 6 * sqrt(mean * (1 - p)));
}

TEST(each_of_a_list_comes_as_often)
{
    struct sizes sizes = parse("1,2,3,4");
    uint64_t random = 5, seen[5] = {0};

    for (int i = 0; i < DRAWS; i++)
        seen[sizes_next(&sizes, &random)]++;
    assert_int_equal(seen[0], 0);
    for (int size = 1; size <= 4; size++)
        assert_likely(seen[size], 0.25);
}

/* One that is listed twice comes twice as often. */
TEST(a_list_has_weights)
{
    struct sizes sizes = parse("1,2,1");
    uint64_t random = 6, seen[3] = {0};

    for (int i = 0; i < DRAWS; i++)
        seen[sizes_next(&sizes, &random)]++;
    assert_likely(seen[1], 2.0 / 3);
    assert_likely(seen[2], 1.0 / 3);
}

TEST(each_of_a_range_comes_as_often_and_none_beside)
{
    struct sizes sizes = parse("10:19");
    uint64_t random = 7, seen[21] = {0};

    for (int i = 0; i < DRAWS; i++) {
        uint32_t size = sizes_next(&sizes, &random);

        assert_in_range(size, 10, 19);
        seen[size]++;
    }
    for (int size = 10; size <= 19; size++)
        assert_likely(seen[size], 0.1);
}

TEST(the_widest_range_reaches_both_halves)
{
    struct sizes sizes = parse("1:1g");
    uint64_t random = 8, high = 0;

    for (int i = 0; i < DRAWS; i++) {
        uint32_t size = sizes_next(&sizes, &random);

        assert_in_range(size, 1, SIZE_LIMIT);
        high += size > SIZE_LIMIT / 2;
    }
    assert_likely(high, 0.5);
}

TEST(one_seed_is_one_sequence)
{
    struct sizes sizes = parse("1:1400");
    uint64_t a = 9, b = 9, c = 10, same = 0;

    for (int i = 0; i < 1000; i++) {
        uint32_t size = sizes_next(&sizes, &a);

        assert_int_equal(size, sizes_next(&sizes, &b));
        same += size == sizes_next(&sizes, &c);
    }
    assert_true(same < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_number),
        cmocka_unit_test(reads_a_range),
        cmocka_unit_test(reads_a_list),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(each_of_a_list_comes_as_often),
        cmocka_unit_test(a_list_has_weights),
        cmocka_unit_test(each_of_a_range_comes_as_often_and_none_beside),
        cmocka_unit_test(the_widest_range_reaches_both_halves),
        cmocka_unit_test(one_seed_is_one_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
