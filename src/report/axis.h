/* axis.h -- where values lie along an axis of a plot, and the round ones among them that get a label.
 *
 *     struct axis y = {.scale = AXIS_LOG, .unit = AXIS_TIME, .min = 7.1e4, .max = 2e8};
 *     axis_widen(&y);                                  // to 5e4 and 2e8
 *     n = axis_ticks(&y, ticks, AXIS_TICKS_MAX, 6);    // "100 µs", "1 ms", ...
 *
 * The scale by nines is that of percentiles: 90, 99 and 99.9 are equally far apart, since 100 is infinitely far.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_AXIS_H
#define REPORT_AXIS_H

#include <stddef.h>

enum axis_scale { AXIS_LINEAR, AXIS_LOG, AXIS_NINES };
enum axis_unit { AXIS_NUMBER, AXIS_TIME /* nanoseconds */ };

struct axis {
    const char *title;
    enum axis_scale scale;
    enum axis_unit unit;
    double min, max; /* min < max; by logarithm 0 < min, by nines max < 100 */
};

/* In UTF-8. */
#define AXIS_LABEL_MAX 32

struct tick {
    double value;
    char label[AXIS_LABEL_MAX];
};

#define AXIS_TICKS_MAX 64

/* 0 at the minimum, 1 at the maximum. What lies beyond them is moved to the edge. */
double axis_place(const struct axis *axis, double value);

/* Moves the ends outwards to round values, and apart where they are one. By nines they stay. */
void axis_widen(struct axis *axis);

/* About 'wanted' of them, by nines all. Returns how many there are. */
size_t axis_ticks(const struct axis *axis, struct tick *ret, size_t max, unsigned wanted);

/* "250 µs", "1.5 s", "2 min", "12k": exact for round values, else to four digits. Returns 'out'. */
const char *axis_label(char out[static AXIS_LABEL_MAX], enum axis_unit unit, double value);

#endif
