/* server.c -- see server.h: put together, run, taken apart.
 *
 * SPDX-License-Identifier: MIT */
#include "server.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../base/units.h"
#include "crew.h"
#include "listening.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int create_workers(struct server *server, struct err *err)
{
    unsigned n = server->config.workers;
    int r;

    server->workers = calloc(n, sizeof(struct worker *));
    if (!server->workers)
        return err_set(err, ENOMEM, "cannot create %u workers", n);
    do {
        r = worker_create(&server->workers[server->n_workers], server, err);
        if (r < 0)
            return r;
        server->n_workers++;
    } while (server->n_workers < n && !io_thread_per_client(server->workers[0]->io));
    return 0;
}

int server_create(struct server **ret, const struct server_config *config, struct err *err)
{
    struct server *server = calloc(1, sizeof *server);
    int r;

    if (!server)
        return err_set(err, ENOMEM, "cannot create a server");
    server->config = *config;
    list_init(&server->helpers);
    roll_init(&server->roll, config->verbose);
    r = create_workers(server, err);
    if (r == 0)
        r = door_open(&server->door, server, err);
    if (r < 0) {
        server_destroy(server);
        return r;
    }
    server->door.worker = server->workers[0];
    server->workers[0]->door = &server->door;
    server->born_ns = clock_now_ns();
    *ret = server;
    return 0;
}

static int start_threads(struct server *server, struct err *err)
{
    int r = 0;

    for (unsigned i = 1; i < server->n_workers && r == 0; i++)
        r = crew_start(server->workers[i]);
    return r < 0 ? err_set(err, -r, "cannot start a worker's thread") : 0;
}

int server_run(struct server *server, struct err *err)
{
    struct worker *first = server->workers[0];
    int r = start_threads(server, err);

    if (r == 0) {
        listening_announce(server);
        door_go_on(&server->door);
    } else {
        door_abandon(&server->door); /* so that the threads which did start end */
    }
    worker_run(first);
    for (unsigned i = 1; i < server->n_workers; i++)
        crew_join(server->workers[i]);
    crew_reap(server, true);
    crew_add_tally(first);
    roll_report(&server->roll, 0, true);
    return r;
}

void server_stop(struct server *server)
{
    atomic_store(&server->stop, true); /* lock-free, so fit for a signal handler */
    io_wake(server->workers[0]->io);
}

void server_attend(struct server *server)
{
    uint_fast64_t places;

    crew_reap(server, false);
    if (!atomic_load(&server->stop) || atomic_load(&server->draining))
        return;
    server->drain_start_ns = io_now(server->workers[0]->io);
    server->drain_end_ns = clock_after(server->drain_start_ns, server->config.drain_ns);
    places = atomic_load(&server->places);
    log_event(LOG_INFO, "draining", LOG_FIELDS({"clients", NULL, (int64_t)places}),
              "draining, with %" PRIuFAST64 " client%s being served", places,
              places == 1 ? "" : "s");
    atomic_store(&server->draining, true);
    for (unsigned i = 1; i < server->n_workers; i++)
        io_wake(server->workers[i]->io);
    crew_wake_helpers(server);
}

void server_place_free(struct server *server)
{
    atomic_fetch_sub(&server->places, 1);
    if (atomic_load(&server->place_wanted) && atomic_exchange(&server->place_wanted, false))
        io_wake(server->workers[0]->io);
}

void server_sum_up(const struct server *server)
{
    const struct tally *t = &server->tally;
    int64_t span_ns = clock_now_ns() - server->born_ns;
    uint64_t clients = server->door.admitted;
    char span[UNITS_TEXT_MAX], cut[128] = "", away[64] = "";

    if (t->cut)
        snprintf(cut, sizeof cut, ", %" PRIu64 " connection%s cut with %" PRIu64 " bytes unsent",
                 t->cut, t->cut == 1 ? "" : "s", t->cut_bytes);
    if (server->door.left_waiting)
        snprintf(away, sizeof away, ", %" PRIu64 " left waiting", server->door.left_waiting);
    log_event(LOG_INFO, "summary",
              LOG_FIELDS({"clients", NULL, (int64_t)clients}, {"bytes", NULL, (int64_t)t->bytes},
                         {"ms", NULL, span_ns / NS_PER_MS}, {"cut", NULL, (int64_t)t->cut},
                         {"cut_bytes", NULL, (int64_t)t->cut_bytes},
                         {"resets", NULL, (int64_t)t->resets},
                         {"left_waiting", NULL, (int64_t)server->door.left_waiting}),
              "served %" PRIu64 " client%s in %s, %" PRIu64 " byte%s echoed%s%s", clients,
              clients == 1 ? "" : "s", units_duration_text(span, span_ns), t->bytes,
              t->bytes == 1 ? "" : "s", cut, away);
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    door_destroy(&server->door);
    for (unsigned i = 0; i < server->n_workers; i++)
        worker_destroy(server->workers[i]);
    free(server->workers);
    pthread_mutex_destroy(&server->roll.lock);
    free(server);
}
