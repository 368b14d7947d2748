/* test_err.c -- the sentence of a failure: its form, its end, and what happens when it is too long.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

TEST(system_reason_comes_last)
{
    struct err err;

    assert_int_equal(err_set(&err, EADDRINUSE, "cannot bind to '%s'", "[::]:7"), -EADDRINUSE);
    assert_string_equal(err.text, "cannot bind to '[::]:7': Address already in use");
    assert_int_equal(err.code, EADDRINUSE);
}

TEST(mistake_of_the_users_needs_no_reason)
{
    struct err err;

    assert_int_equal(err_usage(&err, "'%s' is not a %s", "x", "port"), -EINVAL);
    assert_string_equal(err.text, "'x' is not a port");
    assert_int_equal(err.code, EINVAL);
}

TEST(unknown_error_number_is_named)
{
    struct err err;

    assert_int_equal(err_set(&err, 4711, "cannot"), -4711);
    assert_string_equal(err.text, "cannot: Unknown error 4711");
}

/* The usual call: the macro is read before anything can change it. */
TEST(errno_is_taken_at_the_call)
{
    struct err err;

    errno = ENOENT;
    err_set(&err, errno, "cannot open '%s'", "x");
    assert_string_equal(err.text, "cannot open 'x': No such file or directory");
}

TEST(empty_sentence_is_a_string)
{
    struct err err;

    memset(&err, 'x', sizeof err);
    err_usage(&err, "%s", "");
    assert_string_equal(err.text, "");
    memset(&err, 'x', sizeof err);
    err_set(&err, EPERM, "%s", "");
    assert_string_equal(err.text, ": Operation not permitted");
}

TEST(long_sentence_is_cut_and_keeps_its_reason)
{
    char name[2000];
    struct err err;
    size_t n;

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(&err, 'x', sizeof err);
    err_set(&err, ENOENT, "cannot open '%s'", name);
    n = strlen(err.text);
    assert_true(n < sizeof err.text);
    assert_memory_equal(err.text, "cannot open 'nnn", 16);
    assert_non_null(strstr(err.text, "nnn...: No such file or directory"));
    assert_string_equal(err.text + n - 29, "..: No such file or directory");

    memset(&err, 'x', sizeof err);
    err_usage(&err, "%s", name);
    n = strlen(err.text);
    assert_int_equal(n, sizeof err.text - 1);
    assert_string_equal(err.text + n - 4, "n...");
}

/* Three bytes each: the cut comes at every offset within one. */
TEST(cut_is_between_characters)
{
    char korean[900] = "";
    struct err err;

    for (size_t i = 0; i + 3 < sizeof korean; i += 3)
        memcpy(korean + i, "한", 4);
    for (int shift = 0; shift < 3; shift++) {
        err_usage(&err, "%.*s%s", shift, "ab", korean);
        assert_non_null(strstr(err.text, "한..."));
        err_set(&err, EPERM, "%.*s%s", shift, "ab", korean);
        assert_non_null(strstr(err.text, "한...: Operation not permitted"));
    }
}

/* One byte of room decides between all and dots. */
TEST(sentence_that_just_fits_is_whole)
{
    char name[600];
    struct err err;

    for (size_t n = sizeof err.text - 6; n < sizeof err.text + 6; n++) {
        memset(name, 'n', n);
        name[n] = '\0';
        err_usage(&err, "%s", name);
        if (n < sizeof err.text)
            assert_string_equal(err.text, name);
        else
            assert_string_equal(err.text + sizeof err.text - 5, "n...");
    }
}

TEST(quoted_text_is_printable)
{
    char quote[ERR_QUOTE_MAX];

    assert_string_equal(err_quote(quote, "80x"), "80x");
    assert_string_equal(err_quote(quote, ""), "");
    assert_string_equal(err_quote(quote, "메아리"), "메아리");
    assert_string_equal(err_quote(quote, "\x1b[2J\n\xff\xe2\x80\xae"),
                        "\\x1b[2J\\x0a\\xff\\xe2\\x80\\xae");
}

TEST(quoted_text_is_cut_to_its_room)
{
    char quote[ERR_QUOTE_MAX], text[1000];

    memset(text, 'q', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_quote(quote, text);
    assert_int_equal(strlen(quote), ERR_QUOTE_MAX - 1);
    assert_string_equal(quote + ERR_QUOTE_MAX - 5, "q...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_reason_comes_last),
        cmocka_unit_test(mistake_of_the_users_needs_no_reason),
        cmocka_unit_test(unknown_error_number_is_named),
        cmocka_unit_test(errno_is_taken_at_the_call),
        cmocka_unit_test(empty_sentence_is_a_string),
        cmocka_unit_test(long_sentence_is_cut_and_keeps_its_reason),
        cmocka_unit_test(cut_is_between_characters),
        cmocka_unit_test(sentence_that_just_fits_is_whole),
        cmocka_unit_test(quoted_text_is_printable),
        cmocka_unit_test(quoted_text_is_cut_to_its_room),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
