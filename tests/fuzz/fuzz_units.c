/* fuzz_units.c -- numbers as people write them, against the same sum done in decimal digits.
 *
 * The input is the text. The second opinion multiplies all digits by the unit at once, as on paper with
 * an array of digits, and then looks where the point is; ours works with two integers.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <strings.h>

/* not in ISO C, and known to both compilers */
__extension__ typedef unsigned __int128 wide;

struct unit {
    const char *name;
    uint64_t scale;
};

static const struct unit counts[] = {{"", 1}, {"k", 1000}, {"m", 1000000}, {"g", 1000000000}};
static const struct unit bytes[] = {{"", 1}, {"k", 1024}, {"m", 1048576}, {"g", 1073741824}};
static const struct unit times[] = {
    {"", 1000000000},  {"ns", 1},          {"us", 1000},         {"ms", 1000000},
    {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
};

/* The digits of text[0..n) times 'scale', the last one first, in 'out' of n + 20. Returns how many. */
static size_t multiply(unsigned char *out, const char *digits, size_t n, uint64_t scale)
{
    wide carry = 0;
    size_t used = 0;

    while (n > 0 || carry > 0) {
        if (n > 0)
            carry += (wide)(digits[--n] - '0') * scale;
        out[used++] = (unsigned char)(carry % 10);
        carry /= 10;
    }
    return used;
}

/* What it should be: 0 and the value, -EINVAL or -ERANGE. */
static int expect(uint64_t *ret, const char *text, const struct unit *units, size_t n,
                  uint64_t most, int (*compare)(const char *, const char *))
{
    size_t whole = strspn(text, "0123456789"), places = 0, used;
    const char *rest = text + whole;
    wide value = 0;
    unsigned char *product;
    uint64_t scale = 0;
    char *digits;
    int r = 0;

    if (*rest == '.') {
        places = strspn(rest + 1, "0123456789");
        if (places == 0)
            return -EINVAL;
        rest += 1 + places;
    }
    for (size_t i = 0; i < n; i++)
        if (compare(rest, units[i].name) == 0)
            scale = units[i].scale;
    if (whole == 0 || scale == 0)
        return -EINVAL;
    digits = copy_string(text, whole + places + (places > 0));
    if (places)
        memmove(digits + whole, digits + whole + 1, places + 1);
    product = malloc(whole + places + 20);
    HOLDS(product);
    used = multiply(product, digits, whole + places, scale);
    for (size_t i = 0; i < places && i < used; i++)
        if (product[i] != 0)
            r = -EINVAL;
    for (size_t i = used; r == 0 && i > places; i--) {
        value = value * 10 + product[i - 1];
        if (value > most)
            r = -ERANGE;
    }
    free(product);
    free(digits);
    *ret = (uint64_t)value;
    return r;
}

#define EXPECT(ret, text, units, most, compare) \
    expect(ret, text, units, sizeof units / sizeof *units, most, compare)

/* "12.3 KiB": never more than the room promised, and within half of what is shown. */
static void check_texts(uint64_t number)
{
    char *out = malloc(UNITS_TEXT_MAX);
    int64_t span = (int64_t)(number >> 1);
    uint64_t large = 0, small = 0;
    char unit[8] = "";

    HOLDS(out);
    HOLDS(units_bytes_text(out, number) == out && strlen(out) < UNITS_TEXT_MAX && is_clean(out));
    if (number < 1024) {
        HOLDS(sscanf(out, "%lu %5s", &large, unit) == 2 && large == number);
    } else {
        HOLDS(sscanf(out, "%lu.%1lu %3s", &large, &small, unit) == 3 && small < 10);
        HOLDS(large >= 1 && large < 1024 && strcmp(unit + 1, "iB") == 0);
    }
    HOLDS(units_duration_text(out, span) == out && strlen(out) < UNITS_TEXT_MAX && is_clean(out));
    if (sscanf(out, "%lu min %lu s", &large, &small) == 2)
        HOLDS(large < 60 && small < 60);
    else if (sscanf(out, "%lu h %lu min", &large, &small) == 2)
        HOLDS(large == ((uint64_t)span + 500000000) / 1000000000 / 3600 && small < 60);
    else
        HOLDS(sscanf(out, "%lu.%1lu %2s", &large, &small, unit) == 3 && large < 1000);
    HOLDS(units_duration_text(out, -span) == out && (span == 0 || strcmp(out, "0.0 ms") == 0));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t untouched = 0x5555555555555555;
    char *text = copy_string(data, size);
    uint64_t wanted = 0, value = untouched;
    int64_t span = (int64_t)untouched;
    int r;

    r = units_count(&value, text);
    HOLDS(r == EXPECT(&wanted, text, counts, UINT64_MAX, strcasecmp));
    HOLDS(value == (r == 0 ? wanted : untouched));

    value = untouched;
    r = units_bytes(&value, text);
    HOLDS(r == EXPECT(&wanted, text, bytes, UINT64_MAX, strcasecmp));
    HOLDS(value == (r == 0 ? wanted : untouched));
    check_texts(r == 0 ? value : size);

    r = units_duration(&span, text);
    HOLDS(r == EXPECT(&wanted, text, times, INT64_MAX, strcmp));
    HOLDS(span == (int64_t)(r == 0 ? wanted : untouched));
    if (r == 0)
        check_texts((uint64_t)span << 1);
    free(text);
    return 0;
}
