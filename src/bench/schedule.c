/* schedule.c -- see schedule.h.
 *
 * SPDX-License-Identifier: MIT */
#include "schedule.h"

#include "../base/clock.h"
#include "random.h"

#include <math.h>

#define COUNTED_MOST 1000000 /* one by one by schedule_left() */

/* Sets due_ns. Times since the start fit a double to the nanosecond for 100 days. */
static void plan_next(struct schedule *s)
{
    if (s->poisson)
        s->at_ns += -log(random_unit(&s->random)) * s->pause_ns;
    else
        s->at_ns = s->first_ns + (double)s->count * s->pause_ns;
    s->due_ns = s->at_ns < 0x1p62 ? s->start_ns + (int64_t)s->at_ns : NEVER;
}

void schedule_init(struct schedule *s, const struct plan *plan, unsigned index, int64_t start_ns)
{
    *s = (struct schedule){
        .open = plan->rate > 0,
        .poisson = plan->arrival == ARRIVAL_POISSON,
        .start_ns = start_ns,
        .due_ns = start_ns,
        .random = plan->seed * 31 + index,
    };
    if (!s->open)
        return;
    s->first_ns = (double)index * 1e9 / plan->rate;
    s->pause_ns = (double)plan->threads * 1e9 / plan->rate;
    plan_next(s);
}

int64_t schedule_take(struct schedule *s, int64_t now_ns)
{
    int64_t due_ns = s->due_ns;

    s->count++;
    if (!s->open)
        return now_ns;
    plan_next(s);
    return due_ns;
}

uint64_t schedule_left(const struct schedule *s, int64_t end_ns)
{
    struct schedule rest = *s;
    uint64_t n = 0;

    if (!s->open)
        return 0;
    for (; rest.due_ns < end_ns && n < COUNTED_MOST; n++)
        schedule_take(&rest, end_ns);
    if (rest.due_ns < end_ns)
        n += (uint64_t)((double)(end_ns - rest.due_ns - 1) / s->pause_ns) + 1;
    return n;
}
