/* load_phases.c -- the phases of a thread's run (load.h), and the loop that they share.
 *
 * Each phase has a condition under which it is over and a step into the next one. Nothing here touches a message: that is
 * load.c.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/process.h"
#include "load.h"
#include "load_parts.h"
#include "run.h"

#include <assert.h>

#define CONNECTING_MOST 256 /* at once, where no rate was asked for */

/* A run that only its count ends is given up when no byte came back for so long (or --timeout, if that is longer). */
#define STALL_NS (10 * NS_PER_S)

/* --- phases ------------------------------------------------------------------------------------- */

/* Dials what is due; with --crr only the silent ones, the others when there is something to send. */
static void dial_some(struct load *l)
{
    double rate = l->plan->connect_rate / l->plan->threads;

    while (l->dialled < l->n_flows) {
        struct flow *f = l->flows[l->dialled];

        if (l->plan->crr && !f->silent) {
            l->dialled++;
            load_offer(l, f);
            continue;
        }
        if (rate > 0 ? load_now(l) < l->dial_ns : l->connecting >= CONNECTING_MOST)
            return;
        if (rate > 0)
            l->dial_ns += (int64_t)(1e9 / rate);
        l->dialled++;
        l->connecting++;
        f->addr = l->addr;
        flow_dial(f);
    }
}

/* The word "go": the others may have said it before this thread was ready. */
static void hear_go(struct load *l)
{
    if (l->phase == LOAD_READY && atomic_load(&l->run->go))
        l->start_ns = l->until_ns = l->run->start_ns;
}

static void become_ready(struct load *l)
{
    l->phase = LOAD_READY;
    pthread_mutex_lock(&l->run->lock);
    l->run->ready++;
    l->run->open += l->open;
    pthread_cond_broadcast(&l->run->told);
    pthread_mutex_unlock(&l->run->lock);
    hear_go(l);
}

/* When a run that only its count ends is given up: nothing has come back for long, and something should. */
static int64_t stalled_ns(const struct load *l)
{
    if (!l->plan->count || (l->in_flight == 0 && l->connecting == 0))
        return NEVER;
    return clock_after(l->moved_ns,
                       l->plan->timeout_ns > STALL_NS ? l->plan->timeout_ns : STALL_NS);
}

static void become_sending(struct load *l)
{
    const struct plan *plan = l->plan;

    l->phase = LOAD_SENDING;
    l->zero_ns = clock_after(l->start_ns, plan->omit_ns);
    l->end_ns = clock_after(l->zero_ns, plan->duration_ns);
    l->until_ns = l->end_ns;
    l->boundary_ns = l->start_ns;
    l->record->begin_ns = l->start_ns;
    l->record->warm_up = plan->omit_ns > 0;
    load_pass_boundary(l);
    schedule_init(&l->schedule, plan, l->index, l->start_ns);
    for (size_t i = 0; i < l->n_sending && !plan->crr; i++) {
        if (l->flows[i]->state != FLOW_OPEN)
            continue;
        if (l->schedule.open)
            load_offer(l, l->flows[i]);
        else
            load_fill(l, l->flows[i]);
    }
}

static void become_settling(struct load *l)
{
    if (load_now(l) < l->end_ns)
        l->end_ns = load_now(l);
    if (l->begun)
        load_account(l, +1);
    l->unsent = schedule_left(&l->schedule, l->end_ns);
    if (l->unsent > l->quota)
        l->unsent = l->quota;
    l->phase = LOAD_SETTLING;
    l->boundary_ns = NEVER;
    l->until_ns = clock_after(load_now(l), l->plan->timeout_ns);
}

/* Ends the connections whose echo did not come in time. */
static void abandon_late(struct load *l)
{
    for (size_t i = 0; i < l->n_flows; i++)
        if (l->flows[i]->in_flight > 0 || l->flows[i]->state == FLOW_CONNECTING)
            flow_abandon(l->flows[i]);
}

static void become_probing(struct load *l)
{
    abandon_late(l);
    l->phase = LOAD_PROBING;
    l->until_ns = clock_after(load_now(l), l->plan->timeout_ns);
    for (size_t i = l->n_sending; i < l->n_flows; i++) {
        if (l->flows[i]->state != FLOW_OPEN)
            continue;
        flow_begin(l->flows[i], load_now(l), false);
        l->in_flight++;
        flow_push(l->flows[i]);
    }
}

static void become_finishing(struct load *l)
{
    abandon_late(l);
    l->phase = LOAD_FINISHING;
    l->until_ns = NEVER; /* each connection has its own limit */
    for (size_t i = 0; i < l->n_flows; i++)
        if (l->flows[i]->state == FLOW_OPEN)
            flow_finish(l->flows[i]);
}

/* The run ends before it began: what is still connecting is not waited for. */
static void give_up(struct load *l)
{
    for (size_t i = 0; i < l->n_flows; i++)
        if (l->flows[i]->state == FLOW_CONNECTING)
            flow_cancel(l->flows[i]);
    become_finishing(l);
}

/* All connections that should are gone; with --crr others come. */
static bool nobody_sends(const struct load *l)
{
    return !l->plan->crr && (l->n_sending > 0 ? l->sending : l->open) == 0;
}

/* Nothing is outstanding that this phase waits for, or its time is over. */
static bool phase_over(const struct load *l)
{
    bool stop = atomic_load_explicit(&l->run->stop, memory_order_relaxed);
    bool nothing = l->in_flight == 0 && l->connecting == 0;

    switch (l->phase) {
    case LOAD_CONNECTING:
        return stop || (l->dialled == l->n_flows && l->connecting == 0);
    case LOAD_READY:
        return stop || load_now(l) >= l->until_ns;
    case LOAD_SENDING:
        return stop || load_now(l) >= l->until_ns || load_now(l) >= stalled_ns(l) ||
               l->quota == 0 || nobody_sends(l);
    case LOAD_SETTLING:
    case LOAD_PROBING:
        return nothing || load_now(l) >= l->until_ns;
    case LOAD_FINISHING:
        return l->open == 0 && l->connecting == 0;
    case LOAD_DONE:
        break;
    }
    return false;
}

static void next_phase(struct load *l)
{
    switch (l->phase) {
    case LOAD_CONNECTING:
        become_ready(l);
        break;
    case LOAD_READY:
        if (atomic_load(&l->run->stop))
            give_up(l);
        else
            become_sending(l);
        break;
    case LOAD_SENDING:
        become_settling(l);
        break;
    case LOAD_SETTLING:
        become_probing(l);
        break;
    case LOAD_PROBING:
        become_finishing(l);
        break;
    case LOAD_FINISHING:
    case LOAD_DONE:
        l->phase = LOAD_DONE;
        break;
    }
}

/* --- the loop ----------------------------------------------------------------------------------- */

/* One event, one named step. */
static void load_event(struct load *l, const struct io_event *ev)
{
    switch (ev->op) {
    case IO_CONNECT:
        flow_connected(container_of(ev->sock, struct flow, sock), ev->result);
        break;
    case IO_RECV:
        flow_received(container_of(ev->sock, struct flow, sock), ev->result, ev->buf);
        break;
    case IO_SEND:
        flow_sent(container_of(ev->sock, struct flow, sock), ev->result);
        break;
    case IO_WAKE:
        hear_go(l);
        break;
    case IO_IDLE:
    case IO_ACCEPT:
        assert(!"a bench starts neither");
    }
}

/* When there is something to see to besides what sockets do. */
static int64_t deadline(const struct load *l)
{
    int64_t at_ns = timers_next(&l->timers);

    if (l->until_ns < at_ns)
        at_ns = l->until_ns;
    if (l->boundary_ns < at_ns)
        at_ns = l->boundary_ns;
    if (l->phase == LOAD_SENDING && stalled_ns(l) < at_ns)
        at_ns = stalled_ns(l);
    if (l->schedule.due_ns < at_ns && !list_empty(&l->free) && load_may_begin(l))
        at_ns = l->schedule.due_ns;
    if (l->phase == LOAD_CONNECTING && l->plan->connect_rate > 0 && l->dialled < l->n_flows &&
        l->dial_ns < at_ns)
        at_ns = l->dial_ns;
    return at_ns;
}

/* What is due besides: timers, the interval's end, new connections and messages, the next phase. */
static void turn(struct load *l)
{
    struct timer *t;

    while ((t = timers_due(&l->timers, load_now(l))))
        flow_expired(container_of(t, struct flow, timer));
    if (load_now(l) >= l->boundary_ns)
        load_pass_boundary(l);
    if (l->phase == LOAD_CONNECTING)
        dial_some(l);
    else if (l->phase == LOAD_SENDING)
        load_dispatch(l);
    while (phase_over(l))
        next_phase(l);
}

void load_run(struct load *l)
{
    struct io_event ev;
    int r;

    process_wake_punctually();
    l->dial_ns = load_now(l);
    turn(l);
    while (l->phase != LOAD_DONE) {
        r = io_next(l->io, &ev, deadline(l));
        if (r < 0) { /* the kernel refuses to say what happens */
            l->broken = r;
            run_stop(l->run);
            break;
        }
        if (r > 0)
            load_event(l, &ev);
        turn(l);
    }
    if (l->zero_ns == NEVER) /* it never began to send */
        load_post(l, l->record->begin_ns, true);
    else
        load_post(l, l->end_ns, true); /* what came back since belongs to it */
    pthread_mutex_lock(&l->run->lock);
    l->run->done++;
    pthread_cond_broadcast(&l->run->told);
    pthread_mutex_unlock(&l->run->lock);
}
