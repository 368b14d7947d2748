/* worker.h -- one thread, one struct io, the connections it serves.
 *
 * Worker 0 runs on the thread of server_run() and carries the doorkeeper. Every worker runs the same
 * loop: take an event, call the handler it names, let deadlines pass. Workers share nothing but the
 * inbox through which connections are handed over, and the atomics of struct server.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "../base/timer.h"
#include "../io/io.h"
#include "server.h"

struct conn;

/* What a worker counts while it works, for worker 0 to read at any time (stats.h). Only its own thread writes, so that
 * counting is a plain load and a plain store, one counter for each event. */
struct pace {
    atomic_uint_fast64_t reads; /* receives that brought bytes, */
    atomic_uint_fast64_t bytes; /* and bytes that went back */
};

static inline void pace_add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

struct worker {
    struct server *server;
    struct io *io;
    struct doorkeeper *door; /* worker 0's; NULL elsewhere */
    struct timers timers;    /* of all its connections, and of the door */
    uint64_t n_conns;
    bool draining;    /* has told its connections, */
    bool hurried;     /* and this */
    bool started;     /* 'thread' is to be joined */
    bool helper;      /* serves one client and ends, */
    bool expecting;   /* and that one has not come yet */
    atomic_bool over; /* its thread is about to end */
    struct tally tally;
    struct pace pace;
    pthread_t thread;
    pthread_mutex_t inbox_lock;
    struct list inbox; /* connections handed over, not started yet */
    struct list node;  /* of a helper, in server->helpers */
};

/* 'engine' is a name that io_create() takes. */
int worker_create(struct worker **ret, struct server *server, const char *engine, struct err *err);
void worker_destroy(struct worker *w);

/* Serves until nobody is left and nobody will come. When the engine breaks, which no kernel does that
 * keeps its promises, it says so and ends the process with 1. */
void worker_run(struct worker *w);

/* Hands 'c' over, from the doorkeeper's thread; the worker starts it. */
void worker_give(struct worker *w, struct conn *c);

#endif
