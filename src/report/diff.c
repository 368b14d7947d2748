/* diff.c -- see diff.h: the comparison; diff_read.c reads the runs.
 *
 * SPDX-License-Identifier: MIT */
#include "diff.h"

#include "../base/err.h"
#include "../bench/percentiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int diff_parse_threshold(double *ret_percent, const char *text, struct err *err)
{
    size_t digits = strspn(text, "0123456789."), length = strlen(text);
    char quoted[ERR_QUOTE_MAX], *end;
    double percent = strtod(text, &end);

    if (digits == 0 || text[0] == '.' || end != text + digits || percent > 1000 ||
        (digits != length && strcmp(text + digits, "%") != 0))
        return err_usage(err, "'%s' is no threshold like 5%%", err_quote(quoted, text));
    *ret_percent = percent;
    return 0;
}

/* From a to b, in percent of a. */
static double change(double a, double b)
{
    return a > 0 ? (b - a) / a * 100 : b > 0 ? HUGE_VAL : 0;
}

/* One line of the table. 'worse' is the change in the bad direction, in percent. */
static unsigned print_line(FILE *out, const char *label, const char *a, const char *b,
                           double change, double worse, double threshold, const char *unjudged)
{
    bool regressed = unjudged[0] == '\0' && worse > threshold;

    fprintf(out, "%-8s %12s %12s %+9.1f %%%s%s\n", label, a, b, change, regressed ? "  WORSE" : "",
            unjudged);
    return regressed;
}

static unsigned print_rate(FILE *out, const struct side *a, const struct side *b, double threshold)
{
    char left[FIGURE_MAX], right[FIGURE_MAX];
    double by = change(a->rate, b->rate);

    if (a->rate <= 0 || b->rate <= 0)
        return 0;
    return print_line(out, "rate", rate_text(left, a->rate), rate_text(right, b->rate), by, -by,
                      threshold, "");
}

static unsigned print_percentile(FILE *out, size_t i, const struct side *a, const struct side *b,
                                 double threshold)
{
    int64_t from = a->percentiles_ns[i], to = b->percentiles_ns[i];
    char label[FIGURE_MAX], left[FIGURE_MAX], right[FIGURE_MAX];
    bool thin = percentile_thin(a->count, diff_percentiles[i]) ||
                percentile_thin(b->count, diff_percentiles[i]);
    double by = change((double)from, (double)to);

    if (from < 0 || to < 0)
        return 0;
    return print_line(out, percentile_text(label, diff_percentiles[i]), time_text(left, from),
                      time_text(right, to), by, by, threshold,
                      thin ? "  not judged: fewer than ten took longer" : "");
}

static void print_plans(FILE *out, const struct side *a, const struct side *b)
{
    if (a->plan && b->plan && strcmp(a->plan, b->plan) != 0)
        fprintf(out,
                "NOTE: the two were asked for different things; see \"plan\" in the reports\n");
    if (!a->good || !b->good)
        fprintf(out, "NOTE: in %s something was wrong, or it is a part of what was asked\n",
                a->good   ? "the second"
                : b->good ? "the first"
                          : "both");
}

unsigned diff_print(FILE *out, const struct side *a, const struct side *b, double threshold_percent)
{
    char left[FIGURE_MAX], right[FIGURE_MAX];
    double by = change((double)a->max_ns, (double)b->max_ns);
    unsigned worse;

    fprintf(out, "%-8s %12s %12s\n", "", "first", "second");
    fprintf(out, "%-8s %12s %12s\n", "messages", count_text(left, a->count),
            count_text(right, b->count));
    worse = print_rate(out, a, b, threshold_percent);
    for (size_t i = 0; i < DIFF_PERCENTILES; i++)
        worse += print_percentile(out, i, a, b, threshold_percent);
    print_line(out, "max", time_text(left, a->max_ns), time_text(right, b->max_ns), by, by,
               threshold_percent, "  never judged");
    print_plans(out, a, b);
    if (worse > 0)
        fprintf(out, "worse: %u by more than %g %%\n", worse, threshold_percent);
    else
        fprintf(out, "nothing is worse by more than %g %%\n", threshold_percent);
    return worse;
}
