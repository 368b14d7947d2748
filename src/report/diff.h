/* diff.h -- is the second of two runs worse than the first?
 *
 * A run is an HDR log (hdrlog.h), of which the response times count, or a report in JSON (report.h). Compared are the rate
 * and percentiles of the response time. What is worse by more than the threshold is a regression, with two
 * exceptions: the maximum is one message and never judged, and neither is a percentile above which fewer
 * than ten messages lie in one of the runs, since another run of the same would differ as much.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_DIFF_H
#define REPORT_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

#define DIFF_PERCENTILES 4
extern const double diff_percentiles[DIFF_PERCENTILES]; /* 50, 90, 99, 99.9 */

/* One of the runs. */
struct side {
    uint64_t count;                           /* messages, more than 0 */
    double rate;                              /* of them a second; 0: the file does not tell */
    int64_t percentiles_ns[DIFF_PERCENTILES]; /* -1: the file does not tell */
    int64_t max_ns;
    bool good;  /* else something was wrong in it, or it is a part of what was asked */
    char *plan; /* what it was asked to do, as compact JSON; NULL: the file does not tell */
};

/* Reads a log or a report. Returns 0 or -errno; after 0 side_free() it. */
int side_read(struct side *ret, const char *path, struct err *err);
void side_free(struct side *side);

/* "5%" or "5": a percentage of 0 to 1000. Returns 0 or -EINVAL. */
int diff_parse_threshold(double *ret_percent, const char *text, struct err *err);

/* Prints the comparison, and returns how many of its lines are regressions. */
unsigned diff_print(FILE *out, const struct side *a, const struct side *b,
                    double threshold_percent);

#endif
