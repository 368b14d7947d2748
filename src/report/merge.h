/* merge.h -- the interval logs of several hosts as the log of one load.
 *
 * Histograms can be added, percentiles cannot: so the logs are what to bring together. Intervals that were at the same
 * time of day become one. Clocks and starts differ a little between hosts, so "the same time" is a cell of a grid that
 * begins with the earliest interval and is as wide as most intervals are (their median); an interval belongs to the cell
 * in which its middle lies, and the sum spans what it adds up. Series are told apart by their tags.
 *
 * The rate is the sum of what each host reached in the time that all of them have in common; before and after,
 * only a part of the load was there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_MERGE_H
#define REPORT_MERGE_H

#include <stdio.h>

struct err;
struct hdrlog;
struct merge;

/* NULL without memory. */
struct merge *merge_create(void);
void merge_free(struct merge *merge);

/* Reads one more log. Returns 0 or -errno. */
int merge_add(struct merge *merge, const char *path, struct err *err);

/* Writes the sum of those read, header and all; whether that came through, hdrlog_close() tells. Returns 0 or -errno. */
int merge_write(struct merge *merge, struct hdrlog *log, struct err *err);

/* Prints counts, rates and percentiles for people, once. */
void merge_print(FILE *out, struct merge *merge);

#endif
