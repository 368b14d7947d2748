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

int worker_create(struct worker **ret, struct server *server, struct err *err)
{
    struct io_config config = {.engine = server->config.engine,
                               .buf_size = server->config.buf_size};
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
    list_init(&w->conns);
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

/* --- a thread per client ------------------------------------------------------------------------ */

static void *thread_main(void *arg)
{
    struct worker *w = arg;

    worker_run(w);
    if (w->helper) {
        atomic_store(&w->over, true);
        io_wake(w->server->workers[0]->io);
    }
    return NULL;
}

int worker_start(struct worker *w)
{
    sigset_t all, before;
    int r;

    /* signals are for the thread of worker 0 */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&w->thread, NULL, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = r == 0;
    return -r;
}

int worker_spawn(struct worker **ret, struct server *server)
{
    struct worker *w;
    struct err err;
    int r = worker_create(&w, server, &err);

    if (r < 0)
        return r;
    w->helper = w->expecting = true;
    r = worker_start(w);
    if (r < 0) {
        worker_destroy(w);
        return r;
    }
    list_append(&server->helpers, &w->node);
    *ret = w;
    return 0;
}

void worker_add_tally(const struct worker *w)
{
    struct tally *sum = &w->server->tally;

    sum->bytes += w->tally.bytes;
    sum->cut += w->tally.cut;
    sum->cut_bytes += w->tally.cut_bytes;
    sum->resets += w->tally.resets;
}

void worker_join(struct worker *w)
{
    if (!w->started)
        return;
    pthread_join(w->thread, NULL);
    w->started = false;
    worker_add_tally(w);
}

void worker_wake_helpers(struct server *server)
{
    for (struct list *node = server->helpers.next; node != &server->helpers; node = node->next)
        io_wake(container_of(node, struct worker, node)->io);
}

void worker_reap(struct server *server, bool all)
{
    struct list *node, *next;

    for (node = server->helpers.next; node != &server->helpers; node = next) {
        struct worker *w = container_of(node, struct worker, node);

        next = node->next;
        if (!all && !atomic_load(&w->over))
            continue;
        worker_join(w);
        list_remove(node);
        worker_destroy(w);
    }
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

/* The server drains: tell every connection, once. */
static void worker_drain(struct worker *w)
{
    struct list *node, *next;

    if (w->draining || !atomic_load(&w->server->draining))
        return;
    w->draining = true;
    for (node = w->conns.next; node != &w->conns; node = next) {
        next = node->next;
        conn_drain(container_of(node, struct conn, node));
    }
}

static void worker_woken(struct worker *w)
{
    if (w->door)
        server_attend(w->server);
    worker_drain(w);
    worker_start_inbox(w);
    if (w->door)
        door_woken(w->door);
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
        conn_received(container_of(ev->sock, struct conn, sock), ev->result, ev->buf);
        break;
    case IO_SEND:
        conn_sent(container_of(ev->sock, struct conn, sock), ev->result);
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
        if (w->door && t == &w->door->timer)
            door_expired(w->door);
        else
            conn_expired(container_of(t, struct conn, timer));
    }
}

/* Nobody is served here, and nobody will be. */
static bool worker_done(struct worker *w)
{
    if (!list_empty(&w->conns) || w->expecting)
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
