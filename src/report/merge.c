/* merge.c -- see merge.h.
 *
 * An hour of a hundred hosts is a million histograms, each of 264 KiB: so of an interval its text is kept, a few KiB, and
 * read again when its turn comes.
 *
 * SPDX-License-Identifier: MIT */
#include "merge.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/hist.h"
#include "../base/units.h"
#include "../bench/percentiles.h"
#include "../hdr/hdrlog.h"
#include "../hdr/hdrtext.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERIES_MAX 64

struct series {
    char tag[HDRLOG_TAG_MAX + 1];
    struct hist total;
    int64_t begin_ns,
        end_ns; /* what all logs that have it have in common: from the last to begin */
};              /* to the first to end */

/* What one log has of one series. */
struct share {
    bool any;
    int64_t begin_ns, end_ns;
    double count, seconds; /* in the common time */
};

/* One interval. */
struct piece {
    unsigned series, log; /* their numbers, from 0 */
    int64_t begin_ns, end_ns;
    uint64_t cell; /* of the grid */
    uint64_t count;
    int64_t min_ns, max_ns; /* which the text does not tell exactly */
    char *text;
    size_t text_length;
};

struct merge {
    struct series *series[SERIES_MAX];
    unsigned n_series, n_logs;
    struct share (*shares)[SERIES_MAX]; /* of each log */
    struct piece *pieces;
    size_t n, size;
};

struct merge *merge_create(void)
{
    return calloc(1, sizeof(struct merge));
}

void merge_free(struct merge *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->pieces[i].text);
    for (unsigned i = 0; i < m->n_series; i++)
        free(m->series[i]);
    free(m->pieces);
    free(m->shares);
    free(m);
}

/* The series of a tag, which may be new. Some writers tag the response times, too. Returns its number or -errno. */
static int find_series(struct merge *m, const char *tag, struct err *err)
{
    if (strcmp(tag, "response") == 0)
        tag = HDRLOG_RESPONSE;
    for (unsigned i = 0; i < m->n_series; i++)
        if (strcmp(m->series[i]->tag, tag) == 0)
            return (int)i;
    if (m->n_series == SERIES_MAX)
        return err_usage(err, "there are more than %d different tags", SERIES_MAX);
    m->series[m->n_series] = calloc(1, sizeof *m->series[0]);
    if (!m->series[m->n_series])
        return err_set(err, ENOMEM, "cannot merge");
    memcpy(m->series[m->n_series]->tag, tag, strlen(tag) + 1);
    m->series[m->n_series]->begin_ns = INT64_MIN;
    m->series[m->n_series]->end_ns = INT64_MAX;
    return (int)m->n_series++;
}

static struct piece *new_piece(struct merge *m, struct err *err)
{
    if (m->n == m->size) {
        size_t size = m->size ? 2 * m->size : 256;
        struct piece *pieces = reallocarray(m->pieces, size, sizeof *pieces);

        if (!pieces) {
            err_set(err, ENOMEM, "cannot merge");
            return NULL;
        }
        m->pieces = pieces;
        m->size = size;
    }
    m->pieces[m->n] = (struct piece){.log = m->n_logs};
    return &m->pieces[m->n];
}

static void widen(struct share *share, const struct piece *p)
{
    if (!share->any || p->begin_ns < share->begin_ns)
        share->begin_ns = p->begin_ns;
    if (!share->any || p->end_ns > share->end_ns)
        share->end_ns = p->end_ns;
    share->any = true;
}

static int take(void *user, const struct hdrlog_interval *interval, struct err *err)
{
    struct merge *m = user;
    int series = find_series(m, interval->tag, err);
    struct piece *piece;
    struct hist *total;

    if (series < 0)
        return series;
    total = &m->series[series]->total;
    if (interval->hist->count > INT64_MAX - total->count)
        return err_usage(err, "there are more values than can be counted");
    piece = new_piece(m, err);
    if (!piece)
        return -ENOMEM;
    piece->series = (unsigned)series;
    piece->begin_ns = interval->begin_ns;
    piece->end_ns = interval->begin_ns + interval->length_ns;
    piece->count = interval->hist->count;
    piece->min_ns = interval->hist->min_ns;
    piece->max_ns = interval->hist->max_ns;
    piece->text_length = interval->text_length;
    piece->text = strdup(interval->text);
    if (!piece->text)
        return err_set(err, ENOMEM, "cannot merge");
    m->n++;
    widen(&m->shares[m->n_logs][series], piece);
    hist_add(total, interval->hist);
    return 0;
}

int merge_add(struct merge *m, const char *path, struct err *err)
{
    size_t before = m->n;
    char quoted[ERR_QUOTE_MAX];
    void *shares = reallocarray(m->shares, m->n_logs + 1, sizeof *m->shares);
    int r;

    if (!shares)
        return err_set(err, ENOMEM, "cannot merge");
    m->shares = shares;
    memset(&m->shares[m->n_logs], 0, sizeof *m->shares);
    r = hdrlog_read_file(path, take, m, err);
    if (r < 0)
        return r;
    if (m->n == before)
        return err_usage(err, "cannot read '%s': there is no interval in it",
                         err_quote(quoted, path));
    for (unsigned i = 0; i < m->n_series; i++) {
        const struct share *share = &m->shares[m->n_logs][i];
        struct series *s = m->series[i];

        if (share->any && share->begin_ns > s->begin_ns)
            s->begin_ns = share->begin_ns;
        if (share->any && share->end_ns < s->end_ns)
            s->end_ns = share->end_ns;
    }
    m->n_logs++;
    return 0;
}

static int64_t middle_of(const struct piece *p)
{
    return p->begin_ns + (p->end_ns - p->begin_ns) / 2;
}

static int by_length(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int64_t first = x->end_ns - x->begin_ns, second = y->end_ns - y->begin_ns;

    return (first > second) - (first < second);
}

static int by_cell(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;

    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    return (x->series > y->series) - (x->series < y->series);
}

/* Orders the pieces: those to be added up stand together. Returns when the first begins. */
static int64_t lay_grid(struct merge *m)
{
    int64_t origin = NEVER;
    uint64_t step;

    qsort(m->pieces, m->n, sizeof *m->pieces, by_length);
    step = (uint64_t)(m->pieces[m->n / 2].end_ns - m->pieces[m->n / 2].begin_ns);
    for (size_t i = 0; i < m->n; i++)
        if (m->pieces[i].begin_ns < origin)
            origin = m->pieces[i].begin_ns;
    for (size_t i = 0; i < m->n; i++) {
        struct piece *p = &m->pieces[i];

        p->cell = (uint64_t)(middle_of(p) - origin) / (step > 0 ? step : 1);
    }
    qsort(m->pieces, m->n, sizeof *m->pieces, by_cell);
    return origin;
}

static int add_piece(struct hist *sum, struct hist *own, const struct piece *p, struct err *err)
{
    const char *why;

    if (hdrtext_read(own, p->text, p->text_length, &why) < 0) /* it was right before */
        return err_usage(err, "cannot read a histogram again: %s", why);
    own->min_ns = p->min_ns;
    own->max_ns = p->max_ns;
    hist_add(sum, own);
    return 0;
}

/* Writes the sum of the pieces from 'i' on that stand together, and moves 'i' behind them. */
static int write_sum(struct hdrlog *log, const struct merge *m, size_t *i, int64_t origin,
                     struct hist *two, struct err *err)
{
    const struct piece *first = &m->pieces[*i];
    int64_t begin = first->begin_ns, end = first->end_ns;
    int r;

    hist_clear(&two[0]);
    for (; *i < m->n && by_cell(first, &m->pieces[*i]) == 0; (*i)++) {
        const struct piece *p = &m->pieces[*i];

        r = add_piece(&two[0], &two[1], p, err);
        if (r < 0)
            return r;
        begin = p->begin_ns < begin ? p->begin_ns : begin;
        end = p->end_ns > end ? p->end_ns : end;
    }
    hdrlog_write(log, m->series[first->series]->tag, begin - origin, end - begin, &two[0]);
    return 0;
}

int merge_write(struct merge *m, struct hdrlog *log, struct err *err)
{
    struct hist *two = calloc(2, sizeof *two); /* the sum, and a part of it */
    char about[64];
    int64_t origin;
    size_t i = 0;
    int r = 0;

    if (!two)
        return err_set(err, ENOMEM, "cannot merge");
    origin = lay_grid(m);
    snprintf(about, sizeof about, "[meari-bench merge: the sum of %u log%s]", m->n_logs,
             m->n_logs == 1 ? "" : "s");
    hdrlog_begin(log, origin, about);
    while (r == 0 && i < m->n)
        r = write_sum(log, m, &i, origin, two, err);
    free(two);
    return r;
}

/* Sums up what each log did in the common time: the intervals whose middle lies in it. */
static void fill_shares(struct merge *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct piece *p = &m->pieces[i];
        const struct series *s = m->series[p->series];
        struct share *share = &m->shares[p->log][p->series];

        if (middle_of(p) < s->begin_ns || middle_of(p) > s->end_ns)
            continue;
        share->count += (double)p->count;
        share->seconds += (double)(p->end_ns - p->begin_ns) / (double)NS_PER_S;
    }
}

static void print_series(FILE *out, const struct merge *m, unsigned series, bool *thin)
{
    static const double percents[] = {50, 90, 99, 99.9, 99.99};
    const struct series *s = m->series[series];
    char text[FIGURE_MAX], quoted[ERR_QUOTE_MAX];
    double rate = 0;

    for (unsigned log = 0; log < m->n_logs; log++) {
        const struct share *share = &m->shares[log][series];

        rate += share->seconds > 0 ? share->count / share->seconds : 0;
    }
    fprintf(out, "%-10s %15s", s->tag[0] ? err_quote(quoted, s->tag) : "response",
            count_text(text, s->total.count));
    fprintf(out, " %11s", s->begin_ns < s->end_ns ? rate_text(text, rate) : "-");
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        bool is_thin = percentile_thin(s->total.count, percents[i]);

        *thin = *thin || is_thin;
        fprintf(out, " %8s%s", time_text(text, hist_percentile(&s->total, percents[i])),
                is_thin ? "*" : " ");
    }
    fprintf(out, " %8s\n", time_text(text, s->total.max_ns));
}

static void print_span(FILE *out, const struct merge *m)
{
    int64_t begin = INT64_MAX, end = INT64_MIN;
    char span[UNITS_TEXT_MAX], date[64] = "?";
    time_t seconds;
    struct tm tm;

    for (size_t i = 0; i < m->n; i++) {
        begin = m->pieces[i].begin_ns < begin ? m->pieces[i].begin_ns : begin;
        end = m->pieces[i].end_ns > end ? m->pieces[i].end_ns : end;
    }
    seconds = (time_t)(begin / NS_PER_S);
    if (gmtime_r(&seconds, &tm))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    fprintf(out, "%u log%s, from %s on, %s\n", m->n_logs, m->n_logs == 1 ? "" : "s", date,
            units_duration_text(span, end - begin));
}

void merge_print(FILE *out, struct merge *m)
{
    bool thin = false;

    fill_shares(m);
    print_span(out, m);
    fprintf(out, "%-10s %15s %11s %8s  %8s  %8s  %8s  %8s  %8s\n", "", "count", "per second", "p50",
            "p90", "p99", "p99.9", "p99.99", "max");
    for (unsigned i = 0; i < m->n_series; i++)
        print_series(out, m, i, &thin);
    if (m->n_logs > 1)
        fprintf(out, "per second: the sum over the logs, in the time that they have in common\n");
    if (thin)
        fprintf(out, "* fewer than ten took longer: another run may well differ\n");
}
