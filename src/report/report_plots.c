/* report_plots.c -- see report_plots.h.
 *
 * SPDX-License-Identifier: MIT */
#include "report_plots.h"

#include "../base/figures.h"
#include "../base/hist.h"
#include "../bench/result.h"
#include "plot.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define SPECTRUM_POINTS 300
#define CONNECT_BARS 40
#define HINTS_MAX 400 /* more are too narrow to point at */

static void draw(FILE *out, struct plot *plot)
{
    plot->width = 880;
    plot->height = 300;
    plot_write(out, plot, "wide");
    plot->width = 336;
    plot->height = 250;
    plot_write(out, plot, "narrow");
}

/* Percentiles at even distances by nines. */
static void sample_spectrum(struct plot_point *points, const struct hist *h, double nines)
{
    for (int i = 0; i < SPECTRUM_POINTS; i++) {
        double percent = 100 - 100 * pow(10, -nines * i / (SPECTRUM_POINTS - 1));

        points[i].x = percent;
        points[i].y = (double)hist_percentile(h, percent);
    }
    points[SPECTRUM_POINTS - 1].y = (double)h->max_ns;
}

static struct plot_hint spectrum_hint(const struct result *r, double percent, double nines)
{
    char name[FIGURE_MAX], response[FIGURE_MAX], service[FIGURE_MAX];
    double rest = 1 - percent / 100, at = rest > 0 ? -log10(rest) : nines;
    struct plot_hint hint = {.from = 100 - 100 * pow(10, -fmax(at - 0.1, 0)),
                             .to = 100 - 100 * pow(10, -fmin(at + 0.1, nines))};

    percentile_text(name, percent);
    time_text(response, hist_percentile(r->response, percent));
    time_text(service, hist_percentile(r->service, percent));
    if (r->plan->rate > 0)
        snprintf(hint.text, sizeof hint.text, "%s: response %s, service %s", name, response,
                 service);
    else
        snprintf(hint.text, sizeof hint.text, "%s: %s", name, response);
    return hint;
}

int plot_spectrum(FILE *out, const struct result *r, const struct percentiles *percentiles)
{
    static const char open[] = "Latency by percentile, of response and of service times";
    static const char closed[] = "Round-trip time by percentile";
    struct plot_point response[SPECTRUM_POINTS], service[SPECTRUM_POINTS];
    struct plot_hint hints[PERCENTILES_MAX];
    /* beyond it every percentile is the maximum */
    double nines = fmax(1.2, log10((double)r->response->count) + 0.1);
    const struct plot_series series[] = {
        {r->plan->rate > 0 ? "response" : NULL, 1, PLOT_STEPS, response, SPECTRUM_POINTS},
        {"service", 2, PLOT_STEPS, service, SPECTRUM_POINTS},
    };
    struct plot plot = {
        .about = r->plan->rate > 0 ? open : closed,
        .x = {.title = "percentile of messages", .scale = AXIS_NINES},
        .y = {.title = "round-trip time", .scale = AXIS_LOG, .unit = AXIS_TIME},
        .series = series,
        .n_series = r->plan->rate > 0 ? 2 : 1,
        .hints = hints,
        .n_hints = percentiles->n,
    };

    if (r->response->count == 0)
        return 0;
    sample_spectrum(response, r->response, nines);
    sample_spectrum(service, r->service, nines);
    plot.x.max = response[SPECTRUM_POINTS - 1].x;
    plot.y.min = (double)(r->service->min_ns < r->response->min_ns ? r->service->min_ns
                                                                   : r->response->min_ns);
    plot.y.max = (double)r->response->max_ns;
    axis_widen(&plot.y);
    for (size_t i = 0; i < percentiles->n; i++)
        hints[i] = spectrum_hint(r, percentiles->list[i], nines);
    draw(out, &plot);
    return 0;
}

/* What the plots along the time have in common. */
struct timeline {
    struct plot plot;
    struct plot_hint *hints;
    struct plot_point *points; /* 'curves' times n_intervals + 1 */
};

static struct plot_hint interval_hint(const struct interval *span)
{
    char begin[AXIS_LABEL_MAX], rate[FIGURE_MAX], p50[FIGURE_MAX], p99[FIGURE_MAX], max[FIGURE_MAX];
    double begin_ns = (double)span->begin_ns, length_ns = (double)span->length_ns;
    struct plot_hint hint = {.from = begin_ns, .to = begin_ns + length_ns};

    axis_label(begin, AXIS_TIME, begin_ns);
    rate_text(rate, length_ns > 0 ? (double)span->counts.messages * 1e9 / length_ns : 0);
    if (span->counts.messages == 0)
        snprintf(hint.text, sizeof hint.text, "from %s on: no echo", begin);
    else
        snprintf(hint.text, sizeof hint.text, "from %s on: %s messages/s, p50 %s, p99 %s, max %s",
                 begin, rate, time_text(p50, span->p50_ns), time_text(p99, span->p99_ns),
                 time_text(max, span->max_ns));
    return hint;
}

static int timeline_init(struct timeline *t, const struct result *r, size_t curves)
{
    const struct interval *first = &r->intervals[0], *last = &r->intervals[r->n_intervals - 1];

    t->points = calloc(curves * (r->n_intervals + 1), sizeof *t->points);
    t->hints = calloc(HINTS_MAX, sizeof *t->hints);
    if (t->points == NULL || t->hints == NULL)
        return -ENOMEM;
    t->plot.x = (struct axis){.title = "time since the measurement began",
                              .unit = AXIS_TIME,
                              .min = (double)first->begin_ns,
                              .max = (double)(last->begin_ns + last->length_ns)};
    if (t->plot.x.max <= t->plot.x.min)
        t->plot.x.max = t->plot.x.min + 1;
    t->plot.shade_until = first->begin_ns < 0 ? 0 : t->plot.x.min;
    t->plot.shade_label = "warm-up";
    t->plot.hints = t->hints;
    t->plot.n_hints = r->n_intervals <= HINTS_MAX ? r->n_intervals : 0;
    for (size_t i = 0; i < t->plot.n_hints; i++)
        t->hints[i] = interval_hint(&r->intervals[i]);
    return 0;
}

static void timeline_done(struct timeline *t)
{
    free(t->points);
    free(t->hints);
}

int plot_rate(FILE *out, const struct result *r)
{
    struct timeline t = {.points = NULL};
    struct plot_series series = {NULL, 1, PLOT_AREA, NULL, r->n_intervals + 1};
    int result;

    if (r->n_intervals == 0)
        return 0;
    result = timeline_init(&t, r, 1);
    if (result < 0)
        goto done;
    for (size_t i = 0; i < r->n_intervals; i++) {
        const struct interval *span = &r->intervals[i];
        double rate =
            span->length_ns > 0 ? (double)span->counts.messages * 1e9 / (double)span->length_ns : 0;

        t.points[i] = (struct plot_point){(double)span->begin_ns, rate};
        t.plot.y.max = fmax(t.plot.y.max, rate);
    }
    t.points[r->n_intervals].x = t.plot.x.max;
    series.points = t.points;
    t.plot.about = "Messages a second over the time of the run";
    t.plot.y.title = "messages/s";
    t.plot.series = &series;
    t.plot.n_series = 1;
    axis_widen(&t.plot.y);
    draw(out, &t.plot);
done:
    timeline_done(&t);
    return result;
}

/* An interval without echoes leaves a gap. */
static void latency_points(struct timeline *t, const struct result *r)
{
    size_t n = r->n_intervals;

    t->plot.y.min = (double)HIST_MAX_NS;
    for (size_t i = 0; i < n; i++) {
        const struct interval *span = &r->intervals[i];
        double middle = (double)span->begin_ns + (double)span->length_ns / 2;
        bool known = span->counts.messages > 0;

        t->points[i] = (struct plot_point){middle, known ? (double)span->p50_ns : NAN};
        t->points[n + i] = (struct plot_point){middle, known ? (double)span->p99_ns : NAN};
        t->points[2 * n + i] = (struct plot_point){middle, known ? (double)span->max_ns : NAN};
        if (!known)
            continue;
        t->plot.y.min = fmin(t->plot.y.min, (double)span->p50_ns);
        t->plot.y.max = fmax(t->plot.y.max, (double)span->max_ns);
    }
}

int plot_latency(FILE *out, const struct result *r)
{
    struct timeline t = {.points = NULL};
    size_t n = r->n_intervals;
    struct plot_series series[3];
    int result;

    if (r->n_intervals == 0 || r->response->count == 0)
        return 0;
    result = timeline_init(&t, r, 3);
    if (result < 0)
        goto done;
    latency_points(&t, r);
    series[0] = (struct plot_series){"p50", 1, PLOT_LINE, t.points, n};
    series[1] = (struct plot_series){"p99", 2, PLOT_LINE, t.points + n, n};
    series[2] = (struct plot_series){"max", 3, PLOT_LINE, t.points + 2 * n, n};
    t.plot.about = "Median, 99th percentile and maximum of response times over the time of the run";
    t.plot.y.title = "response time";
    t.plot.y.scale = AXIS_LOG;
    t.plot.y.unit = AXIS_TIME;
    t.plot.series = series;
    t.plot.n_series = 3;
    axis_widen(&t.plot.y);
    draw(out, &t.plot);
done:
    timeline_done(&t);
    return result;
}

/* Counts the values into bars of equal width on the axis. */
static void fill_bars(struct plot_point *bars, struct axis *x, struct axis *y, const struct hist *h)
{
    for (int i = 0; i <= CONNECT_BARS; i++)
        bars[i] = (struct plot_point){x->min * pow(x->max / x->min, (double)i / CONNECT_BARS), 0};
    for (uint32_t slot = 0; slot < HIST_SLOTS; slot++) {
        double middle, place;

        if (h->slots[slot] == 0)
            continue;
        middle = (double)(hist_slot_lowest(slot) + hist_slot_highest(slot)) / 2;
        place = fmin(axis_place(x, middle) * CONNECT_BARS, CONNECT_BARS - 1);
        bars[(int)place].y += (double)h->slots[slot];
        y->max = fmax(y->max, bars[(int)place].y);
    }
}

int plot_connects(FILE *out, const struct result *r)
{
    struct plot_point bars[CONNECT_BARS + 1];
    struct plot_hint hints[CONNECT_BARS];
    const struct plot_series series = {NULL, 1, PLOT_BARS, bars, CONNECT_BARS + 1};
    struct plot plot = {
        .about = "How many connections took how long to open",
        .x = {.title = "time to connect",
              .scale = AXIS_LOG,
              .unit = AXIS_TIME,
              .min = (double)r->connect->min_ns,
              .max = (double)r->connect->max_ns},
        .y = {.title = "connections"},
        .series = &series,
        .n_series = 1,
        .hints = hints,
        .n_hints = CONNECT_BARS,
    };

    if (r->connect->count == 0)
        return 0;
    axis_widen(&plot.x);
    fill_bars(bars, &plot.x, &plot.y, r->connect);
    axis_widen(&plot.y);
    for (int i = 0; i < CONNECT_BARS; i++) {
        char from[FIGURE_MAX], to[FIGURE_MAX];

        hints[i] = (struct plot_hint){.from = bars[i].x, .to = bars[i + 1].x};
        snprintf(hints[i].text, sizeof hints[i].text, "%s to %s: %.0f",
                 time_text(from, (int64_t)bars[i].x), time_text(to, (int64_t)bars[i + 1].x),
                 bars[i].y);
    }
    draw(out, &plot);
    return 0;
}
