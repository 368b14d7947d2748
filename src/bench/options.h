/* options.h -- the command line of meari-bench: what there is to ask for, and the plan that comes of it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "../base/opts.h"
#include "plan.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/* As they were written, and where they were not, as they are by default (options_init). */
struct options {
    uint64_t connections, idle, threads, depth, count, seed, sndbuf, rcvbuf, pid, verbose;
    int64_t duration_ns, omit_ns, interval_ns, timeout_ns, connect_timeout_ns,
        spin_ns; /* 0: not given */
    int engine, arrival;
    bool crr, backlog_probe, yes, quiet, v4, v6;
    const char *size, *rate, *connect_rate, *start_at, *find_max, *congestion;
    const char *json, *csv, *html, *hdr_log, *percentiles;
    struct opt_texts binds, fail_if;
};

void options_init(struct options *o);

/* As opts_read(). */
int options_read(struct options *o, const char *program, const char *version, int argc, char **argv,
                 int *ret_operand, struct err *err);

/* The plan, checked against itself and against what this process may have (descriptors, ports). Asks a name server, where
 * the operands name a host. Returns 0, or -errno; then nothing is to be freed. */
int options_plan(struct plan *ret, const struct options *o, char **operands, int n,
                 struct err *err);
void plan_done(struct plan *plan);

#endif
