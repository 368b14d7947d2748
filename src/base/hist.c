/* hist.c -- reading a histogram: percentiles, tails, moments, and adding two of them up.
 *
 * Recording is in hist.h, to be inlined. Everything here walks the slots between the least and the greatest value,
 * which are the only ones that can hold a count.
 *
 * SPDX-License-Identifier: MIT */
#include "hist.h"

#include <math.h>
#include <string.h>

/* By how many bits the values of a slot are coarser than a nanosecond. */
static uint32_t shift_of(uint32_t slot)
{
    return slot < 2 * HIST_HALF ? 0 : slot / HIST_HALF - 1;
}

int64_t hist_slot_lowest(uint32_t slot)
{
    uint32_t shift = shift_of(slot);

    return (int64_t)(slot - shift * HIST_HALF) << shift;
}

int64_t hist_slot_highest(uint32_t slot)
{
    return hist_slot_lowest(slot) + (INT64_C(1) << shift_of(slot)) - 1;
}

void hist_clear(struct hist *h)
{
    uint32_t first = hist_slot(h->min_ns), last = hist_slot(h->max_ns);

    memset(&h->slots[first], 0, (last - first + 1) * sizeof *h->slots);
    h->count = 0;
    h->min_ns = h->max_ns = 0;
}

void hist_add(struct hist *to, const struct hist *from)
{
    if (from->count == 0)
        return;
    for (uint32_t i = hist_slot(from->min_ns), last = hist_slot(from->max_ns); i <= last; i++)
        to->slots[i] += from->slots[i];
    if (to->count == 0 || from->min_ns < to->min_ns)
        to->min_ns = from->min_ns;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    to->count += from->count;
}

/* How many values 'percent' of all are, at least one. A product that rounding put just above a whole number, such as
 * 99.9 % of 1000, must not count one more: so it loses its last bit first. */
static uint64_t rank_of(const struct hist *h, double percent)
{
    double rank = ceil(nextafter(percent, 0) * (double)h->count / 100);

    if (rank < 1)
        return 1;
    return percent < 100 && rank < (double)h->count ? (uint64_t)rank : h->count;
}

int64_t hist_percentile(const struct hist *h, double percent)
{
    uint64_t rank, seen = 0;

    if (h->count == 0 || !(percent > 0))
        return h->min_ns;
    rank = rank_of(h, percent);
    for (uint32_t i = hist_slot(h->min_ns), last = hist_slot(h->max_ns); i < last; i++) {
        seen += h->slots[i];
        if (seen >= rank)
            return hist_slot_highest(i);
    }
    return h->max_ns;
}

uint64_t hist_above(const struct hist *h, int64_t value_ns)
{
    uint64_t above = 0;

    if (value_ns >= h->max_ns)
        return 0;
    if (value_ns < h->min_ns)
        return h->count;
    for (uint32_t i = hist_slot(value_ns) + 1, last = hist_slot(h->max_ns); i <= last; i++)
        above += h->slots[i];
    return above;
}

/* Where the values of a slot are on average. */
static double middle(uint32_t slot)
{
    return (double)hist_slot_lowest(slot) + (double)((INT64_C(1) << shift_of(slot)) / 2);
}

double hist_mean_ns(const struct hist *h)
{
    double sum = 0;

    if (h->count == 0)
        return 0;
    for (uint32_t i = hist_slot(h->min_ns), last = hist_slot(h->max_ns); i <= last; i++)
        sum += middle(i) * (double)h->slots[i];
    /* of the outermost slots the middle may lie outside of what was recorded */
    return fmin(fmax(sum / (double)h->count, (double)h->min_ns), (double)h->max_ns);
}

double hist_stddev_ns(const struct hist *h)
{
    double mean = hist_mean_ns(h), sum = 0;

    if (h->min_ns == h->max_ns) /* of no value, one, or the same one again and again */
        return 0;
    for (uint32_t i = hist_slot(h->min_ns), last = hist_slot(h->max_ns); i <= last; i++) {
        double off = middle(i) - mean;

        sum += off * off * (double)h->slots[i];
    }
    return sqrt(sum / (double)h->count);
}
