/* test_condition.c -- what --fail-if and --find-max take: what is a condition, whether it holds, what is said of it.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/condition.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static struct hist response;
static struct result result;

/* Response times of 1 to 1000 us, 500 messages a second, 3 lost, 2 late. */
static int reset(void **state __attribute__((unused)))
{
    memset(&response, 0, sizeof response);
    for (int64_t us = 1; us <= 1000; us++)
        hist_record(&response, us * NS_PER_US);
    result = (struct result){.response = &response,
                             .elapsed_ns = 2 * NS_PER_S,
                             .total = {.messages = 1000, .late = 2},
                             .lost_messages = 3};
    return 0;
}

static struct condition parse(const char *text)
{
    struct condition c;
    struct err err;

    if (condition_parse(&c, "--fail-if", text, &err) < 0)
        fail_msg("%s", err.text);
    return c;
}

TEST(reads_each_metric)
{
    static const struct {
        const char *text;
        enum metric metric;
        double percent;
        char sign;
        bool or_equal;
        double value;
    } rows[] = {
        {"p99>5ms", METRIC_PERCENTILE, 99, '>', false, 5e6},
        {"p99.99<=1s", METRIC_PERCENTILE, 99.99, '<', true, 1e9},
        {"p0>=0", METRIC_PERCENTILE, 0, '>', true, 0},
        {"p100<1h", METRIC_PERCENTILE, 100, '<', false, 3.6e12},
        {"min<10us", METRIC_MIN, 0, '<', false, 1e4},
        {"max>=2", METRIC_MAX, 0, '>', true, 2e9},
        {"mean>100ns", METRIC_MEAN, 0, '>', false, 100},
        {"rate<10k", METRIC_RATE, 0, '<', false, 10000},
        {"lost>0", METRIC_LOST, 0, '>', false, 0},
        {"late>=1m", METRIC_LATE, 0, '>', true, 1e6},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct condition c = parse(rows[i].text);

        assert_string_equal(c.text, rows[i].text);
        assert_int_equal(c.metric, rows[i].metric);
        assert_true(c.percent == rows[i].percent);
        assert_int_equal(c.sign, rows[i].sign);
        assert_int_equal(c.or_equal, rows[i].or_equal);
        assert_true(c.value == rows[i].value);
    }
}

TEST(refuses_what_is_none)
{
    static const char *const bad[] = {
        "",         "p99",       ">5ms",        "p99>",     "p99=5ms",
        "p99>>5ms", "p99=>5ms",  "p99 > 5ms",   "p>5ms",    "p.>5ms",
        "p101>5ms", "p100.1>1s", "p-1>5ms",     "p1e1>5ms", "p9.9.9>5ms",
        "P99>5ms",  "p99>x",     "p99>-1",      "rate<5ms", "lost>1s",
        "rate<0.5", "minn>1",    "latency>5ms", "p99>5ms ", "p000000000000000000000099>5ms"};
    struct condition c = {.value = 77};
    char want[300];
    struct err err;

    for (size_t i = 0; i < LENGTH(bad); i++) {
        assert_int_equal(condition_parse(&c, "--find-max", bad[i], &err), -EINVAL);
        snprintf(want, sizeof want,
                 "--find-max: '%s' is not a condition such as 'p99>5ms', 'max>=1s', 'rate<10k' or "
                 "'lost>0'",
                 bad[i]);
        assert_string_equal(err.text, want);
        assert_true(c.value == 77); /* left alone */
    }
}

/* Each metric against a value just below, at, and just above what the result has. */
TEST(holds_on_the_right_side)
{
    static const struct {
        const char *metric, *below, *at, *above;
    } rows[] = {
        {"min", "999ns", "1us", "1001ns"},
        {"max", "999us", "1ms", "1001us"},
        {"p100", "999us", "1ms", "1001us"},
        {"p0", "999ns", "1us", "1001ns"},
        {"rate", "499", "500", "501"},
        {"lost", "2", "3", "4"},
        {"late", "1", "2", "3"},
    };
    static const struct {
        const char *sign;
        bool below, at, above;
    } signs[] = {
        {">", true, false, false},
        {">=", true, true, false},
        {"<", false, false, true},
        {"<=", false, true, true},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        for (size_t s = 0; s < LENGTH(signs); s++) {
            const char *values[] = {rows[i].below, rows[i].at, rows[i].above};
            bool wants[] = {signs[s].below, signs[s].at, signs[s].above};

            for (size_t v = 0; v < 3; v++) {
                char text[64];
                struct condition c;

                snprintf(text, sizeof text, "%s%s%s", rows[i].metric, signs[s].sign, values[v]);
                c = parse(text);
                if (condition_holds(&c, &result) != wants[v])
                    fail_msg("'%s' must be %s", text, wants[v] ? "true" : "false");
            }
        }
    }
}

/* A percentile and the mean to three digits. */
TEST(holds_for_percentile_and_mean)
{
    const struct condition yes[] = {parse("p50>499us"), parse("p50<502us"),  parse("p99>989us"),
                                    parse("p99<992us"), parse("mean>499us"), parse("mean<502us")};
    const struct condition no[] = {parse("p50<499us"), parse("p50>502us"),  parse("p99<989us"),
                                   parse("p99>992us"), parse("mean<499us"), parse("mean>502us")};

    for (size_t i = 0; i < LENGTH(yes); i++) {
        assert_true(condition_holds(&yes[i], &result));
        assert_false(condition_holds(&no[i], &result));
    }
}

/* Where nothing came back there is no time to compare: neither 'p99<1ms' nor 'p99>1ms'. Counts go on. */
TEST(without_a_sample_no_time_holds)
{
    static const char *const times[] = {"p99<1ms", "p99>=0",  "min<1s", "max>=0",
                                        "max<1s",  "mean>=0", "mean<1s"};
    struct condition lost = parse("lost>0"), rate = parse("rate<1");

    memset(&response, 0, sizeof response);
    result.total.messages = 0;
    for (size_t i = 0; i < LENGTH(times); i++) {
        struct condition c = parse(times[i]);

        assert_false(condition_holds(&c, &result));
    }
    assert_true(condition_holds(&lost, &result));
    assert_true(condition_holds(&rate, &result));
}

TEST(says_what_was_found)
{
    static const char *const rows[][2] = {
        {"max>1us", "max is 1.00 ms"}, {"p100>=1us", "p100 is 1.00 ms"},
        {"rate<10k", "rate is 500"},   {"lost>0", "lost is 3"},
        {"late>1", "late is 2"},
    };
    char found[CONDITION_TEXT_MAX];
    struct condition c;

    for (size_t i = 0; i < LENGTH(rows); i++) {
        c = parse(rows[i][0]);
        assert_string_equal(condition_found(found, &c, &result), rows[i][1]);
    }
    memset(&response, 0, sizeof response);
    c = parse("p99.9>5ms");
    assert_string_equal(condition_found(found, &c, &result),
                        "there is no p99.9: no message came back");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_each_metric, reset),
        cmocka_unit_test_setup(refuses_what_is_none, reset),
        cmocka_unit_test_setup(holds_on_the_right_side, reset),
        cmocka_unit_test_setup(holds_for_percentile_and_mean, reset),
        cmocka_unit_test_setup(without_a_sample_no_time_holds, reset),
        cmocka_unit_test_setup(says_what_was_found, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
