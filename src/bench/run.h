/* run.h -- one run: threads that load the server, begin on the same instant, and report together.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "record.h"
#include "result.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct err;
struct load;

/* What a run tells while it goes on, from the thread of run_plan(). Each may be NULL. */
struct observer {
    void (*connected)(void *user, size_t open,
                      int64_t wait_ns); /* all were tried, so many are open; it
                                                                    begins so much later */
    void (*interval)(void *user, const struct result *so_far, const struct record *record);
    void *user;
};

/* What its threads share. */
struct run {
    const struct plan *plan;
    struct load **loads;
    unsigned n_loads; /* created so far */

    pthread_mutex_t lock; /* guards what follows, and each load's posted record */
    pthread_cond_t told;  /* one of it has changed */
    unsigned ready;       /* loads that have all their connections, */
    unsigned done;        /* and that are over */
    size_t open;          /* connections that the ready ones have */

    atomic_bool go;   /* start_ns is set: begin then */
    atomic_bool stop; /* end now, properly */
    int64_t start_ns; /* set before 'go' */
    int64_t told_ns;  /* up to when records were taken and told */
    int64_t server_from_ns,
        server_to_ns; /* CPU time of --pid when the measurement began and ended; load 0's */
};

/* Does what the plan says. Returns 0 and a result that result_free() takes back, whatever went wrong with
 * connections and echoes; or -errno when no run was possible. At most one runs at a time. */
int run_plan(struct result **ret, const struct plan *plan, const struct observer *observer,
             struct err *err);

/* Ends the run that is under way, and each that would begin later; async-signal-safe. */
void run_interrupt(void);

/* Ends this one, from any thread of it. */
void run_stop(struct run *run);

void result_free(struct result *r);

#endif
