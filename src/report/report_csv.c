/* report_csv.c -- the report for a spreadsheet: a header and one row per run (RFC 4180, lines ended by \n).
 *
 * A row has what was asked and what came of it, so that the rows of many runs, which --csv=FILE adds to one file,
 * can be sorted, filtered and plotted against any input. The intervals of a run and its troubles in words
 * are in the JSON. Times are whole nanoseconds; what is unknown or does not apply is an empty cell.
 *
 * The header and the row come from the same list, which runs once for each: they cannot differ.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/escape.h"
#include "../bench/result.h"
#include "report.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* A line under way; of the header where there is no result. */
struct line {
    FILE *out;
    const struct result *r;
    bool begun;
};

/* Begins a cell. Returns whether its value is wanted; in a header its name stands there already. */
static bool cell(struct line *l, const char *name)
{
    if (l->begun)
        fputc(',', l->out);
    l->begun = true;
    if (l->r == NULL)
        fputs(name, l->out);
    return l->r != NULL;
}

static void number_cell(struct line *l, const char *name, uint64_t value, bool is_known)
{
    if (cell(l, name) && is_known)
        fprintf(l->out, "%" PRIu64, value);
}

static void time_cell(struct line *l, const char *name, int64_t span_ns, bool is_known)
{
    if (cell(l, name) && is_known)
        fprintf(l->out, "%" PRId64, span_ns);
}

static void real_cell(struct line *l, const char *name, double value, bool is_known)
{
    if (cell(l, name) && is_known)
        fprintf(l->out, "%.12g", value);
}

/* In quotes where it must be; one that a spreadsheet would take for a formula follows an apostrophe. */
static void text_cell(struct line *l, const char *name, const char *text)
{
    char safe[SIZES_TEXT_MAX];
    bool is_formula;

    if (!cell(l, name))
        return;
    escape_text(safe, sizeof safe, text);
    is_formula = safe[0] != '\0' && strchr("=+-@", safe[0]) != NULL;
    if (strpbrk(safe, ",\"") == NULL && !is_formula) {
        fputs(safe, l->out);
        return;
    }
    fputc('"', l->out);
    if (is_formula)
        fputc('\'', l->out);
    for (const char *c = safe; *c != '\0'; c++)
        fprintf(l->out, *c == '"' ? "\"\"" : "%c", *c);
    fputc('"', l->out);
}

static void begun_cell(struct line *l, int64_t begun_real_ns)
{
    time_t seconds = (time_t)(begun_real_ns / NS_PER_S);
    char text[32];
    struct tm utc;

    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        text[0] = '\0';
    text_cell(l, "begun", text);
}

/* "64", "64:1500", "64,512": as -s takes it */
static void sizes_cell(struct line *l, const struct sizes *sizes)
{
    char text[SIZES_TEXT_MAX];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizes->n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRIu32,
                                 i == 0         ? ""
                                 : sizes->range ? ":"
                                                : ",",
                                 sizes->list[i]);
    text_cell(l, "size", text);
}

static void plan_cells(struct line *l, const struct result *r)
{
    const struct plan *plan = r->plan;
    bool is_open = plan->rate > 0;

    begun_cell(l, r->begun_real_ns);
    text_cell(l, "host", r->env.host);
    text_cell(l, "target", plan->target);
    text_cell(l, "mode", plan->crr ? "connect" : is_open ? "open" : "closed");
    real_cell(l, "rate", plan->rate, is_open);
    text_cell(l, "arrival",
              !is_open                           ? ""
              : plan->arrival == ARRIVAL_POISSON ? "poisson"
                                                 : "constant");
    number_cell(l, "connections", plan->connections, true);
    number_cell(l, "idle", plan->idle, true);
    number_cell(l, "threads", plan->threads, true);
    number_cell(l, "depth", plan->depth, true);
    sizes_cell(l, &plan->sizes);
    text_cell(l, "engine", r->engine);
    time_cell(l, "omit_ns", plan->omit_ns, true);
}

static void times_cells(struct line *l, const char *view, const struct hist *h,
                        const struct percentiles *p)
{
    bool known = h->count > 0;
    char name[2 * FIGURE_MAX], percentile[FIGURE_MAX];

    snprintf(name, sizeof name, "%s_min_ns", view);
    time_cell(l, name, h->min_ns, known);
    snprintf(name, sizeof name, "%s_mean_ns", view);
    time_cell(l, name, (int64_t)hist_mean_ns(h), known);
    for (size_t i = 0; i < p->n; i++) {
        snprintf(name, sizeof name, "%s_%s_ns", view, percentile_text(percentile, p->list[i]));
        time_cell(l, name, hist_percentile(h, p->list[i]), known);
    }
    snprintf(name, sizeof name, "%s_max_ns", view);
    time_cell(l, name, h->max_ns, known);
}

static void outcome_cells(struct line *l, const struct result *r)
{
    double messages = (double)r->total.messages;
    bool any = r->total.messages > 0;

    text_cell(l, "verdict", verdict_word(result_verdict(r)));
    time_cell(l, "elapsed_ns", r->elapsed_ns, true);
    number_cell(l, "messages", r->total.messages, true);
    number_cell(l, "bytes", r->total.bytes, true);
    real_cell(l, "messages_per_s", result_rate(r), true);
    real_cell(l, "bytes_per_s", result_bytes_rate(r), true);
    number_cell(l, "late_sends", r->total.late, true);
    number_cell(l, "blocked_sends", r->total.blocked, true);
    number_cell(l, "connections_made", r->total.connections, true);
    number_cell(l, "connections_retried", syns_retried(&r->syns), true);
    number_cell(l, "connections_given_up", r->syns.given_up, true);
    number_cell(l, "lost_messages", r->lost_messages, true);
    number_cell(l, "unsent_messages", r->unsent, true);
    real_cell(l, "found_rate", r->found_rate, r->searched && r->found_rate > 0);
    real_cell(l, "refuted_rate", r->refuted_rate, r->searched && r->refuted_rate > 0);
    for (enum trouble_kind kind = 0; kind < TROUBLE_KINDS; kind++) {
        char name[FIGURE_MAX];

        snprintf(name, sizeof name, "trouble_%s", trouble_word(kind));
        number_cell(l, name, r->troubles[kind], true);
    }
    real_cell(l, "bench_cpu_ns_per_message", any ? (double)r->cpu_ns / messages : 0, any);
    real_cell(l, "server_cpu_ns_per_message", any ? (double)r->server_cpu_ns / messages : 0,
              any && r->server_cpu_ns >= 0);
    number_cell(l, "retransmitted_segments", r->retransmits, true);
    text_cell(l, "limited", r->limited);
}

static void all_cells(struct line *l, const struct result *r, const struct percentiles *p)
{
    plan_cells(l, r);
    outcome_cells(l, r);
    times_cells(l, "response", r->response, p);
    times_cells(l, "service", r->service, p);
    times_cells(l, "connect", r->connect, p);
    times_cells(l, "lag", r->lag, p);
    fputc('\n', l->out);
}

void report_csv_header(FILE *out, const struct percentiles *percentiles)
{
    static const struct plan no_plan;
    static struct hist no_times;
    const struct result nothing = {
        .plan = &no_plan,
        .engine = "",
        .response = &no_times,
        .service = &no_times,
        .connect = &no_times,
        .lag = &no_times,
    };
    struct line line = {.out = out};

    all_cells(&line, &nothing, percentiles);
}

void report_csv(FILE *out, const struct result *r, const struct percentiles *percentiles)
{
    struct line line = {.out = out, .r = r};

    all_cells(&line, r, percentiles);
}
