/* rival.c -- the parts of rival.h.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One for all connections of the thread: what is not sent at once moves to a buffer of its own. */
static _Alignas(RIVAL_ALIGN) unsigned char buffer[RIVAL_READ];

void rival_need(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(2);
}

int rival_port(int argc, char **argv)
{
    char *end = NULL;
    long port = argc == 2 ? strtol(argv[1], &end, 10) : -1;

    if (port < 0 || port > UINT16_MAX || end == argv[1] || *end != '\0') {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        exit(2);
    }
    return (int)port;
}

void rival_announce(int port)
{
    fprintf(stderr, "listening on 127.0.0.1:%d\n", port);
}

int rival_listen(int port, bool nonblocking)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    int on = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    rival_need(fd != -1, "socket");
    rival_need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    rival_need(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0, "bind");
    rival_need(listen(fd, RIVAL_BACKLOG) == 0, "listen");
    rival_need(getsockname(fd, (struct sockaddr *)&addr, &len) == 0, "getsockname");
    rival_announce(ntohs(addr.sin_port));
    return fd;
}

int rival_accept(int listener, bool nonblocking)
{
    int fd, on = 1;

    do
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
    while (fd == -1 && (errno == EINTR || errno == ECONNABORTED));
    rival_need(fd != -1 || errno == EAGAIN, "accept");
    if (fd != -1)
        rival_need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    return fd;
}

static enum echo_wants send_kept(struct echo *e)
{
    ssize_t n = send(e->fd, e->kept + e->next, e->left, MSG_NOSIGNAL);

    if (n == -1)
        return errno == EAGAIN ? ECHO_ROOM : ECHO_END;
    e->next += (size_t)n;
    e->left -= (size_t)n;
    if (e->left > 0)
        return ECHO_ROOM;
    free(e->kept);
    e->kept = NULL;
    return ECHO_MORE;
}

static enum echo_wants keep(struct echo *e, const unsigned char *data, size_t len)
{
    e->kept = malloc(len);
    rival_need(e->kept, "malloc");
    memcpy(e->kept, data, len);
    e->left = len;
    e->next = 0;
    return send_kept(e); /* tried once more, so that an edge-triggered loop hears of the room */
}

enum echo_wants echo_step(struct echo *e)
{
    ssize_t got, sent;

    if (e->kept)
        return send_kept(e);
    got = recv(e->fd, buffer, sizeof buffer, 0);
    if (got == -1 && errno == EAGAIN)
        return ECHO_READ;
    if (got <= 0)
        return ECHO_END;
    sent = send(e->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent == -1 && errno != EAGAIN)
        return ECHO_END;
    if (sent < got)
        return keep(e, buffer + (sent > 0 ? sent : 0), (size_t)(got - (sent > 0 ? sent : 0)));
    return got == sizeof buffer ? ECHO_MORE : ECHO_READ;
}

void echo_close(struct echo *e)
{
    close(e->fd);
    free(e->kept);
}
