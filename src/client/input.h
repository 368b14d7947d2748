/* input.h -- waiting for the user without losing sight of the server.
 *
 * Between two messages the client waits for standard input. The server has nothing to say then, so
 * whatever its socket reports is news: it closed, or it sends what nobody asked for. Everybody who
 * waits for input therefore waits for both, and the server's news comes first.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_INPUT_H
#define CLIENT_INPUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* What came of waiting. */
enum input {
    INPUT_END,    /* the user has nothing more to say */
    INPUT_LINE,   /* a line is there */
    INPUT_SERVER, /* look at the socket first */
};

/* One message, its newline included. The bytes may be any, and belong to whoever read them. */
struct line {
    const char *data;
    size_t n;
};

/* Waits until standard input can be read (INPUT_LINE) or the socket 'server' reports something
 * (INPUT_SERVER). With a 'mask' it takes signals meanwhile, as ppoll(2) does, and returns -EINTR after
 * one; without one it waits on. */
int input_wait(int server, const sigset_t *mask);

/* The server is gone: is the input over, too? Waits up to a second for a pipe to tell. Reads (and
 * discards) a byte when there is one. A terminal's input is over: the person there sees what
 * happened. */
bool input_over(void);

#endif
