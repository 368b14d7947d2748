/* hist.h -- a histogram of durations: any of them to three significant digits, from a nanosecond to an hour.
 *
 * Log-linear, as HdrHistogram has it: the unit is a nanosecond; below 2048 ns every value has a slot of its own, and
 * each further doubling of the range is divided into 1024 slots. These are the slots of a HdrHistogram of 1 to
 * HIST_MAX_NS with HIST_DIGITS digits, one for one, so its log format (hdr/hdrlog.h) is a walk through them. A
 * recorded value is off by less than one in a thousand, and recording is a shift, an increment and two comparisons:
 * no allocation, no loop, no lock. One thread records; histograms of several threads or hosts are added up,
 * since percentiles of parts cannot be averaged.
 *
 * A struct hist is 265 KiB, of which a run touches a few pages. Zero it before use (calloc).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

#define HIST_DIGITS 3
#define HIST_HALF 1024u                    /* slots per doubling, */
#define HIST_DOUBLINGS 32u                 /* and so many of them, up to */
#define HIST_MAX_NS INT64_C(3600000000000) /* an hour: what is longer is recorded as that */
#define HIST_SLOTS (HIST_HALF * (HIST_DOUBLINGS + 1))

struct hist {
    uint64_t count; /* values recorded */
    int64_t min_ns; /* the exact extremes; 0 while there is no value */
    int64_t max_ns;
    uint64_t slots[HIST_SLOTS];
};

/* The slot of a value of 0 to HIST_MAX_NS. */
static inline uint32_t hist_slot(int64_t value_ns)
{
    /* the doubling: how far the value must be shifted to fit into 2 * HIST_HALF */
    uint32_t shift =
        63u - (uint32_t)__builtin_clzll((uint64_t)value_ns | (2 * HIST_HALF - 1)) - 10u;

    return shift * HIST_HALF + (uint32_t)((uint64_t)value_ns >> shift);
}

/* Adds a value 'n' times. A negative one, which a monotonic clock does not give, counts as 0. */
static inline void hist_record_many(struct hist *h, int64_t value_ns, uint64_t n)
{
    if (n == 0)
        return;
    if (value_ns < 0)
        value_ns = 0;
    if (value_ns > HIST_MAX_NS)
        value_ns = HIST_MAX_NS;
    if (h->count == 0 || value_ns < h->min_ns)
        h->min_ns = value_ns;
    if (value_ns > h->max_ns)
        h->max_ns = value_ns;
    h->count += n;
    h->slots[hist_slot(value_ns)] += n;
}

/* Adds one value. */
static inline void hist_record(struct hist *h, int64_t value_ns)
{
    hist_record_many(h, value_ns, 1);
}

/* The lowest and the highest value that a slot stands for. */
int64_t hist_slot_lowest(uint32_t slot);
int64_t hist_slot_highest(uint32_t slot);

void hist_clear(struct hist *h);
void hist_add(struct hist *to, const struct hist *from);

/* The value that 'percent' (0 to 100) of all values do not exceed, as HdrHistogram defines it: the highest one of the
 * slot in which that rank lies (and never more than the exact maximum); of 0 percent the minimum; 0 without values. */
int64_t hist_percentile(const struct hist *h, double percent);

/* How many values are certainly greater: those of the slots above the one of 'value_ns'. */
uint64_t hist_above(const struct hist *h, int64_t value_ns);

/* Mean and standard deviation, from the middles of the slots; 0 without values. */
double hist_mean_ns(const struct hist *h);
double hist_stddev_ns(const struct hist *h);

#endif
