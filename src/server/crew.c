/* crew.c -- see crew.h.
 *
 * SPDX-License-Identifier: MIT */
#include "crew.h"

#include "../base/err.h"
#include "worker.h"

#include <signal.h>

static void *thread_main(void *arg)
{
    struct worker *w = arg;

    worker_run(w);
    atomic_store(&w->over, true);
    atomic_fetch_sub(&w->server->threads, 1);
    io_wake(w->server->workers[0]->io);
    return NULL;
}

int crew_thread(pthread_t *ret, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(ret, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

int crew_start(struct worker *w)
{
    int r;

    atomic_fetch_add(&w->server->threads, 1);
    r = crew_thread(&w->thread, thread_main, w);
    if (r < 0)
        atomic_fetch_sub(&w->server->threads, 1);
    w->started = r == 0;
    return r;
}

int crew_spawn(struct worker **ret, struct server *server)
{
    struct worker *w;
    struct err err;
    int r = worker_create(&w, server, io_engine_name(server->workers[0]->io), &err);

    if (r < 0)
        return r;
    w->helper = w->expecting = true;
    r = crew_start(w);
    if (r < 0) {
        worker_destroy(w);
        return r;
    }
    list_append(&server->helpers, &w->node);
    *ret = w;
    return 0;
}

void crew_add_tally(const struct worker *w)
{
    struct tally *sum = &w->server->tally;

    sum->bytes += w->tally.bytes;
    sum->cut += w->tally.cut;
    sum->cut_bytes += w->tally.cut_bytes;
    sum->resets += w->tally.resets;
    sum->buffer_waits += io_buffer_waits(w->io);
}

void crew_join(struct worker *w)
{
    if (!w->started)
        return;
    pthread_join(w->thread, NULL);
    w->started = false;
    crew_add_tally(w);
}

void crew_wake_helpers(struct server *server)
{
    for (struct list *node = server->helpers.next; node != &server->helpers; node = node->next)
        io_wake(container_of(node, struct worker, node)->io);
}

void crew_reap(struct server *server, bool all)
{
    struct list *node, *next;

    for (node = server->helpers.next; node != &server->helpers; node = next) {
        struct worker *w = container_of(node, struct worker, node);

        next = node->next;
        if (!all && !atomic_load(&w->over))
            continue;
        crew_join(w);
        w->server->gone.reads += atomic_load_explicit(&w->pace.reads, memory_order_relaxed);
        w->server->gone.bytes += atomic_load_explicit(&w->pace.bytes, memory_order_relaxed);
        list_remove(node);
        worker_destroy(w);
    }
}
