/* test_moment.c -- a time of day as people write it, in each of its three forms; what is none, or not a time that there
 * is, is refused.
 *
 * rows: C20
 *
 * SPDX-License-Identifier: MIT */
#include "base/moment.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define NOW (INT64_C(1764000000) * NS_PER_S + 123456789) /* 2025-11-24T16:00:00Z, a bit later */

/* Three hours east of Greenwich. */
static int set_zone(void **state __attribute__((unused)))
{
    setenv("TZ", "EAT-3", 1);
    tzset();
    return 0;
}

TEST(moments_are_read)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } table[] = {
        {"0", 0},
        {"1764000000", 1764000000},
        {"9223372036", INT64_C(9223372036)},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-24T18:30:00Z", 1795545000},
        {"2028-02-29T23:59:59Z", 1835481599},
        {"19:00:00", 1764000000}, /* now */
        {"20:30:05", 1764005405},
        {"00:00:00", 1763931600}, /* today, though that is over */
        {"23:59:59", 1764017999},
    };

    for (size_t i = 0; i < LENGTH(table); i++) {
        int64_t real_ns = -1;

        if (moment_parse(&real_ns, table[i].text, NOW) != 0)
            fail_msg("'%s' was refused", table[i].text);
        assert_int_equal(real_ns, table[i].seconds * NS_PER_S);
    }
}

TEST(what_is_no_moment_is_refused)
{
    static const char *const wrong[] = {
        "", "yesterday", "18:30", "18:30:00 ", " 18:30:00", "18: 30:00", "18:30:00Z", "25:00:00",
        "18:60:00", "-18:30:00", "2026-11-24", "2026-11-24T18:30:00", "2026-11-24 18:30:00Z",
        "2026-11-24T18:30:00Z ", "2026-11-24T18:30:00+01:00", "2026-13-01T00:00:00Z",
        /* there is no such day */
        "2026-02-29T12:00:00Z", "2026-02-31T12:00:00Z", "2026-04-31T12:00:00Z",
        /* before 1970, and more nanoseconds than a number holds */
        "1969-12-31T23:59:59Z", "2263-01-01T00:00:00Z", "9223372037", "99999999999999999999", "-1",
        "1.5", "1k", "0x10"};

    for (size_t i = 0; i < LENGTH(wrong); i++) {
        int64_t real_ns = -1;

        if (moment_parse(&real_ns, wrong[i], NOW) != -EINVAL)
            fail_msg("'%s' was read as %jd", wrong[i], (intmax_t)real_ns);
        assert_int_equal(real_ns, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
    };

    return cmocka_run_group_tests(tests, set_zone, NULL);
}
