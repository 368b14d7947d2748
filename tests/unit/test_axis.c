/* test_axis.c -- where values lie on an axis, and that its labels are round, in order and within it.
 *
 * SPDX-License-Identifier: MIT */
#include "report/axis.h"

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

static int near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

TEST(values_lie_between_the_ends)
{
    const struct axis linear = {.min = -2, .max = 8};
    const struct axis logarithmic = {.scale = AXIS_LOG, .min = 10, .max = 1000};
    const struct axis nines = {.scale = AXIS_NINES, .min = 0, .max = 99.99};

    assert_true(near(axis_place(&linear, 3), 0.5));
    assert_true(near(axis_place(&linear, -3), 0) && near(axis_place(&linear, 9), 1));
    assert_true(near(axis_place(&logarithmic, 100), 0.5));
    assert_true(near(axis_place(&logarithmic, 0), 0));
    assert_true(near(axis_place(&nines, 99), 0.5));
    assert_true(near(axis_place(&nines, 100), 1));
}

TEST(ends_are_moved_to_round_values)
{
    struct axis axis = {.scale = AXIS_LOG, .min = 7.1e4, .max = 2.1e8};

    axis_widen(&axis);
    assert_true(near(axis.min, 5e4) && near(axis.max, 5e8));
    axis_widen(&axis); /* they are round now */
    assert_true(near(axis.min, 5e4) && near(axis.max, 5e8));
    axis = (struct axis){.scale = AXIS_LOG, .min = 1000, .max = 1000};
    axis_widen(&axis);
    assert_true(near(axis.min, 1000) && near(axis.max, 2000));
    axis = (struct axis){.scale = AXIS_LOG, .min = 0, .max = 0};
    axis_widen(&axis);
    assert_true(axis.min > 0 && axis.max > axis.min);
    axis = (struct axis){.min = 0, .max = 19600};
    axis_widen(&axis);
    assert_true(near(axis.min, 0) && near(axis.max, 20000));
    axis = (struct axis){.min = 0, .max = 0};
    axis_widen(&axis);
    assert_true(axis.max > 0);
}

TEST(labels_are_short)
{
    static const struct {
        enum axis_unit unit;
        double value;
        const char *label;
    } table[] = {
        {AXIS_TIME, 0, "0 s"},        {AXIS_TIME, 500, "500 ns"},   {AXIS_TIME, 2e4, "20 µs"},
        {AXIS_TIME, 1.5e6, "1.5 ms"}, {AXIS_TIME, -2e9, "-2 s"},    {AXIS_TIME, 75e9, "75 s"},
        {AXIS_TIME, 120e9, "2 min"},  {AXIS_TIME, 5400e9, "1.5 h"}, {AXIS_NUMBER, 0, "0"},
        {AXIS_NUMBER, 5000, "5000"},  {AXIS_NUMBER, 12000, "12k"},  {AXIS_NUMBER, 1.5e6, "1.5M"},
        {AXIS_NUMBER, 2e9, "2G"},
    };
    char label[AXIS_LABEL_MAX];

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(axis_label(label, table[i].unit, table[i].value), table[i].label);
}

/* The labels, with a blank after each. */
static const char *labels(const struct axis *axis, unsigned wanted)
{
    static char text[2048];
    struct tick ticks[AXIS_TICKS_MAX];
    size_t n = axis_ticks(axis, ticks, AXIS_TICKS_MAX, wanted);

    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || ticks[i].value > ticks[i - 1].value);
        strcat(strcat(text, ticks[i].label), ", ");
    }
    return text;
}

TEST(ticks_are_round)
{
    const struct axis seconds = {.unit = AXIS_TIME, .min = -2e9, .max = 10e9};
    const struct axis minutes = {.unit = AXIS_TIME, .min = 0, .max = 600e9};
    const struct axis days = {.unit = AXIS_TIME, .min = 0, .max = 10 * 86400e9};
    const struct axis rate = {.min = 0, .max = 25000};
    const struct axis tail = {.scale = AXIS_LOG, .unit = AXIS_TIME, .min = 5e4, .max = 5e8};
    const struct axis narrow = {.scale = AXIS_LOG, .unit = AXIS_TIME, .min = 5e4, .max = 2e5};
    const struct axis nines = {.scale = AXIS_NINES, .min = 0, .max = 99.9954};

    assert_string_equal(labels(&seconds, 6), "-2 s, 0 s, 2 s, 4 s, 6 s, 8 s, 10 s, ");
    assert_string_equal(labels(&minutes, 5), "0 s, 2 min, 4 min, 6 min, 8 min, 10 min, ");
    assert_string_equal(labels(&days, 5), "0 s, 48 h, 96 h, 144 h, 192 h, 240 h, ");
    assert_string_equal(labels(&rate, 5), "0, 5000, 10k, 15k, 20k, 25k, ");
    assert_string_equal(labels(&tail, 5), "100 µs, 1 ms, 10 ms, 100 ms, ");
    assert_string_equal(labels(&narrow, 5), "50 µs, 100 µs, 200 µs, ");
    assert_string_equal(labels(&nines, 5), "0, 50, 90, 99, 99.9, 99.99, ");
}

TEST(no_more_ticks_than_there_is_room_for)
{
    const struct axis axis = {.min = 0, .max = 1000};
    struct tick ticks[3];

    assert_int_equal(axis_ticks(&axis, ticks, LENGTH(ticks), 1000), LENGTH(ticks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_between_the_ends),
        cmocka_unit_test(ends_are_moved_to_round_values),
        cmocka_unit_test(labels_are_short),
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(no_more_ticks_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
