/* meari-bench.c -- the echo bench's main: options, run or search, reports, verdict.
 *
 * The load itself is in bench/; read bench/plan.h, bench/load.h, bench/flow.h and bench/result.h, in this order.
 *
 * SPDX-License-Identifier: MIT */
#include "meari-bench.h"

#include "base/err.h"
#include "base/escape.h"
#include "base/figures.h"
#include "base/process.h"
#include "bench/options.h"
#include "bench/progress.h"
#include "bench/run.h"
#include "bench/search.h"
#include "report/outputs.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "meari-bench"

/* The first SIGINT ends the run properly; a second one does not wait. */
static void on_interrupt(int signo)
{
    static volatile sig_atomic_t seen;

    if (seen)
        _exit(128 + signo);
    seen = 1;
    run_interrupt();
}

static int fail(int code, const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return code;
}

/* --- the run ------------------------------------------------------------------------------------ */

/* Who hears how it goes. */
struct audience {
    const struct plan *plan;
    struct outputs *out;
    struct progress progress;
    const struct condition *wanted; /* of a search */
};

static void hear_connected(void *user, size_t open, int64_t wait_ns)
{
    const struct audience *a = user;
    uint64_t asked = a->plan->idle + (a->plan->crr ? 0 : a->plan->connections);

    if (asked > 0)
        progress_connected(&a->progress, open, asked, wait_ns);
}

static void hear_interval(void *user, const struct result *so_far, const struct record *record)
{
    struct audience *a = user;

    progress_interval(&a->progress, so_far, record);
    outputs_interval(a->out, so_far, record);
}

/* With the reason: a trial may fail though its condition holds. */
static void hear_trial(void *user, double rate, bool held, const struct result *r)
{
    struct audience *a = user;
    char found[CONDITION_TEXT_MAX], reached[FIGURE_MAX];

    if (!result_good(r))
        snprintf(found, sizeof found, "not every echo came back");
    else if (held || !condition_holds(a->wanted, r))
        condition_found(found, a->wanted, r);
    else
        snprintf(found, sizeof found, "only %s messages/s were reached",
                 rate_text(reached, result_rate(r)));
    progress_trial(&a->progress, rate, held, found);
}

static int run_or_search(struct result **ret, struct plan *plan, struct audience *a,
                         const struct options *o, struct err *err)
{
    const struct observer observer = {
        .connected = hear_connected, .interval = hear_interval, .user = a};
    struct condition wanted;
    int r;

    if (!o->find_max)
        return run_plan(ret, plan, &observer, err);
    r = search_condition(&wanted, o->find_max, err);
    if (r < 0)
        return r;
    a->wanted = &wanted;
    return search_max(ret, plan, &wanted, hear_trial, a, err);
}

/* --- the verdict -------------------------------------------------------------------------------- */

static int check_conditions(const struct outputs *out, const struct result *r)
{
    char found[CONDITION_TEXT_MAX];
    int code = DONE;

    for (size_t i = 0; i < out->n_conditions; i++) {
        if (!condition_holds(&out->conditions[i], r))
            continue;
        fprintf(stderr, PROGRAM ": --fail-if '%s': %s\n", out->conditions[i].text,
                condition_found(found, &out->conditions[i], r));
        code = WRONG;
    }
    return code;
}

/* Who loads from several hosts must hear of the one that came late, in the log alone it does not show. */
static void warn_of_late_start(const struct result *r)
{
    int64_t begun_ns = r->begun_real_ns - r->plan->omit_ns;
    char late[FIGURE_MAX];

    if (r->plan->start_at_real_ns && begun_ns > r->plan->start_at_real_ns)
        fprintf(stderr, PROGRAM ": it began %s after --start-at: connecting took longer\n",
                time_text(late, begun_ns - r->plan->start_at_real_ns));
}

/* The report for people says what was wrong. Where it is not what goes to standard output, or there is nothing to report,
 * standard error has it, in a line. */
static void tell_troubles(const struct outputs *out, const struct result *r)
{
    char text[4 * sizeof r->kept[0].text], syns[SYNS_TEXT_MAX];
    enum verdict verdict = result_verdict(r);

    if (verdict != VERDICT_UNCONNECTED && (verdict != VERDICT_WRONG || out->for_people))
        return;
    fputs(PROGRAM ": ", stderr);
    if (verdict == VERDICT_UNCONNECTED)
        fprintf(stderr, "no connection to '%s' could be made",
                escape_text(text, sizeof text, r->plan->target));
    else
        report_troubles(stderr, r);
    if (r->n_kept > 0)
        fprintf(stderr, ": %s", escape_text(text, sizeof text, r->kept[0].text));
    if (r->n_kept > 1)
        fprintf(stderr, " (and %" PRIu64 " more)", result_troubles(r) - 1);
    fputc('\n', stderr);
    if (verdict == VERDICT_UNCONNECTED && result_syns_text(syns, r)[0])
        fprintf(stderr, PROGRAM ": %s\n", syns);
}

/* Tells what came of it, and returns the exit code. */
static int conclude(struct outputs *out, const struct result *r)
{
    struct err err;
    int code = DONE;

    if (outputs_write(out, r, &err) < 0)
        code = fail(WRONG, &err);
    else
        tell_troubles(out, r);
    if (check_conditions(out, r) != DONE)
        code = WRONG;
    if (!r->searched)
        warn_of_late_start(r);
    switch (result_verdict(r)) {
    case VERDICT_UNCONNECTED:
        return CANNOT_RUN;
    case VERDICT_WRONG:
        return WRONG;
    case VERDICT_INTERRUPTED:
        return code == DONE ? INTERRUPTED : code;
    case VERDICT_RIGHT:
        break;
    }
    return r->searched && r->found_rate == 0 ? WRONG : code;
}

static int bench(struct plan *plan, struct outputs *out, const struct options *o)
{
    bool terminal = isatty(STDERR_FILENO);
    bool shown = !o->quiet && (o->verbose || o->interval_ns || o->find_max || terminal);
    struct audience audience = {
        .plan = plan,
        .out = out,
        .progress = {.out = shown ? stderr : NULL, .redrawn = terminal},
    };
    struct result *result;
    struct err err;
    int code;

    process_on_signal(SIGINT, on_interrupt);
    if (run_or_search(&result, plan, &audience, o, &err) < 0) {
        outputs_abandon(out);
        return fail(CANNOT_RUN, &err);
    }
    progress_end(&audience.progress);
    result->env.version = MEARI_VERSION;
    code = conclude(out, result);
    result_free(result);
    return code;
}

int main(int argc, char **argv)
{
    static const int ignored[] = {0};
    struct options o;
    struct outputs outputs;
    struct plan plan;
    struct err err;
    int operand = 0, code, r;

    if (process_guard_stdio(&err) < 0)
        return fail(CANNOT_RUN, &err);
    process_ignore(ignored);
    if (argc > 1 && strcmp(argv[1], "merge") == 0)
        return merge_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "diff") == 0)
        return diff_main(argc - 1, argv + 1);
    options_init(&o);
    r = options_read(&o, PROGRAM, MEARI_VERSION, argc, argv, &operand, &err);
    if (r > 0)
        return DONE;
    if (r < 0)
        return fail(r == -EINVAL ? CANNOT_RUN : WRONG, &err);
    if (options_plan(&plan, &o, argv + operand, argc - operand, &err) < 0)
        return fail(CANNOT_RUN, &err);
    if (o.backlog_probe) {
        code = probe_main(&plan, &o);
        plan_done(&plan);
        return code;
    }
    if (outputs_open(&outputs, &o, &err) < 0) {
        plan_done(&plan);
        return fail(CANNOT_RUN, &err);
    }
    code = bench(&plan, &outputs, &o);
    plan_done(&plan);
    return code;
}
