/* load_parts.h -- what load.c does for load_phases.c: messages begin, intervals end. Nobody else includes it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_LOAD_PARTS_H
#define BENCH_LOAD_PARTS_H

#include "load.h"

/* May a message begin now? */
bool load_may_begin(const struct load *l);

/* Closed loop: as many messages as the connection has places for. */
void load_fill(struct load *l, struct flow *f);

/* Open loop and --crr: the connection has a place; what is due goes through those that have waited longest. */
void load_offer(struct load *l, struct flow *f);
void load_dispatch(struct load *l);

/* An interval is over when its end has passed; the last record is posted whatever there is in it. */
void load_pass_boundary(struct load *l);
void load_post(struct load *l, int64_t end_ns, bool final);

/* This thread's CPU time from sign -1 to sign +1 is the measurement's. */
void load_account(struct load *l, int sign);

#endif
