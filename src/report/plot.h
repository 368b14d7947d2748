/* plot.h -- one plot as an SVG element: axes with round ticks, lines, steps or bars, a legend.
 *
 * It is drawn for a width in pixels, with letters of a size to read, and not made to be scaled: a page draws it once
 * for each width it wants to look well at. Colours come from the style sheet (plot_style), light or dark as
 * the reader has it. There is no script: what the pointer rests on shows its title.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include "axis.h"

#include <stdio.h>

/* A y that is NaN leaves a gap. */
struct plot_point {
    double x, y;
};

enum plot_kind {
    PLOT_LINE,  /* through the points */
    PLOT_STEPS, /* each point's y until the next one's x; the last one's y plays no part */
    PLOT_AREA,  /* likewise, filled to the base line */
    PLOT_BARS,  /* likewise, as columns */
};

struct plot_series {
    const char *name; /* for the legend; NULL: none */
    unsigned color;   /* 1 to 3 */
    enum plot_kind kind;
    const struct plot_point *points;
    size_t n;
};

/* A part of the x axis that says something when it is pointed at. */
struct plot_hint {
    double from, to;
    char text[160];
};

struct plot {
    int width, height;
    const char *about; /* what there is to see, for those who cannot */
    struct axis x, y;
    const struct plot_series *series;
    size_t n_series;
    const struct plot_hint *hints;
    size_t n_hints;
    double shade_until;      /* from the left edge to here is shaded; at or below x.min: nothing */
    const char *shade_label; /* and why */
};

/* The style sheet; it goes into a page once. */
extern const char plot_style[];

void plot_write(FILE *out, const struct plot *plot, const char *css_class);

#endif
