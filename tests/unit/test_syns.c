/* test_syns.c -- SYNs that were sent again: when, how often, and in which words.
 *
 * The times are those that tcp_retransmit_timer() of Linux 6.5 and later gives, with net.ipv4.tcp_syn_linear_timeouts as in
 * the table, and those before it (-1).
 *
 * SPDX-License-Identifier: MIT */
#include "bench/syns.h"
#include "net/synretry.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

TEST(retries_leave_when_the_kernel_says)
{
    static const struct {
        int linear;
        int after_s[8]; /* of retries 1, 2, 3, ... */
    } kernels[] = {
        {4, {1, 2, 3, 4, 5, 7, 11, 19}},      {-1, {1, 3, 7, 15, 31, 63, 127, 247}},
        {0, {1, 3, 7, 15, 31, 63, 127, 247}}, {1, {1, 2, 4, 8, 16, 32, 64, 128}},
        {127, {1, 2, 3, 4, 5, 6, 7, 8}},
    };

    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        for (unsigned n = 1; n <= 8; n++)
            assert_int_equal(synretry_after_ns(n, kernels[k].linear),
                             kernels[k].after_s[n - 1] * NS_PER_S);
    assert_int_equal(synretry_after_ns(0, 4), 0);
    assert_true(synretry_after_ns(127, -1) > 0); /* the most that tcp_syn_retries may be */
}

TEST(one_connection_in_words)
{
    char text[SYNRETRY_TEXT_MAX];

    assert_string_equal(synretry_text(text, 1, 4), "1 retry (1.0 s)");
    assert_string_equal(synretry_text(text, 6, 4), "6 retries (7.0 s)");
    assert_string_equal(synretry_text(text, 2, -1), "2 retries (3.0 s)");
    assert_true(synretry_linear() >= -1);
}

/* What syns_text() says of so many retries of each of 'n' connections, one of which may be -1: given up after three. */
static void says(const char *expected, size_t n, const int *retries, int linear, bool loopback)
{
    struct syns s = {.given_up = 0}, sum = {.given_up = 0};
    char text[SYNS_TEXT_MAX];
    uint64_t made = 0;

    for (size_t i = 0; i < n; i++) {
        if (retries[i] < 0) {
            syns_given_up(&s, 3);
            continue;
        }
        made++;
        syns_made(&s, (uint32_t)retries[i]);
    }
    syns_add(&sum, &s);
    assert_string_equal(syns_text(text, &sum, made, linear, loopback), expected);
}

#define SAYS(expected, linear, loopback, ...)                                                \
    says(expected, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__}, linear, \
         loopback)

TEST(all_connections_in_words)
{
    SAYS("", 4, true, 0, 0, 0);
    SAYS("4 of 10 connects needed 1 retry (1.0 s): the accept queue was full", 4, true, 0, 1, 0, 1,
         0, 1, 0, 1, 0, 0);
    SAYS(
        "4 of 10 connects needed 1 retry (1.0 s): SYN unanswered: accept queue full, or packet lost",
        4, false, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0);
    SAYS("1 of 1 connect needed 1 retry (1.0 s): the accept queue was full", 4, true, 1);
    SAYS("2 of 4 connects needed 1 retry (1.0 s), 1 needed 2 retries (3.0 s), 1 got no answer: the "
         "accept queue was full",
         -1, true, 1, 2, -1, 1);
    SAYS("2 of 3 connects got no answer: SYN unanswered: accept queue full, or packet lost", 4,
         false, 0, -1, -1);
}

/* The sentence is whole with every count in it, and no count is lost beyond the last that is kept. */
TEST(every_count_at_its_most)
{
    struct syns s = {.given_up = UINT64_MAX / 4};
    char text[SYNS_TEXT_MAX];

    for (uint32_t n = 0; n <= 2 * SYNS_KEPT; n++)
        syns_made(&s, n);
    syns_made(&s, UINT32_MAX);
    assert_int_equal(s.retried[0], 0);
    assert_int_equal(syns_retried(&s), 2 * SYNS_KEPT + 1);
    assert_int_equal(s.retried[SYNS_KEPT - 1], SYNS_KEPT + 3);
    syns_text(text, &s, UINT64_MAX / 4, -1, false);
    assert_string_equal(text + strlen(text) - strlen("or packet lost"), "or packet lost");
}

/* Given up before the first retry was due: that says nothing of the queue. */
TEST(impatience_is_no_silence)
{
    struct syns s = {.given_up = 0};

    syns_given_up(&s, 0);
    assert_int_equal(s.given_up, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_leave_when_the_kernel_says),
        cmocka_unit_test(one_connection_in_words),
        cmocka_unit_test(all_connections_in_words),
        cmocka_unit_test(every_count_at_its_most),
        cmocka_unit_test(impatience_is_no_silence),
    };

    return cmocka_run_group_tests_name("syns", tests, NULL, NULL);
}
