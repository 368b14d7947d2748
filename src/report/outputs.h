/* outputs.h -- all that a run leaves behind: reports, the histogram log, and what it is held to.
 *
 * Everything is opened before the run, so that ten minutes of load are not lost to a wrong path, and written after it; the
 * log grows with each interval. The text for people goes to standard output, unless another report does.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_OUTPUTS_H
#define REPORT_OUTPUTS_H

#include "../bench/condition.h"
#include "../bench/options.h"
#include "../bench/record.h"
#include "../hdr/hdrlog.h"
#include "report.h"

#define OUTPUTS_REPORTS 4

struct outputs {
    struct percentiles percentiles;
    struct report reports[OUTPUTS_REPORTS];
    size_t n_reports;
    bool for_people;    /* the text is among them */
    struct hdrlog *log; /* NULL: none */
    bool log_begun;
    struct hist
        connect; /* not yet in the log: connections of the warm-up go with the first interval */
    struct condition conditions[OPT_TEXTS_MAX]; /* of --fail-if */
    size_t n_conditions;
};

/* Returns 0, or -errno with nothing left open. */
int outputs_open(struct outputs *out, const struct options *o, struct err *err);

/* Adds an interval to the log; of the warm-up only the connect times, which count whenever they were. */
void outputs_interval(struct outputs *out, const struct result *so_far,
                      const struct record *record);

/* Writes all reports and ends the log. Returns 0, or -errno of the first that could not be written; the others are
 * written all the same. */
int outputs_write(struct outputs *out, const struct result *r, struct err *err);

/* There was no run. */
void outputs_abandon(struct outputs *out);

#endif
