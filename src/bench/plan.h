/* plan.h -- what a run is asked to do: the options of meari-bench after they were read and checked.
 *
 * Everything that could change a result is in here, so a report can print it and a reader can repeat it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "../net/endpoint.h"
#include "sizes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Closed loop: the next message leaves when an echo is back. Open loop: it leaves when the schedule says so. */
enum arrival { ARRIVAL_CONSTANT, ARRIVAL_POISSON };

#define PLAN_BINDS_MAX 64

struct plan {
    char target[ENDPOINT_TEXT_MAX]; /* the server, as the user named it: "127.0.0.1:7777" */
    const struct addr
        *addrs; /* its addresses, the first to answer is used for all; owned by main() */
    size_t n_addrs;
    struct addr binds[PLAN_BINDS_MAX]; /* source addresses, used in turn */
    size_t n_binds;

    uint64_t connections;
    uint64_t idle; /* silent connections beside those */
    unsigned threads;
    uint64_t depth; /* messages in flight per connection, at most */
    struct sizes sizes;
    uint64_t seed; /* of the streams, the sizes and the arrivals */

    double rate;          /* messages a second in total; 0: closed loop */
    enum arrival arrival; /* of an open loop */
    double connect_rate;  /* connections opened a second; 0: all at once */
    bool crr;             /* connect, one echo, close, again */

    int64_t omit_ns;     /* warm-up, not counted */
    int64_t duration_ns; /* of the measurement; NEVER: until 'count' */
    uint64_t count;      /* messages to measure; 0: until 'duration_ns' */
    int64_t interval_ns; /* of the live report, the timeline and the log */
    int64_t timeout_ns;  /* what is in flight at the end has so long to come back */
    int64_t connect_timeout_ns;
    int64_t start_at_real_ns; /* begin at this time of day (CLOCK_REALTIME); 0: at once */

    const char *engine; /* "auto" or a name of io_engines() */
    int64_t spin_ns;    /* poll for so long instead of sleeping (io_config) */
    uint64_t sndbuf, rcvbuf;
    const char *congestion; /* control asked for; NULL: the system's choice */
    int server_pid;         /* whose CPU time to report; 0: nobody's */
};

/* Does nothing of it leave this machine? */
bool plan_on_loopback(const struct plan *plan);

/* A socket that can call 'to' as the plan says: from which address, with which buffers, under whose control of congestion.
 * 'number' tells connections apart, to use source addresses in turn. Returns the descriptor or -errno: a run with another
 * congestion control than was asked for would be another run. */
int plan_socket(const struct plan *plan, const struct addr *to, uint64_t number);

#endif
