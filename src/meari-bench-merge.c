/* meari-bench-merge.c -- "meari-bench merge": options, read the logs, write their sum, print a summary.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/opts.h"
#include "hdr/hdrlog.h"
#include "meari-bench.h"
#include "report/merge.h"
#include "version.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM "meari-bench merge"

static const char notes[] =
    "Each LOG is an interval log that meari-bench --hdr-log wrote, or any other program\n"
    "with HdrHistogram. Intervals at the same time of day become one: those whose middle\n"
    "lies in the same cell of a grid that is as wide as most intervals are. Values are\n"
    "added by tag: no tag for response times, service, connect.\n"
    "\n"
    "The summary goes to standard output, or to standard error where the log goes there.\n"
    "Its rates are the sum of each log's in the time that all logs have in common.\n"
    "\n"
    "Exit code 0: merged; 1: the sum could not be written to its end; 2: a log could not\n"
    "be read, or FILE not be opened.\n";

static int fail(int code, const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return code;
}

static int read_logs(struct merge *merge, char **paths, int n, struct err *err)
{
    for (int i = 0; i < n; i++) {
        int r = merge_add(merge, paths[i], err);

        if (r < 0)
            return r;
    }
    return n > 0 ? 0 : err_usage(err, "which logs? (try --help)");
}

/* The summary, on the stream that the log leaves free. */
static int print_summary(struct merge *merge, FILE *out, struct err *err)
{
    errno = 0;
    merge_print(out, merge);
    if (fflush(out) == EOF || ferror(out))
        return err_set(err, errno != 0 ? errno : EIO, "cannot write the summary");
    return 0;
}

static int write_log(struct merge *merge, struct hdrlog *log, struct err *err)
{
    struct err first;
    int r = merge_write(merge, log, &first), closed = hdrlog_close(log, err);

    if (r < 0)
        *err = first;
    return r < 0 ? r : closed;
}

/* Opening empties nothing, so the output may be one of the logs; and it comes after reading, so that a log that
 * cannot be read leaves no empty sum behind. */
static int run(struct merge *merge, char **paths, int n, const char *output)
{
    bool to_stdout = !output || strcmp(output, "-") == 0;
    struct hdrlog *log;
    struct err err;

    if (read_logs(merge, paths, n, &err) < 0 || hdrlog_create(&log, output, &err) < 0)
        return fail(CANNOT_RUN, &err);
    if (write_log(merge, log, &err) < 0 ||
        print_summary(merge, to_stdout ? stderr : stdout, &err) < 0)
        return fail(WRONG, &err);
    return DONE;
}

int merge_main(int argc, char **argv)
{
    const char *output = NULL;
    const struct opt table[] = {
        {'o', "output", "FILE", OPT_TEXT, &output,
         .help = "write the sum to FILE, which may be one of the logs\n"
                 "(default: to standard output)"},
    };
    const struct opts opts = {
        .program = PROGRAM,
        .synopsis = "[options] LOG...",
        .about = "Add up the HDR logs of several hosts.",
        .notes = notes,
        .version = MEARI_VERSION,
        .table = table,
        .n = sizeof table / sizeof *table,
    };
    struct merge *merge;
    struct err err;
    int operand = 0, r = opts_read(&opts, argc, argv, &operand, &err);

    if (r != 0)
        return r > 0 ? DONE : fail(r == -EINVAL ? CANNOT_RUN : WRONG, &err);
    merge = merge_create();
    if (!merge) {
        err_set(&err, ENOMEM, "cannot merge");
        return fail(CANNOT_RUN, &err);
    }
    r = run(merge, argv + operand, argc - operand, output);
    merge_free(merge);
    return r;
}
