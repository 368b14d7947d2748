/* listener.h -- a listening TCP socket. The queues behind it are in backlog.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "addr.h"

struct err;

/* As large as net.core.somaxconn allows. */
#define LISTENER_BACKLOG_MAX INT32_MAX

struct listener_config {
    int backlog;
    bool v6only;             /* an IPv6 socket serves IPv4 clients too, unless this is set */
    uint64_t sndbuf, rcvbuf; /* bytes; 0: the kernel's choice */
    const char *congestion;  /* control of its connections; NULL: the kernel's choice */
};

/* Opens a non-blocking, close-on-exec listening socket on 'addr'. SO_REUSEADDR lets a restart bind at
 * once; SO_REUSEPORT is not set, so a second server on the same address fails. Returns 0 and sets
 * *ret_fd, which the caller closes; or -errno. */
int listener_open(int *ret_fd, const struct addr *addr, const struct listener_config *config,
                  struct err *err);

/* Does it listen still? Somebody with the privilege may have shut it down (ss -K), or whoever it is shared
 * with; then it never will again. True when the kernel does not say. */
bool listener_listens(int fd);

#endif
