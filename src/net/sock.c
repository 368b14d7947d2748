/* sock.c -- see sock.h.
 *
 * SPDX-License-Identifier: MIT */
#include "sock.h"

#include "../base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

int sock_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == -1 ? -errno : 0;
}

int sock_set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags == -1)
        return -errno;
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) == -1 ? -errno : 0;
}

static int set_buffer(int fd, int option, uint64_t bytes)
{
    if (bytes == 0)
        return 0;
    return sock_set(fd, SOL_SOCKET, option, bytes > INT_MAX ? INT_MAX : (int)bytes);
}

int sock_set_buffers(int fd, uint64_t sndbuf, uint64_t rcvbuf)
{
    int r = set_buffer(fd, SO_SNDBUF, sndbuf);

    return r < 0 ? r : set_buffer(fd, SO_RCVBUF, rcvbuf);
}

int64_t sock_sent_ago_ns(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
        return INT64_MAX / 2;
    return (int64_t)info.tcpi_last_data_sent * NS_PER_MS;
}
