/* figures.c -- see figures.h.
 *
 * SPDX-License-Identifier: MIT */
#include "figures.h"

#include "units.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* Rounded before the unit is chosen, so that no "1000 us" comes out. */
const char *time_text(char out[static FIGURE_MAX], int64_t span_ns)
{
    static const char *const units[] = {"us", "ms", "s"};
    double value = (double)span_ns / 1000;
    size_t unit = 0;

    if (span_ns < 1000) {
        snprintf(out, FIGURE_MAX, "%" PRId64 " ns", span_ns);
        return out;
    }
    for (; value >= 999.5 && unit < 2; unit++)
        value /= 1000;
    snprintf(out, FIGURE_MAX, "%.*f %s",
             value < 9.995   ? 2
             : value < 99.95 ? 1
                             : 0,
             value, units[unit]);
    return out;
}

const char *count_text(char out[static FIGURE_MAX], uint64_t count)
{
    char digits[FIGURE_MAX];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = out;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

const char *rate_text(char out[static FIGURE_MAX], double rate)
{
    if (rate >= 99.95 && rate < 1e18)
        return count_text(out, (uint64_t)llround(rate));
    snprintf(out, FIGURE_MAX, "%.3g", rate);
    return out;
}

const char *bytes_rate_text(char out[static FIGURE_MAX], double bytes_per_s)
{
    char bytes[UNITS_TEXT_MAX];

    snprintf(out, FIGURE_MAX, "%s/s", units_bytes_text(bytes, (uint64_t)bytes_per_s));
    return out;
}
