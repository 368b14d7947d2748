/* door_listener.h -- one listener of the door, and what it can do next.
 *
 * While it is open it accepts, or holds whom it accepted until there is a place (admission.h), or rests: there is no place,
 * or there is a pause, an --accept-delay or a shut door. door_listener_go_on() finds out which it is to be, whenever
 * anything has changed, and nothing else starts an accept.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_DOOR_LISTENER_H
#define SERVER_DOOR_LISTENER_H

#include "../io/io.h"
#include "../net/addr.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>

struct doorkeeper;

struct door_listener {
    struct io_sock sock; /* fd -1: closed */
    struct doorkeeper *door;
    int held_fd;           /* accepted, not placed yet; -1: none */
    bool empty;            /* draining: nobody waits here any more */
    bool lost;             /* it listens no more, and we did not end it */
    bool hushed;           /* its accept was cancelled to shut the door, not to see who waits */
    bool rested;           /* no accept was outstanding for a while, */
    bool crowded;          /* because there was no place, */
    bool shut_out;         /* or because the door was shut */
    int64_t not_before_ns; /* --accept-delay */
    struct watched watched;
    char text[ADDR_TEXT_MAX];
};

/* 'fd' listens, and is its own from here on, whatever is returned: 0 or -errno. */
int door_listener_init(struct door_listener *l, struct doorkeeper *door, int fd);

/* Does a successor serve it, and those who wait in its queue? */
bool door_listener_handed_over(const struct door_listener *l);

/* The first moment at which it may accept, apart from whatever else it waits for. */
int64_t door_listener_opens_ns(const struct door_listener *l);

/* Whatever it can do next: place who is held, accept the next, or close. */
void door_listener_go_on(struct door_listener *l);

/* Somebody shut it down under us. The others go on; without any there is nothing to serve, and whoever
 * watches over us should know. */
void door_listener_lose(struct door_listener *l, int code);

/* Who still waits is reset by the kernel, and counted. */
void door_listener_close(struct door_listener *l);

#endif
