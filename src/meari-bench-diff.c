/* meari-bench-diff.c -- "meari-bench diff": options, read the two runs, print the comparison, judge.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/opts.h"
#include "meari-bench.h"
#include "report/diff.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>

#define PROGRAM "meari-bench diff"

static const char notes[] =
    "FIRST and SECOND are reports of meari-bench --json or HDR logs, in any pair; of a log\n"
    "the response times count (the lines without a tag), and the rate is taken over all\n"
    "its time. Compared are the rate and the response time's p50, p90, p99 and p99.9.\n"
    "\n"
    "A regression is a rate that is lower, or a percentile that is higher, by more than\n"
    "the threshold. Not judged are the maximum, which is one message, and a percentile\n"
    "above which fewer than ten messages lie in one of the runs (so p99 wants 1000\n"
    "messages, p99.9 wants 10,000). Times are exact to 0.1 %.\n"
    "\n"
    "Exit code 0: no regression; 1: there is one, or the table could not be written;\n"
    "2: a file could not be read.\n";

static int fail(int code, const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return code;
}

static int compare(const struct side *a, const struct side *b, double threshold)
{
    unsigned worse;
    struct err err;

    errno = 0;
    worse = diff_print(stdout, a, b, threshold);
    if (fflush(stdout) == EOF || ferror(stdout)) {
        err_set(&err, errno != 0 ? errno : EIO, "cannot write to standard output");
        return fail(WRONG, &err);
    }
    return worse > 0 ? WRONG : DONE;
}

static int run(char **paths, int n, const char *threshold_text)
{
    struct side a, b;
    struct err err;
    double threshold;
    int code;

    if (n != 2) {
        err_usage(&err, "which two runs? (try --help)");
        return fail(CANNOT_RUN, &err);
    }
    if (diff_parse_threshold(&threshold, threshold_text, &err) < 0 ||
        side_read(&a, paths[0], &err) < 0)
        return fail(CANNOT_RUN, &err);
    if (side_read(&b, paths[1], &err) < 0) {
        side_free(&a);
        return fail(CANNOT_RUN, &err);
    }
    code = compare(&a, &b, threshold);
    side_free(&a);
    side_free(&b);
    return code;
}

int diff_main(int argc, char **argv)
{
    const char *threshold = "5%";
    const struct opt table[] = {
        {0, "threshold", "PERCENT", OPT_TEXT, &threshold,
         .help = "how much worse is a regression (default: 5%)"},
    };
    const struct opts opts = {
        .program = PROGRAM,
        .synopsis = "[options] FIRST SECOND",
        .about = "Tell whether the second of two runs is worse than the first.",
        .notes = notes,
        .version = MEARI_VERSION,
        .table = table,
        .n = sizeof table / sizeof *table,
    };
    struct err err;
    int operand = 0, r = opts_read(&opts, argc, argv, &operand, &err);

    if (r != 0)
        return r > 0 ? DONE : fail(r == -EINVAL ? CANNOT_RUN : WRONG, &err);
    return run(argv + operand, argc - operand, threshold);
}
