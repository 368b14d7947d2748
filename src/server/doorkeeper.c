/* doorkeeper.c -- see doorkeeper.h.
 *
 * SPDX-License-Identifier: MIT */
#include "doorkeeper.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../net/sock.h"
#include "conn.h"
#include "crew.h"
#include "listening.h"
#include "server.h"
#include "takeover.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS (100 * NS_PER_MS)  /* how soon to try again when out of something */
#define COMPLAIN_NS (10 * NS_PER_S) /* how often to say so */
#define FAILURES_MAX 64             /* accepts that fail in a row before it pauses */

/* --- opening ------------------------------------------------------------------------------------ */

static int listener_init(struct door_listener *l, struct doorkeeper *door, int fd)
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

/* From here on the door has the descriptors. */
static int add_listeners(struct doorkeeper *door, const int *fds, size_t n, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        int problem = listener_init(&door->listeners[door->n++], door, fds[i]);

        r = r < 0 ? r : problem;
    }
    return r < 0 ? err_set(err, -r, "cannot tell where a listener is (getsockname)") : 0;
}

int door_open(struct doorkeeper *door, struct server *server, struct err *err)
{
    size_t n = 0;
    int *fds = NULL;
    int r;

    *door = (struct doorkeeper){.server = server, .paused_ns = NEVER};
    door->complained_ns = -COMPLAIN_NS;
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

/* --- full means wait ---------------------------------------------------------------------------- */

/* Is there a place? If not, whoever gives one back will wake us. */
static bool want_place(struct server *server)
{
    if (atomic_load(&server->places) < server->config.concurrency)
        return true;
    atomic_store(&server->place_wanted, true);
    /* one given back before the store was seen by nobody */
    return atomic_load(&server->places) < server->config.concurrency;
}

/* Have all clients left that --clients admits? If not, the next one who does will wake us. */
static bool want_all_served(struct server *server)
{
    if (server->config.clients == 0 || server->door.admitted < server->config.clients)
        return false;
    atomic_store(&server->place_wanted, true);
    return atomic_load(&server->places) == 0;
}

bool door_admits_more(const struct doorkeeper *door)
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
        r = crew_spawn(&w, server);
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

/* Does a successor serve it, and those who wait in its queue? */
static bool is_handed_over(const struct door_listener *l)
{
    const struct server *server = l->door->server;

    return atomic_load(&server->handed_over) && server->handed[l - l->door->listeners];
}

/* Gives the held client a number and a worker. Returns false when it has to be held on. */
static bool door_admit(struct door_listener *l)
{
    struct doorkeeper *door = l->door;
    struct worker *w;
    struct conn *c;

    /* handed over, it gets one beyond --concurrency: no newcomer comes any more, and its queue is gone */
    if ((!is_handed_over(l) && !want_place(door->server)) || door->paused_ns != NEVER)
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
    l->door->left_waiting++;
}

/* Somebody shut it down under us. The others go on; without any there is nothing to serve, and whoever
 * watches over us should know. */
static void listener_lose(struct door_listener *l, int code)
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

/* Who still waits is reset by the kernel, and counted. */
static void listener_close(struct door_listener *l)
{
    bool lives_on = is_handed_over(l);
    struct backlog b;

    if (l->held_fd >= 0)
        turn_away(l);
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
    listener_close(l);
    if (is_handed_over(l) || l->lost)
        return;
    log_event(LOG_NOTICE, "closed", LOG_FIELDS({"address", l->text, 0}),
              "no longer listening on %s", l->text);
}

/* Will nobody be taken from this listener any more? */
static bool listener_finished(const struct door_listener *l)
{
    struct server *server = l->door->server;

    if (want_all_served(server))
        return true;
    if (l->lost && !l->door->lost)
        return l->held_fd < 0;
    if (!atomic_load(&server->draining)) /* the last one stays until everybody knows of the drain */
        return false;
    return io_now(l->door->worker->io) >= server->drain_end_ns ||
           (l->held_fd < 0 &&
            (l->empty || l->lost || !door_admits_more(l->door) || is_handed_over(l)));
}

/* The first moment at which it may accept, apart from whatever else it waits for. */
static int64_t may_accept_ns(const struct door_listener *l)
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

/* Whatever this listener can do next: place who is held, accept the next, or close. */
static void listener_go_on(struct door_listener *l)
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
        turn_away(l);
    if (l->held_fd >= 0)
        (void)door_admit(l);
    if (listener_finished(l)) {
        listener_end(l);
        return;
    }
    if (l->lost || l->held_fd >= 0 || !door_admits_more(door) || door->paused_ns != NEVER ||
        io_now(door->worker->io) < may_accept_ns(l) || !want_place(door->server))
        return;
    listener_accept(l);
    if (draining) /* take who waits, do not wait for more (io.h) */
        io_cancel(door->worker->io, &l->sock);
}

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

        if (l->sock.fd >= 0 && l->sock.in == IO_IDLE && may_accept_ns(l) > now)
            deadline = earlier(deadline, may_accept_ns(l));
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
        listener_go_on(&door->listeners[i]);
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

void door_shut(struct doorkeeper *door, bool shut)
{
    if (door->shut == shut)
        return;
    door->shut = shut;
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
        listener_close(&door->listeners[i]);
    close_door(door->server);
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
        listener_lose(l, -result);
    } else if (!concerns_client_only(-result) || ++door->failed_in_a_row >= FAILURES_MAX) {
        door_pause(door, -result);
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
