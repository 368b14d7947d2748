/* tune.c -- see tune.h.
 *
 * SPDX-License-Identifier: MIT */
#include "tune.h"

#include "sock.h"

#include <netinet/tcp.h>

int tune_listener(int fd, const struct listener_config *config)
{
    /* comfort, not correctness: a kernel or sandbox that refuses one of these still serves */
    (void)sock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)sock_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    (void)sock_set_buffers(fd, config->sndbuf, config->rcvbuf);
    if (config->congestion) {
        int r = sock_set_congestion(fd, config->congestion);

        if (r < 0)
            return r;
    }
    return sock_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}
