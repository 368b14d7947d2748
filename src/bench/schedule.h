/* schedule.h -- when messages should leave.
 *
 * In a closed loop at once: whenever a connection has a place. In an open loop at times fixed before the run
 * begins: message k of the whole run at k / rate (constant), or after exponentially distributed pauses
 * (Poisson). The schedule does not wait for anybody: what finds no free connection, or a bench that is busy, has
 * its time all the same and is measured from it.
 *
 * The threads share one schedule by taking every n-th message of the constant one; of the Poisson one each has
 * a part of its own with an n-th of the rate, which together are a Poisson process again.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_SCHEDULE_H
#define BENCH_SCHEDULE_H

#include "plan.h"

struct schedule {
    bool open;
    bool poisson;
    int64_t start_ns;
    double pause_ns; /* the mean between two messages of this thread */
    double at_ns;    /* of the next one, since start_ns */
    double first_ns;
    uint64_t count; /* messages taken */
    uint64_t random;
    int64_t due_ns; /* the next one; read-only outside */
};

/* Of thread 'index' of 'plan'; the first message is due at 'start_ns' or soon after. */
void schedule_init(struct schedule *s, const struct plan *plan, unsigned index, int64_t start_ns);

/* Takes the next message and returns its time: in a closed loop 'now_ns', in an open one the time it was due,
 * which s->due_ns said and which may have passed. */
int64_t schedule_take(struct schedule *s, int64_t now_ns);

/* How many more would be due by 'end_ns', by now untaken. More than a million are told from the rate, which is
 * exact where it is constant. */
uint64_t schedule_left(const struct schedule *s, int64_t end_ns);

#endif
