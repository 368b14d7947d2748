/* units.h -- numbers as people write them: 5, 10k, 64m, 200ms, 1.5s.
 *
 * One grammar: decimal digits, an optional fraction, an optional unit, nothing else. No sign, no
 * space, no hex, no exponent, so that a typing error is an error and not another number. What does
 * not fit is refused, never wrapped. Counts take k m g = 10^3 10^6 10^9, bytes k m g = 2^10 2^20 2^30,
 * durations ns us ms s m h with a bare number meaning seconds. The locale plays no part.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* Each returns 0 and sets *ret, or -EINVAL (not of this form, or a fraction of the smallest unit) or
 * -ERANGE (too large) and leaves *ret alone. */
int units_count(uint64_t *ret, const char *text);
int units_bytes(uint64_t *ret, const char *text);
int units_duration(int64_t *ret_ns, const char *text);

#define UNITS_TEXT_MAX 32

/* For people: "0.4 ms", "1.2 s", "3 min 20 s", "2 h 5 min". Returns 'out'. */
const char *units_duration_text(char out[static UNITS_TEXT_MAX], int64_t span_ns);

/* As units_duration() takes it: "10ms", "1500us", "1h". Returns 'out'. */
const char *units_duration_option(char out[static UNITS_TEXT_MAX], int64_t span_ns);

/* For people: "999", "48.2k", "3.1M": powers of 1000, as with units_count(). 'gap' stands before the prefix:
 * with " " and "B" behind it this is "3.1 MB". Returns 'out'. */
const char *units_count_text(char out[static UNITS_TEXT_MAX], uint64_t n, const char *gap);

/* For people: "38 bytes", "64.0 KiB", "3.1 MiB". Returns 'out'. */
const char *units_bytes_text(char out[static UNITS_TEXT_MAX], uint64_t bytes);

#endif
