/* report_sections.c -- see report_sections.h.
 *
 * SPDX-License-Identifier: MIT */
#include "report_sections.h"

#include "../base/clock.h"
#include "../base/units.h"
#include "../bench/result.h"
#include "html.h"
#include "report.h"
#include "report_plots.h"

#include <inttypes.h>
#include <string.h>

static void put_times_row(FILE *out, const struct result *r, const char *label, int64_t response_ns,
                          int64_t service_ns)
{
    fprintf(out, "<tr><th scope=\"row\">%s</th><td>", label);
    html_time(out, response_ns);
    if (r->plan->rate > 0) {
        fputs("</td><td>", out);
        html_time(out, service_ns);
    }
    fputs("</td></tr>\n", out);
}

static void put_times_table(FILE *out, const struct result *r, const struct percentiles *p)
{
    const struct hist *response = r->response, *service = r->service;
    char label[FIGURE_MAX + 2];
    bool thin = false;

    fprintf(
        out,
        "<table class=\"times\">\n<thead><tr><td></td><th scope=\"col\">%s</th>%s</tr></thead>\n<tbody>\n",
        r->plan->rate > 0 ? "response" : "round trip",
        r->plan->rate > 0 ? "<th scope=\"col\">service</th>" : "");
    put_times_row(out, r, "min", response->min_ns, service->min_ns);
    for (size_t i = 0; i < p->n; i++) {
        percentile_text(label, p->list[i]);
        if (percentile_thin(response->count, p->list[i])) {
            strcat(label, "*");
            thin = true;
        }
        put_times_row(out, r, label, hist_percentile(response, p->list[i]),
                      hist_percentile(service, p->list[i]));
    }
    put_times_row(out, r, "max", response->max_ns, service->max_ns);
    put_times_row(out, r, "mean", (int64_t)hist_mean_ns(response), (int64_t)hist_mean_ns(service));
    put_times_row(out, r, "std. dev.", (int64_t)hist_stddev_ns(response),
                  (int64_t)hist_stddev_ns(service));
    fputs("</tbody>\n</table>\n", out);
    if (thin)
        fputs(
            "<p class=\"soft\">* Fewer than ten messages took longer: another run may well differ.</p>\n",
            out);
}

static void put_schedule(FILE *out, const struct result *r)
{
    char late[FIGURE_MAX], blocked[FIGURE_MAX];

    fprintf(out, "<p>%s messages left more than 1 ms late", count_text(late, r->total.late));
    if (r->total.blocked > 0)
        fprintf(out, ", %s of them because every connection was busy",
                count_text(blocked, r->total.blocked));
    fputs(".", out);
    if (r->unsent > 0)
        fprintf(out, " %s were due and still waiting at the end.", count_text(late, r->unsent));
    if (r->lag->count > 0) {
        fputs(" Our own lag behind the schedule: p50 ", out);
        html_time(out, hist_percentile(r->lag, 50));
        fputs(", p99 ", out);
        html_time(out, hist_percentile(r->lag, 99));
        fputs(", max ", out);
        html_time(out, r->lag->max_ns);
        fputs(".", out);
    }
    fputs("</p>\n", out);
}

int section_latency(FILE *out, const struct result *r, const struct percentiles *p)
{
    int result;

    fputs("<section>\n<h2>Latency</h2>\n", out);
    if (r->response->count == 0) {
        fputs("<p>No echo came back in the measurement: there are no times.</p>\n</section>\n",
              out);
        return 0;
    }
    if (r->plan->rate > 0)
        fputs(
            "<p class=\"soft\"><b>Response</b> counts from the moment a message should have left, <b>service</b> from the "
            "moment it left. Where they part, messages waited to be sent.</p>\n",
            out);
    else
        fputs(
            "<p class=\"soft\">A closed loop sends nothing while it waits, so a stall shows once where many would have "
            "felt it; <code>-R</code> sends on schedule and shows it to all.</p>\n",
            out);
    fputs("<figure>\n", out);
    result = plot_spectrum(out, r, p);
    fputs("</figure>\n", out);
    put_times_table(out, r, p);
    if (r->plan->rate > 0)
        put_schedule(out, r);
    fputs("</section>\n", out);
    return result;
}

int section_timeline(FILE *out, const struct result *r)
{
    int result;

    if (r->n_intervals == 0)
        return 0;
    fputs("<section>\n<h2>Over time</h2>\n<figure>\n", out);
    result = plot_rate(out, r);
    fputs("</figure>\n<figure>\n", out);
    if (result == 0)
        result = plot_latency(out, r);
    if (r->plan->omit_ns > 0)
        fputs("<figcaption>The shaded warm-up is not counted.</figcaption>\n", out);
    fputs("</figure>\n</section>\n", out);
    return result;
}

int section_connects(FILE *out, const struct result *r)
{
    char number[FIGURE_MAX], syns[SYNS_TEXT_MAX];
    int result = 0;

    fprintf(out, "<section>\n<h2>Connections</h2>\n<p>%s made",
            count_text(number, r->total.connections));
    if (r->connect->count > 0) {
        fputs(": p50 ", out);
        html_time(out, hist_percentile(r->connect, 50));
        fputs(", p99 ", out);
        html_time(out, hist_percentile(r->connect, 99));
        fputs(", max ", out);
        html_time(out, r->connect->max_ns);
    }
    fputs(".", out);
    if (result_syns_text(syns, r)[0])
        fprintf(out, " SYN retries: %s.", syns);
    if (r->plan->idle > 0)
        fprintf(out, " %" PRIu64 " of %" PRIu64 " idle ones still echoed at the end.",
                r->idle_right, r->plan->idle);
    fputs("</p>\n", out);
    if (r->connect->count > 0) {
        fputs("<figure>\n", out);
        result = plot_connects(out, r);
        fputs("</figure>\n", out);
    }
    fputs("</section>\n", out);
    return result;
}

void section_troubles(FILE *out, const struct result *r)
{
    char number[FIGURE_MAX];

    if (result_verdict(r) != VERDICT_WRONG && result_verdict(r) != VERDICT_UNCONNECTED)
        return;
    fputs("<section>\n<h2>Troubles</h2>\n<table>\n<tbody>\n", out);
    for (enum trouble_kind kind = 0; kind < TROUBLE_KINDS; kind++)
        if (r->troubles[kind] > 0)
            html_row(out, trouble_word(kind), count_text(number, r->troubles[kind]));
    if (r->lost_messages > 0)
        html_row(out, "messages never echoed", count_text(number, r->lost_messages));
    if (r->idle_right < r->plan->idle)
        html_row(out, "idle ones without an echo",
                 count_text(number, r->plan->idle - r->idle_right));
    if (r->cut_short)
        html_row(out, "connections left", "none");
    fputs("</tbody>\n</table>\n<ol>\n", out);
    for (size_t i = 0; i < r->n_kept; i++) {
        size_t alike = result_alike(r, i);

        if (alike == 0)
            continue;
        fputs("<li>", out);
        html_text(out, r->kept[i].text);
        if (alike > 1)
            fprintf(out, " (and %zu more like it)", alike - 1);
        fputs("</li>\n", out);
    }
    fputs("</ol>\n</section>\n", out);
}

static void plan_times(FILE *out, const struct plan *plan)
{
    char text[UNITS_TEXT_MAX], number[FIGURE_MAX];

    if (plan->duration_ns != NEVER)
        html_row(out, "duration", units_duration_text(text, plan->duration_ns));
    if (plan->count > 0)
        html_row(out, "messages to measure", count_text(number, plan->count));
    html_row(out, "warm-up", units_duration_text(text, plan->omit_ns));
    html_row(out, "echoes may take", units_duration_text(text, plan->timeout_ns));
}

static void plan_addresses(FILE *out, const struct plan *plan)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < plan->n_addrs; i++)
        html_row(out, "address", addr_text(text, &plan->addrs[i]));
    for (size_t i = 0; i < plan->n_binds; i++)
        html_row(out, "bound to", addr_text(text, &plan->binds[i]));
}

void section_plan(FILE *out, const struct result *r)
{
    const struct plan *plan = r->plan;
    char sizes[SIZES_TEXT_MAX], rate[FIGURE_MAX], spin[FIGURE_MAX];

    fputs("<section>\n<h2>What was asked</h2>\n<table>\n<tbody>\n", out);
    html_row(out, "target", plan->target);
    plan_addresses(out, plan);
    if (plan->crr)
        html_row(out, "mode", "a connection for each message");
    else if (plan->rate > 0)
        html_row_of(out, "mode", "open loop, %s messages/s, %s", rate_text(rate, plan->rate),
                    plan->arrival == ARRIVAL_POISSON ? "Poisson arrivals" : "evenly spaced");
    else
        html_row(out, "mode", "closed loop");
    html_row(out, "message size", sizes_text(sizes, &plan->sizes));
    html_row_of(out, "connections", "%" PRIu64, plan->connections);
    html_row_of(out, "idle beside them", "%" PRIu64, plan->idle);
    if (plan->connect_rate > 0)
        html_row_of(out, "opened", "%s a second", rate_text(rate, plan->connect_rate));
    html_row_of(out, "depth", "%" PRIu64 " message%s in flight per connection", plan->depth,
                plan->depth == 1 ? "" : "s");
    html_row_of(out, "threads", "%u", plan->threads);
    html_row_of(out, "engine", "%s (asked for: %s)", r->engine,
                plan->engine ? plan->engine : "auto");
    if (plan->spin_ns > 0)
        html_row(out, "spin", time_text(spin, plan->spin_ns));
    plan_times(out, plan);
    if (plan->sndbuf > 0)
        html_row_of(out, "send buffer", "%" PRIu64 " bytes", plan->sndbuf);
    if (plan->rcvbuf > 0)
        html_row_of(out, "receive buffer", "%" PRIu64 " bytes", plan->rcvbuf);
    if (plan->congestion)
        html_row(out, "congestion control", plan->congestion);
    html_row_of(out, "seed", "%" PRIu64, plan->seed);
    fputs("</tbody>\n</table>\n</section>\n", out);
}

static void machine_costs(FILE *out, const struct result *r)
{
    double elapsed = r->elapsed_ns > 0 ? (double)r->elapsed_ns : 1;
    char spinning[FIGURE_MAX], each[RESULT_COST_MAX];

    html_row_of(out, "CPU, bench", "%sbusiest thread at %.0f %%%s",
                result_cost_text(each, r, r->cpu_ns, "µs"), (double)r->busiest_ns * 100 / elapsed,
                result_spinning_text(spinning, r));
    if (r->server_cpu_ns >= 0)
        html_row_of(out, "CPU, server", "%s%.0f %% of one CPU",
                    result_cost_text(each, r, r->server_cpu_ns, "µs"),
                    (double)r->server_cpu_ns * 100 / elapsed);
    html_row_of(out, "sent again", "%" PRIu64 " segment%s", r->retransmits,
                r->retransmits == 1 ? "" : "s");
}

void section_machine(FILE *out, const struct result *r)
{
    const struct environment *env = &r->env;

    fputs("<section>\n<h2>Where it ran, and at what cost</h2>\n<table>\n<tbody>\n", out);
    html_row(out, "host", env->host[0] ? env->host : "unknown");
    html_row(out, "system", env->system[0] ? env->system : "unknown");
    html_row_of(out, "CPUs", "%u × %s", env->cpus, env->cpu[0] ? env->cpu : "unknown model");
    html_row(out, "congestion control", env->congestion[0] ? env->congestion : "unknown");
    if (env->somaxconn >= 0)
        html_row_of(out, "somaxconn", "%" PRId64, env->somaxconn);
    html_row(out, "clock source", env->clocksource[0] ? env->clocksource : "unknown");
    machine_costs(out, r);
    fputs("</tbody>\n</table>\n</section>\n", out);
}
