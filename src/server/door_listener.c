/* door_listener.c -- see door_listener.h.
 *
 * SPDX-License-Identifier: MIT */
#include "door_listener.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "../net/sock.h"
#include "admission.h"
#include "server.h"
#include "takeover.h"
#include "worker.h"

#include <string.h>

int door_listener_init(struct door_listener *l, struct doorkeeper *door, int fd)
{
    struct addr addr;
    int r = sock_local(&addr, fd);

    io_sock_init(&l->sock, fd);
    l->door = door;
    l->held_fd = -1;
    if (r == 0)
        addr_text(l->text, &addr);
    return r;
}

bool door_listener_handed_over(const struct door_listener *l)
{
    const struct server *server = l->door->server;

    return atomic_load(&server->handed_over) && server->handed[l - l->door->listeners];
}

void door_listener_lose(struct door_listener *l, int code)
{
    struct doorkeeper *door = l->door;
    char words[128];

    l->lost = true;
    door->lost = !atomic_load(&door->server->draining);
    for (size_t i = 0; i < door->n; i++)
        door->lost = door->lost && (door->listeners[i].lost || door->listeners[i].sock.fd < 0);
    log_event(LOG_ERROR, "listener-lost", LOG_FIELDS({"address", l->text, 0}),
              "%s was shut down from outside: %s", l->text, strerror_r(code, words, sizeof words));
    if (door->lost)
        server_stop(door->server);
}

void door_listener_close(struct door_listener *l)
{
    bool lives_on = door_listener_handed_over(l);
    struct backlog b;

    if (l->held_fd >= 0)
        admission_refuse(l);
    backlog_read(&l->watched.gauge, &b);
    backlog_end(&l->watched.gauge);
    if (b.waiting > 0 && !lives_on)
        l->door->left_waiting += (uint64_t)b.waiting;
    io_close(l->door->worker->io, &l->sock);
}

/* Logged when it is true: the address is free now. */
static void listener_end(struct door_listener *l)
{
    const struct server *server = l->door->server;
    bool offered = takeover_stop(server->config.takeover); /* nobody is handed what we close */

    if (offered && l->lost && !atomic_load(&server->draining))
        log_event(LOG_WARNING, "takeover-withdrawn", LOG_FIELDS({"address", l->text, 0}),
                  "%s is lost: no other process can take over any more", l->text);
    door_listener_close(l);
    if (door_listener_handed_over(l) || l->lost)
        return;
    log_event(LOG_NOTICE, "closed", LOG_FIELDS({"address", l->text, 0}),
              "no longer listening on %s", l->text);
}

/* Will nobody be taken from this listener any more? */
static bool listener_finished(const struct door_listener *l)
{
    struct server *server = l->door->server;

    if (admission_all_served(server))
        return true;
    if (l->lost && !l->door->lost)
        return l->held_fd < 0;
    if (!atomic_load(&server->draining)) /* the last one stays until everybody knows of the drain */
        return false;
    return io_now(l->door->worker->io) >= server->drain_end_ns ||
           (l->held_fd < 0 &&
            (l->empty || l->lost || !door_admits_more(l->door) || door_listener_handed_over(l)));
}

int64_t door_listener_opens_ns(const struct door_listener *l)
{
    if (atomic_load(&l->door->server->draining))
        return 0;
    return l->door->shut ? NEVER : l->not_before_ns;
}

static void listener_accept(struct door_listener *l)
{
    struct doorkeeper *door = l->door;

    if (l->rested)
        watch_glance(door); /* now it shows what gathered meanwhile */
    l->rested = l->crowded = l->shut_out = false;
    io_accept(door->worker->io, &l->sock);
}

/* The accept under way is to end: because nobody shall be taken, or nobody but who waits already. */
static void listener_hush(struct door_listener *l, bool draining)
{
    if (!draining &&
        door_admits_more(l->door)) /* stays: the attempt that a cancel makes was made then */
        l->hushed = true;
    io_cancel(l->door->worker->io, &l->sock); /* its event brings us back */
}

void door_listener_go_on(struct door_listener *l)
{
    struct doorkeeper *door = l->door;
    bool draining = atomic_load(&door->server->draining);

    if (l->sock.fd < 0)
        return;
    if (l->sock.in != IO_IDLE) {
        if (draining || door->shut || !door_admits_more(door))
            listener_hush(l, draining);
        return;
    }
    if (l->held_fd >= 0 && !door_admits_more(door))
        admission_refuse(l);
    if (l->held_fd >= 0)
        (void)admission_admit(l);
    if (listener_finished(l)) {
        listener_end(l);
        return;
    }
    if (l->lost || l->held_fd >= 0 || !door_admits_more(door) || door->paused_ns != NEVER ||
        io_now(door->worker->io) < door_listener_opens_ns(l) || !admission_place(door->server))
        return;
    listener_accept(l);
    if (draining) /* take who waits, do not wait for more (io.h) */
        io_cancel(door->worker->io, &l->sock);
}
