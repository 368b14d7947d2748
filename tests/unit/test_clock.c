/* test_clock.c -- deadlines neither overflow nor let poll(2) return too early.
 *
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

TEST(clock_does_not_go_back)
{
    int64_t before = clock_now_ns();

    assert_true(before > 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now_ns();

        assert_true(now >= before);
        before = now;
    }
    assert_true(before < NEVER);
}

TEST(span_beyond_the_clock_is_never)
{
    static const struct {
        int64_t from_ns, span_ns, after_ns;
    } table[] = {
        {0, 0, 0},
        {5, 10, 15},
        {5, -3, 2},
        {0, NEVER - 1, NEVER - 1},
        {0, NEVER, NEVER},
        {1, NEVER - 2, NEVER - 1},
        {1, NEVER - 1, NEVER},
        {1, NEVER, NEVER},
        {NEVER - 1, 1, NEVER},
        {NEVER - 1, 2, NEVER},
        {NEVER, 0, NEVER},
        {NEVER, NEVER, NEVER},
    };

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_int_equal(clock_after(table[i].from_ns, table[i].span_ns), table[i].after_ns);
}

TEST(timeouts_are_rounded_up)
{
    static const struct {
        int64_t now_ns, deadline_ns;
        int timeout_ms;
    } table[] = {
        {0, 0, 0},
        {5, 4, 0},
        {5, INT64_MIN, 0},
        {NEVER, 5, 0},
        {0, 1, 1},
        {0, NS_PER_MS - 1, 1},
        {0, NS_PER_MS, 1},
        {0, NS_PER_MS + 1, 2},
        {7, 7 + 10 * NS_PER_MS, 10},
        {7, 8 + 10 * NS_PER_MS, 11},
        {0, NS_PER_S, 1000},
        {0, INT32_MAX * NS_PER_MS, INT32_MAX},
        {0, INT32_MAX * NS_PER_MS + 1, INT32_MAX},
        {0, NEVER - 1, INT32_MAX}, /* poll(2) takes an int: it wakes for nothing after 24 days */
    };

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_int_equal(clock_timeout_ms(table[i].now_ns, table[i].deadline_ns),
                         table[i].timeout_ms);
}

TEST(never_has_no_timeout)
{
    assert_int_equal(clock_timeout_ms(0, NEVER), -1);
    assert_int_equal(clock_timeout_ms(clock_now_ns(), NEVER), -1);
    assert_int_equal(clock_timeout_ms(NEVER, NEVER), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_does_not_go_back),
        cmocka_unit_test(span_beyond_the_clock_is_never),
        cmocka_unit_test(timeouts_are_rounded_up),
        cmocka_unit_test(never_has_no_timeout),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
