/* listening.h -- from endpoints to listening sockets, and the lines that say so.
 *
 * Every address of every endpoint gets one listener. All of them open or none does, and only then are the
 * "listening on" lines logged, which scripts wait for.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_LISTENING_H
#define SERVER_LISTENING_H

#include <stddef.h>

struct err;
struct server;
struct server_config;

/* Opens them. Returns 0 and sets *ret_fds, *ret_n (for listening_release), or -errno with nothing left
 * open. */
int listening_open(int **ret_fds, size_t *ret_n, const struct server_config *config,
                   struct err *err);

/* Frees the array and closes its first 'n' descriptors. */
void listening_release(int *fds, size_t n);

/* Logs a line for each listener of the door, and a warning where the kernel cut the backlog. */
void listening_announce(const struct server *server);

#endif
