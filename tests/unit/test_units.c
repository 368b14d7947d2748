/* test_units.c -- the grammar of counts, bytes and durations, and what it must refuse.
 *
 * A number that means something else than its writer thought is worse than one that is refused. So
 * each table holds what is accepted, to the unit, beside what looks like it and is not: signs, spaces,
 * hex, exponents, compound forms, fractions of what cannot be divided, and the first value that no
 * longer fits. Then the forms for people. test_locale.c holds both against a foreign locale.
 *
 * rows: C20
 *
 * SPDX-License-Identifier: MIT */
#include "base/units.h"

#include "base/clock.h"

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

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

struct number {
    const char *text;
    uint64_t value;
};

struct refused {
    const char *text;
    int result;
};

typedef int parser(uint64_t *ret, const char *text);

/* So that the three share their loops. */
static int duration(uint64_t *ret, const char *text)
{
    int64_t span_ns = (int64_t)*ret;
    int r = units_duration(&span_ns, text);

    *ret = (uint64_t)span_ns;
    return r;
}

static void accepts(parser *parse, const struct number *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 4711;
        int r = parse(&value, table[i].text);

        if (r != 0 || value != table[i].value)
            print_error("'%s' gave %d, %ju\n", table[i].text, r, (uintmax_t)value);
        assert_int_equal(r, 0);
        assert_int_equal(value, table[i].value);
    }
}

static void refuses(parser *parse, const struct refused *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 4711;
        int r = parse(&value, table[i].text);

        if (r != table[i].result || value != 4711)
            print_error("'%s' gave %d, %ju\n", table[i].text, r, (uintmax_t)value);
        assert_int_equal(r, table[i].result);
        assert_int_equal(value, 4711); /* left alone */
    }
}

TEST(counts_are_decimal)
{
    static const struct number table[] = {
        {"0", 0},
        {"00", 0},
        {"1", 1},
        {"007", 7},
        {"10k", 10000},
        {"10K", 10000},
        {"10M", 10000000},
        {"3m", 3000000},
        {"2g", 2000000000},
        {"0k", 0},
        {"1.5k", 1500},
        {"0.001k", 1},
        {"1.000", 1},
        {"1.0000000000000000000000000000k", 1000},
        {"0.25m", 250000},
        {"1.234567m", 1234567},
        {"18446744073709551615", UINT64_MAX},
        {"18446744073709551.615k", UINT64_MAX},
        {"18446744073.709551615g", UINT64_MAX},
        {"000000000000000000000000018446744073709551615", UINT64_MAX},
    };

    accepts(units_count, table, LENGTH(table));
}

TEST(bytes_are_powers_of_two)
{
    static const struct number table[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"10k", 10 * KIB},
        {"64m", 64 * MIB},
        {"64K", 64 * KIB},
        {"1G", GIB},
        {"1g", GIB},
        {"1.5k", 1536},
        {"1.25k", 1280},
        {"0.125k", 128},
        {"0.0009765625k", 1},
        {"1.75m", 7 * MIB / 4},
        {"0.1240234375k", 127},
        {"0.5g", 512 * MIB},
        {"0.25g", 256 * MIB},
        {"17179869183g", 17179869183 * GIB},
        {"17179869183.999999999068677425384521484375g", UINT64_MAX},
    };

    accepts(units_bytes, table, LENGTH(table));
}

TEST(durations_are_nanoseconds)
{
    static const struct number table[] = {
        {"0ns", 0},
        {"1ns", 1},
        {"1us", 1000},
        {"200ms", 200000000},
        {"1s", 1000000000},
        {"5m", UINT64_C(300000000000)},
        {"2h", UINT64_C(7200000000000)},
        {"1.5s", 1500000000},
        {"0.5ms", 500000},
        {"0.000000001s", 1},
        {"0.0000000010000000000s", 1},
        {"0.1h", UINT64_C(360000000000)},
        {"1.5m", UINT64_C(90000000000)},
        {"0.01m", 600000000},
        {"9223372036854775807ns", INT64_MAX},
        {"9223372036.854775807s", INT64_MAX},
        {"9223372036854775.807us", INT64_MAX},
        {"9223372036854.775807ms", INT64_MAX},
        {"2562047h", UINT64_C(2562047) * 3600 * 1000000000},
        {"153722867m", UINT64_C(153722867) * 60 * 1000000000},
    };

    accepts(duration, table, LENGTH(table));
}

TEST(bare_number_is_seconds)
{
    static const struct number table[] = {
        {"0", 0},           {"10", UINT64_C(10000000000)},       {"1.5", 1500000000},
        {"0.000000001", 1}, {"9223372036.854775807", INT64_MAX},
    };

    accepts(duration, table, LENGTH(table));
}

/* What is no number of any kind. */
static const struct refused malformed[] = {
    {"", -EINVAL},      {" ", -EINVAL},     {" 1", -EINVAL},    {"1 ", -EINVAL},
    {"1 k", -EINVAL},   {"1\n", -EINVAL},   {"\t1", -EINVAL},   {"+1", -EINVAL},
    {"-1", -EINVAL},    {"-0", -EINVAL},    {"--1", -EINVAL},   {"1-", -EINVAL},
    {"0x10", -EINVAL},  {"0X10", -EINVAL},  {"0b1", -EINVAL},   {"0o7", -EINVAL},
    {"10h3", -EINVAL},  {"1e3", -EINVAL},   {"1E3", -EINVAL},   {"1.5e3", -EINVAL},
    {"1_000", -EINVAL}, {"1,000", -EINVAL}, {"1'000", -EINVAL}, {"1,5k", -EINVAL},
    {".5", -EINVAL},    {".", -EINVAL},     {"5.", -EINVAL},    {"5.k", -EINVAL},
    {"5.s", -EINVAL},   {"1.5.5", -EINVAL}, {"1..5", -EINVAL},  {"1.-5", -EINVAL},
    {"k", -EINVAL},     {"s", -EINVAL},     {"1kk", -EINVAL},   {"1kb", -EINVAL},
    {"1KiB", -EINVAL},  {"1KB", -EINVAL},   {"1t", -EINVAL},    {"1k1", -EINVAL},
    {"5m3s", -EINVAL},  {"1h30m", -EINVAL}, {"1sec", -EINVAL},  {"1min", -EINVAL},
    {"1d", -EINVAL},    {"1µs", -EINVAL},   {"８０", -EINVAL}, /* full-width digits */
    {"1０", -EINVAL},   {"٣", -EINVAL},                        /* an Arabic-Indic digit */
    {"inf", -EINVAL},   {"nan", -EINVAL},   {"\xff", -EINVAL},  {"1\xb2", -EINVAL},
};

TEST(what_is_not_of_the_form_is_refused)
{
    refuses(units_count, malformed, LENGTH(malformed));
    refuses(units_bytes, malformed, LENGTH(malformed));
    refuses(duration, malformed, LENGTH(malformed));
}

TEST(units_belong_to_their_kind)
{
    static const struct refused times[] = {{"1s", -EINVAL}, {"1ms", -EINVAL}, {"1h", -EINVAL}};
    static const struct refused sizes[] = {{"1k", -EINVAL}, {"1g", -EINVAL}, {"1b", -EINVAL}};
    /* in a duration m is a minute, and M may be a mistake for either */
    static const struct refused upper[] = {{"1M", -EINVAL}, {"1S", -EINVAL}, {"1MS", -EINVAL}};

    refuses(units_count, times, LENGTH(times));
    refuses(units_bytes, times, LENGTH(times));
    refuses(duration, sizes, LENGTH(sizes));
    refuses(duration, upper, LENGTH(upper));
}

TEST(fraction_of_the_smallest_unit_is_refused)
{
    static const struct refused counts[] = {
        {"0.5", -EINVAL},     {"1.05", -EINVAL},     {"1.00000000000000000001", -EINVAL},
        {"1.0005k", -EINVAL}, {"1.00001k", -EINVAL},
    };
    static const struct refused bytes[] = {
        {"1.5", -EINVAL},   {"1.05", -EINVAL},           {"0.1k", -EINVAL},    {"1.05k", -EINVAL},
        {"1.26k", -EINVAL}, {"0.00048828125k", -EINVAL}, {"1.0005m", -EINVAL}, {"0.01g", -EINVAL},
    };
    static const struct refused times[] = {
        {"0.5ns", -EINVAL},
        {"1.01ns", -EINVAL},
        {"0.0000000001s", -EINVAL},
        {"0.00000000001", -EINVAL},
        {"1.00000000001s", -EINVAL},
        {"0.0001us", -EINVAL},
        {"1.0000000000001h", -EINVAL},
    };

    refuses(units_count, counts, LENGTH(counts));
    refuses(units_bytes, bytes, LENGTH(bytes));
    refuses(duration, times, LENGTH(times));
}

TEST(what_does_not_fit_is_out_of_range)
{
    static const struct refused counts[] = {
        {"18446744073709551616", -ERANGE},   {"18446744073709551620", -ERANGE},
        {"99999999999999999999", -ERANGE},   {"18446744073709551.616k", -ERANGE},
        {"18446744073709552k", -ERANGE},     {"18446744074g", -ERANGE},
        {"18446744073.709551616g", -ERANGE}, {"18446744073709551615k", -ERANGE},
    };
    static const struct refused bytes[] = {
        {"18446744073709551616", -ERANGE},  {"17179869184g", -ERANGE},
        {"18014398509481984k", -ERANGE},    {"17592186044416m", -ERANGE},
        {"18446744073709551615g", -ERANGE},
    };
    static const struct refused times[] = {
        {"9223372036854775808ns", -ERANGE},
        {"9223372036854775.808us", -ERANGE},
        {"9223372036.854775808s", -ERANGE},
        {"9223372037", -ERANGE},
        {"18446744073709551615", -ERANGE},
        {"18446744073709551616ns", -ERANGE},
        {"2562048h", -ERANGE},
        {"153722868m", -ERANGE},
        {"99999999999999999999s", -ERANGE},
    };

    refuses(units_count, counts, LENGTH(counts));
    refuses(units_bytes, bytes, LENGTH(bytes));
    refuses(duration, times, LENGTH(times));
}

/* The blame is "not a number", whatever its digits. */
TEST(malformed_comes_before_too_large)
{
    static const struct refused table[] = {
        {"99999999999999999999x", -EINVAL},
        {"99999999999999999999 ", -EINVAL},
        {"99999999999999999999.", -EINVAL},
    };

    refuses(units_count, table, LENGTH(table));
    refuses(units_bytes, table, LENGTH(table));
    refuses(duration, table, LENGTH(table));
}

/* Each text form read back must not be longer than promised, which ASan checks. */
TEST(duration_text_has_two_figures_that_matter)
{
    static const struct {
        int64_t span_ns;
        const char *text;
    } table[] = {
        {0, "0.0 ms"},
        {49999, "0.0 ms"},
        {400000, "0.4 ms"},
        {1000000, "1.0 ms"},
        {999900000, "999.9 ms"},
        {999999999, "1.0 s"}, /* not "1000.0 ms" */
        {NS_PER_S, "1.0 s"},
        {1200000000, "1.2 s"},
        {59900000000, "59.9 s"},
        {59999999999, "1 min 0 s"}, /* not "60.0 s" */
        {60 * NS_PER_S, "1 min 0 s"},
        {200 * NS_PER_S, "3 min 20 s"},
        {3599 * NS_PER_S, "59 min 59 s"},
        {3600 * NS_PER_S, "1 h 0 min"},
        {7500 * NS_PER_S, "2 h 5 min"},
        {90061 * NS_PER_S, "25 h 1 min"},
        {INT64_MAX, "2562047 h 47 min"},
    };
    char out[UNITS_TEXT_MAX];

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(units_duration_text(out, table[i].span_ns), table[i].text);
}

TEST(a_duration_as_an_option_takes_it)
{
    static const char *const table[] = {"1ns",  "999ns", "1us", "1500us",
                                        "10ms", "90s",   "3m",  "25h"};
    char out[UNITS_TEXT_MAX];
    int64_t span_ns;

    for (size_t i = 0; i < LENGTH(table); i++) {
        assert_int_equal(units_duration(&span_ns, table[i]), 0);
        assert_string_equal(units_duration_option(out, span_ns), table[i]);
    }
}

TEST(bytes_text_has_one_decimal_from_a_kibibyte_on)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {0, "0 bytes"},           {1, "1 byte"},
        {38, "38 bytes"},         {1023, "1023 bytes"},
        {1024, "1.0 KiB"},        {64 * KIB, "64.0 KiB"},
        {MIB - 1, "1.0 MiB"}, /* not "1024.0 KiB" */
        {MIB, "1.0 MiB"},         {31 * MIB / 10, "3.1 MiB"},
        {GIB - 1, "1.0 GiB"},     {GIB, "1.0 GiB"},
        {1024 * GIB, "1.0 TiB"},  {1024 * 1024 * GIB, "1.0 PiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    char out[UNITS_TEXT_MAX];

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(units_bytes_text(out, table[i].bytes), table[i].text);
}

TEST(count_text_has_one_decimal_from_a_thousand_on)
{
    static const struct {
        uint64_t n;
        const char *text, *apart;
    } table[] = {
        {0, "0", "0 "},
        {999, "999", "999 "},
        {1000, "1.0k", "1.0 k"},
        {48249, "48.2k", "48.2 k"},
        {48250, "48.3k", "48.3 k"},
        {999949, "999.9k", "999.9 k"},
        {999950, "1.0M", "1.0 M"}, /* not "1000.0k" */
        {3100000, "3.1M", "3.1 M"},
        {UINT64_C(5000000000000000), "5.0P", "5.0 P"},
        {UINT64_MAX, "18.4E", "18.4 E"},
    };
    char out[UNITS_TEXT_MAX];

    for (size_t i = 0; i < LENGTH(table); i++) {
        assert_string_equal(units_count_text(out, table[i].n, ""), table[i].text);
        assert_string_equal(units_count_text(out, table[i].n, " "), table[i].apart);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_decimal),
        cmocka_unit_test(bytes_are_powers_of_two),
        cmocka_unit_test(durations_are_nanoseconds),
        cmocka_unit_test(bare_number_is_seconds),
        cmocka_unit_test(what_is_not_of_the_form_is_refused),
        cmocka_unit_test(units_belong_to_their_kind),
        cmocka_unit_test(fraction_of_the_smallest_unit_is_refused),
        cmocka_unit_test(what_does_not_fit_is_out_of_range),
        cmocka_unit_test(malformed_comes_before_too_large),
        cmocka_unit_test(duration_text_has_two_figures_that_matter),
        cmocka_unit_test(a_duration_as_an_option_takes_it),
        cmocka_unit_test(bytes_text_has_one_decimal_from_a_kibibyte_on),
        cmocka_unit_test(count_text_has_one_decimal_from_a_thousand_on),
    };

    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
