/* units.c -- see units.h.
 *
 * SPDX-License-Identifier: MIT */
#include "units.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* digits [ "." digits ] unit, in whole numbers of the smallest unit, all in integers. */
static int parse(uint64_t *ret, const char *text, const struct unit *unit)
{
    const char *at = text, *fraction = NULL;
    uint64_t value = 0, scale;

    while (is_digit(*at))
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at++ - '0'), &value))
            return -ERANGE;
    if (at == text)
        return -EINVAL;
    if (*at == '.') {
        fraction = ++at;
        while (is_digit(*at))
            at++;
        if (at == fraction)
            return -EINVAL;
    }
    while (unit->name && strcmp(unit->name, at) != 0)
        unit++;
    if (!unit->name)
        return -EINVAL;
    if (__builtin_mul_overflow(value, unit->scale, &value))
        return -ERANGE;
    for (scale = unit->scale; fraction && is_digit(*fraction); fraction++) {
        uint64_t part = (uint64_t)(*fraction - '0') * scale;

        if (part % 10 != 0)
            return -EINVAL;
        scale /= 10;
        if (__builtin_add_overflow(value, part / 10, &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

int units_count(uint64_t *ret, const char *text)
{
    return parse(ret, text, count_units);
}

int units_bytes(uint64_t *ret, const char *text)
{
    return parse(ret, text, byte_units);
}

int units_duration(int64_t *ret_ns, const char *text)
{
    uint64_t value;
    int r = parse(&value, text, time_units);

    if (r < 0)
        return r;
    if (value > INT64_MAX)
        return -ERANGE;
    *ret_ns = (int64_t)value;
    return 0;
}

const char *units_duration_text(char out[static UNITS_TEXT_MAX], int64_t span_ns)
{
    int64_t seconds = span_ns / NS_PER_S;

    if (span_ns < NS_PER_S)
        snprintf(out, UNITS_TEXT_MAX, "%.1f ms", (double)span_ns / (double)NS_PER_MS);
    else if (seconds < 60)
        snprintf(out, UNITS_TEXT_MAX, "%.1f s", (double)span_ns / (double)NS_PER_S);
    else if (seconds < 3600)
        snprintf(out, UNITS_TEXT_MAX, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
    else
        snprintf(out, UNITS_TEXT_MAX, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                 seconds / 60 % 60);
    return out;
}

const char *units_bytes_text(char out[static UNITS_TEXT_MAX], uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t i = 0;

    if (bytes < 1024) {
        snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
        return out;
    }
    for (; value >= 1024 && i < sizeof names / sizeof *names - 1; i++)
        value /= 1024;
    snprintf(out, UNITS_TEXT_MAX, "%.1f %s", value, names[i]);
    return out;
}
