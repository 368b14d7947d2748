/* doorkeeper.c -- see doorkeeper.h.
 *
 * SPDX-License-Identifier: MIT */
#include "doorkeeper.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "conn.h"
#include "server.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_NS (100 * NS_PER_MS)  /* how soon to try again when out of something */
#define COMPLAIN_NS (10 * NS_PER_S) /* how often to say so */

/* --- opening ------------------------------------------------------------------------------------ */

/* Descriptors of listening sockets, as they are opened. */
struct opened {
    int *fds;
    size_t n;
};

static int add_fd(struct opened *opened, int fd, struct err *err)
{
    int *more = reallocarray(opened->fds, opened->n + 1, sizeof *more);

    if (!more) {
        close(fd);
        return err_set(err, ENOMEM, "cannot open another listener");
    }
    opened->fds = more;
    opened->fds[opened->n++] = fd;
    return 0;
}

/* A bare port is one [::] socket; on a machine without IPv6 it is 0.0.0.0. */
static int open_any(int *ret_fd, const struct server_config *config, struct addr *addr,
                    struct err *err)
{
    int r = listener_open(ret_fd, addr, &config->listener, err);

    if ((r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL) || config->family != AF_UNSPEC)
        return r;
    log_event(LOG_NOTICE, "no-ipv6", LOG_NO_FIELDS, "no IPv6 here: listening on IPv4 only");
    *addr = (struct addr){
        .in = {.sin_family = AF_INET, .sin_port = addr->in6.sin6_port},
        .len = sizeof addr->in,
    };
    return listener_open(ret_fd, addr, &config->listener, err);
}

/* One listener per address; where the kernel picks the port, it is the same for all of them. */
static int open_addresses(struct opened *opened, const struct server_config *config,
                          const struct endpoint *endpoint, struct addr *addrs, size_t n,
                          struct err *err)
{
    int fd, r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        struct addr bound;

        r = endpoint->host[0] ? listener_open(&fd, &addrs[i], &config->listener, err)
                              : open_any(&fd, config, &addrs[i], err);
        if (r == 0)
            r = add_fd(opened, fd, err);
        if (r == 0 && endpoint->port == 0 && i + 1 < n && addr_of_socket(&bound, fd) == 0)
            addr_set_port(&addrs[i + 1], addr_port(&bound));
    }
    return r;
}

static int open_endpoint(struct opened *opened, const struct server_config *config,
                         const struct endpoint *endpoint, struct err *err)
{
    struct addr *addrs;
    size_t n;
    int r = endpoint_resolve(&addrs, &n, endpoint, config->family, err);

    if (r < 0)
        return r;
    r = open_addresses(opened, config, endpoint, addrs, n, err);
    free(addrs);
    return r;
}

static void listener_init(struct door_listener *l, struct doorkeeper *door, int fd)
{
    struct addr addr = {.len = 0};

    io_sock_init(&l->sock, fd);
    l->door = door;
    l->held_fd = -1;
    (void)addr_of_socket(&addr, fd);
    addr_text(l->text, &addr);
}

int door_open(struct doorkeeper *door, struct server *server, struct err *err)
{
    const struct server_config *config = &server->config;
    struct opened opened = {NULL, 0};
    int r = 0;

    *door = (struct doorkeeper){.server = server, .paused_ns = NEVER};
    door->complained_ns = -COMPLAIN_NS;
    for (size_t i = 0; i < config->n_endpoints && r == 0; i++)
        r = open_endpoint(&opened, config, &config->endpoints[i], err);
    if (r == 0) {
        door->listeners = calloc(opened.n, sizeof *door->listeners);
        if (!door->listeners)
            r = err_set(err, ENOMEM, "cannot open the listeners");
    }
    for (size_t i = 0; i < opened.n; i++) {
        if (r == 0)
            listener_init(&door->listeners[door->n++], door, opened.fds[i]);
        else
            close(opened.fds[i]);
    }
    free(opened.fds);
    return r;
}

/* For a server that never ran: one that did has closed them. */
void door_destroy(struct doorkeeper *door)
{
    for (size_t i = 0; i < door->n; i++)
        if (door->listeners[i].sock.fd >= 0)
            close(door->listeners[i].sock.fd);
    free(door->listeners);
    door->listeners = NULL;
    door->n = 0;
}

/* How clients are served, in words. */
static const char *service(const struct server *server, char *out, size_t size)
{
    if (!io_thread_per_client(server->workers[0]->io))
        snprintf(out, size, "%u worker%s", server->n_workers, server->n_workers == 1 ? "" : "s");
    else if (server->config.concurrency == 1)
        snprintf(out, size, "one client at a time");
    else
        snprintf(out, size, "a thread per client");
    return out;
}

void door_announce(const struct doorkeeper *door)
{
    const struct server *server = door->server;
    const char *engine = io_engine_name(server->workers[0]->io);
    int asked = server->config.listener.backlog;
    char words[48];

    for (size_t i = 0; i < door->n; i++) {
        const struct door_listener *l = &door->listeners[i];
        int backlog = listener_backlog(l->sock.fd);

        if (backlog < 0)
            backlog = asked;
        if (server->config.backlog_given && backlog < asked)
            log_event(LOG_WARNING, "backlog-clamped",
                      LOG_FIELDS({"asked", NULL, asked}, {"backlog", NULL, backlog}),
                      "a backlog of %d is more than net.core.somaxconn allows: %d is in force",
                      asked, backlog);
        log_event(LOG_NOTICE, "listening",
                  LOG_FIELDS({"address", l->text, 0}, {"backlog", NULL, backlog},
                             {"engine", engine, 0}, {"workers", NULL, server->n_workers}),
                  "listening on %s, backlog %d, engine %s, %s", l->text, backlog, engine,
                  service(server, words, sizeof words));
    }
}

/* --- full means wait ---------------------------------------------------------------------------- */

/* Is there a place? If not, whoever gives one back wakes us. */
static bool has_place(struct server *server)
{
    if (atomic_load(&server->places) < server->config.concurrency)
        return true;
    atomic_store(&server->place_wanted, true);
    /* one given back before the store was seen by nobody */
    return atomic_load(&server->places) < server->config.concurrency;
}

/* Has the last client that --clients admits been served? */
static bool all_served(struct server *server)
{
    if (server->config.clients == 0 || server->door.admitted < server->config.clients)
        return false;
    atomic_store(&server->place_wanted, true);
    return atomic_load(&server->places) == 0;
}

static bool admits_more(const struct doorkeeper *door)
{
    uint64_t clients = door->server->config.clients;

    return clients == 0 || door->admitted < clients;
}

/* Out of descriptors, memory or threads: accept nothing for a moment. */
static void door_pause(struct doorkeeper *door, int code)
{
    int64_t now = io_now(door->worker->io);
    char words[128];

    door->paused_ns = now + PAUSE_NS;
    if (now - door->complained_ns < COMPLAIN_NS)
        return;
    door->complained_ns = now;
    log_event(LOG_WARNING, "accept-paused",
              LOG_FIELDS({"errno", NULL, code},
                         {"clients", NULL, (int64_t)atomic_load(&door->server->places)}),
              "accepting pauses with %" PRIuFAST64 " clients: %s",
              atomic_load(&door->server->places), strerror_r(code, words, sizeof words));
}

/* --- admitting ---------------------------------------------------------------------------------- */

/* The worker for the next client: each in turn, or a thread of its own. NULL: none can be had. */
static struct worker *next_worker(struct doorkeeper *door)
{
    struct server *server = door->server;
    struct worker *w = NULL;
    int r;

    if (io_thread_per_client(door->worker->io) && server->config.concurrency > 1) {
        r = worker_spawn(&w, server);
        if (r < 0)
            door_pause(door, -r);
        return w;
    }
    return server->workers[door->turn++ % server->n_workers];
}

static void announce(struct doorkeeper *door, const struct conn *c)
{
    struct addr peer;
    int r;

    if (!log_wants(LOG_INFO))
        return;
    r = io_peer(door->worker->io, &c->sock, &peer);
    (void)roll_came(&door->server->roll, io_now(door->worker->io), c->client, r, &peer);
}

/* Gives the held client a number and a worker. Returns false when it has to be held on. */
static bool door_admit(struct door_listener *l)
{
    struct doorkeeper *door = l->door;
    struct worker *w;
    struct conn *c;

    if (!has_place(door->server) || door->paused_ns != NEVER)
        return false;
    c = conn_create(l->held_fd, door->admitted + 1, io_now(door->worker->io));
    if (!c) {
        door_pause(door, ENOMEM);
        return false;
    }
    w = next_worker(door);
    if (!w) {
        free(c);
        return false;
    }
    l->held_fd = -1;
    door->admitted++;
    atomic_fetch_add(&door->server->places, 1);
    announce(door, c);
    worker_give(w, c);
    return true;
}

/* Closes a descriptor that was accepted and will not be served. */
static void turn_away(struct door_listener *l)
{
    struct io_sock sock;

    io_sock_init(&sock, l->held_fd);
    io_close(l->door->worker->io, &sock);
    l->held_fd = -1;
}

static void listener_close(struct door_listener *l)
{
    if (l->held_fd >= 0)
        turn_away(l);
    io_close(l->door->worker->io, &l->sock);
    l->closed = true;
}

/* Will nobody be taken from this listener any more? */
static bool listener_finished(const struct door_listener *l)
{
    struct server *server = l->door->server;

    if (all_served(server))
        return true;
    if (!atomic_load(&server->draining))
        return false;
    return io_now(l->door->worker->io) >= server->drain_end_ns ||
           (l->held_fd < 0 && (l->empty || !admits_more(l->door)));
}

/* Whatever this listener can do next: place who is held, accept the next, or close. */
static void listener_go_on(struct door_listener *l)
{
    struct doorkeeper *door = l->door;
    bool draining = atomic_load(&door->server->draining);

    if (l->closed)
        return;
    if (l->sock.in != IO_IDLE) {
        if (listener_finished(l))
            io_cancel(door->worker->io, &l->sock);
        return;
    }
    if (l->held_fd >= 0 && admits_more(door))
        (void)door_admit(l);
    if (listener_finished(l)) {
        listener_close(l);
        return;
    }
    if (l->held_fd >= 0 || !admits_more(door) || door->paused_ns != NEVER ||
        !has_place(door->server))
        return;
    io_accept(door->worker->io, &l->sock);
    if (draining) /* take who waits, do not wait for more (io.h) */
        io_cancel(door->worker->io, &l->sock);
}

/* Arms the timer for what is due next: the end of a pause or of the drain, a report of the roll. */
static void door_schedule(struct doorkeeper *door)
{
    const struct server *server = door->server;
    int64_t deadline = roll_deadline(&server->roll);

    if (door->paused_ns < deadline)
        deadline = door->paused_ns;
    /* once the drain is over, what is still under way ends with its own event */
    if (atomic_load(&server->draining) && io_now(door->worker->io) < server->drain_end_ns &&
        server->drain_end_ns < deadline)
        deadline = server->drain_end_ns;
    timer_set(&door->worker->timers, &door->timer, deadline);
}

static void close_door(struct server *server)
{
    atomic_store(&server->door_closed, true);
    for (unsigned i = 0; i < server->n_workers; i++)
        io_wake(server->workers[i]->io);
}

static void door_go_on(struct doorkeeper *door)
{
    struct server *server = door->server;
    bool closed = true;

    for (size_t i = 0; i < door->n; i++) {
        listener_go_on(&door->listeners[i]);
        closed = closed && door->listeners[i].closed;
    }
    if (closed && !atomic_load(&server->door_closed))
        close_door(server);
    door_schedule(door);
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

void door_start(struct doorkeeper *door)
{
    door_go_on(door);
}

void door_accepted(struct door_listener *l, int result)
{
    if (result >= 0)
        l->held_fd = result;
    else if (result == -ECANCELED)
        l->empty = true;
    else if (!concerns_client_only(-result))
        door_pause(l->door, -result);
    door_go_on(l->door);
}

void door_woken(struct doorkeeper *door)
{
    if (atomic_load(&door->server->draining))
        for (size_t i = 0; i < door->n; i++)
            if (!door->listeners[i].closed)
                io_cancel(door->worker->io, &door->listeners[i].sock);
    door_go_on(door);
}

void door_expired(struct doorkeeper *door)
{
    int64_t now = io_now(door->worker->io);

    if (now >= roll_deadline(&door->server->roll))
        roll_report(&door->server->roll, now, false);
    if (now >= door->paused_ns)
        door->paused_ns = NEVER;
    door_go_on(door);
}
