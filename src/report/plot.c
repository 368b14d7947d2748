/* plot.c -- see plot.h.
 *
 * SPDX-License-Identifier: MIT */
#include "plot.h"

#include "html.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Pairs of colours that people with any colour vision tell apart, on white and on near black. */
const char plot_style[] =
    ":root{--plot-1:#0b62c4;--plot-2:#b45309;--plot-3:#9d174d;--plot-ink:#1f2328;"
    "--plot-soft:#57606a;--plot-grid:#d8dee4;--plot-shade:#eef1f4}\n"
    "@media(prefers-color-scheme:dark){:root{--plot-1:#6cb6ff;--plot-2:#f0a35e;"
    "--plot-3:#f58fb8;--plot-ink:#e6edf3;--plot-soft:#9aa5b1;--plot-grid:#2d333b;"
    "--plot-shade:#1c2128}}\n"
    ".plot{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}\n"
    ".plot text{fill:var(--plot-soft)}.plot .legend{fill:var(--plot-ink)}\n"
    ".plot .grid{stroke:var(--plot-grid)}.plot .axis{stroke:var(--plot-soft)}\n"
    ".plot .shade{fill:var(--plot-shade)}\n"
    ".plot .line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
    ".plot .hint{fill:var(--plot-ink);fill-opacity:0}.plot .hint:hover{fill-opacity:.08}\n"
    ".plot .line.c1{stroke:var(--plot-1)}.plot .line.c2{stroke:var(--plot-2);"
    "stroke-dasharray:7 3}.plot .line.c3{stroke:var(--plot-3);stroke-dasharray:2 3}\n"
    ".plot .fill.c1{fill:var(--plot-1)}.plot .fill.c2{fill:var(--plot-2)}"
    ".plot .fill.c3{fill:var(--plot-3)}.plot .under{fill-opacity:.16}\n";

#define LETTER 6.7 /* about so wide is one in 12 px */
#define LEFT 58    /* at least, so that plots below each other align */
#define RIGHT 14
#define TOP 40
#define BOTTOM 44

/* A plot being written, and where in it the axes are. */
struct canvas {
    FILE *out;
    const struct plot *plot;
    double left, top, right, bottom;
    struct tick x_ticks[AXIS_TICKS_MAX], y_ticks[AXIS_TICKS_MAX];
    size_t n_x, n_y;
};

static double x_at(const struct canvas *c, double x)
{
    return c->left + axis_place(&c->plot->x, x) * (c->right - c->left);
}

static double y_at(const struct canvas *c, double y)
{
    return c->bottom - axis_place(&c->plot->y, y) * (c->bottom - c->top);
}

/* Letters, not bytes, of UTF-8. */
static double text_width(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += (*text & 0xC0) != 0x80;
    return (double)n * LETTER;
}

static void lay_out(struct canvas *c)
{
    double widest = 0;

    c->top = TOP;
    c->bottom = c->plot->height - BOTTOM;
    c->right = c->plot->width - RIGHT;
    c->n_y =
        axis_ticks(&c->plot->y, c->y_ticks, AXIS_TICKS_MAX, (unsigned)((c->bottom - c->top) / 36));
    for (size_t i = 0; i < c->n_y; i++)
        widest = fmax(widest, text_width(c->y_ticks[i].label));
    c->left = fmax(widest + 12, LEFT);
    c->n_x =
        axis_ticks(&c->plot->x, c->x_ticks, AXIS_TICKS_MAX, (unsigned)((c->right - c->left) / 70));
}

static void write_text(const struct canvas *c, double x, double y, const char *attributes,
                       const char *text)
{
    fprintf(c->out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    html_text(c->out, text);
    fputs("</text>\n", c->out);
}

static void write_rule(const struct canvas *c, const char *css_class, double x1, double y1,
                       double x2, double y2)
{
    fprintf(c->out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", css_class, x1, y1, x2, y2);
}

static void write_y_axis(const struct canvas *c)
{
    for (size_t i = 0; i < c->n_y; i++) {
        double y = y_at(c, c->y_ticks[i].value);

        write_rule(c, "grid", c->left, y, c->right, y);
        write_text(c, c->left - 6, y + 4, "text-anchor=\"end\"", c->y_ticks[i].label);
    }
    write_text(c, 2, 14, "", c->plot->y.title);
}

/* A label that would run into the one before it is left out; its line stays. The last one may not leave the plot. */
static void write_x_axis(const struct canvas *c)
{
    double taken = -1e9;

    for (size_t i = 0; i < c->n_x; i++) {
        double x = x_at(c, c->x_ticks[i].value), half = text_width(c->x_ticks[i].label) / 2;

        write_rule(c, "grid", x, c->top, x, c->bottom);
        if (x - half < taken + 8 || x + half > c->plot->width)
            continue;
        write_text(c, x, c->bottom + 17, "text-anchor=\"middle\"", c->x_ticks[i].label);
        taken = x + half;
    }
    write_rule(c, "axis", c->left, c->bottom, c->right, c->bottom);
    write_text(c, c->right, c->bottom + 36, "text-anchor=\"end\"", c->plot->x.title);
}

static void write_shade(const struct canvas *c)
{
    double until = x_at(c, c->plot->shade_until);

    if (c->plot->shade_until <= c->plot->x.min)
        return;
    fprintf(c->out,
            "<rect class=\"shade\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            c->left, c->top, until - c->left, c->bottom - c->top);
    if (until - c->left > text_width(c->plot->shade_label) + 8)
        write_text(c, c->left + 4, c->top + 14, "", c->plot->shade_label);
}

/* The legend, from the right: a sample of each line and its name. */
static void write_legend(const struct canvas *c)
{
    double x = c->right;

    for (size_t i = c->plot->n_series; i-- > 0;) {
        const struct plot_series *s = &c->plot->series[i];
        char line[16];

        if (s->name == NULL)
            continue;
        write_text(c, x, 32, "class=\"legend\" text-anchor=\"end\"", s->name);
        x -= text_width(s->name);
        snprintf(line, sizeof line, "line c%u", s->color % 10);
        write_rule(c, line, x - 28, 28, x - 5, 28);
        x -= 44;
    }
}

/* Of the points in one column of pixels these are enough: what comes in, the extremes, what goes out. */
struct column {
    double x, first, low, high, last;
    size_t n;
};

static void flush_column(const struct canvas *c, struct column *col, bool *begun)
{
    if (col->n == 0)
        return;
    fprintf(c->out, "%c%.1f %.1f", *begun ? 'L' : 'M', col->x, col->first);
    if (col->n > 1 && col->low < col->high)
        fprintf(c->out, "V%.1fV%.1fV%.1f", col->low, col->high, col->last);
    col->n = 0;
    *begun = true;
}

static void add_to_column(struct column *col, double x, double y)
{
    if (col->n == 0)
        *col = (struct column){.x = x, .first = y, .low = y, .high = y};
    col->low = fmin(col->low, y);
    col->high = fmax(col->high, y);
    col->last = y;
    col->n++;
}

static void write_line(const struct canvas *c, const struct plot_series *s)
{
    struct column col = {.n = 0};
    bool begun = false;

    fprintf(c->out, "<path class=\"line c%u\" d=\"", s->color);
    for (size_t i = 0; i < s->n; i++) {
        double x = x_at(c, s->points[i].x);

        if (isnan(s->points[i].y) || (col.n > 0 && x - col.x >= 0.5))
            flush_column(c, &col, &begun);
        if (isnan(s->points[i].y))
            begun = false;
        else
            add_to_column(&col, x, y_at(c, s->points[i].y));
    }
    flush_column(c, &col, &begun);
    fputs("\"/>\n", c->out);
    if (s->n > 60)
        return;
    for (size_t i = 0; i < s->n; i++) /* so few that each can be seen, and a lonely one must */
        if (!isnan(s->points[i].y))
            fprintf(c->out, "<circle class=\"fill c%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                    s->color, x_at(c, s->points[i].x), y_at(c, s->points[i].y));
}

/* The upper edge; where it is to enclose an area, the base line as well. */
static void step_path(const struct canvas *c, const struct plot_series *s, bool closed)
{
    double y = c->bottom;

    fprintf(c->out, "M%.1f %.1f", x_at(c, s->points[0].x),
            closed ? c->bottom : y_at(c, s->points[0].y));
    for (size_t i = 0; i + 1 < s->n; i++) {
        double next = isnan(s->points[i].y) ? c->bottom : y_at(c, s->points[i].y);

        if (next != y || i == 0)
            fprintf(c->out, "V%.1f", next);
        y = next;
        fprintf(c->out, "H%.1f", x_at(c, s->points[i + 1].x));
    }
    if (closed)
        fprintf(c->out, "V%.1fZ", c->bottom);
}

static void write_steps(const struct canvas *c, const struct plot_series *s)
{
    if (s->n < 2)
        return;
    if (s->kind == PLOT_AREA) {
        fprintf(c->out, "<path class=\"fill under c%u\" d=\"", s->color);
        step_path(c, s, true);
        fputs("\"/>\n", c->out);
    }
    fprintf(c->out, "<path class=\"line c%u\" d=\"", s->color);
    step_path(c, s, false);
    fputs("\"/>\n", c->out);
}

static void write_bars(const struct canvas *c, const struct plot_series *s)
{
    for (size_t i = 0; i + 1 < s->n; i++) {
        double left = x_at(c, s->points[i].x), right = x_at(c, s->points[i + 1].x);
        double height = c->bottom - y_at(c, s->points[i].y);

        if (!(s->points[i].y > 0)) /* one of a thousand may not be seen, but should */
            continue;
        height = fmax(height, 1.5);
        fprintf(c->out,
                "<rect class=\"fill c%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                s->color, left + 0.5, c->bottom - height, fmax(right - left - 1, 0.5), height);
    }
}

static void write_series(const struct canvas *c)
{
    for (size_t i = 0; i < c->plot->n_series; i++) {
        const struct plot_series *s = &c->plot->series[i];

        switch (s->kind) {
        case PLOT_LINE:
            write_line(c, s);
            break;
        case PLOT_STEPS:
        case PLOT_AREA:
            write_steps(c, s);
            break;
        case PLOT_BARS:
            write_bars(c, s);
            break;
        }
    }
}

static void write_hints(const struct canvas *c)
{
    for (size_t i = 0; i < c->plot->n_hints; i++) {
        const struct plot_hint *hint = &c->plot->hints[i];
        double left = x_at(c, hint->from), right = x_at(c, hint->to);

        fprintf(c->out,
                "<rect class=\"hint\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
                left, c->top, right - left, c->bottom - c->top);
        html_text(c->out, hint->text);
        fputs("</title></rect>\n", c->out);
    }
}

void plot_write(FILE *out, const struct plot *plot, const char *css_class)
{
    struct canvas canvas = {.out = out, .plot = plot};

    lay_out(&canvas);
    fprintf(out, "<svg class=\"plot %s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
            css_class, plot->width, plot->height);
    html_text(out, plot->about);
    fputs("\">\n", out);
    write_shade(&canvas);
    write_y_axis(&canvas);
    write_x_axis(&canvas);
    write_series(&canvas);
    write_legend(&canvas);
    write_hints(&canvas);
    fputs("</svg>\n", out);
}
