/* epoll_bare.c -- the same echo loop written by hand on epoll: the rival that meari-server must not cost
 * more than.
 *
 * One thread, one buffer, recv then send, nothing else: no log, no limits, no timeouts, no accounting,
 * no half-close in pieces, and a send that does not go out whole is a lost tail. It is as fast as such a
 * loop can be and is not a server to use.
 *
 *     epoll_bare PORT lt|et
 *
 * "lt" is level-triggered, as such loops are usually written; "et" edge-triggered, which saves the
 * kernel a second look at each ready socket.
 *
 * SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[64 * 1024];

static int listen_on(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd == -1 || bind(fd, (struct sockaddr *)&addr, sizeof addr) == -1 ||
        listen(fd, SOMAXCONN) == -1) {
        perror("epoll_bare");
        exit(2);
    }
    return fd;
}

static void accept_all(int epoll_fd, int listener, uint32_t events)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
        struct epoll_event event = {.events = events, .data.fd = fd};

        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void echo(int fd)
{
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);

    if (n > 0)
        (void)!send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
    else if (n == 0 || errno != EAGAIN)
        close(fd);
}

int main(int argc, char **argv)
{
    struct epoll_event events[256], listen_event = {.events = EPOLLIN};
    struct sockaddr_in bound;
    socklen_t len = sizeof bound;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listener;
    uint32_t mode = EPOLLIN;

    if (argc != 3) {
        fprintf(stderr, "usage: epoll_bare PORT lt|et\n");
        return 2;
    }
    if (strcmp(argv[2], "et") == 0)
        mode = EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET;
    listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    listen_event.data.fd = listener;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &listen_event);
    getsockname(listener, (struct sockaddr *)&bound, &len);
    fprintf(stderr, "listening on 127.0.0.1:%u, backlog, bare epoll\n", ntohs(bound.sin_port));
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll_fd, listener, mode);
            else
                echo(events[i].data.fd);
        }
    }
}
