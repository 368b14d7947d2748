/* libev.c -- an echo server on libev.
 *
 *     libev PORT
 *
 * One loop on epoll. A watcher changes its direction only when the peer does not read; libev registers such
 * changes before it waits the next time.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <ev.h>
#include <stdlib.h>

struct connection {
    ev_io io;
    struct echo echo;
};

static void wait_for(struct ev_loop *loop, ev_io *io, int events)
{
    if (io->events & events)
        return;
    ev_io_stop(loop, io);
    ev_io_set(io, io->fd, events);
    ev_io_start(loop, io);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *c = io->data;

    (void)events;
    switch (echo_step(&c->echo)) {
    case ECHO_MORE:
    case ECHO_READ:
        wait_for(loop, io, EV_READ);
        break;
    case ECHO_ROOM:
        wait_for(loop, io, EV_WRITE);
        break;
    case ECHO_END:
        ev_io_stop(loop, io);
        echo_close(&c->echo);
        free(c);
    }
}

static void on_client(struct ev_loop *loop, ev_io *io, int events)
{
    int fd;

    (void)events;
    while ((fd = rival_accept(io->fd, true)) != -1) {
        struct connection *c = calloc(1, sizeof *c);

        rival_need(c, "calloc");
        c->echo.fd = fd;
        ev_io_init(&c->io, on_ready, fd, EV_READ);
        c->io.data = c;
        ev_io_start(loop, &c->io);
    }
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io listener;

    rival_need(loop, "ev_default_loop");
    ev_io_init(&listener, on_client, rival_listen(rival_port(argc, argv), true), EV_READ);
    ev_io_start(loop, &listener);
    ev_run(loop, 0);
}
