/* diff_read.c -- reads what an earlier run left, a log or a report in JSON, for a comparison (diff.h).
 *
 * A report begins with a brace, which no log does.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/hist.h"
#include "../bench/percentiles.h"
#include "../hdr/hdrlog.h"
#include "diff.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const double diff_percentiles[DIFF_PERCENTILES] = {50, 90, 99, 99.9};

/* The response times of a log. */
struct sum {
    struct hist *hist;
    int64_t begin_ns, end_ns;
};

static int take(void *user, const struct hdrlog_interval *interval, struct err *err)
{
    struct sum *sum = user;
    int64_t end_ns = interval->begin_ns + interval->length_ns;

    if (interval->tag[0] != '\0' && strcmp(interval->tag, "response") != 0)
        return 0;
    if (interval->hist->count > INT64_MAX - sum->hist->count)
        return err_usage(err, "there are more values than can be counted");
    hist_add(sum->hist, interval->hist);
    if (interval->begin_ns < sum->begin_ns)
        sum->begin_ns = interval->begin_ns;
    if (end_ns > sum->end_ns)
        sum->end_ns = end_ns;
    return 0;
}

static int read_log(struct side *side, FILE *in, const char *path, struct err *err)
{
    struct sum sum = {.hist = calloc(1, sizeof *sum.hist), .begin_ns = NEVER};
    char quoted[ERR_QUOTE_MAX];
    int r;

    if (!sum.hist)
        return err_set(err, ENOMEM, "cannot read '%s'", err_quote(quoted, path));
    r = hdrlog_read(in, path, take, &sum, err);
    side->good = true; /* a log does not tell */
    side->count = sum.hist->count;
    side->max_ns = sum.hist->max_ns;
    if (sum.end_ns > sum.begin_ns)
        side->rate = (double)side->count * (double)NS_PER_S / (double)(sum.end_ns - sum.begin_ns);
    for (size_t i = 0; i < DIFF_PERCENTILES; i++)
        side->percentiles_ns[i] = hist_percentile(sum.hist, diff_percentiles[i]);
    free(sum.hist);
    return r;
}

/* A whole number of 0 or more, or -1. */
static int64_t number_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

/* What was asked, but for what does not change a result: where the server is, which stream, when. */
static char *plan_of(const json_t *report)
{
    static const char *const apart[] = {"target", "addresses",        "binds",
                                        "seed",   "start_at_real_ns", "server_pid"};
    json_t *plan = json_copy(json_object_get(report, "plan"));
    char *text;

    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        json_object_del(plan, apart[i]);
    text = plan ? json_dumps(plan, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(plan);
    return text;
}

static int take_report(struct side *side, const json_t *report, const char *quoted, struct err *err)
{
    const json_t *schema = json_object_get(report, "schema");
    const json_t *name = json_object_get(schema, "name");
    const json_t *outcome = json_object_get(report, "outcome");
    const json_t *response = json_object_get(report, "response");
    const json_t *percentiles = json_object_get(response, "percentiles_ns");
    char label[FIGURE_MAX];

    if (!json_is_string(name) || strcmp(json_string_value(name), "meari-bench") != 0)
        return err_usage(err, "cannot read '%s': this is no report of meari-bench", quoted);
    if (number_at(schema, "version") != 1)
        return err_usage(err, "cannot read '%s': it has a schema that this version does not know",
                         quoted);
    side->good = json_is_true(json_object_get(outcome, "good"));
    side->rate = json_number_value(json_object_get(outcome, "messages_per_s"));
    side->max_ns = number_at(response, "max_ns");
    side->count = side->max_ns < 0 || number_at(response, "count") < 0
                      ? 0
                      : (uint64_t)number_at(response, "count");
    for (size_t i = 0; i < DIFF_PERCENTILES; i++)
        side->percentiles_ns[i] =
            number_at(percentiles, percentile_text(label, diff_percentiles[i]));
    side->plan = plan_of(report);
    return 0;
}

static int read_report(struct side *side, FILE *in, const char *path, struct err *err)
{
    char quoted[ERR_QUOTE_MAX], what[ERR_QUOTE_MAX];
    json_error_t wrong;
    json_t *report = json_loadf(in, 0, &wrong);
    int r;

    err_quote(quoted, path);
    if (!report)
        return err_usage(err, "cannot read '%s': line %d: %s", quoted, wrong.line,
                         err_quote(what, wrong.text));
    r = take_report(side, report, quoted, err);
    json_decref(report);
    return r;
}

int side_read(struct side *ret, const char *path, struct err *err)
{
    struct side side = {.count = 0};
    char quoted[ERR_QUOTE_MAX];
    FILE *in = fopen(path, "re");
    int first, r;

    if (!in)
        return err_set(err, errno, "cannot open '%s'", err_quote(quoted, path));
    first = getc(in);
    if (first != EOF)
        ungetc(first, in);
    r = first == '{' ? read_report(&side, in, path, err) : read_log(&side, in, path, err);
    fclose(in);
    if (r == 0 && side.count == 0)
        r = err_usage(err, "cannot compare '%s': there is no response time in it",
                      err_quote(quoted, path));
    if (r < 0)
        side_free(&side);
    else
        *ret = side;
    return r;
}

void side_free(struct side *side)
{
    free(side->plan);
}
