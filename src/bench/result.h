/* result.h -- what a run found: the one thing that every report reads.
 *
 * Times are nanoseconds of the monotonic clock, except those called real. Two views of the same messages:
 * *response* is from the moment a message should have left (in an open loop the schedule's, so a server that stalls
 * cannot hide what it kept from being sent), *service* from the moment it left. In a closed loop they are one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "../base/figures.h"
#include "../base/hist.h"
#include "plan.h"
#include "syns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ways to fail, each counted by itself. */
enum trouble_kind {
    TROUBLE_CONNECT,   /* a connection could not be made */
    TROUBLE_LOST,      /* one ended before its time: closed by the peer, reset, timed out */
    TROUBLE_MISSING,   /* one whose echo was not back within --timeout of the end */
    TROUBLE_CHANGED,   /* bytes came back different, */
    TROUBLE_SKIPPED,   /* or some never did although later ones came, */
    TROUBLE_DOUBLED,   /* or twice, */
    TROUBLE_REORDERED, /* or in another order, */
    TROUBLE_CROSSED,   /* or somebody else's did */
    TROUBLE_UNASKED,   /* bytes came that nobody sent */
    TROUBLE_KINDS,
};

/* One of them, in words. The first few are kept, all are counted. */
struct trouble {
    enum trouble_kind kind;
    uint64_t connection; /* its number, from 1 */
    uint64_t offset;     /* in its stream, from 1; 0: no matter */
    int64_t at_ns;       /* since the measurement began; negative: before */
    char text[160];      /* "connection 7: 1 byte changed at offset 4097" */
};

#define TROUBLES_KEPT 20

/* What is counted, in an interval or in all. Messages are counted when their echo is complete; those that began in the
 * warm-up and are not back at its end, nowhere. */
struct counts {
    uint64_t messages; /* echoed and right to the last byte */
    uint64_t bytes;    /* of those messages, one way */
    uint64_t late;     /* sends that left more than LATE_NS after their time */
    uint64_t
        blocked; /* ... of those: because no connection had a free place (the server's doing) */
    uint64_t connections; /* made */
};

#define LATE_NS INT64_C(1000000)

/* One interval of the run, in time order. */
struct interval {
    int64_t begin_ns; /* since the measurement began; negative: warm-up */
    int64_t length_ns;
    struct counts counts;
    int64_t p50_ns, p99_ns, max_ns; /* response times */
};

/* The machine this ran on, and what is set there; an empty string or -1 where it cannot be told. */
struct environment {
    const char *version;  /* of this program, for the reports; NULL: not told */
    char system[160];     /* "Linux 6.18.44 x86_64" */
    char cpu[96];         /* model name */
    unsigned cpus;        /* that this process may use */
    char congestion[32];  /* congestion control of the connections */
    int64_t somaxconn;    /* net.core.somaxconn of this host's network */
    char clocksource[32]; /* where the clock's readings come from */
    char host[64];
    int syn_linear; /* net.ipv4.tcp_syn_linear_timeouts likewise (net/synretry.h) */
};

struct result {
    const struct plan *plan;
    struct environment env;
    const char *engine;    /* the one used */
    int64_t begun_real_ns; /* when the measurement began, time of day since 1970 */
    int64_t elapsed_ns;    /* how long messages were sent (warm-up not counted) */
    bool interrupted;      /* by SIGINT: a part of what was asked */
    bool cut_short;        /* ended early because no connection was left */

    struct counts total; /* warm-up not counted */
    uint64_t
        unsent; /* due in the measurement, and still unsent at its end: no connection had a place */
    uint64_t lost_messages; /* sent in the measurement and not echoed at its end */
    struct hist *response, *service,
        *connect;     /* never NULL; response == service's values in a closed loop */
    struct hist *lag; /* actual minus intended send time where a place was free: our own lateness */

    struct syns syns; /* what connecting took, counted */

    struct interval *intervals; /* of warm-up and measurement */
    size_t n_intervals;

    uint64_t troubles[TROUBLE_KINDS]; /* how many of each kind */
    struct trouble kept[TROUBLES_KEPT];
    size_t n_kept;

    int64_t cpu_ns,
        cpu_user_ns; /* this process's CPU time in the measurement (user and system; of it user) */
    int64_t busiest_ns;        /* CPU time of its busiest thread, */
    int64_t busiest_spun_ns;   /* of it spent in waiting without sleeping (--spin), */
    int64_t busiest_waited_ns; /* and how long that one was ready to run and had no CPU */
    int64_t server_cpu_ns;     /* of --pid; -1: unknown */
    uint64_t retransmits;      /* segments that our side sent again (TCP_INFO) */
    uint64_t idle_right;       /* idle connections that still echoed at the end */
    bool searched;       /* this is the best trial of a search for the highest rate (search.h): */
    double found_rate;   /* the one that held; 0: none did */
    double refuted_rate; /* the lowest above it that did not; 0: none was tried */
    char limited[160];   /* why this bench may have been the bottleneck; empty: it was not */
};

/* Messages a second in the measurement. */
static inline double result_rate(const struct result *r)
{
    return r->elapsed_ns > 0 ? (double)r->total.messages * 1e9 / (double)r->elapsed_ns : 0;
}

static inline double result_bytes_rate(const struct result *r) /* one way */
{
    return r->elapsed_ns > 0 ? (double)r->total.bytes * 1e9 / (double)r->elapsed_ns : 0;
}

/* What is to be said of SYNs that got no answer, or "". Returns 'out'. */
const char *result_syns_text(char out[static SYNS_TEXT_MAX], const struct result *r);

/* ", 70 % spinning", for the share of the time that the busiest thread waited without sleeping, or "". Returns 'out'. */
const char *result_spinning_text(char out[static FIGURE_MAX], const struct result *r);

/* "6.40 us per message, " of CPU time 'cpu_ns', 'us' being the sign for a microsecond; "" without any message. Returns 'out'. */
#define RESULT_COST_MAX 64
const char *result_cost_text(char out[static RESULT_COST_MAX], const struct result *r,
                             int64_t cpu_ns, const char *us);

/* How it ended. The exit code of a run without thresholds follows from it. */
enum verdict {
    VERDICT_RIGHT,       /* all that was asked happened, with every byte right: 0 */
    VERDICT_WRONG,       /* something did not: 1 */
    VERDICT_INTERRUPTED, /* what there was time for was right: 130 */
    VERDICT_UNCONNECTED, /* no connection could be made: 2 */
};

enum verdict result_verdict(const struct result *r);

/* "right", "wrong", "interrupted", "unconnected". */
const char *verdict_word(enum verdict verdict);

/* Did all that was asked happen, with every byte right? */
bool result_good(const struct result *r);

/* The sum of r->troubles. */
uint64_t result_troubles(const struct result *r);

/* Of kept troubles that differ only in the connection, the first stands for all. Returns how many say what number 'i' says,
 * or 0 when an earlier one stands for it. */
size_t result_alike(const struct result *r, size_t i);

/* "connect", "lost", "missing", "changed", ...: the stable word of a kind. */
const char *trouble_word(enum trouble_kind kind);

#endif
