/* load.c -- see load.h.
 *
 * SPDX-License-Identifier: MIT */
#include "load.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/process.h"
#include "load_parts.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a connection that failed, before it is tried again (--crr). */
#define PAUSE_NS (10 * NS_PER_MS)

int64_t load_now(const struct load *l)
{
    return io_now(l->io);
}

/* --- life --------------------------------------------------------------------------------------- */

/* How many of 'n' are this thread's: all differ by one at most. */
static uint64_t share(const struct load *l, uint64_t n)
{
    return n / l->plan->threads + (l->index < n % l->plan->threads);
}

static int create_flows(struct load *l)
{
    l->n_sending = (size_t)share(l, l->plan->connections);
    l->n_flows = l->n_sending + (size_t)share(l, l->plan->idle);
    l->flows = calloc(l->n_flows + 1, sizeof(struct flow *));
    if (!l->flows)
        return -ENOMEM;
    for (size_t i = 0; i < l->n_flows; i++) {
        l->flows[i] = flow_create(l, (uint32_t)(i * l->plan->threads + l->index));
        if (!l->flows[i])
            return -ENOMEM;
        l->flows[i]->silent = i >= l->n_sending;
    }
    return 0;
}

int load_create(struct load **ret, struct run *run, unsigned index, struct err *err)
{
    struct load *l = calloc(1, sizeof *l);
    /* all on the engine of the first: the report names one */
    const char *engine = run->n_loads ? io_engine_name(run->loads[0]->io) : run->plan->engine;
    const struct io_config config = {.engine = engine, .fine = true, .spin_ns = run->plan->spin_ns};
    int r;

    if (!l)
        return err_set(err, ENOMEM, "cannot create a thread's load");
    l->run = run;
    l->plan = run->plan;
    l->index = index;
    list_init(&l->free);
    stream_init(&l->stream, l->plan->seed);
    l->until_ns = l->end_ns = l->zero_ns = l->boundary_ns = NEVER;
    l->quota = l->plan->count ? share(l, l->plan->count) : UINT64_MAX;
    l->record = calloc(1, sizeof *l->record);
    l->other = calloc(1, sizeof *l->other);
    r = l->record && l->other ? create_flows(l) : -ENOMEM;
    if (r < 0)
        r = err_set(err, -r, "cannot create %zu connections", l->n_flows);
    else if ((r = io_create(&l->io, &config, err)) < 0)
        io_advise(config.engine, err);
    if (r < 0) {
        load_destroy(l);
        return r;
    }
    *ret = l;
    return 0;
}

/* The engine has failed, so what is outstanding will never have an event: it is taken from it. */
static void cut_loose(struct load *l)
{
    for (size_t i = 0; i < l->n_flows; i++) {
        struct io_sock *sock = &l->flows[i]->sock;

        io_buf_put(l->io, sock->sending);
        if (sock->fd >= 0)
            sock_close(sock->fd);
    }
}

void load_destroy(struct load *l)
{
    if (!l)
        return;
    if (l->broken)
        cut_loose(l);
    io_destroy(l->io);
    for (size_t i = 0; l->flows && i < l->n_flows; i++)
        flow_destroy(l->flows[i]);
    free(l->flows);
    free(l->record);
    free(l->other);
    free(l);
}

/* --- notes -------------------------------------------------------------------------------------- */

void load_trouble(struct load *l, const struct trouble *t)
{
    l->record->troubles[t->kind]++;
    if (l->n_kept == TROUBLES_KEPT)
        return;
    l->kept[l->n_kept] = *t;
    l->kept[l->n_kept++].at_ns = load_now(l) - (l->zero_ns == NEVER ? load_now(l) : l->zero_ns);
}

/* Hands the record over to be reported, and goes on in the other one. */
void load_post(struct load *l, int64_t end_ns, bool final)
{
    struct record *full = l->record;

    pthread_mutex_lock(&l->run->lock);
    while (final && l->posted) /* the last one waits until there is room */
        pthread_cond_wait(&l->run->told, &l->run->lock);
    if (!l->posted) {
        full->end_ns = end_ns;
        l->record = l->other;
        l->other = full;
        l->record->begin_ns = end_ns;
        l->record->warm_up = end_ns < l->zero_ns;
        l->posted = true;
        l->over = final;
        pthread_cond_broadcast(&l->run->told);
    }
    pthread_mutex_unlock(&l->run->lock);
}

/* The time up to here goes to the thread's account, from here on anew. */
void load_account(struct load *l, int sign)
{
    int64_t cpu_ns, user_ns;

    process_thread_cpu_ns(&cpu_ns, &user_ns);
    l->cpu_ns += sign * cpu_ns;
    l->cpu_user_ns += sign * user_ns;
    l->spun_ns += sign * io_spun_ns(l->io);
    l->waited_ns += sign * process_thread_waited_ns();
    if (l->index == 0 && l->plan->server_pid) {
        int64_t server_ns = process_cpu_of_ns(l->plan->server_pid);

        *(sign < 0 ? &l->run->server_from_ns : &l->run->server_to_ns) = server_ns;
    }
}

/* The measurement begins in this record, which is still the warm-up's where the last one was not taken yet. Connections
 * count whenever they are made. */
static void forget_warm_up(struct load *l)
{
    struct record *r = l->record;

    r->begin_ns = l->zero_ns;
    r->warm_up = false;
    r->counts = (struct counts){.connections = r->counts.connections};
    hist_clear(&r->response);
    hist_clear(&r->service);
    hist_clear(&r->lag);
}

/* An interval is over: the warm-up ends exactly where the measurement begins. */
void load_pass_boundary(struct load *l)
{
    int64_t now_ns = load_now(l);

    while (now_ns >= l->boundary_ns) {
        int64_t next_ns = clock_after(l->boundary_ns, l->plan->interval_ns);

        if (l->boundary_ns < l->zero_ns && next_ns > l->zero_ns)
            next_ns = l->zero_ns;
        if (l->boundary_ns > l->start_ns)
            load_post(l, l->boundary_ns, false);
        l->boundary_ns = next_ns < l->end_ns ? next_ns : NEVER; /* the last one ends with the run */
    }
    if (!l->begun && now_ns >= l->zero_ns) {
        l->begun = true;
        if (l->record->warm_up)
            forget_warm_up(l);
        load_account(l, -1);
    }
}

/* --- beginning messages ------------------------------------------------------------------------- */

bool load_may_begin(const struct load *l)
{
    return l->phase == LOAD_SENDING && load_now(l) < l->end_ns && l->quota > 0;
}

/* The next message is this connection's. Returns when it should have left. */
static int64_t take(struct load *l, const struct flow *f)
{
    int64_t now_ns = load_now(l), due_ns = schedule_take(&l->schedule, now_ns);
    int64_t could_ns = f->free_ns > due_ns ? f->free_ns : due_ns;

    if (l->in_flight == 0 && l->connecting == 0)
        l->moved_ns = now_ns;
    if (l->begun && l->quota != UINT64_MAX)
        l->quota--;
    if (!l->schedule.open)
        return due_ns;
    hist_record(&l->record->lag, now_ns - could_ns);
    l->record->counts.late += now_ns - due_ns > LATE_NS;
    l->record->counts.blocked += now_ns - due_ns > LATE_NS && f->free_ns > due_ns;
    return due_ns;
}

/* One message through a connection that has a place. */
static void begin(struct load *l, struct flow *f)
{
    if (l->plan->crr) {
        list_remove(&f->node);
        f->intended_ns = take(l, f);
        f->counts = l->begun;
        l->connecting++;
        flow_dial(f);
        return;
    }
    flow_begin(f, take(l, f), l->begun);
    l->in_flight++;
}

/* Closed loop: as many messages as the connection has places for. */
void load_fill(struct load *l, struct flow *f)
{
    while (flow_has_place(f) && load_may_begin(l))
        begin(l, f);
    flow_push(f);
}

void load_offer(struct load *l, struct flow *f)
{
    if (list_linked(&f->node))
        return;
    f->free_ns = load_now(l);
    list_append(&l->free, &f->node);
}

/* Open loop and --crr: what is due, through the connections that have waited longest. */
void load_dispatch(struct load *l)
{
    while (!list_empty(&l->free) && l->schedule.due_ns <= load_now(l) && load_may_begin(l)) {
        struct flow *f = container_of(list_pop(&l->free), struct flow, node);

        begin(l, f);
        if (l->plan->crr)
            continue;
        if (flow_has_place(f))
            list_append(&l->free, &f->node);
        flow_push(f);
    }
}

/* --- what flows report -------------------------------------------------------------------------- */

uint32_t load_next_connection(struct load *l)
{
    uint64_t number = l->connections++ * l->plan->threads + l->index;

    /* the other threads are as far, or (--crr) not much further */
    l->stream.connections =
        number < STREAM_CONNECTIONS / 4 ? 2 * (uint32_t)number + 1000 : STREAM_CONNECTIONS;
    return (uint32_t)(number % STREAM_CONNECTIONS);
}

void load_connected(struct load *l, struct flow *f, uint32_t syn_retries)
{
    l->connecting--;
    l->open++;
    l->sending += !f->silent;
    l->record->counts.connections++;
    hist_record(&l->record->connect, load_now(l) - f->dialled_ns);
    syns_made(&l->record->syns, syn_retries);
    if (f->silent)
        return;
    if (l->plan->crr) {
        flow_begin(f, f->intended_ns, f->counts);
        l->in_flight++;
        flow_push(f);
    }
}

void load_not_connected(struct load *l, uint32_t syn_retries)
{
    syns_given_up(&l->record->syns, syn_retries);
}

void load_progress(struct load *l)
{
    l->moved_ns = load_now(l);
}

/* Messages of the warm-up count for its own intervals, and for nothing else. */
void load_message_back(struct load *l, struct flow *f, const struct message *m)
{
    int64_t now_ns = load_now(l);

    l->in_flight--;
    if (f->silent) {
        l->idle_right++;
        return;
    }
    if (!m->counts && !l->record->warm_up)
        return;
    l->last_ns = now_ns;
    l->record->counts.messages++;
    l->record->counts.bytes += m->size;
    hist_record(&l->record->service, now_ns - (l->plan->crr ? f->dialled_ns : m->sent_ns));
    if (l->schedule.open)
        hist_record(&l->record->response, now_ns - m->intended_ns);
}

void load_echoed(struct load *l, struct flow *f)
{
    if (f->silent || f->state != FLOW_OPEN)
        return;
    if (l->plan->crr)
        flow_finish(f);
    else if (l->schedule.open)
        load_offer(l, f);
    else
        load_fill(l, f);
}

void load_message_lost(struct load *l, const struct message *m)
{
    l->in_flight--;
    l->lost_messages += m->counts;
}

void load_ended(struct load *l, struct flow *f)
{
    if (f->made) {
        l->open--;
        l->sending -= !f->silent;
    } else {
        l->connecting--;
    }
    if (!l->plan->crr || f->silent)
        return;
    if (f->made)
        load_offer(l, f);
    else
        timer_set(&l->timers, &f->timer, clock_after(load_now(l), PAUSE_NS));
}

void load_rested(struct load *l, struct flow *f)
{
    load_offer(l, f);
}
