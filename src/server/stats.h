/* stats.h -- how the server fares, in one line: each --stats, or once when SIGUSR1 comes.
 *
 *     clients 12 · 48.2k reads/s · 3.1 MB/s · backlog 6/5 FULL · 4 SYNs dropped
 *
 * Who is served, what a second brought since the line before (a read is a receive that brought bytes, bytes
 * are those echoed), the accept queue with its limit, and what was dropped since the start. Of several listeners
 * the queue that is fullest is shown, with its address, and the drops of all are added up; on SIGUSR1
 * each has a line of its own, and so have the counters of the network namespace (net/backlog.h).
 *
 * Workers count for themselves (worker.h, struct pace) and are not asked; worker 0 adds up what it reads there.
 * With --stats it wakes up for that, and without it never does.
 *
 * On a terminal the line stays below the log and is redrawn, with a bar for the queue (base/log.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include "../net/backlog.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

struct stats {
    int64_t next_ns;                 /* when a line is due; NEVER: none is */
    bool utf8;                       /* the locale can show more than ASCII */
    int network_fd;                  /* for backlog_read_network() */
    struct backlog_network begun;    /* as the counters were at the start */
    int64_t told_ns;                 /* of the line before: when, */
    uint64_t told_reads, told_bytes; /* and the sums */
};

/* Opens what it reads later. Worker 0 is there. */
void stats_begin(struct server *server);
void stats_end(struct server *server);

/* When stats_tick() is due. */
static inline int64_t stats_deadline(const struct stats *stats)
{
    return stats->next_ns;
}

/* The line of --stats, and when the next one is due. */
void stats_tick(struct server *server);

/* The lines of SIGUSR1. */
void stats_tell(struct server *server);

#endif
