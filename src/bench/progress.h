/* progress.h -- how a run goes, while it goes: one line that is drawn again and again on a terminal, a line for each
 * interval elsewhere.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "record.h"

#include <stdbool.h>
#include <stdio.h>

struct progress {
    FILE *out; /* NULL: nothing is shown */
    bool redrawn;
};

/* All connections were tried, 'open' of 'asked' are there; it begins in 'wait_ns'. */
void progress_connected(const struct progress *p, size_t open, uint64_t asked, int64_t wait_ns);
void progress_interval(const struct progress *p, const struct result *so_far,
                       const struct record *record);
void progress_trial(const struct progress *p, double rate, bool held, const char *found);

/* Takes the line away that would be drawn again. */
void progress_end(const struct progress *p);

#endif
