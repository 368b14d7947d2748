/* meari-bench-probe.c -- "meari-bench --backlog-probe": what does a server serve, and what does its queue admit?
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/figures.h"
#include "base/process.h"
#include "bench/options.h"
#include "bench/probe.h"
#include "meari-bench.h"
#include "report/probe_report.h"
#include "report/report.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "meari-bench"

/* The first SIGINT closes what is open and tells what was found; a second one does not wait. */
static void on_interrupt(int signo)
{
    static volatile sig_atomic_t seen;

    if (seen)
        _exit(128 + signo);
    seen = 1;
    probe_interrupt();
}

static int fail(int code, const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return code;
}

/* With -v each step is told. */
static void hear(void *user, enum probe_news news, uint64_t number, int64_t after_ns)
{
    static const char *const words[] = {
        [PROBE_MADE] = "connected",
        [PROBE_SERVED] = "has its echo",
        [PROBE_ENDED] = "ended by the server",
        [PROBE_SILENT] = "no answer to its SYN",
    };
    char after[FIGURE_MAX];

    (void)user;
    fprintf(stderr, "connection %" PRIu64 ": %s after %s\n", number, words[news],
            time_text(after, after_ns));
}

/* Without any connection there is nothing to report. */
static int refused(const struct probe_result *r)
{
    struct err err;

    err_set(&err, r->code, "cannot connect to '%s'", r->plan->target);
    return fail(CANNOT_RUN, &err);
}

static int write_reports(struct report *report, const struct probe_result *r, bool text,
                         struct err *err)
{
    struct report plain = {.format = REPORT_TEXT, .path = "standard output", .file = stdout};
    int code = 0, written;

    if (report->file) {
        code = report_begin(report);
        if (code == 0)
            code = probe_json(report->file, r, MEARI_VERSION);
        code = report_end(report, code, err);
    }
    if (!text)
        return code;
    (void)report_begin(&plain);
    probe_text(stdout, r);
    written = report_end(&plain, 0, err);
    return code < 0 ? code : written;
}

static int exit_code(const struct probe_result *r)
{
    if (r->end == PROBE_INTERRUPTED)
        return probe_good(r) ? INTERRUPTED : WRONG;
    if (r->opened == 0)
        return CANNOT_RUN;
    return probe_good(r) ? DONE : WRONG;
}

int probe_main(const struct plan *plan, const struct options *o)
{
    const struct probe_observer observer = {.news = o->verbose ? hear : NULL};
    struct report report = {.file = NULL};
    struct probe_result result;
    struct err err;

    if (o->json && report_open(&report, REPORT_JSON, o->json, NULL, &err) < 0)
        return fail(CANNOT_RUN, &err);
    process_on_signal(SIGINT, on_interrupt);
    if (probe_run(&result, plan, &observer, &err) < 0) {
        report_abandon(&report);
        return fail(CANNOT_RUN, &err);
    }
    if (result.end == PROBE_FAILED && result.opened == 0) {
        report_abandon(&report);
        return refused(&result);
    }
    if (write_reports(&report, &result, !o->json || strcmp(o->json, "-") != 0, &err) < 0)
        return fail(WRONG, &err);
    return exit_code(&result);
}
