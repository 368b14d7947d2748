/* axis.c -- see axis.h.
 *
 * SPDX-License-Identifier: MIT */
#include "axis.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static double stretched(enum axis_scale scale, double value)
{
    switch (scale) {
    case AXIS_LINEAR:
        break;
    case AXIS_LOG:
        return log10(value > 0 ? value : 1e-9);
    case AXIS_NINES:
        return -log10((100 - (value < 100 ? value : 100 - 1e-12)) / 100);
    }
    return value;
}

double axis_place(const struct axis *axis, double value)
{
    double low = stretched(axis->scale, axis->min), high = stretched(axis->scale, axis->max);
    double place = (stretched(axis->scale, value) - low) / (high - low);

    return place < 0 ? 0 : place > 1 ? 1 : place;
}

/* The largest of 1, 2, 5, 10, 20, ... that is not above 'value', and the next one. Something is allowed for what
 * pow(3) rounds. */
static double round_below(double value)
{
    double power = pow(10, floor(log10(value) + 1e-9)), digit = value / power + 1e-9;

    return power * (digit >= 5 ? 5 : digit >= 2 ? 2 : 1);
}

static double round_above(double value)
{
    double below = round_below(value), power = pow(10, floor(log10(below) + 1e-9));

    if (value <= below * (1 + 1e-9))
        return below;
    return below < 1.5 * power ? 2 * power : below < 3 * power ? 5 * power : 10 * power;
}

/* The distance of ticks on a linear axis. Above half a minute people count time by sixties. */
static double linear_step(const struct axis *axis, unsigned wanted)
{
    static const double spans_s[] = {60,   120,  300,   600,   900,   1800,
                                     3600, 7200, 21600, 43200, 86400, 0};
    double rough = (axis->max - axis->min) / wanted;

    if (axis->unit != AXIS_TIME || rough <= 30e9)
        return axis->unit == AXIS_TIME && rough > 20e9 ? 30e9 : round_above(rough);
    for (const double *span = spans_s; *span > 0; span++)
        if (*span * 1e9 >= rough)
            return *span * 1e9;
    return ceil(rough / 86400e9) * 86400e9;
}

void axis_widen(struct axis *axis)
{
    double step;

    switch (axis->scale) {
    case AXIS_LINEAR:
        if (axis->max <= axis->min)
            axis->max = axis->min + 1;
        step = linear_step(axis, 5);
        axis->min = floor(axis->min / step) * step;
        axis->max = ceil(axis->max / step) * step;
        break;
    case AXIS_LOG:
        axis->min = round_below(axis->min > 0 ? axis->min : 1);
        axis->max = round_above(axis->max > axis->min ? axis->max : axis->min);
        if (axis->max <= axis->min)
            axis->max = round_above(axis->min * 1.1);
        break;
    case AXIS_NINES:
        break;
    }
}

/* A number of so many units, without zeros that say nothing. */
static const char *print_label(char *out, double value, const char *unit)
{
    snprintf(out, AXIS_LABEL_MAX, "%.4g%s", value, unit);
    return out;
}

static const char *time_label(char *out, double span_ns)
{
    double size = fabs(span_ns);

    if (size >= 3600e9)
        return print_label(out, span_ns / 3600e9, " h");
    if (size >= 60e9 && fmod(size, 30e9) < 1)
        return print_label(out, span_ns / 60e9, " min");
    if (size >= 1e9 || size < 0.5)
        return print_label(out, span_ns / 1e9, " s");
    if (size >= 1e6)
        return print_label(out, span_ns / 1e6, " ms");
    if (size >= 1e3)
        return print_label(out, span_ns / 1e3, " µs");
    return print_label(out, span_ns, " ns");
}

const char *axis_label(char out[static AXIS_LABEL_MAX], enum axis_unit unit, double value)
{
    double size = fabs(value);

    if (unit == AXIS_TIME)
        return time_label(out, value);
    if (size >= 1e9)
        return print_label(out, value / 1e9, "G");
    if (size >= 1e6)
        return print_label(out, value / 1e6, "M");
    if (size >= 1e4)
        return print_label(out, value / 1e3, "k");
    return print_label(out, value, "");
}

/* A list of ticks under way. */
struct ticks {
    const struct axis *axis;
    struct tick *list;
    size_t n, max;
};

static void add_tick(struct ticks *ticks, double value)
{
    const struct axis *axis = ticks->axis;
    double slack = fabs(axis->max) * 1e-9;
    struct tick *tick;

    if (value < axis->min - slack || value > axis->max + slack || ticks->n == ticks->max)
        return;
    tick = &ticks->list[ticks->n++];
    value = value == 0 ? 0 : value; /* no "-0" */
    tick->value = value;
    if (axis->scale == AXIS_NINES)
        snprintf(tick->label, sizeof tick->label, "%.10g", value);
    else
        axis_label(tick->label, axis->unit, value);
}

static void linear_ticks(struct ticks *ticks, unsigned wanted)
{
    double step = linear_step(ticks->axis, wanted);

    for (double i = ceil(ticks->axis->min / step - 1e-9); i * step <= ticks->axis->max * (1 + 1e-9);
         i++)
        add_tick(ticks, i * step);
}

/* Powers of ten, every second one or so of a long axis; in between 2 and 5, or all digits, of a short one. */
static void log_ticks(struct ticks *ticks, unsigned wanted)
{
    static const double digits[][4] = {{1}, {1, 2, 5}, {1, 2, 3, 5}};
    double first = floor(log10(ticks->axis->min) + 1e-9);
    double decades = log10(ticks->axis->max / ticks->axis->min);
    const double *chosen = digits[decades * 4 <= wanted ? 2 : decades * 3 <= wanted ? 1 : 0];
    double stride = fmax(1, ceil(decades / wanted));

    for (double power = first; power <= log10(ticks->axis->max) + 1e-9; power += stride)
        for (int i = 0; i < 4 && chosen[i] > 0; i++)
            add_tick(ticks, pow(10, power) * chosen[i]);
}

static void nines_ticks(struct ticks *ticks)
{
    add_tick(ticks, 0);
    add_tick(ticks, 50);
    for (double rest = 10; rest > 1e-10; rest /= 10)
        add_tick(ticks, 100 - rest);
}

size_t axis_ticks(const struct axis *axis, struct tick *ret, size_t max, unsigned wanted)
{
    struct ticks ticks = {.axis = axis, .list = ret, .max = max};

    switch (axis->scale) {
    case AXIS_LINEAR:
        linear_ticks(&ticks, wanted);
        break;
    case AXIS_LOG:
        log_ticks(&ticks, wanted);
        break;
    case AXIS_NINES:
        nines_ticks(&ticks);
        break;
    }
    return ticks.n;
}
