/* outputs.c -- see outputs.h.
 *
 * SPDX-License-Identifier: MIT */
#include "outputs.h"

#include "../base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool to_stdout(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

/* How many of them want standard output. */
static int on_stdout(const struct options *o)
{
    return to_stdout(o->json) + to_stdout(o->csv) + to_stdout(o->html) + to_stdout(o->hdr_log);
}

static int open_report(struct outputs *out, enum report_format format, const char *path,
                       struct err *err)
{
    int r = report_open(&out->reports[out->n_reports], format, path, &out->percentiles, err);

    out->n_reports += r == 0;
    return r;
}

static int read_conditions(struct outputs *out, const struct options *o, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < o->fail_if.n; i++)
        r = condition_parse(&out->conditions[out->n_conditions++], "--fail-if", o->fail_if.list[i],
                            err);
    return r;
}

static int open_all(struct outputs *out, const struct options *o, struct err *err)
{
    int r = 0;

    if (o->json)
        r = open_report(out, REPORT_JSON, o->json, err);
    if (r == 0 && o->csv)
        r = open_report(out, REPORT_CSV, o->csv, err);
    if (r == 0 && o->html)
        r = open_report(out, REPORT_HTML, o->html, err);
    if (r == 0 && o->hdr_log)
        r = hdrlog_create(&out->log, to_stdout(o->hdr_log) ? NULL : o->hdr_log, err);
    out->for_people = on_stdout(o) == 0;
    if (r == 0 && out->for_people)
        r = open_report(out, REPORT_TEXT, NULL, err);
    return r;
}

int outputs_open(struct outputs *out, const struct options *o, struct err *err)
{
    int r;

    *out = (struct outputs){.n_reports = 0};
    if (on_stdout(o) > 1)
        return err_usage(err, "only one of --json, --csv, --html and --hdr-log can go to standard "
                              "output");
    r = percentiles_parse(&out->percentiles, o->percentiles, err);
    if (r == 0)
        r = read_conditions(out, o, err);
    if (r == 0)
        r = open_all(out, o, err);
    if (r < 0)
        outputs_abandon(out);
    return r;
}

static void begin_log(struct outputs *out, const struct result *r)
{
    char about[512];

    snprintf(about, sizeof about, "meari-bench, %s, %" PRIu64 " connections", r->plan->target,
             r->plan->connections);
    hdrlog_begin(out->log, r->begun_real_ns, about);
    out->log_begun = true;
}

void outputs_interval(struct outputs *out, const struct result *so_far, const struct record *record)
{
    const struct interval *i = &so_far->intervals[so_far->n_intervals - 1];

    if (!out->log)
        return;
    hist_add(&out->connect, &record->connect);
    if (record->warm_up)
        return;
    if (!out->log_begun)
        begin_log(out, so_far);
    hdrlog_write(out->log, HDRLOG_RESPONSE, i->begin_ns, i->length_ns, &record->response);
    if (so_far->plan->rate > 0)
        hdrlog_write(out->log, HDRLOG_SERVICE, i->begin_ns, i->length_ns, &record->service);
    if (out->connect.count > 0)
        hdrlog_write(out->log, HDRLOG_CONNECT, i->begin_ns, i->length_ns, &out->connect);
    hist_clear(&out->connect);
}

/* The first failure is the one to tell. */
static int note(int code, int r, const struct err *from, struct err *err)
{
    if (code == 0 && r < 0)
        *err = *from;
    return code == 0 ? r : code;
}

/* Where no connection could be made, a page of zeros would only hide why. */
static bool is_pointless(const struct report *report, const struct result *r)
{
    return report->format == REPORT_TEXT && result_verdict(r) == VERDICT_UNCONNECTED;
}

int outputs_write(struct outputs *out, const struct result *r, struct err *err)
{
    struct err failed;
    int code = 0;

    for (size_t i = 0; i < out->n_reports; i++)
        if (!is_pointless(&out->reports[i], r))
            code = note(code, report_write(&out->reports[i], r, &out->percentiles, &failed),
                        &failed, err);
    out->n_reports = 0;
    if (!out->log)
        return code;
    if (!out->log_begun)
        begin_log(out, r);
    code = note(code, hdrlog_close(out->log, &failed), &failed, err);
    out->log = NULL;
    return code;
}

void outputs_abandon(struct outputs *out)
{
    struct err ignored;

    for (size_t i = 0; i < out->n_reports; i++)
        report_abandon(&out->reports[i]);
    out->n_reports = 0;
    if (out->log)
        (void)hdrlog_close(out->log, &ignored);
    out->log = NULL;
}
