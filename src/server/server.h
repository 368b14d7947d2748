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
 *     server_run(server, &err);                // until server_stop() or the last client of --clients
 *     server_destroy(server);
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "../base/list.h"
#include "../net/endpoint.h"
#include "../net/listener.h"
#include "doorkeeper.h"
#include "roll.h"

#include <pthread.h>
#include <stdatomic.h>

/* Promises of the man page, in one place. */
#define DRAIN_QUIET_NS (200 * NS_PER_MS) /* draining: the end after so long without a byte */
#define LINGER_QUIET_NS (2 * NS_PER_S)   /* after our FIN: so long without a byte, */
#define LINGER_TOTAL_NS (10 * NS_PER_S)  /* and so long at the most, until the peer's end */

struct server_config {
    const char *engine;   /* as io_config */
    uint32_t buf_size;    /* bytes of one buffer */
    unsigned workers;     /* threads; does not apply to an engine with a thread per client */
    uint64_t concurrency; /* clients served at once, at least 1 */
    uint64_t clients;     /* end after so many were served; 0: never */
    int64_t idle_ns;      /* cut a connection without a byte for so long; NEVER */
    int64_t lifetime_ns;  /* cut a connection this old; NEVER */
    int64_t drain_ns;     /* how long connections may go on after server_stop() */
    bool verbose;         /* announce every client, in a storm too */
    int family;           /* AF_UNSPEC, AF_INET or AF_INET6 */
    struct listener_config listener;
    bool backlog_given; /* then a smaller one in force is worth a warning */
    const struct endpoint *endpoints;
    size_t n_endpoints;
};

/* What a worker counts; summed up at the end. */
struct tally {
    uint64_t bytes;     /* echoed */
    uint64_t cut;       /* connections ended with bytes not echoed that we had read, */
    uint64_t cut_bytes; /* and those bytes */
    uint64_t resets;    /* connections that ended with an error */
};

struct server {
    struct server_config config;
    struct worker **workers; /* the fixed ones; [0] is the doorkeeper's */
    unsigned n_workers;
    struct list helpers; /* one-client workers of the classic engine; worker 0's own */
    struct doorkeeper door;
    struct roll roll;
    struct tally tally; /* of workers that are gone */
    int64_t born_ns;

    atomic_uint_fast64_t places; /* taken: clients being served, lingering ones not included */
    atomic_bool place_wanted;    /* the doorkeeper waits for one to be given back */
    atomic_bool draining;        /* set once, with drain_end_ns set before */
    atomic_bool door_closed;     /* nobody will come any more */
    int64_t drain_start_ns, drain_end_ns;
    atomic_bool stop; /* server_stop() was called */
};

/* Opens every listener and sets up the workers. 'config' is copied; what it points to must outlive the
 * server. Returns 0 or -errno, everything closed again. */
int server_create(struct server **ret, const struct server_config *config, struct err *err);

/* Logs the "listening on" lines, then serves on this thread and the workers' until drained. Returns 0;
 * or -errno, and nobody was served. */
int server_run(struct server *server, struct err *err);

/* Logs the last line: clients, bytes, time, what was cut. */
void server_sum_up(const struct server *server);

void server_destroy(struct server *server);

/* Asks the server to drain and end. Safe in a signal handler and in any thread. */
void server_stop(struct server *server);

/* Worker 0 was woken: begin to drain if that was asked for, put helpers away. */
void server_attend(struct server *server);

/* A client is served no longer: its place is free. Any worker may say so. */
void server_place_free(struct server *server);

#endif
