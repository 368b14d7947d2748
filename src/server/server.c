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
#include "takeover.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int create_workers_on(struct server *server, const char *engine, struct err *err)
{
    int r;

    do {
        /* all on the engine of the first, however that was chosen: a descriptor knows one engine (io.h) */
        r = worker_create(&server->workers[server->n_workers], server, engine, err);
        if (r < 0)
            return r;
        server->n_workers++;
        engine = io_engine_name(server->workers[0]->io);
    } while (server->n_workers < server->config.workers &&
             !io_thread_per_client(server->workers[0]->io));
    return 0;
}

static const char *engine_after(const char *name)
{
    const char *const *engine = io_engines();

    while (*engine && strcmp(*engine, name) != 0)
        engine++;
    return *engine ? engine[1] : NULL;
}

static void destroy_workers(struct server *server)
{
    while (server->n_workers > 0)
        worker_destroy(server->workers[--server->n_workers]);
}

/* What is enough for one worker may not be enough for all: they begin anew on the next engine then, if that is
 * as good. */
static int create_workers(struct server *server, struct err *err)
{
    const char *engine = server->config.engine;
    bool any = !engine || strcmp(engine, "auto") == 0;
    int r;

    server->workers = calloc(server->config.workers, sizeof(struct worker *));
    if (!server->workers)
        return err_set(err, ENOMEM, "cannot create %u workers", server->config.workers);
    r = create_workers_on(server, engine, err);
    while (r < 0 && any && server->n_workers > 0 && io_engine_optional(server->workers[0]->io)) {
        server->passed_over = *err;
        engine = engine_after(io_engine_name(server->workers[0]->io));
        destroy_workers(server);
        r = create_workers_on(server, engine, err);
    }
    if (r < 0 && !any)
        io_advise(engine, err);
    return r;
}

const char *server_passed_over(const struct server *server)
{
    return *server->passed_over.text ? server->passed_over.text
                                     : io_passed_over(server->workers[0]->io);
}

int server_create(struct server **ret, const struct server_config *config, struct err *err)
{
    struct server *server = calloc(1, sizeof *server);
    int r;

    if (!server)
        return err_set(err, ENOMEM, "cannot create a server");
    server->config = *config;
    server->budget.limit = config->memory ? config->memory : UINT64_MAX;
    list_init(&server->helpers);
    server->stats.network_fd = -1;
    roll_init(&server->roll, config->verbose);
    r = create_workers(server, err);
    if (r == 0)
        r = door_open(&server->door, server, err);
    if (r == 0 && config->takeover)
        r = takeover_prepare(config->takeover, err);
    if (r < 0) {
        server_destroy(server);
        return r;
    }
    server->door.worker = server->workers[0];
    server->workers[0]->door = &server->door;
    server->born_ns = io_now(server->workers[0]->io);
    door_begin(&server->door);
    stats_begin(server);
    *ret = server;
    return 0;
}

int server_confine(struct server *server, const struct confine_config *config, struct err *err)
{
    /* last of what may fail, because it changes what others may still be using; a sandbox would forbid it, */
    int r = listening_adopt(&server->config, err);

    if (r < 0)
        return r;
    addr_keep_zones(); /* and to look for names */
    return confine(&server->confined, config, err);
}

static int start_threads(struct server *server, struct err *err)
{
    int r = 0;

    for (unsigned i = 1; i < server->n_workers && r == 0; i++)
        r = crew_start(server->workers[i]);
    if (r < 0)
        return err_set(err, -r, "cannot start a worker's thread");
    return server->config.takeover ? takeover_start(server->config.takeover, server, err) : 0;
}

/* Clients are served: say so to whom it concerns. Where a predecessor was the service's main process, the
 * manager has to know that we are, before that one ends. */
static void tell_ready(const struct server *server)
{
    struct takeover *takeover = server->config.takeover;
    char main_pid[32] = "";

    if (takeover && takeover_predecessor(takeover)->n > 0)
        snprintf(main_pid, sizeof main_pid, "MAINPID=%d\n", (int)getpid());
    supervisor_tell(server->config.supervisor, "%sREADY=1\nSTATUS=Listening on %zu address%s",
                    main_pid, server->door.n, server->door.n == 1 ? "" : "es");
    if (takeover)
        takeover_go(takeover);
}

int server_run(struct server *server, struct err *err)
{
    struct worker *first = server->workers[0];
    int r = start_threads(server, err);

    if (r == 0) {
        listening_announce(server);
        door_announce(&server->door);
        confine_announce(&server->confined);
        door_go_on(&server->door);
        tell_ready(server);
    } else {
        (void)takeover_stop(server->config.takeover);
        door_abandon(&server->door); /* so that the threads which did start end */
    }
    worker_run(first);
    for (unsigned i = 1; i < server->n_workers; i++)
        crew_join(server->workers[i]);
    crew_reap(server, true);
    crew_add_tally(first);
    roll_report(&server->roll, 0, true);
    stats_end(server);
    takeover_finish(server->config.takeover);
    if (r == 0 && takeover_failed(server->config.takeover))
        r = err_usage(err, "serving began too late to take over");
    if (r == 0 && server->door.lost)
        r = err_set(err, ESHUTDOWN, "no listener is left");
    return r;
}

void server_stop(struct server *server)
{
    atomic_store(&server->stop, true); /* lock-free, so fit for a signal handler */
    io_wake(server->workers[0]->io);
}

void server_tell_stats(struct server *server)
{
    atomic_store(&server->stats_wanted, true);
    io_wake(server->workers[0]->io);
}

void server_toggle_accepting(struct server *server)
{
    atomic_fetch_add(&server->toggles, 1);
    io_wake(server->workers[0]->io);
}

void server_interrupted(struct server *server)
{
    for (unsigned i = 0; i < server->n_workers; i++)
        io_interrupted(server->workers[i]->io);
}

void server_hand_over(struct server *server, pid_t successor, const bool *handed)
{
    server->successor = successor;
    server->handed = handed;
    atomic_store(&server->handed_over, true);
    io_wake(server->workers[0]->io);
}

/* To the log, and to the manager. A service that was handed over does not stop. */
static void tell_draining(const struct server *server)
{
    uint_fast64_t places = atomic_load(&server->places);
    const char *s = places == 1 ? "" : "s";
    int pid = (int)server->successor;

    if (atomic_load(&server->handed_over)) {
        log_event(LOG_INFO, "handing-over",
                  LOG_FIELDS({"pid", NULL, pid}, {"clients", NULL, (int64_t)places}),
                  "handing over to process %d, draining, with %" PRIuFAST64
                  " client%s being served",
                  pid, places, s);
        return;
    }
    log_event(LOG_INFO, "draining", LOG_FIELDS({"clients", NULL, (int64_t)places}),
              "draining, with %" PRIuFAST64 " client%s being served", places, s);
    supervisor_tell(server->config.supervisor,
                    "STOPPING=1\nSTATUS=Draining, with %" PRIuFAST64 " client%s", places, s);
}

static void tell_workers(struct server *server)
{
    for (unsigned i = 1; i < server->n_workers; i++)
        io_wake(server->workers[i]->io);
    crew_wake_helpers(server);
}

/* What SIGUSR1 and SIGUSR2 stand for. */
static void attend_wishes(struct server *server)
{
    unsigned toggles = atomic_load(&server->toggles);

    if ((toggles - server->toggled) % 2 == 1 && !atomic_load(&server->draining))
        door_toggle(&server->door);
    server->toggled = toggles;
    if (atomic_exchange(&server->stats_wanted, false))
        stats_tell(server);
}

void server_attend(struct server *server)
{
    crew_reap(server, false);
    attend_wishes(server);
    if (atomic_load(&server->draining)) {
        /* asked to stop after all, though the service went on elsewhere */
        if (atomic_load(&server->stop) && atomic_load(&server->handed_over) &&
            !atomic_exchange(&server->hurried, true))
            tell_workers(server);
        return;
    }
    if (!atomic_load(&server->stop) && !atomic_load(&server->handed_over))
        return;
    (void)takeover_stop(server->config.takeover); /* now it is settled which of the two it is */
    server->drain_start_ns = io_now(server->workers[0]->io);
    server->drain_end_ns = clock_after(server->drain_start_ns, server->config.drain_ns);
    tell_draining(server);
    atomic_store(&server->draining, true);
    tell_workers(server);
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
    int64_t span_ns = io_now(server->workers[0]->io) - server->born_ns;
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
    if (t->buffer_waits)
        log_event(LOG_DEBUG, "buffer-waits", LOG_FIELDS({"times", NULL, (int64_t)t->buffer_waits}),
                  "%" PRIu64 " time%s a client waited for a buffer to receive into",
                  t->buffer_waits, t->buffer_waits == 1 ? "" : "s");
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    stats_end(server);
    door_destroy(&server->door);
    destroy_workers(server);
    free(server->workers);
    pthread_mutex_destroy(&server->roll.lock);
    free(server);
}
