/* report_html.c -- the report to look at: one page that needs nothing else, neither a network nor a script.
 *
 * Headline figures first, then the latency spectrum, the run over its time, connecting, what went wrong, and at last
 * what was asked on which machine, so that a reader can repeat it. Everything drawn is also there as a table or a
 * sentence, or shows when it is pointed at. A policy in the page's head forbids it to load or run anything,
 * whatever a name from outside may hold.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/units.h"
#include "../bench/result.h"
#include "html.h"
#include "plot.h"
#include "report.h"
#include "report_sections.h"
#include "report_style.h"

#include <time.h>

#define TEXT_MAX 256

static void put_head(FILE *out, const struct result *r)
{
    time_t seconds = (time_t)(r->begun_real_ns / NS_PER_S);
    char when[64] = "";
    struct tm utc;

    if (seconds > 0 && gmtime_r(&seconds, &utc) != NULL)
        strftime(when, sizeof when, " · %Y-%m-%d %H:%M:%S UTC", &utc);
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'; img-src data:\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>",
          out);
    html_text(out, r->plan->target);
    fprintf(out, ": echo bench</title>\n<style>\n%s%s</style>\n</head>\n<body>\n<main>\n",
            plot_style, page_style);
    fputs("<header>\n<p class=\"soft\">meari-bench ", out);
    html_text(out, r->env.version ? r->env.version : "");
    fprintf(out, "%s</p>\n<h1>", when);
    html_text(out, r->plan->target);
    fputs("</h1>\n<p>Round-trip times, CLOCK_MONOTONIC (", out);
    html_text(out, r->env.clocksource[0] ? r->env.clocksource : "unknown source");
    fputs(")</p>\n</header>\n", out);
}

static void put_note(FILE *out, const char *css_class, const char *label, const char *text)
{
    fprintf(out, "<p class=\"note %s\"><strong>%s</strong> ", css_class, label);
    html_text(out, text);
    fputs("</p>\n", out);
}

static void put_marks(FILE *out, const struct result *r)
{
    char text[TEXT_MAX], span[UNITS_TEXT_MAX];

    units_duration_text(span, r->elapsed_ns);
    if (r->interrupted) {
        snprintf(text, sizeof text, "after %s: a part of what was asked.", span);
        put_note(out, "bad", "Interrupted", text);
    }
    if (r->cut_short) {
        snprintf(text, sizeof text, "after %s: no connection was left.", span);
        put_note(out, "bad", "Cut short", text);
    }
}

static void put_verdict(FILE *out, const struct result *r)
{
    char text[TEXT_MAX], number[FIGURE_MAX];

    switch (result_verdict(r)) {
    case VERDICT_RIGHT:
    case VERDICT_INTERRUPTED:
        snprintf(text, sizeof text, "%s message%s came back right to the last byte.",
                 count_text(number, r->total.messages), r->total.messages == 1 ? "" : "s");
        put_note(out, "good", "Verified.", text);
        break;
    case VERDICT_WRONG:
        put_note(out, "bad", "Not right.", "Not everything that was asked happened: see Troubles.");
        break;
    case VERDICT_UNCONNECTED:
        put_note(out, "bad", "No connection", "could be made.");
        break;
    }
}

static void put_search(FILE *out, const struct result *r)
{
    char text[TEXT_MAX], number[FIGURE_MAX];

    if (r->searched && r->found_rate > 0) {
        snprintf(text, sizeof text,
                 "is %s messages/s; the figures below are of the run at that rate.",
                 rate_text(number, r->found_rate));
        put_note(out, "good", "The highest rate that held", text);
    } else if (r->searched) {
        put_note(out, "bad", "No rate held", "of those that were tried.");
    }
}

static void put_card(FILE *out, const char *label, const char *value)
{
    fprintf(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", label, value);
}

static void put_time_card(FILE *out, const char *label, int64_t span_ns)
{
    fprintf(out, "<div><dt>%s</dt><dd>", label);
    html_time(out, span_ns);
    fputs("</dd></div>\n", out);
}

static void put_cards(FILE *out, const struct result *r)
{
    static const double percents[] = {50, 99, 99.9};
    const char *view = r->plan->rate > 0 ? "response" : "round trip";
    char text[FIGURE_MAX], label[2 * FIGURE_MAX];

    fputs("<dl class=\"cards\">\n", out);
    put_card(out, "messages/s", rate_text(text, result_rate(r)));
    put_card(out, "each way", bytes_rate_text(text, result_bytes_rate(r)));
    for (size_t i = 0; i < 3 && r->response->count > 0; i++) {
        snprintf(label, sizeof label, "%s %s", view, percentile_text(text, percents[i]));
        put_time_card(out, label, hist_percentile(r->response, percents[i]));
    }
    if (r->response->count > 0) {
        snprintf(label, sizeof label, "%s max", view);
        put_time_card(out, label, r->response->max_ns);
    }
    if (r->server_cpu_ns >= 0 && r->total.messages > 0)
        put_time_card(out, "server CPU a message", r->server_cpu_ns / (int64_t)r->total.messages);
    if (r->total.messages > 0)
        put_time_card(out, "bench CPU a message", r->cpu_ns / (int64_t)r->total.messages);
    fputs("</dl>\n", out);
}

int report_html(FILE *out, const struct result *r, const struct percentiles *percentiles)
{
    int result;

    put_head(out, r);
    put_marks(out, r);
    put_verdict(out, r);
    put_search(out, r);
    if (r->limited[0] != '\0')
        put_note(out, "bad", "The bench may have been the limit:", r->limited);
    put_cards(out, r);
    result = section_latency(out, r, percentiles);
    if (result == 0)
        result = section_timeline(out, r);
    if (result == 0)
        result = section_connects(out, r);
    section_troubles(out, r);
    section_plan(out, r);
    section_machine(out, r);
    fputs("</main>\n</body>\n</html>\n", out);
    return result;
}
