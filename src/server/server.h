/* server.h -- the echo server as a whole: listeners, a doorkeeper, workers.
 *
 *                    accept                     recv ──▶ send ──▶ recv …
 *     listener ───▶ doorkeeper ── in turn ──▶ worker 0, 1, … each with its connections
 *
 * One doorkeeper, on worker 0, takes every connection from the one queue of each listener, numbers it
 * and hands it to a worker; from then on only that worker touches it. The counters that both sides
 * need are the few atomics below. A caller creates, runs, reads the summary, and destroys:
 *
 *     server_create(&server, &config, &err);   // listening, nobody is served yet
 *     server_confine(server, &confines, &err); // no privilege is left
 *     server_run(server, &err);                // until server_stop() or the last client of --clients
 *     server_destroy(server);
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "../base/err.h"
#include "../base/list.h"
#include "../io/io.h"
#include "../net/endpoint.h"
#include "../net/listener.h"
#include "../net/passed.h"
#include "../net/supervisor.h"
#include "confine.h"
#include "doorkeeper.h"
#include "roll.h"
#include "stats.h"

#include <pthread.h>
#include <stdatomic.h>

/* Promises of the man page, in one place. */
#define DRAIN_QUIET_NS (200 * NS_PER_MS) /* draining: the end after so long without a byte */
#define LINGER_QUIET_NS (2 * NS_PER_S)   /* after our FIN: so long without a byte, */
#define LINGER_TOTAL_NS (10 * NS_PER_S)  /* and so long at the most, until the peer's end */

struct server_config {
    const char *engine;      /* as io_config */
    int64_t spin_ns;         /* likewise */
    uint32_t buf_size;       /* bytes of one buffer, */
    uint64_t memory;         /* and of all of them together; 0: no limit */
    unsigned workers;        /* threads; does not apply to an engine with a thread per client */
    uint64_t concurrency;    /* clients served at once, at least 1 */
    uint64_t clients;        /* end after so many were served; 0: never */
    int64_t idle_ns;         /* cut a connection without a byte for so long; NEVER */
    int64_t lifetime_ns;     /* cut a connection this old; NEVER */
    int64_t drain_ns;        /* how long connections may go on after server_stop() */
    int64_t stats_ns;        /* a line of figures so often; NEVER */
    int64_t accept_delay_ns; /* rest before each accept; 0: not at all */
    bool accept_pause;       /* accept nobody until server_toggle_accepting() */
    bool verbose;            /* announce every client, in a storm too */
    int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
    struct listener_config listener;
    bool backlog_given; /* then a smaller one in force is worth a warning */
    const struct endpoint *endpoints;
    size_t n_endpoints;
    struct passed
        *passed; /* sockets that listen already; the server closes those it does not serve */
    size_t n_passed;
    const struct supervisor *supervisor; /* who hears how we fare */
    struct takeover *takeover;           /* from whom and to whom the listeners go; NULL: neither */
};

/* What a worker counts; summed up at the end. */
struct tally {
    uint64_t bytes;        /* echoed */
    uint64_t cut;          /* connections ended with bytes not echoed that we had read, */
    uint64_t cut_bytes;    /* and those bytes */
    uint64_t resets;       /* connections that ended with an error */
    uint64_t buffer_waits; /* of receives, for a buffer of the engine's */
};

/* What the workers' live counters (worker.h) hold that are gone. */
struct pace_sum {
    uint64_t reads, bytes;
};

struct server {
    struct server_config config;
    struct worker **workers; /* the fixed ones; [0] is the doorkeeper's */
    unsigned n_workers;
    struct err passed_over; /* why not all workers have the engine that the first one got */
    struct list helpers;    /* one-client workers of the classic engine; worker 0's own */
    struct doorkeeper door;
    struct roll roll;
    struct tally tally;   /* of workers that are gone, */
    struct pace_sum gone; /* and likewise */
    struct stats stats;
    struct confined confined;
    int64_t born_ns;
    struct io_budget budget; /* of all workers' buffers */

    atomic_uint_fast64_t places; /* taken: clients being served, lingering ones not included */
    atomic_bool place_wanted;    /* the doorkeeper waits for one to be given back */
    atomic_bool draining;        /* set once, with drain_end_ns set before */
    atomic_bool door_closed;     /* nobody will come any more */
    atomic_uint threads;         /* of workers, that of server_run() not counted */
    int64_t drain_start_ns, drain_end_ns;
    atomic_bool stop;         /* server_stop() was called */
    atomic_bool stats_wanted; /* so was server_tell_stats(), */
    atomic_uint toggles;      /* and server_toggle_accepting(), so often */
    unsigned toggled;         /* of which the door has heard */
    atomic_bool handed_over;  /* server_hand_over() was, with what follows set before */
    pid_t successor;
    atomic_bool
        hurried; /* after that server_stop() was called, so connections drain as at any end */
    const bool *handed; /* per listener of the door: does the successor serve it? */
};

/* Opens every listener and sets up the workers. 'config' is copied; what it points to must outlive the
 * server. Returns 0 or -errno, everything closed again. */
int server_create(struct server **ret, const struct server_config *config, struct err *err);

/* Why no better engine serves, in a sentence, or "". */
const char *server_passed_over(const struct server *server);

/* Has the sockets that were passed listen as the configuration says, then gives up what serving does not
 * need, for good (confine.h). Returns 0 or -errno: then destroy it. */
int server_confine(struct server *server, const struct confine_config *config, struct err *err);

/* Logs the "listening on" lines, then serves on this thread and the workers' until drained. Returns 0;
 * -ESHUTDOWN when the last listener was shut down from outside, and its clients have left; or another
 * -errno, and nobody was served, or another process goes on serving. */
int server_run(struct server *server, struct err *err);

/* Logs the last line: clients, bytes, time, what was cut. */
void server_sum_up(const struct server *server);

void server_destroy(struct server *server);

/* Asks the server to drain and end. Safe in a signal handler and in any thread. */
void server_stop(struct server *server);

/* Asks it to log its figures once, and to accept nobody from here on, or again. Likewise safe. */
void server_tell_stats(struct server *server);
void server_toggle_accepting(struct server *server);

/* A signal came (io_interrupted()). Likewise safe. */
void server_interrupted(struct server *server);

/* Another process serves the listeners that 'handed' marks, an entry for each: accept nobody there any more,
 * drain, and end. Called by the thread of takeover.h, once. */
void server_hand_over(struct server *server, pid_t successor, const bool *handed);

/* Worker 0 was woken: do what was asked for meanwhile, begin to drain, put helpers away. */
void server_attend(struct server *server);

/* A client is served no longer: its place is free. Any worker may say so. */
void server_place_free(struct server *server);

#endif
