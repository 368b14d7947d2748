/* doorkeeper.h -- who gets in, and when.
 *
 * The doorkeeper owns the listeners. It accepts while there is a place (--concurrency), numbers each
 * client, announces it, and gives it to a worker. Full means wait: without a place, a descriptor or
 * memory it accepts nothing, and the kernel's backlog holds who comes; it goes on when a place is
 * given back, or after a pause. It never spins. A client that was accepted and cannot be placed yet is
 * held, unless --clients is reached.
 *
 * For who wants to watch a queue fill, it can be told to rest: before each accept (--accept-delay), or until
 * told otherwise (--accept-pause, SIGUSR2).
 *
 * Draining, it accepts until the queues are empty, whatever it was told, then closes the listeners. Where a successor serves a
 * listener (takeover.h) its queue lives on there, and it is closed at once.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_DOORKEEPER_H
#define SERVER_DOORKEEPER_H

#include "../base/timer.h"
#include "door_listener.h"
#include "watch.h"

#include <stddef.h>

struct err;
struct server;
struct worker;

struct doorkeeper {
    struct server *server;
    struct worker *worker; /* worker 0 */
    struct door_listener *listeners;
    size_t n;
    uint64_t admitted;        /* clients so far: the latest one's ordinal */
    unsigned turn;            /* the worker whose turn it is */
    struct timer timer;       /* in worker 0's timers: whatever of the door is due next, */
    int64_t act_ns;           /* and when that may concern who is accepted */
    bool shut;                /* told to accept nobody; a drain overrules that */
    int64_t paused_ns;        /* out of something: try again then; NEVER: not paused */
    int64_t complained_ns;    /* when that was logged last */
    unsigned failed_in_a_row; /* accepts, by the client's fault */
    uint64_t left_waiting;    /* clients that waited, or were held, when the door closed */
    bool lost;                /* no listener was left, though nobody had asked us to end */
    struct watch watch;
};

/* Opens a listener for every address of every endpoint. Returns 0 or -errno, nothing left open. */
int door_open(struct doorkeeper *door, struct server *server, struct err *err);
void door_destroy(struct doorkeeper *door);

/* Worker 0 calls these. It is there now: the server can be asked for the time. */
void door_begin(struct doorkeeper *door);

/* Accept nobody from here on, or go on if it is shut; door_go_on() is to follow. */
void door_toggle(struct doorkeeper *door);

/* Will anybody be served who is not yet? Not when as many came as --clients says. */
bool door_admits_more(const struct doorkeeper *door);

/* Logs that it is shut, if it is. */
void door_announce(const struct doorkeeper *door);

/* Something may have changed (it starts, a place was given back, the server drains,
 * the roll has something to report): do whatever can be done. */
void door_go_on(struct doorkeeper *door);

/* The event of an accept. */
void door_accepted(struct door_listener *listener, int result);

/* Its timer fired. */
void door_expired(struct doorkeeper *door);

/* Closes without having served anybody. */
void door_abandon(struct doorkeeper *door);

#endif
