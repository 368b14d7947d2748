/* worker.c -- see worker.h. The loop of the server is worker_run(), at the end.
 *
 * SPDX-License-Identifier: MIT */
#include "worker.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int worker_create(struct worker **ret, struct server *server, const char *engine, struct err *err)
{
    struct io_config config = {
        .engine = engine,
        .buf_size = server->config.buf_size,
        .budget = &server->budget,
        .spin_ns = server->config.spin_ns,
    };
    struct worker *w = calloc(1, sizeof *w);
    int r;

    if (!w)
        return err_set(err, ENOMEM, "cannot create a worker");
    r = io_create(&w->io, &config, err);
    if (r < 0) {
        free(w);
        return r;
    }
    w->server = server;
    list_init(&w->inbox);
    list_init(&w->node);
    pthread_mutex_init(&w->inbox_lock, NULL);
    *ret = w;
    return 0;
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    io_destroy(w->io);
    pthread_mutex_destroy(&w->inbox_lock);
    free(w);
}

void worker_give(struct worker *w, struct conn *c)
{
    bool first;

    if (w->door) { /* worker 0 itself: this is its thread */
        conn_start(c, w);
        return;
    }
    pthread_mutex_lock(&w->inbox_lock);
    first = list_empty(&w->inbox);
    list_append(&w->inbox, &c->node);
    pthread_mutex_unlock(&w->inbox_lock);
    if (first)
        io_wake(w->io);
}

/* Moves what was handed over to 'to'; it may be looked at without the lock. */
static void worker_take_inbox(struct worker *w, struct list *to)
{
    list_init(to);
    pthread_mutex_lock(&w->inbox_lock);
    list_move_all(to, &w->inbox);
    pthread_mutex_unlock(&w->inbox_lock);
}

static bool inbox_empty(struct worker *w)
{
    bool empty;

    pthread_mutex_lock(&w->inbox_lock);
    empty = list_empty(&w->inbox);
    pthread_mutex_unlock(&w->inbox_lock);
    return empty;
}

/* --- being woken -------------------------------------------------------------------------------- */

static void worker_start_inbox(struct worker *w)
{
    struct list inbox, *node;

    worker_take_inbox(w, &inbox);
    while ((node = list_pop(&inbox))) {
        w->expecting = false;
        conn_start(container_of(node, struct conn, node), w);
    }
}

static bool is_of_door(const struct worker *w, const struct timer *t)
{
    return w->door && t == &w->door->timer;
}

/* The server drains, or does so in a hurry: tell every connection, once. */
static void worker_drain(struct worker *w)
{
    bool draining = atomic_load(&w->server->draining), hurried = atomic_load(&w->server->hurried);
    struct timer *t, *next;

    if (w->draining == draining && w->hurried == hurried)
        return;
    w->draining = draining;
    w->hurried = hurried;
    for (t = timers_take_all(&w->timers); t; t = next) {
        next = t->next;
        if (is_of_door(w, t))
            timer_set(&w->timers, t, t->deadline_ns);
        else
            conn_schedule(container_of(t, struct conn, timer), w);
    }
}

static void worker_woken(struct worker *w)
{
    if (w->door)
        server_attend(w->server);
    worker_drain(w);
    worker_start_inbox(w);
    if (w->door)
        door_go_on(w->door);
}

/* --- the loop ----------------------------------------------------------------------------------- */

/* One event, one named step. */
static void worker_event(struct worker *w, const struct io_event *ev)
{
    switch (ev->op) {
    case IO_ACCEPT:
        door_accepted(container_of(ev->sock, struct door_listener, sock), ev->result);
        break;
    case IO_RECV:
        conn_received(container_of(ev->sock, struct conn, sock), w, ev->result, ev->buf);
        break;
    case IO_SEND:
        conn_sent(container_of(ev->sock, struct conn, sock), w, ev->result);
        break;
    case IO_WAKE:
        worker_woken(w);
        break;
    case IO_IDLE:
    case IO_CONNECT:
        assert(!"a server starts neither");
    }
}

/* Lets what is due happen: to connections, and on worker 0 to the door. */
static void worker_expire(struct worker *w)
{
    struct timer *t;

    while ((t = timers_due(&w->timers, io_now(w->io)))) {
        if (is_of_door(w, t))
            door_expired(w->door);
        else
            conn_expired(container_of(t, struct conn, timer), w);
    }
}

/* Nobody is served here, and nobody will be. Worker 0 is the last, because it hears the signals. */
static bool worker_done(struct worker *w)
{
    if (w->n_conns > 0 || w->expecting || (w->door && atomic_load(&w->server->threads) > 0))
        return false;
    return w->helper || (atomic_load(&w->server->door_closed) && inbox_empty(w));
}

void worker_run(struct worker *w)
{
    struct io_event ev;
    char words[128];
    int r;

    while (!worker_done(w)) {
        r = io_next(w->io, &ev, timers_next(&w->timers));
        if (r < 0) { /* the kernel refuses to say what happens: nothing can be served any more */
            log_event(LOG_ERROR, "engine-failed", LOG_NO_FIELDS, "the %s engine failed: %s",
                      io_engine_name(w->io), strerror_r(-r, words, sizeof words));
            _exit(1);
        }
        if (r > 0)
            worker_event(w, &ev);
        worker_expire(w);
    }
}
