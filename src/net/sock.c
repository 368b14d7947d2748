/* sock.c -- see sock.h.
 *
 * SPDX-License-Identifier: MIT */
#include "sock.h"

#include "../base/clock.h"
#include "addr.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
    uint32_t ms;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
        return INT64_MAX / 2;
    ms = info.tcpi_last_data_sent;
    /* then what it last sent, it sent again and in vain so far */
    if (info.tcpi_retransmits > 0 && info.tcpi_last_ack_recv > ms)
        ms = info.tcpi_last_ack_recv;
    return (int64_t)ms * NS_PER_MS;
}

int sock_local(struct addr *ret, int fd)
{
    ret->len = sizeof ret->storage;
    return getsockname(fd, &ret->sa, &ret->len) == -1 ? -errno : 0;
}

int sock_peer(struct addr *ret, int fd)
{
    ret->len = sizeof ret->storage;
    return getpeername(fd, &ret->sa, &ret->len) == -1 ? -errno : 0;
}

/* What a failed step leaves behind. */
static int give_up(int fd, int r)
{
    close(fd);
    return r;
}

int sock_open(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (tracing())
        trace_socket(family, fd);
    return fd == -1 ? -errno : fd;
}

int sock_create(int family, const struct addr *from)
{
    int fd = sock_open(family);

    if (fd < 0)
        return fd;
    (void)sock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)sock_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    if (!from)
        return fd;
    (void)sock_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    return bind(fd, &from->sa, from->len) == -1 ? give_up(fd, -errno) : fd;
}

int sock_connect(int fd, const struct addr *to)
{
    int r = connect(fd, &to->sa, to->len);

    if (tracing())
        trace_connect(fd, to, r);
    return r == -1 ? -errno : 0;
}

bool sock_reached_itself(int fd, const struct addr *to)
{
    struct addr here, there;

    return sock_local(&here, fd) == 0 && addr_port(&here) == addr_port(to) &&
           sock_peer(&there, fd) == 0 && addr_equal(&here, &there);
}

uint32_t sock_retransmits(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ? 0 : info.tcpi_total_retrans;
}

void sock_congestion(char out[static SOCK_CONGESTION_MAX], int fd)
{
    socklen_t len = SOCK_CONGESTION_MAX;

    memset(out, 0, SOCK_CONGESTION_MAX);
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, out, &len) == -1)
        out[0] = '\0';
    out[SOCK_CONGESTION_MAX - 1] = '\0';
}

int sock_set_congestion(int fd, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= SOCK_CONGESTION_MAX) /* the kernel would cut it, and may know the rest */
        return -ENOENT;
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)len) == -1 ? -errno : 0;
}

int sock_listen(int fd, int backlog)
{
    int r = listen(fd, backlog);

    if (tracing())
        trace_listen(fd, backlog, r);
    return r == -1 ? -errno : 0;
}

int sock_shutdown(int fd)
{
    int before = tracing() ? trace_before_end(fd) : 0, r = shutdown(fd, SHUT_WR);

    if (tracing())
        trace_shutdown(fd, r, before);
    return r == -1 ? -errno : 0;
}

void sock_close(int fd)
{
    int before = tracing() ? trace_before_end(fd) : 0, r = close(fd);

    if (tracing())
        trace_close(fd, r, before);
}
