/* world.h -- one run: what is drawn for it, its clock, and its scheduler.
 *
 * The world draws a configuration of the server, a set of clients and the ways in which the kernel
 * misbehaves; it runs the server as the first task and lets one thing happen at a time: a task goes on
 * with an event, a client acts, or time passes. Which one is chosen, within what io.h allows. Time
 * passes by itself only when nothing else can happen, or to make a task late.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "../../src/server/server.h"

#include <poll.h>

#define WORLD_BEGIN_NS (1000 * NS_PER_S)
#define LATE_MAX_NS (50 * NS_PER_MS) /* that late a task or an event may be */

/* How often each kind of misbehaviour happens where it could, per mille; 0: not in this run. */
struct faults {
    uint32_t short_recv; /* a receive brings less than there is */
    uint32_t short_send; /* the kernel takes a send in pieces */
    uint32_t late;       /* a task that could go on has to wait, up to LATE_MAX_NS */
    uint32_t late_event; /* an event is held back, likewise */
    uint32_t late_wake;  /* a wake-up is, likewise */
    uint32_t preempt;    /* a task's turn is over, at a lock or an atomic operation */
    uint32_t spurious;   /* io_next() returns 0 for no reason */
    uint32_t early_end; /* a cancelled operation is over at once, whatever comes until it is told */
    uint32_t stale_clock; /* io_now() lags behind, up to LATE_MAX_NS */
    uint32_t memory;      /* an allocation fails */
    uint32_t thread;      /* a thread cannot be had */
    uint32_t accept;      /* an accept fails */
    uint32_t network;     /* a connection breaks when something is done on it */
    uint32_t silence;     /* the kernel does not say when it last sent */
    uint32_t log;         /* a log line does not get through */
};

struct world {
    int64_t now_ns;
    struct faults faults;
    bool faults_on;        /* off while the server is put together, in most runs */
    int64_t last_fault_ns; /* when something was last refused to the server */
    int64_t famine_ns[2];  /* no memory at all from .. to */
    int64_t stop_ns;       /* when server_stop() is called, or was; NEVER: not drawn yet */
    bool stopped;          /* it was */
    int64_t toggle_ns;     /* when server_toggle_accepting() is called next, */
    uint32_t toggles;      /* and how often still; server_tell_stats() is called with it */
    bool shut;             /* nobody is to be accepted, */
    int64_t shut_ns;       /* since then */
    int64_t place_ns;      /* when there was no place free the last time */
    bool running;          /* in server_run() */
    bool start_failed;     /* server_run() could not begin */
    struct server *server;
    struct server_config config;
    uint64_t steps;
};

extern struct world world;

/* Whether a refusal of this kind happens now. Remembers it: a promise may take longer then. */
bool world_fault(uint32_t per_mille);
bool world_out_of_memory(void);

/* In place of the C library's, by way of replace.h. */
int sim_clock_gettime(clockid_t clock, struct timespec *ret);
ssize_t sim_write(int fd, const void *data, size_t n);
int sim_poll(struct pollfd *polls, nfds_t n, int timeout_ms);

/* Once, before the first run. */
void world_init(void);

/* One whole run, with the choices set up before. Returns, or fails. */
void world_run(void);

#endif
