/* report.h -- what a run found, for its readers: text for people, JSON for programs, CSV for a spreadsheet, and
 * a page of HTML to look at and to pass on.
 *
 * A file is opened before the run, so that one that cannot be written costs nobody ten minutes of load, and written
 * after it; what stood in it stays until then.
 *
 *     report_open(&report, REPORT_JSON, "run.json", &percentiles, &err);
 *     ...the run
 *     report_write(&report, &result, &percentiles, &err);
 *
 * All read struct result and nothing else. Numbers are written as the C locale has them, which is a
 * program's locale until it calls setlocale(3), and this one does not. The fields of the JSON are described in
 * docs/bench-json.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "../bench/percentiles.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;
struct result;

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_CSV, REPORT_HTML };

struct report {
    enum report_format format;
    const char *path; /* the caller's */
    FILE *file;
    bool has_header; /* a CSV file that gets a row more */
};

/* Opens 'path' for writing; NULL or "-" is standard output. A CSV file that is there already must be one of ours
 * with the same columns, since the run is added to it. Returns 0 or -errno. */
int report_open(struct report *ret, enum report_format format, const char *path,
                const struct percentiles *percentiles, struct err *err);

/* Writes everything and closes (standard output is flushed). Returns 0, or -errno when not all of it could be
 * written. */
int report_write(struct report *report, const struct result *result,
                 const struct percentiles *percentiles, struct err *err);

/* What report_write() does before and after, for who writes something else into report->file. 'r' is what came of that, 0 or
 * -errno; the same is returned, with 'err' filled, or an error of the stream. */
int report_begin(const struct report *report);
int report_end(struct report *report, int r, struct err *err);

/* Closes without writing: there was no run. */
void report_abandon(struct report *report);

/* What was wrong, as a list in words: "30 changed, 3 messages sent and never echoed". */
void report_troubles(FILE *out, const struct result *r);

/* The formats, one file each. An error of the stream stays in it for ferror(3); what else can fail is memory:
 * 0 or -ENOMEM. */
void report_text(FILE *out, const struct result *r, const struct percentiles *percentiles);
int report_json(FILE *out, const struct result *r, const struct percentiles *percentiles);
void report_csv(FILE *out, const struct result *r, const struct percentiles *percentiles);
void report_csv_header(FILE *out, const struct percentiles *percentiles);
int report_html(FILE *out, const struct result *r, const struct percentiles *percentiles);

#endif
