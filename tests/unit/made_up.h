/* made_up.h -- the result of a run that never was, with something in every field, for the tests of the reports.
 *
 * SPDX-License-Identifier: MIT */
#ifndef UNIT_MADE_UP_H
#define UNIT_MADE_UP_H

#include "bench/result.h"

/* An open loop of ten seconds after two of warm-up, with a stall in the sixth and a few troubles. Everything is
 * the callee's and static: the next call begins anew. */
struct result *made_up_run(void);

/* The same plan, and nothing came of it. */
struct result *made_up_nothing(void);

/* The plan of either. */
extern struct plan made_up_plan;

#endif
