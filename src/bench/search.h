/* search.h -- the highest rate at which a condition holds (--find-max 'p99<1ms').
 *
 * A rate *holds* when at least two of three trials at it do, and a trial does when the condition is met, every byte
 * came back, and at least 99 % of the rate was reached. (Two trials that agree decide; a third is made when they
 * do not.) From the first rate on the search doubles until a rate does not hold, or halves until one
 * does, and then halves the gap, on a logarithmic scale, until the two are within 2 %. Then the rate that did not hold
 * is tried once more: if it holds now, a bad moment of the machine had decided, and the search goes on upwards
 * (SEARCH_DOUBTS times at the most). Each trial is a run of its own, with fresh connections, as long as --duration
 * says.
 *
 * So the answer is a pair: this rate held, that one, at most 2 % above, did not. A server whose behaviour is not
 * monotonic in the rate may have more such pairs; this is one of them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_SEARCH_H
#define BENCH_SEARCH_H

#include "condition.h"
#include "run.h"

#define SEARCH_TRIALS 3
#define SEARCH_GAP 1.02
#define SEARCH_DOUBTS 3
#define SEARCH_FIRST_RATE 1000.0 /* where the plan names none */

/* What a search tells after each trial. */
typedef void search_teller(void *user, double rate, bool held, const struct result *r);

/* Reads what has to hold. It must be something that a higher rate can only make worse: a time, or what is lost or late, below a
 * bound. Returns 0 or -EINVAL. */
int search_condition(struct condition *ret, const char *text, struct err *err);

/* Runs the trials of 'plan', whose rate is the first one tried. Returns 0 and the last good run at the highest rate that
 * held, with r->found_rate and r->refuted_rate set; when none held, the last run, with found_rate 0. A run that
 * run_interrupt() ended, that could not connect, or that got a byte which is wrong ends the search and is its result.
 * plan->rate then is the rate of that run. Or returns -errno when no run was possible. */
int search_max(struct result **ret, struct plan *plan, const struct condition *condition,
               search_teller *tell, void *user, struct err *err);

#endif
