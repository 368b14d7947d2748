/* libevent.c -- an echo server on libevent.
 *
 *     libevent PORT
 *
 * Plain events, not bufferevents: those send from the loop, after a wait of their own, which an echo that
 * answers where it reads does not need. Edge-triggered with EV_CLOSED, so that every socket is registered once.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <event2/event.h>
#include <stdlib.h>

struct connection {
    struct event *event;
    struct echo echo;
};

/* As far as it goes, and to the end where there is one, as after it there is no further edge. */
static void on_ready(evutil_socket_t fd, short events, void *arg)
{
    struct connection *c = arg;
    enum echo_wants wants;

    (void)fd;
    do
        wants = echo_step(&c->echo);
    while (wants == ECHO_MORE || (wants == ECHO_READ && (events & EV_CLOSED)));
    if (wants == ECHO_END) {
        event_free(c->event);
        echo_close(&c->echo);
        free(c);
    }
}

static void on_client(evutil_socket_t listener, short events, void *base)
{
    int fd;

    (void)events;
    while ((fd = rival_accept(listener, true)) != -1) {
        struct connection *c = calloc(1, sizeof *c);

        rival_need(c, "calloc");
        c->echo.fd = fd;
        c->event =
            event_new(base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_ready, c);
        rival_need(c->event && event_add(c->event, NULL) == 0, "event_add");
    }
}

int main(int argc, char **argv)
{
    struct event_config *config = event_config_new();
    struct event_base *base;
    struct event *listener;

    rival_need(config, "event_config_new");
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    rival_need(base, "event_base_new_with_config");
    listener = event_new(base, rival_listen(rival_port(argc, argv), true), EV_READ | EV_PERSIST,
                         on_client, base);
    rival_need(listener && event_add(listener, NULL) == 0, "event_add");
    event_base_dispatch(base);
}
