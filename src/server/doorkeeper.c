/* doorkeeper.c -- see doorkeeper.h.
 *
 * SPDX-License-Identifier: MIT */
#include "doorkeeper.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../net/sock.h"
#include "admission.h"
#include "listening.h"
#include "server.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#define FAILURES_MAX 64 /* accepts that fail in a row before it pauses */

/* --- opening ------------------------------------------------------------------------------------ */

/* From here on the door has the descriptors. */
static int add_listeners(struct doorkeeper *door, const int *fds, size_t n, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        int problem = door_listener_init(&door->listeners[door->n++], door, fds[i]);

        r = r < 0 ? r : problem;
    }
    return r < 0 ? err_set(err, -r, "cannot tell where a listener is (getsockname)") : 0;
}

int door_open(struct doorkeeper *door, struct server *server, struct err *err)
{
    size_t n = 0;
    int *fds = NULL;
    int r;

    *door = (struct doorkeeper){.server = server};
    admission_begin(door);
    r = listening_open(&fds, &n, &server->config, err);
    if (r < 0)
        return r;
    door->listeners = calloc(n, sizeof *door->listeners);
    if (door->listeners)
        r = add_listeners(door, fds, n, err);
    else
        r = err_set(err, ENOMEM, "cannot open the listeners");
    listening_release(fds, door->listeners ? 0 : n);
    if (r == 0)
        watch_begin(door);
    return r;
}

void door_begin(struct doorkeeper *door)
{
    const struct server_config *config = &door->server->config;
    int64_t first_ns = io_now(door->worker->io) + config->accept_delay_ns;

    door->shut = config->accept_pause;
    for (size_t i = 0; i < door->n; i++)
        door->listeners[i].not_before_ns = config->accept_delay_ns > 0 ? first_ns : 0;
}

/* For a server that never ran: one that did has closed them. */
void door_destroy(struct doorkeeper *door)
{
    for (size_t i = 0; i < door->n; i++)
        if (door->listeners[i].sock.fd >= 0)
            sock_close(door->listeners[i].sock.fd);
    free(door->listeners);
    door->listeners = NULL;
    door->n = 0;
}

/* --- what is due ------------------------------------------------------------------------------------ */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When a listener that is to rest for a while may go on. */
static int64_t rest_deadline(const struct doorkeeper *door)
{
    int64_t now = io_now(door->worker->io), deadline = NEVER;

    for (size_t i = 0; i < door->n; i++) {
        const struct door_listener *l = &door->listeners[i];

        if (l->sock.fd >= 0 && l->sock.in == IO_IDLE && door_listener_opens_ns(l) > now)
            deadline = earlier(deadline, door_listener_opens_ns(l));
    }
    return deadline;
}

/* A listener from which nobody is accepted may fill. */
static void watch_who_rests(struct doorkeeper *door)
{
    for (size_t i = 0; i < door->n; i++) {
        struct door_listener *l = &door->listeners[i];

        if (l->sock.fd < 0 || l->sock.in != IO_IDLE)
            continue;
        l->shut_out = l->shut_out || door->shut;
        if (l->rested)
            continue;
        l->rested = true;
        l->crowded = atomic_load(&door->server->places) >= door->server->config.concurrency;
        watch_expect(door);
    }
}

/* When the door itself has something to do: at the end of a rest, of a pause or of the drain. */
static int64_t act_deadline(const struct doorkeeper *door)
{
    const struct server *server = door->server;
    int64_t deadline = earlier(door->paused_ns, rest_deadline(door));

    /* once the drain is over, what is still under way ends with its own event */
    if (atomic_load(&server->draining) && io_now(door->worker->io) < server->drain_end_ns)
        deadline = earlier(deadline, server->drain_end_ns);
    return deadline;
}

/* When there is something to look at or to say. */
static int64_t tell_deadline(const struct doorkeeper *door)
{
    const struct server *server = door->server;
    int64_t deadline = earlier(roll_deadline(&server->roll), stats_deadline(&server->stats));

    return earlier(deadline, watch_deadline(door));
}

/* Arms the timer for what is due next. */
static void door_schedule(struct doorkeeper *door)
{
    if (!atomic_load(&door->server->draining))
        watch_who_rests(door);
    door->act_ns = act_deadline(door);
    timer_set(&door->worker->timers, &door->timer, earlier(door->act_ns, tell_deadline(door)));
}

static void close_door(struct server *server)
{
    atomic_store(&server->door_closed, true);
    for (unsigned i = 0; i < server->n_workers; i++)
        io_wake(server->workers[i]->io);
}

void door_go_on(struct doorkeeper *door)
{
    struct server *server = door->server;
    bool closed = true;

    for (size_t i = 0; i < door->n; i++) {
        door_listener_go_on(&door->listeners[i]);
        closed = closed && door->listeners[i].sock.fd < 0;
    }
    if (closed && !atomic_load(&server->door_closed))
        close_door(server);
    door_schedule(door);
}

static void tell_shut(const struct doorkeeper *door)
{
    log_event(LOG_NOTICE, door->shut ? "accepting-off" : "accepting-on", LOG_NO_FIELDS,
              door->shut ? "accepting nobody until SIGUSR2" : "accepting again");
}

void door_toggle(struct doorkeeper *door)
{
    door->shut = !door->shut;
    tell_shut(door);
}

void door_announce(const struct doorkeeper *door)
{
    if (door->shut)
        tell_shut(door);
}

void door_abandon(struct doorkeeper *door)
{
    for (size_t i = 0; i < door->n; i++)
        door_listener_close(&door->listeners[i]);
    close_door(door->server);
}

bool door_admits_more(const struct doorkeeper *door)
{
    uint64_t clients = door->server->config.clients;

    return clients == 0 || door->admitted < clients;
}

/* --- events ------------------------------------------------------------------------------------- */

/* Errors of the connection that was about to be accepted, not of the listener: the next one may be
 * fine (accept(2) lists those that Linux passes on from the network). */
static bool concerns_client_only(int code)
{
    switch (code) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case ETIMEDOUT:
    case EPERM:
        return true;
    default:
        return false;
    }
}

/* --accept-delay begins anew. */
static void note_accept(struct door_listener *l)
{
    struct doorkeeper *door = l->door;
    int64_t delay_ns = door->server->config.accept_delay_ns;

    if (delay_ns > 0)
        l->not_before_ns = io_now(door->worker->io) + delay_ns;
    watch_expect(door);
}

void door_accepted(struct door_listener *l, int result)
{
    struct doorkeeper *door = l->door;

    if (result >= 0) {
        l->held_fd = result;
        note_accept(l);
        door->failed_in_a_row = 0;
    } else if (result == -ECANCELED) {
        l->empty = !l->hushed;
    } else if (!concerns_client_only(-result) && !listener_listens(l->sock.fd)) {
        door_listener_lose(l, -result);
    } else if (!concerns_client_only(-result) || ++door->failed_in_a_row >= FAILURES_MAX) {
        admission_pause(door, -result);
    }
    l->hushed = false;
    door_go_on(door);
}

static void tell_what_is_due(struct doorkeeper *door, int64_t now)
{
    struct server *server = door->server;

    if (now >= roll_deadline(&server->roll))
        roll_report(&server->roll, now, false);
    if (now >= watch_deadline(door))
        watch_look(door);
    if (now >= stats_deadline(&server->stats))
        stats_tick(server);
}

void door_expired(struct doorkeeper *door)
{
    int64_t now = io_now(door->worker->io);

    tell_what_is_due(door, now);
    if (now >= door->paused_ns)
        door->paused_ns = NEVER;
    if (now >= door->act_ns)
        door_go_on(door);
    else
        door_schedule(door);
}
