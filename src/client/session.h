/* session.h -- the loop of the lesson: ask for a line, send it, show what comes back, until "q".
 *
 * A source of lines (a person at a prompt, or a pipe) on one side, a talk with the server on the
 * other. Both ends of it may end: the user with q, Q or the end of input, and the server by closing,
 * which is its right when nothing is due and the input is over.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct session_config {
    const char *program; /* for ~/.editrc */
    int fd;              /* connected and non-blocking; stays the caller's */
    int64_t timeout_ns;  /* as in talk.h */
    bool interactive;    /* standard input and output are a terminal: greet and prompt */
    bool terminal;       /* standard output is one: filter what came from the network */
    bool quiet;          /* do not greet */
};

/* Returns 0 when every byte came back, or -errno with the verdict in 'err'. */
int session_run(const struct session_config *config, struct err *err);

#endif
