/* test_quote.c -- somebody's bytes in quotes: readable without doubt, never wider than asked.
 *
 * SPDX-License-Identifier: MIT */
#include "base/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

/* With a buffer that has exactly the promised size, so that AddressSanitizer sees one byte too many. */
static void check(size_t columns, const void *data, size_t n, const char *expected)
{
    char *out = malloc(QUOTE_MAX(columns));

    assert_non_null(out);
    assert_ptr_equal(quote(out, columns, data, n), out);
    assert_string_equal(out, expected);
    free(out);
}

#define CHECK(columns, literal, expected) check(columns, literal, sizeof(literal) - 1, expected)

TEST(what_is_printable_stays)
{
    CHECK(24, "", "\"\"");
    CHECK(24, "hello", "\"hello\"");
    CHECK(24, "한글 é", "\"한글 é\"");
}

TEST(what_is_not_is_written_as_in_c)
{
    CHECK(24, "a\n\t\r\"\\", "\"a\\n\\t\\r\\\"\\\\\"");
    CHECK(24, "\0\x1b[2J\x7f", "\"\\x00\\x1b[2J\\x7f\"");
    CHECK(24, "\xff\xc3\n", "\"\\xff\\xc3\\n\"");       /* no UTF-8 */
    CHECK(24, "x\xe2\x80\xae", "\"x\\xe2\\x80\\xae\""); /* reorders what follows */
}

TEST(an_unfinished_character_is_told_byte_by_byte)
{
    CHECK(24, "\xed\x95", "\"\\xed\\x95\"");
    CHECK(24, "\xf0\x9f\x99", "\"\\xf0\\x9f\\x99\"");
    CHECK(8, "1234567\xed", "\"1234567\"...");
}

TEST(what_does_not_fit_is_cut_between_two_pieces)
{
    CHECK(5, "hello", "\"hello\"");
    CHECK(5, "hello!", "\"hello\"...");
    CHECK(5, "hell\n", "\"hell\"...");
    CHECK(5, "hel\n", "\"hel\\n\"");
    CHECK(5, "hel\0", "\"hel\"...");
    CHECK(5, "한한한", "\"한한\"...");
    CHECK(0, "x", "\"\"...");
}

TEST(a_long_one_is_not_looked_at_to_its_end)
{
    /* (only the first bytes are there) */
    check(3, "aaaa", SIZE_MAX / 2, "\"aaa\"...");
}

TEST(columns_are_those_of_a_terminal)
{
    assert_int_equal(quote_columns(""), 0);
    assert_int_equal(quote_columns("recv(7) = 0"), 11);
    assert_int_equal(quote_columns("é한"), 3);
}

/* Any bytes at all fit the buffer, and the columns. */
TEST(random_bytes)
{
    uint64_t z = 1;
    unsigned char data[64];
    char out[QUOTE_MAX(10)];

    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof data; i++) {
            z = z * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            data[i] = (unsigned char)(z >> 56);
        }
        quote(out, 10, data, (size_t)(z >> 40) % sizeof data);
        assert_true(strlen(out) < sizeof out);
        assert_true(quote_columns(out) <= 10 + strlen("\"\"..."));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printable_stays),
        cmocka_unit_test(what_is_not_is_written_as_in_c),
        cmocka_unit_test(an_unfinished_character_is_told_byte_by_byte),
        cmocka_unit_test(what_does_not_fit_is_cut_between_two_pieces),
        cmocka_unit_test(a_long_one_is_not_looked_at_to_its_end),
        cmocka_unit_test(columns_are_those_of_a_terminal),
        cmocka_unit_test(random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
