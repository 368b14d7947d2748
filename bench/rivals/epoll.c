/* epoll.c -- an echo server on plain epoll, by hand.
 *
 *     epoll PORT
 *
 * One thread, edge-triggered, which spares the kernel a second look at each ready socket: every socket is
 * registered once, for both directions, and nothing is changed later. A read that returns less than was asked for
 * has emptied the socket, and what comes then is a new edge (epoll(7)); so a message is one recv and one send.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>

static void accept_all(int epoll_fd, int listener)
{
    int fd;

    while ((fd = rival_accept(listener, true)) != -1) {
        struct echo *e = calloc(1, sizeof *e);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET,
                                    .data.ptr = e};

        rival_need(e, "calloc");
        e->fd = fd;
        rival_need(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
}

/* As far as it goes: until the socket is empty, or the peer must read. After its end there is no further edge, so the
 * end has to be read as well. */
static void go_on(struct echo *e, uint32_t events)
{
    bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    enum echo_wants wants;

    do
        wants = echo_step(e);
    while (wants == ECHO_MORE || (wants == ECHO_READ && ended));
    if (wants == ECHO_END) {
        echo_close(e);
        free(e);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[256], event = {.events = EPOLLIN}; /* the listener's has no echo */
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = rival_listen(rival_port(argc, argv), true);

    rival_need(epoll_fd != -1, "epoll_create1");
    rival_need(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                go_on(events[i].data.ptr, events[i].events);
            else
                accept_all(epoll_fd, listener);
        }
    }
}
