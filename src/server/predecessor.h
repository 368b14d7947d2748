/* predecessor.h -- the server that this one takes over from, asked at start for its listeners.
 *
 * What happens here happens before anybody is served, so it may wait, but never for long: a predecessor
 * that hangs must not make its successor hang. From the answer until predecessor_close() the old server
 * waits to hear that we serve (takeover.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_PREDECESSOR_H
#define SERVER_PREDECESSOR_H

#include "../net/passed.h"

#include <stddef.h>
#include <sys/types.h>

struct err;

/* Promise of the man page: how long a start waits for the old server's listeners. */
#define PREDECESSOR_WAIT_NS (5 * NS_PER_S)

struct predecessor {
    int fd; /* the connection; -1: there is none */
    pid_t pid;
    struct passed *listeners; /* what it passed */
    size_t n;
};

/* Asks at 'path'. Returns 0 with its listeners, or with none where nobody answers; or -errno. */
int predecessor_ask(struct predecessor *ret, const char *path, struct err *err);

void predecessor_close(struct predecessor *old);

#endif
