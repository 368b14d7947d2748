/* admission.c -- see admission.h.
 *
 * SPDX-License-Identifier: MIT */
#include "admission.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "conn.h"
#include "crew.h"
#include "server.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS (100 * NS_PER_MS)  /* how soon to try again when out of something */
#define COMPLAIN_NS (10 * NS_PER_S) /* how often to say so */

void admission_begin(struct doorkeeper *door)
{
    door->paused_ns = NEVER;
    door->complained_ns = -COMPLAIN_NS;
}

/* --- is there a place? -------------------------------------------------------------------------- */

bool admission_place(struct server *server)
{
    if (atomic_load(&server->places) < server->config.concurrency)
        return true;
    atomic_store(&server->place_wanted, true);
    /* one given back before the store was seen by nobody */
    return atomic_load(&server->places) < server->config.concurrency;
}

bool admission_all_served(struct server *server)
{
    if (server->config.clients == 0 || server->door.admitted < server->config.clients)
        return false;
    atomic_store(&server->place_wanted, true);
    return atomic_load(&server->places) == 0;
}

void admission_pause(struct doorkeeper *door, int code)
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

/* --- who gets it -------------------------------------------------------------------------------- */

/* The worker for the next client: each in turn, or a thread of its own. NULL: none can be had. */
static struct worker *next_worker(struct doorkeeper *door)
{
    struct server *server = door->server;
    struct worker *w = NULL;
    int r;

    if (io_thread_per_client(door->worker->io) && server->config.concurrency > 1) {
        r = crew_spawn(&w, server);
        if (r < 0)
            admission_pause(door, -r);
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

bool admission_admit(struct door_listener *l)
{
    struct doorkeeper *door = l->door;
    struct worker *w;
    struct conn *c;

    /* handed over, it gets one beyond --concurrency: no newcomer comes any more, and its queue is gone */
    if ((!door_listener_handed_over(l) && !admission_place(door->server)) ||
        door->paused_ns != NEVER)
        return false;
    c = conn_create(l->held_fd, door->admitted + 1, io_now(door->worker->io));
    if (!c) {
        admission_pause(door, ENOMEM);
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

void admission_refuse(struct door_listener *l)
{
    struct io_sock sock;

    io_sock_init(&sock, l->held_fd);
    io_close(l->door->worker->io, &sock);
    l->held_fd = -1;
    l->door->left_waiting++;
}
