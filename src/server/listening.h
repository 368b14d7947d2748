/* listening.h -- from endpoints to listening sockets, and the lines that say so.
 *
 * Every address of every endpoint gets one listener. All of them open or none does, and only then are the
 * "listening on" lines logged, which scripts wait for.
 *
 * Sockets that were passed to us (net/passed.h) come first. Those of a service manager are served in any
 * case, those of a predecessor when an endpoint asks for their address; port 0 asks for any port that no
 * endpoint names. Without endpoints all of them are served. One that is not served is closed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_LISTENING_H
#define SERVER_LISTENING_H

#include <stddef.h>

struct err;
struct server;
struct server_config;

/* Opens them. Returns 0 and sets *ret_fds, *ret_n (for listening_release), or -errno with nothing left
 * open. Sockets that were passed are not changed by it. */
int listening_open(int **ret_fds, size_t *ret_n, const struct server_config *config,
                   struct err *err);

/* Frees the array and closes its first 'n' descriptors. */
void listening_release(int *fds, size_t n);

/* Has the sockets that were passed listen as the configuration says. Returns 0 or -errno. */
int listening_adopt(const struct server_config *config, struct err *err);

/* Logs a line for each listener of the door, and a warning where the kernel cut the backlog. */
void listening_announce(const struct server *server);

#endif
