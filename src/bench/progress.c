/* progress.c -- see progress.h.
 *
 * SPDX-License-Identifier: MIT */
#include "progress.h"

#include "../base/clock.h"
#include "../base/figures.h"

#include <inttypes.h>

#define CLEAR "\r\033[K"

/* "3.0 of 10 s", "3.0 s", "40% of 1,000,000 messages": how far it is. */
static void print_where(const struct progress *p, const struct result *r, int64_t at_ns)
{
    const struct plan *plan = r->plan;

    if (plan->count)
        fprintf(p->out, "%6.1f s  %3.0f %%", (double)at_ns / 1e9,
                100.0 * (double)r->total.messages / (double)plan->count);
    else
        fprintf(p->out, "%6.1f of %.1f s", (double)at_ns / 1e9, (double)plan->duration_ns / 1e9);
}

static void begin_line(const struct progress *p)
{
    fputs(p->redrawn ? CLEAR : "", p->out);
}

static void end_line(const struct progress *p)
{
    fputs(p->redrawn ? "" : "\n", p->out);
    fflush(p->out);
}

void progress_connected(const struct progress *p, size_t open, uint64_t asked, int64_t wait_ns)
{
    char soon[FIGURE_MAX];

    if (!p->out)
        return;
    begin_line(p);
    fprintf(p->out, "%zu of %" PRIu64 " connections are open", open, asked);
    if (wait_ns > NS_PER_S)
        fprintf(p->out, ", it begins in %s", time_text(soon, wait_ns));
    end_line(p);
}

void progress_interval(const struct progress *p, const struct result *so_far,
                       const struct record *record)
{
    const struct interval *i = &so_far->intervals[so_far->n_intervals - 1];
    char rate[FIGURE_MAX], p50[FIGURE_MAX], p99[FIGURE_MAX], max[FIGURE_MAX];
    uint64_t troubles = result_troubles(so_far);

    if (!p->out)
        return;
    begin_line(p);
    print_where(p, so_far, i->begin_ns + i->length_ns);
    fprintf(p->out, "%s  %s messages/s  p50 %s  p99 %s  max %s",
            record->warm_up ? " (warm-up)" : "",
            rate_text(rate, (double)i->counts.messages * 1e9 / (double)i->length_ns),
            time_text(p50, i->p50_ns), time_text(p99, i->p99_ns), time_text(max, i->max_ns));
    if (troubles)
        fprintf(p->out, "  %" PRIu64 " in trouble", troubles);
    end_line(p);
}

void progress_trial(const struct progress *p, double rate, bool held, const char *found)
{
    char text[FIGURE_MAX];

    if (!p->out)
        return;
    begin_line(p);
    fprintf(p->out, "%s messages/s: %s, %s", rate_text(text, rate),
            held ? "holds" : "does not hold", found);
    end_line(p);
}

void progress_end(const struct progress *p)
{
    if (!p->out || !p->redrawn)
        return;
    fputs(CLEAR, p->out);
    fflush(p->out);
}
