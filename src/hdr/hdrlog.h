/* hdrlog.h -- interval logs as HdrHistogram has them, version 1.3: histograms over the time of a run.
 *
 * A log is text: comments, of which one gives the time of day at which it starts, a legend, and a line for each interval:
 *
 *     #[StartTime: 1700000000.000000 (seconds since epoch), 2023-11-14T22:13:20Z]
 *     "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
 *     0.000000,1.000042,3.145728,HISTFAAAA...
 *     Tag=service,0.000000,1.000042,0.524288,HISTFAAAA...
 *
 * that is start and length in seconds, the maximum in milliseconds, and the histogram (hdrtext.h) in nanoseconds. The
 * lines without a tag are the response times, since readers that know nothing of tags, or were not asked for one,
 * take those. Beside them we write service times ("service") and connect times ("connect").
 *
 * We write the maximum to the nanosecond, and read it back where it lies in the histogram's highest slot: so nothing is
 * lost. In a log of another writer it is the end of that slot.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HDR_HDRLOG_H
#define HDR_HDRLOG_H

#include "../base/hist.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

#define HDRLOG_RESPONSE "" /* tags */
#define HDRLOG_SERVICE "service"
#define HDRLOG_CONNECT "connect"
#define HDRLOG_TAG_MAX 63 /* bytes of one; it holds no comma, space or control character */

struct hdrlog;

/* Writing. The file is made at once, so that a path that cannot be written is known before the run; what an earlier run
 * left there stays until hdrlog_begin. A 'path' of NULL or "-" is the standard output. What fails later is told
 * by hdrlog_close. */
int hdrlog_create(struct hdrlog **ret, const char *path, struct err *err);

/* First: when the log starts, and what it is of, in one line. */
void hdrlog_begin(struct hdrlog *log, int64_t start_real_ns, const char *about);

/* One interval, which began so long after the start. It is in the file when this returns. */
void hdrlog_write(struct hdrlog *log, const char *tag, int64_t begin_ns, int64_t length_ns,
                  const struct hist *h);

/* Last. Returns 0, or -errno of what failed first; 'log' is gone in any case. */
int hdrlog_close(struct hdrlog *log, struct err *err);

/* Reading: one interval, valid until the function that it was given to returns. */
struct hdrlog_interval {
    const char *tag;
    int64_t begin_ns; /* time of day since 1970; of a log that does not tell it, as it says */
    int64_t length_ns;
    const struct hist *hist;
    const char *text; /* the same as text, for hdrtext_read() */
    size_t text_length;
};

/* Returns 0, or -errno with 'err' filled, which ends the reading. */
typedef int hdrlog_taker(void *user, const struct hdrlog_interval *interval, struct err *err);

/* Reads 'in', which is called 'name' in messages, and hands each interval to 'take', in the file's order. Whatever is no
 * log is refused, with the line. Returns 0 or -errno. */
int hdrlog_read(FILE *in, const char *name, hdrlog_taker *take, void *user, struct err *err);

/* The same of a file. */
int hdrlog_read_file(const char *path, hdrlog_taker *take, void *user, struct err *err);

#endif
