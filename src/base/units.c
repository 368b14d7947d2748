/* units.c -- see units.h.
 *
 * SPDX-License-Identifier: MIT */
#include "units.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t scale;
};

static const struct unit count_units[] = {
    {"", 1}, {"k", 1000}, {"m", 1000000}, {"g", 1000000000}, {NULL, 0},
};
static const struct unit byte_units[] = {
    {"", 1}, {"k", 1u << 10}, {"m", 1u << 20}, {"g", 1u << 30}, {NULL, 0},
};
static const struct unit time_units[] = {
    {"", (uint64_t)NS_PER_S},         {"ns", 1},
    {"us", (uint64_t)NS_PER_US},      {"ms", (uint64_t)NS_PER_MS},
    {"s", (uint64_t)NS_PER_S},        {"m", 60 * (uint64_t)NS_PER_S},
    {"h", 3600 * (uint64_t)NS_PER_S}, {NULL, 0},
};

/* Appends decimal digits, up to 'end', to '*value'. */
static int add_digits(uint64_t *value, const char *digits, const char *end)
{
    for (; digits < end; digits++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*digits - '0'), value))
            return -ERANGE;
    return 0;
}

/* The fraction's digits times 'scale', multiplied as at school, from the last digit: where one that
 * falls off at the right is not 0, there is no whole number. The result is below 'scale'. */
static int scale_fraction(uint64_t *ret, const char *digits, const char *end, uint64_t scale)
{
    uint64_t carry = 0;

    while (end > digits) {
        carry += (uint64_t)(*--end - '0') * scale;
        if (carry % 10 != 0)
            return -EINVAL;
        carry /= 10;
    }
    *ret = carry;
    return 0;
}

typedef int comparison(const char *, const char *);

/* digits [ "." digits ] unit, in whole numbers of the smallest unit, all in integers. */
static int parse(uint64_t *ret, const char *text, const struct unit *unit, comparison *compare)
{
    const char *end = text + strspn(text, "0123456789"), *fraction = end, *rest = end;
    uint64_t value = 0, part;

    if (*end == '.') {
        fraction = end + 1;
        rest = fraction + strspn(fraction, "0123456789");
    }
    while (unit->name && compare(unit->name, rest) != 0)
        unit++;
    if (end == text || !unit->name || (*end == '.' && rest == fraction) ||
        scale_fraction(&part, fraction, rest, unit->scale) < 0)
        return -EINVAL;
    if (add_digits(&value, text, end) < 0 || __builtin_mul_overflow(value, unit->scale, &value) ||
        __builtin_add_overflow(value, part, &value))
        return -ERANGE;
    *ret = value;
    return 0;
}

int units_count(uint64_t *ret, const char *text)
{
    return parse(ret, text, count_units, strcasecmp);
}

int units_bytes(uint64_t *ret, const char *text)
{
    return parse(ret, text, byte_units, strcasecmp);
}

int units_duration(int64_t *ret_ns, const char *text)
{
    uint64_t value;
    int r = parse(&value, text, time_units, strcmp);

    if (r < 0)
        return r;
    if (value > INT64_MAX)
        return -ERANGE;
    *ret_ns = (int64_t)value;
    return 0;
}

const char *units_duration_option(char out[static UNITS_TEXT_MAX], int64_t span_ns)
{
    const struct unit *best = &time_units[1];
    uint64_t span = (uint64_t)span_ns;

    for (const struct unit *unit = best; unit->name; unit++)
        if (span % unit->scale == 0 && unit->scale > best->scale)
            best = unit;
    snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 "%s", span / best->scale, best->name);
    return out;
}

/* "1.2 s" of 12 tenths: printf's %f would write the locale's decimal point. */
static const char *tenths_text(char out[static UNITS_TEXT_MAX], uint64_t tenths, const char *gap,
                               const char *unit)
{
    snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 ".%u%s%s", tenths / 10, (unsigned)(tenths % 10), gap,
             unit);
    return out;
}

/* Rounded before the unit is chosen, so that no "1000.0 ms" or "60.0 s" comes out. */
const char *units_duration_text(char out[static UNITS_TEXT_MAX], int64_t span_ns)
{
    uint64_t span = span_ns > 0 ? (uint64_t)span_ns : 0;
    uint64_t ms_tenths = (span + 50000) / 100000, s_tenths = (span + 50000000) / 100000000;
    uint64_t seconds = (span + 500000000) / 1000000000;

    if (ms_tenths < 10000)
        return tenths_text(out, ms_tenths, " ", "ms");
    if (s_tenths < 600)
        return tenths_text(out, s_tenths, " ", "s");
    if (seconds < 3600)
        snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
    else
        snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
                 seconds / 60 % 60);
    return out;
}

/* Likewise: 999,950 is "1.0M". */
const char *units_count_text(char out[static UNITS_TEXT_MAX], uint64_t n, const char *gap)
{
    static const char *const names[] = {"k", "M", "G", "T", "P", "E"};
    const size_t last = sizeof names / sizeof *names - 1;
    uint64_t tenth = 100; /* of the unit */

    if (n < 1000) {
        snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 "%s", n, gap);
        return out;
    }
    for (size_t i = 0;; i++, tenth *= 1000) {
        uint64_t tenths = n / tenth + (n % tenth >= tenth / 2);

        if (tenths < 10000 || i == last)
            return tenths_text(out, tenths, gap, names[i]);
    }
}

const char *units_bytes_text(char out[static UNITS_TEXT_MAX], uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    const size_t last = sizeof names / sizeof *names - 1;

    if (bytes < 1024) {
        snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
        return out;
    }
    for (size_t i = 0;; i++) {
        unsigned shift = 10 * ((unsigned)i + 1);
        uint64_t one = UINT64_C(1) << shift;
        uint64_t tenths = (bytes >> shift) * 10 + ((bytes & (one - 1)) * 10 + one / 2) / one;

        if (tenths < 10240 || i == last)
            return tenths_text(out, tenths, " ", names[i]);
    }
}
