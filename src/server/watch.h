/* watch.h -- notices a queue that fills, and SYNs that are dropped, and says what to do about it.
 *
 * The kernel keeps the numbers (net/backlog.h) and tells nobody when they change, so somebody has to look;
 * and an idle server sleeps. So there is a look only when there is reason for one:
 *
 *     a client was accepted         there may be more of them than we accept: a look 100 ms later
 *     accepting rests               no place, no memory, or told not to: the same, and one before it goes on
 *     a look found somebody         waiting, or numbers that changed: another look
 *
 * While looks find the same as before they become rarer, from 100 ms to 10 s. A server that accepts, and whose
 * queues are empty, does not look at all, and sleeps. What this misses: a queue that was full between two
 * looks, and turned nobody away. A dropped SYN is noticed late at worst, and never missed: the counters
 * stay.
 *
 * Worker 0's; for each listener a line at most every 10 s, which has the sum of what came before it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include "../net/backlog.h"

#include <stdbool.h>
#include <stdint.h>

struct doorkeeper;

/* Of one listener. */
struct watched {
    struct backlog_gauge gauge;
    struct backlog latest; /* as of the latest look */
    bool told_full;        /* that it is full was logged, and it has been ever since */
    int64_t told_dropped;  /* SYNs that were logged, */
    int64_t network_drops; /* and those of all listeners by then, since the start */
    int64_t told_ns;       /* when a line was logged */
};

struct watch {
    int64_t looked_ns;
    int64_t next_ns;   /* when to look; NEVER: no reason */
    int64_t pause_ns;  /* between the latest look and that */
    int64_t somaxconn; /* when we started */
};

/* The listeners are open. Opens a file. */
void watch_begin(struct doorkeeper *door);

/* There is reason to look soon. */
void watch_expect(struct doorkeeper *door);

/* Looks, unless it has just done so: the door is about to open again. */
void watch_glance(struct doorkeeper *door);

/* When watch_look() is due. */
int64_t watch_deadline(const struct doorkeeper *door);

void watch_look(struct doorkeeper *door);

#endif
