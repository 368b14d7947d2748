/* report_plots.h -- the plots of a finished run, each drawn twice: for a wide window and for a phone, of which the
 * style sheet shows one (classes "wide" and "narrow").
 *
 * Each returns 0 or -ENOMEM, and writes nothing where there is nothing to plot.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_PLOTS_H
#define REPORT_REPORT_PLOTS_H

#include <stdio.h>

struct percentiles;
struct result;

/* How long all but the slowest 10 %, 1 %, 0.1 %, ... took. */
int plot_spectrum(FILE *out, const struct result *r, const struct percentiles *percentiles);

/* Messages a second, and response times, interval by interval. */
int plot_rate(FILE *out, const struct result *r);
int plot_latency(FILE *out, const struct result *r);

/* How many connections took how long to open. */
int plot_connects(FILE *out, const struct result *r);

#endif
