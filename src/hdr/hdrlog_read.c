/* hdrlog_read.c -- reading an interval log, see hdrlog.h.
 *
 * Where the format leaves a choice, the answers are those of HdrHistogram's own reader: a log without a start time
 * starts with its first interval; one whose first interval lies before its start time gives times since that, any
 * other gives times of day. One thing is better here: logs that were put together with cat(1) each keep their own
 * start time.
 *
 * Where the reference reader quietly ends at a line that it does not understand, this one says so: a log that was cut
 * off must not pass for a short run.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/err.h"
#include "hdrlog.h"
#include "hdrtext.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT (16u << 20) /* ours are at most 400 KiB long */

struct reader {
    FILE *in;
    const char *name; /* fit for a message */
    unsigned long n;  /* the line's number, from 1 */
    char *line;       /* with a zero byte at its end */
    size_t length, size;

    int64_t start_ns, base_ns; /* the base is what the times of intervals are counted from */
    bool start_known, base_known, base_given;
    struct hist *hist;
};

static int refuse(const struct reader *r, const char *why, struct err *err)
{
    return err_usage(err, "cannot read '%s': line %lu: %s", r->name, r->n, why);
}

static int no_memory(const struct reader *r, struct err *err)
{
    return err_set(err, ENOMEM, "cannot read '%s'", r->name);
}

/* Room for one more byte. */
static bool grow(struct reader *r)
{
    size_t size = r->size ? 2 * r->size : 8192;
    char *line;

    if (r->length < r->size)
        return true;
    line = realloc(r->line, size);
    if (!line)
        return false;
    r->line = line;
    r->size = size;
    return true;
}

/* The next line, without its end. Returns 1, 0 at the end of the file, or -errno. */
static int next_line(struct reader *r, struct err *err)
{
    int c;

    r->length = 0;
    r->n++;
    while ((c = getc_unlocked(r->in)) != EOF && c != '\n') {
        if (c == '\0')
            return refuse(r, "there is a zero byte: this is no text", err);
        if (r->length == LINE_LIMIT)
            return refuse(r, "it is too long", err);
        if (!grow(r))
            return no_memory(r, err);
        r->line[r->length++] = (char)c;
    }
    if (ferror(r->in))
        return err_set(err, errno, "cannot read '%s'", r->name);
    if (c == EOF && r->length == 0)
        return 0;
    if (r->length > 0 && r->line[r->length - 1] == '\r')
        r->length--;
    if (!grow(r))
        return no_memory(r, err);
    r->line[r->length] = '\0';
    return 1;
}

/* A decimal number at '*text', in billionths, which moves on behind it; further digits are dropped. */
static bool take_number(const char **text, int64_t *ret)
{
    const char *p = *text;
    bool negative = *p == '-';
    int64_t value = 0, scale = NS_PER_S;

    p += negative;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (*p - '0') * NS_PER_S, &value))
            return false;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++) {
            scale /= 10;
            if (__builtin_add_overflow(value, (*p - '0') * scale, &value))
                return false;
        }
    *ret = negative ? -value : value;
    *text = p;
    return true;
}

/* Fields end with a comma or a space. */
static bool take_delimiter(const char **text)
{
    if (**text != ',' && **text != ' ')
        return false;
    (*text)++;
    return true;
}

/* Two comments say something to us. */
static int read_comment(struct reader *r, struct err *err)
{
    static const char start[] = "#[StartTime: ", base[] = "#[BaseTime: ";
    const char *p = r->line;

    if (strncmp(p, start, sizeof start - 1) == 0) {
        p += sizeof start - 1;
        if (!take_number(&p, &r->start_ns))
            return refuse(r, "there is no start time in it", err);
        r->start_known = true;
        r->base_known = r->base_given;
    } else if (strncmp(p, base, sizeof base - 1) == 0) {
        p += sizeof base - 1;
        if (!take_number(&p, &r->base_ns))
            return refuse(r, "there is no base time in it", err);
        r->base_known = r->base_given = true;
    }
    return 0;
}

/* The time of day of an interval. */
static bool real_time(struct reader *r, int64_t *time_ns)
{
    if (!r->start_known) {
        r->start_ns = *time_ns;
        r->start_known = true;
    }
    if (!r->base_known) {
        r->base_ns = *time_ns < r->start_ns ? r->start_ns : 0;
        r->base_known = true;
    }
    return !__builtin_add_overflow(*time_ns, r->base_ns, time_ns);
}

/* Takes "Tag=NAME," away from the line's beginning; NAME becomes a string of its own. */
static bool take_tag(char **text, const char **ret)
{
    char *p = *text;
    size_t length;

    *ret = HDRLOG_RESPONSE;
    if (strncmp(p, "Tag=", 4) != 0)
        return true;
    p += 4;
    length = strcspn(p, ", ");
    if (length == 0 || length > HDRLOG_TAG_MAX || p[length] == '\0')
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
            return false;
    *ret = p;
    p[length] = '\0';
    *text = p + length + 1;
    return true;
}

/* In milliseconds, as a number; what it says counts where it can be the histogram's exact maximum. */
static void take_maximum(struct hist *h, const char *text)
{
    int64_t max; /* billionths of a millisecond */

    if (h->count == 0 || !take_number(&text, &max))
        return;
    max /= 1000;
    if (max >= 0 && max <= HIST_MAX_NS && hist_slot(max) == hist_slot(h->max_ns))
        h->max_ns = max;
    if (h->min_ns > h->max_ns)
        h->min_ns = h->max_ns;
}

static int read_interval(struct reader *r, hdrlog_taker *take, void *user, struct err *err)
{
    struct hdrlog_interval interval = {.hist = r->hist};
    char *line = r->line;
    const char *p, *maximum, *why;
    int64_t end_ns;

    if (!take_tag(&line, &interval.tag))
        return refuse(r, "its tag is empty, too long or not a word", err);
    p = line;
    if (!take_number(&p, &interval.begin_ns) || !take_delimiter(&p) ||
        !take_number(&p, &interval.length_ns) || !take_delimiter(&p))
        return refuse(r, "this is no line of an HdrHistogram log", err);
    maximum = p;
    p += strcspn(p, ", ");
    if (p == maximum || !take_delimiter(&p))
        return refuse(r, "it ends early", err);
    if (interval.length_ns < 0 || !real_time(r, &interval.begin_ns) || interval.begin_ns < 0 ||
        __builtin_add_overflow(interval.begin_ns, interval.length_ns, &end_ns))
        return refuse(r, "its time makes no sense", err);
    interval.text = p;
    interval.text_length = strlen(p);
    if (hdrtext_read(r->hist, p, interval.text_length, &why) < 0)
        return err_usage(err, "cannot read '%s': line %lu: its histogram: %s", r->name, r->n, why);
    take_maximum(r->hist, maximum);
    return take(user, &interval, err);
}

static int read_line(struct reader *r, hdrlog_taker *take, void *user, struct err *err)
{
    switch (r->line[0]) {
    case '\0':
        return 0;
    case '#':
        return read_comment(r, err);
    case '"':
        return strncmp(r->line, "\"StartTimestamp\"", 16) == 0
                   ? 0
                   : refuse(r, "this is no line of an HdrHistogram log", err);
    default:
        return read_interval(r, take, user, err);
    }
}

int hdrlog_read(FILE *in, const char *name, hdrlog_taker *take, void *user, struct err *err)
{
    char quoted[ERR_QUOTE_MAX];
    struct reader r = {.in = in, .name = err_quote(quoted, name)};
    int result;

    r.hist = calloc(1, sizeof *r.hist);
    if (!r.hist)
        return no_memory(&r, err);
    while ((result = next_line(&r, err)) == 1) {
        result = read_line(&r, take, user, err);
        if (result < 0)
            break;
    }
    free(r.hist);
    free(r.line);
    return result;
}

int hdrlog_read_file(const char *path, hdrlog_taker *take, void *user, struct err *err)
{
    char quoted[ERR_QUOTE_MAX];
    FILE *in = fopen(path, "re");
    int r;

    if (!in)
        return err_set(err, errno, "cannot open '%s'", err_quote(quoted, path));
    r = hdrlog_read(in, path, take, user, err);
    fclose(in);
    return r;
}
