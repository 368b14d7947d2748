/* report_text.c -- the report for people: what was asked, what came of it, and whether to believe it.
 *
 * Two columns of words and figures, in the order in which a reader asks. What did not happen is not mentioned, but
 * for what its absence tells: the verdict on the bytes, and retransmits. In an open loop both views of
 * the times stand side by side, always.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/escape.h"
#include "../base/units.h"
#include "../bench/result.h"
#include "report.h"

#include <inttypes.h>

#define LABEL "%-13s "

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_marks(FILE *out, const struct result *r)
{
    char span[UNITS_TEXT_MAX];

    units_duration_text(span, r->elapsed_ns);
    if (r->interrupted)
        fprintf(out, "INTERRUPTED after %s: a part of what was asked\n", span);
    if (r->cut_short)
        fprintf(out, "CUT SHORT after %s: no connection was left\n", span);
}

static void print_load(FILE *out, const struct result *r)
{
    const struct plan *plan = r->plan;
    char sizes[SIZES_TEXT_MAX], count[FIGURE_MAX], rate[FIGURE_MAX], target[sizeof plan->target];

    fprintf(out, LABEL "%s\n", "target", escape_text(target, sizeof target, plan->target));
    fprintf(out, LABEL "%s connection%s on %u thread%s", "load",
            count_text(count, plan->connections), plural(plan->connections), plan->threads,
            plural(plan->threads));
    if (plan->idle > 0)
        fprintf(out, ", %s idle ones beside them", count_text(count, plan->idle));
    fprintf(out, ", engine %s\n", r->engine);
    fprintf(out, LABEL "%s, depth %" PRIu64 "\n", "messages", sizes_text(sizes, &plan->sizes),
            plan->depth);
    if (plan->crr)
        fprintf(out, LABEL "a connection for each message\n", "mode");
    else if (plan->rate > 0)
        fprintf(out, LABEL "open loop, %s messages/s asked for, %s\n", "mode",
                rate_text(rate, plan->rate),
                plan->arrival == ARRIVAL_POISSON ? "Poisson arrivals" : "evenly spaced");
    else
        fprintf(out, LABEL "closed loop\n", "mode");
}

static void print_span(FILE *out, const struct result *r)
{
    char span[UNITS_TEXT_MAX];

    fprintf(out, LABEL "%s", "time", units_duration_text(span, r->elapsed_ns));
    if (r->plan->omit_ns > 0)
        fprintf(out, ", after a warm-up of %s", units_duration_text(span, r->plan->omit_ns));
    fputc('\n', out);
}

/* The figures below are of the best trial, the one at the rate that held. */
static void print_search(FILE *out, const struct result *r)
{
    char rate[FIGURE_MAX];

    if (!r->searched)
        return;
    if (r->found_rate > 0)
        fprintf(out, LABEL "%s messages/s held", "highest rate", rate_text(rate, r->found_rate));
    else
        fprintf(out, LABEL "none held", "highest rate");
    if (r->refuted_rate > 0)
        fprintf(out, ", %s did not", rate_text(rate, r->refuted_rate));
    fputc('\n', out);
}

static void print_rates(FILE *out, const struct result *r)
{
    char number[FIGURE_MAX], bytes[UNITS_TEXT_MAX];

    fprintf(out, LABEL "%s messages/s", "rate", rate_text(number, result_rate(r)));
    fprintf(out, ", %s each way\n", bytes_rate_text(number, result_bytes_rate(r)));
    fprintf(out, LABEL "%s message%s", "echoed", count_text(number, r->total.messages),
            plural(r->total.messages));
    fprintf(out, ", %s each way\n", units_bytes_text(bytes, r->total.bytes));
}

static void print_machine(FILE *out, const struct environment *env)
{
    char system[sizeof env->system], congestion[sizeof env->congestion];

    fprintf(out, LABEL "%s, %u CPU%s", "machine",
            env->system[0] ? escape_text(system, sizeof system, env->system) : "unknown system",
            env->cpus, plural(env->cpus));
    if (env->congestion[0])
        fprintf(out, ", %s", escape_text(congestion, sizeof congestion, env->congestion));
    fputc('\n', out);
}

/* One line of the table; a mark where another run may well give another value. */
static void print_times(FILE *out, const char *label, int64_t response_ns, int64_t service_ns,
                        const struct result *r, const char *mark)
{
    char time[FIGURE_MAX];

    fprintf(out, LABEL "%10s", label, time_text(time, response_ns));
    if (r->plan->rate > 0)
        fprintf(out, "   %10s", time_text(time, service_ns));
    fprintf(out, "%s\n", mark);
}

static void print_latency(FILE *out, const struct result *r, const struct percentiles *p)
{
    const struct hist *response = r->response, *service = r->service;
    char label[FIGURE_MAX];
    bool thin = false;

    if (response->count == 0) {
        fprintf(out, "\nno echo came back in the measurement: no times\n");
        return;
    }
    if (r->plan->rate > 0)
        fprintf(out, "\n" LABEL "%10s   %10s\n", "", "response", "service");
    else
        fprintf(out, "\n" LABEL "%10s\n", "", "round trip");
    print_times(out, "min", response->min_ns, service->min_ns, r, "");
    for (size_t i = 0; i < p->n; i++) {
        bool is_thin = percentile_thin(response->count, p->list[i]);

        thin = thin || is_thin;
        print_times(out, percentile_text(label, p->list[i]), hist_percentile(response, p->list[i]),
                    hist_percentile(service, p->list[i]), r, is_thin ? " *" : "");
    }
    print_times(out, "max", response->max_ns, service->max_ns, r, "");
    print_times(out, "mean", (int64_t)hist_mean_ns(response), (int64_t)hist_mean_ns(service), r,
                "");
    print_times(out, "std. dev.", (int64_t)hist_stddev_ns(response),
                (int64_t)hist_stddev_ns(service), r, "");
    if (thin)
        fprintf(out, "* fewer than ten messages took longer: another run may well differ\n");
    if (r->plan->rate > 0)
        fprintf(out, "response: since a message should have left; service: since it left\n");
    else
        fprintf(out,
                "A closed loop sends nothing while it waits, so a stall shows once where many\n"
                "would have felt it; -R sends on schedule and shows it to all.\n");
}

static void print_schedule(FILE *out, const struct result *r)
{
    char late[FIGURE_MAX], blocked[FIGURE_MAX], p50[FIGURE_MAX], p99[FIGURE_MAX], max[FIGURE_MAX];

    if (r->plan->rate <= 0)
        return;
    fprintf(out, LABEL "%s more than %s late", "late sends", count_text(late, r->total.late),
            time_text(max, LATE_NS));
    if (r->total.blocked > 0)
        fprintf(out, ", of them %s because every connection was busy",
                count_text(blocked, r->total.blocked));
    fputc('\n', out);
    if (r->unsent > 0)
        fprintf(out, LABEL "%s message%s due, and still waiting at the end\n", "unsent",
                count_text(late, r->unsent), plural(r->unsent));
    if (r->lag->count > 0)
        fprintf(out, LABEL "p50 %s, p99 %s, max %s after the schedule\n", "our own lag",
                time_text(p50, hist_percentile(r->lag, 50)),
                time_text(p99, hist_percentile(r->lag, 99)), time_text(max, r->lag->max_ns));
}

static void print_connections(FILE *out, const struct result *r)
{
    char number[FIGURE_MAX], p50[FIGURE_MAX], p99[FIGURE_MAX], max[FIGURE_MAX];
    char syns[SYNS_TEXT_MAX], idle[FIGURE_MAX];

    fprintf(out, LABEL "%s made", "connections", count_text(number, r->total.connections));
    if (r->plan->crr && r->elapsed_ns > 0)
        fprintf(out, " (%s/s)",
                rate_text(number, (double)r->total.connections * 1e9 / (double)r->elapsed_ns));
    if (r->connect->count > 0)
        fprintf(out, ": p50 %s, p99 %s, max %s", time_text(p50, hist_percentile(r->connect, 50)),
                time_text(p99, hist_percentile(r->connect, 99)),
                time_text(max, r->connect->max_ns));
    fputc('\n', out);
    if (result_syns_text(syns, r)[0])
        fprintf(out, LABEL "%s\n", "SYN retries", syns);
    if (r->plan->idle > 0)
        fprintf(out, LABEL "%s of %s still echoed at the end\n", "idle",
                count_text(number, r->idle_right), count_text(idle, r->plan->idle));
}

static void print_costs(FILE *out, const struct result *r)
{
    double elapsed = r->elapsed_ns > 0 ? (double)r->elapsed_ns : 1;
    char number[FIGURE_MAX], spinning[FIGURE_MAX], each[RESULT_COST_MAX];

    fprintf(out, LABEL "%sbusiest thread at %.0f %%%s\n", "CPU, bench",
            result_cost_text(each, r, r->cpu_ns, "us"), (double)r->busiest_ns * 100 / elapsed,
            result_spinning_text(spinning, r));
    if (r->server_cpu_ns >= 0)
        fprintf(out, LABEL "%s%.0f %% of one CPU\n", "CPU, server",
                result_cost_text(each, r, r->server_cpu_ns, "us"),
                (double)r->server_cpu_ns * 100 / elapsed);
    fprintf(out, LABEL "%s segment%s by this side\n", "retransmits",
            count_text(number, r->retransmits), plural(r->retransmits));
    if (r->limited[0] != '\0')
        fprintf(out, "\nCLIENT-LIMITED: %s\n", r->limited);
}

static void print_kept(FILE *out, const struct result *r)
{
    char text[sizeof r->kept[0].text], number[FIGURE_MAX];
    uint64_t sum = result_troubles(r);

    for (size_t i = 0; i < r->n_kept; i++) {
        size_t alike = result_alike(r, i);

        if (alike == 0)
            continue;
        fprintf(out, "  %s", escape_text(text, sizeof text, r->kept[i].text));
        if (alike > 1)
            fprintf(out, " (and %zu more like it)", alike - 1);
        fputc('\n', out);
    }
    if (sum > r->n_kept && r->n_kept > 0)
        fprintf(out, "  ... and %s more\n", count_text(number, sum - r->n_kept));
}

void report_troubles(FILE *out, const struct result *r)
{
    char number[FIGURE_MAX];
    uint64_t silent = r->idle_right < r->plan->idle ? r->plan->idle - r->idle_right : 0;
    const char *comma = "";

    for (enum trouble_kind kind = 0; kind < TROUBLE_KINDS; kind++) {
        if (r->troubles[kind] == 0)
            continue;
        fprintf(out, "%s%s %s", comma, count_text(number, r->troubles[kind]), trouble_word(kind));
        comma = ", ";
    }
    if (r->lost_messages > 0) {
        fprintf(out, "%s%s message%s sent and never echoed", comma,
                count_text(number, r->lost_messages), plural(r->lost_messages));
        comma = ", ";
    }
    if (silent > 0 && !r->interrupted) {
        fprintf(out, "%s%s idle connection%s without an echo", comma, count_text(number, silent),
                plural(silent));
        comma = ", ";
    }
    if (*comma == '\0')
        fputs("not all that was asked was done", out);
}

static void print_troubles(FILE *out, const struct result *r)
{
    fputs("TROUBLE: ", out);
    report_troubles(out, r);
    fputc('\n', out);
    print_kept(out, r);
}

static void print_verdict(FILE *out, const struct result *r)
{
    enum verdict verdict = result_verdict(r);
    char number[FIGURE_MAX];

    fputc('\n', out);
    if (verdict == VERDICT_WRONG || verdict == VERDICT_UNCONNECTED)
        print_troubles(out, r);
    else if (r->total.messages == 0)
        fprintf(out, "nothing was wrong, and nothing was echoed\n");
    else
        fprintf(out, "every byte of %s message%s came back right\n",
                count_text(number, r->total.messages), plural(r->total.messages));
}

void report_text(FILE *out, const struct result *r, const struct percentiles *percentiles)
{
    const char *source = r->env.clocksource;

    fprintf(out, "round-trip times, CLOCK_MONOTONIC (%s)\n", *source ? source : "unknown source");
    print_marks(out, r);
    print_load(out, r);
    print_machine(out, &r->env);
    print_span(out, r);
    fputc('\n', out);
    print_search(out, r);
    print_rates(out, r);
    print_latency(out, r, percentiles);
    print_schedule(out, r);
    fputc('\n', out);
    print_connections(out, r);
    print_costs(out, r);
    print_verdict(out, r);
}
