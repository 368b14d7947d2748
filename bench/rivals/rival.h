/* rival.h -- what the rivals in C share that is not their framework's: the listening socket, and the echo of a
 * loop that is told when a socket is ready.
 *
 * SPDX-License-Identifier: MIT */
#ifndef RIVAL_H
#define RIVAL_H

#include <stdbool.h>
#include <stddef.h>

#define RIVAL_READ 65536 /* bytes at most per read */
#define RIVAL_ALIGN \
    64 /* of a buffer: elsewhere in a cache line the kernel's copies can take twice as long */
#define RIVAL_BACKLOG 4096 /* of the listening socket */

/* The port of `PROGRAM PORT` (0: any that is free). Ends the program where there is none. */
int rival_port(int argc, char **argv);

/* A socket that listens on that port of 127.0.0.1, and says so (rival_announce). */
int rival_listen(int port, bool nonblocking);

/* "listening on 127.0.0.1:PORT", on stderr. */
void rival_announce(int port);

/* The next client with TCP_NODELAY, or -1 when there is none for now. */
int rival_accept(int listener, bool nonblocking);

/* Ends the program when a call that a bench cannot do without has failed: perror() and exit code 2. */
void rival_need(bool ok, const char *what);

/* One connection's echo. Everything that was read is sent before more is read, so at most one read's bytes are
 * kept; they are copied only when the peer takes less than all of them at once. */
struct echo {
    int fd;
    unsigned char *kept; /* NULL, or what the peer has not taken yet, */
    size_t left;         /* so much of it, */
    size_t next;         /* from here on */
};

enum echo_wants {
    ECHO_MORE, /* all was sent, and there may be more to read at once */
    ECHO_READ, /* all was sent, and the next input is a reason to come back */
    ECHO_ROOM, /* the peer must take something first */
    ECHO_END,  /* the peer has ended, and has everything; or the connection is broken */
};

/* Sends what is kept, or reads once and sends that. */
enum echo_wants echo_step(struct echo *e);

/* Closes the socket and frees what is kept. */
void echo_close(struct echo *e);

#endif
