/* oracle.c -- see oracle.h.
 *
 * Times are compared with the clock of the world. The server may be late by what this run's tasks and
 * events are late, a few waits in a row (patience()); and what it believes about the past may be off by
 * how stale its clock was and by the kernel's tick (blur()).
 *
 * SPDX-License-Identifier: MIT */
#include "oracle.h"

#include "../../src/base/clock.h"
#include "../../src/server/conn.h"
#include "../../src/server/worker.h"
#include "task.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNLUCKY_NS (4 * NS_PER_S) /* more than a million seeds make of events that come late */
#define TICK_NS (10 * NS_PER_MS)
#define RETRY_NS (100 * NS_PER_MS) /* of whoever was refused something (docs/design.md) */
#define SPIN_MAX 500               /* waits without time or a byte between them */

static struct {
    struct tally tally; /* as it must be at the end */
    uint64_t admitted, left_waiting;
    unsigned waits; /* since something moved */
} expected;

/* As the log tells it. */
static struct {
    uint64_t came, left, bytes;
    uint64_t dropped; /* SYNs, in the latest line of figures */
} told;

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool sluggish(void)
{
    const struct faults *f = &world.faults;

    return f->late || f->late_event || f->late_wake || f->stale_clock || f->spurious;
}

/* The more connections, the more events of others may come first, each of them late. */
static int64_t patience(void)
{
    int64_t open = 0;

    if (!sluggish())
        return 2 * RETRY_NS;
    for (unsigned i = 0; i < net.n_conns; i++)
        open += net.conns[i].sock != NULL;
    return 2 * RETRY_NS + (10 + 3 * open) * LATE_MAX_NS;
}

/* The server reads its clock when it waits; until it acts its turn may be over a few times, each time for a
 * while. */
static int64_t blur(void)
{
    int64_t turns = world.faults.preempt ? 8 : 0;

    return TICK_NS + (sluggish() ? (2 + turns) * LATE_MAX_NS : 0);
}

/* Is 'span_ns' after 'since_ns' so long ago that there is no excuse? What was refused meanwhile is one. */
static bool overdue(int64_t since_ns, int64_t span_ns)
{
    if (span_ns == NEVER || since_ns == NEVER)
        return false;
    return world.now_ns > later(since_ns + span_ns, world.last_fault_ns) + patience();
}

/* Or has it not passed yet, whatever the server's clock says? */
static bool premature(int64_t since_ns, int64_t span_ns)
{
    return span_ns == NEVER || world.now_ns < clock_after(since_ns, span_ns) - blur();
}

void oracle_begin(void)
{
    expected.tally = (struct tally){0};
    expected.admitted = expected.left_waiting = expected.waits = 0;
    told.came = told.left = told.bytes = told.dropped = 0;
}

void oracle_progress(void)
{
    expected.waits = 0;
}

/* --- who is where ------------------------------------------------------------------------------- */

static const struct conn *owner_of(const struct net_conn *c)
{
    return c->sock ? container_of(c->sock, struct conn, sock) : NULL;
}

/* Accepted, and in one of the places that --concurrency counts, or held before one. */
static bool is_inside(const struct net_conn *c)
{
    return c->accepted_ns && !c->closed && !c->fin_ns;
}

static uint64_t count_inside(bool (*also)(const struct net_conn *))
{
    uint64_t n = 0;

    for (unsigned i = 0; i < net.n_conns; i++)
        n += is_inside(&net.conns[i]) && also(&net.conns[i]);
    return n;
}

static bool is_served(const struct net_conn *c)
{
    return c->admitted;
}

static bool is_held(const struct net_conn *c)
{
    return !c->admitted;
}

static bool is_anybody(const struct net_conn *c)
{
    return c;
}

/* Has everybody got a number whom --clients admits? Some may be on the way to their worker still. */
static bool all_came(void)
{
    return world.config.clients && world.server &&
           world.server->door.admitted >= world.config.clients;
}

/* A byte moved last, either way, as the server can know it. */
static int64_t last_moved(const struct net_conn *c)
{
    int64_t moved = later(c->moved_ns, c->accepted_ns);

    return world.faults.silence ? moved : later(moved, c->sent_ns);
}

/* --- the kernel reports ------------------------------------------------------------------------- */

/* Is the door open at this moment, and the rest before an accept over? */
static void check_welcome(struct net_listener *l)
{
    if (!world.stopped && world.shut && overdue(world.shut_ns, 0))
        fail("somebody is accepted on port %u while the door is shut", l->port);
    if (!world.stopped && l->accepted_ns && world.config.accept_delay_ns &&
        premature(l->accepted_ns, world.config.accept_delay_ns))
        fail("somebody is accepted on port %u before the delay is over", l->port);
    l->accepted_ns = world.now_ns;
    l->ignored_ns = NEVER; /* whoever waits still begins to wait for the next one */
}

void oracle_accept(struct net_conn *c)
{
    c->accepted_ns = world.now_ns;
    check_welcome(c->listener);
    oracle_progress();
    if (count_inside(is_anybody) > world.config.concurrency + net.n_listeners)
        fail("%" PRIu64 " clients are accepted, with --concurrency %" PRIu64,
             count_inside(is_anybody), world.config.concurrency);
}

void oracle_start(struct net_conn *c, enum io_op op)
{
    c->unattended_ns = NEVER;
    if (c->closed)
        fail("connection %u: an operation on a closed connection", c->id);
    if (op != IO_RECV || c->admitted)
        return;
    c->admitted = true;
    c->admitted_ns = world.now_ns;
    expected.admitted++;
    if (count_inside(is_served) > world.config.concurrency)
        fail("%" PRIu64 " clients are served at once, with --concurrency %" PRIu64,
             count_inside(is_served), world.config.concurrency);
    if (world.config.clients && expected.admitted > world.config.clients)
        fail("client %" PRIu64 " is served, with --clients %" PRIu64, expected.admitted,
             world.config.clients);
}

void oracle_moved(struct net_conn *c, enum io_op op, uint32_t n)
{
    c->moved_ns = world.now_ns;
    oracle_progress();
    if (op == IO_SEND)
        c->echoed += n;
    else if (!c->fin_ns)
        c->read += n;
    if (c->echoed > c->read)
        fail("connection %u: %" PRIu64 " bytes were received, and %" PRIu64 " sent", c->id, c->read,
             c->echoed);
}

/* May the server leave bytes that it has received unsent? */
static bool may_cut(const struct net_conn *c)
{
    return c->broken || (world.stopped && !premature(world.stop_ns, world.config.drain_ns)) ||
           c->idled || (c->decided_ns && !premature(c->decided_ns, LINGER_TOTAL_NS));
}

void oracle_fin(struct net_conn *c)
{
    if (c->fin_ns)
        fail("connection %u: a second FIN", c->id);
    if (!c->decided_ns && !c->broken)
        fail("connection %u is ended, and nothing asked for it", c->id);
    if (c->echoed < c->read && !may_cut(c))
        fail("connection %u: a FIN with %" PRIu64 " bytes not echoed", c->id, c->read - c->echoed);
    c->fin_ns = world.now_ns;
}

/* The server will not wait any longer for the client's end: only after it lingered. */
static void check_giving_up(struct net_conn *c)
{
    if (!c->fin_ns)
        fail("connection %u is to be closed, and neither side said that it ends", c->id);
    if (premature(c->fin_ns, LINGER_TOTAL_NS) &&
        premature(later(last_moved(c), c->fin_ns), LINGER_QUIET_NS))
        fail("connection %u is to be closed while the client may still send", c->id);
    c->given_up = true;
}

void oracle_close(struct net_conn *c)
{
    uint64_t debt = c->read - c->echoed;

    oracle_progress();
    if (c->sock && (c->sock->in != IO_IDLE || c->sock->out != IO_IDLE))
        fail("connection %u is closed with an operation outstanding", c->id);
    if (!c->admitted) {
        expected.left_waiting++;
        if (!world.stopped && !all_came() && !world.start_failed)
            fail("connection %u is turned away", c->id);
        return;
    }
    expected.tally.bytes += c->echoed;
    expected.tally.cut += debt && !c->failed;
    expected.tally.cut_bytes += c->failed ? 0 : debt;
    if (c->broken)
        return;
    if (c->fin_read && !c->fin_ns && debt)
        fail("connection %u is closed with %" PRIu64 " bytes not echoed", c->id, debt);
    if (!c->fin_read && !c->given_up)
        check_giving_up(c);
}

void oracle_reset(struct net_conn *c)
{
    if (c->admitted && !c->fin_ns)
        fail("connection %u is reset by the server", c->id);
}

void oracle_door_closed(struct net_listener *l)
{
    expected.left_waiting += l->waiting;
    oracle_progress();
    if (!world.running || world.start_failed)
        return;
    if (!world.stopped && (!all_came() || count_inside(is_served) > 0))
        fail("the door closes, and nothing asked for it");
    if (all_came() || !premature(world.stop_ns, world.config.drain_ns))
        return;
    for (uint32_t i = 0; i < l->waiting; i++)
        if (l->queue[i]->connected_ns < world.stop_ns)
            fail("connection %u waited when the drain began, and is not taken", l->queue[i]->id);
}

/* --- the engine reports ------------------------------------------------------------------------- */

void oracle_event(const struct io_event *ev)
{
    struct net_conn *c;

    if (ev->op == IO_WAKE) {
        trace("task %u: is woken", task_self()->id);
        return;
    }
    trace("task %u: %s on descriptor %d: %d", task_self()->id,
          ev->op == IO_ACCEPT ? "accept"
          : ev->op == IO_RECV ? "receive"
                              : "send",
          ev->sock->fd, ev->op == IO_ACCEPT && ev->result > 0 ? 0 : ev->result);
    if (ev->op == IO_ACCEPT)
        return;
    c = net_conn_of(ev->sock->fd);
    if (ev->op == IO_RECV && ev->result == 0) {
        if (!c->fin_read)
            oracle_progress();
        c->fin_read = true;
    }
    if (ev->result < 0 && ev->result != -ECANCELED && ev->result != -ENOMEM && !c->fin_ns) {
        c->failed = true;
        expected.tally.resets++;
    }
}

/* Did the server decide to end this one, and may it? */
static void check_decision(struct net_conn *c, const struct conn *owner)
{
    bool quiet = !premature(later(last_moved(c), world.stop_ns), DRAIN_QUIET_NS);
    bool may = false;

    if (owner->state == CONN_CLOSING && !c->given_up && !c->broken)
        check_giving_up(c);
    if (owner->state == CONN_ECHOING &&
        c->decided_ns) { /* it moved after all: the server was late */
        if (!c->idled)
            fail("connection %u was to end, and is served on", c->id);
        c->idled = false;
        c->decided_ns = 0;
    }
    if (owner->state == CONN_ECHOING || c->decided_ns)
        return;
    c->decided_ns = world.now_ns;
    switch (owner->why) {
    case CONN_IDLE:
        may = c->idled = !premature(last_moved(c), world.config.idle_ns);
        break;
    case CONN_LIFETIME:
        may = !premature(c->accepted_ns, world.config.lifetime_ns);
        break;
    case CONN_DRAINED:
        may = world.stopped && (quiet || !premature(world.stop_ns, world.config.drain_ns));
        break;
    case CONN_BY_CLIENT:
        break;
    }
    trace("connection %u is to end", c->id);
    if (!may)
        fail("connection %u is ended, and it was not time", c->id);
}

void oracle_waits(bool for_nothing)
{
    expected.waits += !for_nothing;
    if (expected.waits > SPIN_MAX)
        fail("the server spins");
    for (unsigned i = 0; i < net.n_conns; i++) {
        struct net_conn *c = &net.conns[i];
        const struct conn *owner = owner_of(c);

        if (!owner)
            continue;
        check_decision(c, owner);
        if (c->sock->in != IO_IDLE || c->sock->out != IO_IDLE)
            c->unattended_ns = NEVER;
        else if (c->unattended_ns == NEVER)
            c->unattended_ns = world.now_ns;
    }
}

/* --- time passes -------------------------------------------------------------------------------- */

static void check_served(const struct net_conn *c)
{
    bool sending = c->sock->out != IO_IDLE;

    if (overdue(c->unattended_ns, 0))
        fail("stuck: nothing is outstanding on connection %u", c->id);
    if (c->fin_ns) {
        if (overdue(c->fin_ns, LINGER_TOTAL_NS) ||
            overdue(later(last_moved(c), c->fin_ns), LINGER_QUIET_NS))
            fail("connection %u lingers for too long", c->id);
    } else if (c->decided_ns) {
        /* A cancelled receive may be the one whose event comes late, again and again. With nothing outstanding any more its
         * handler is at work, or it is stuck, see above. */
        bool receiving = c->sock->in != IO_IDLE;

        if (overdue(c->decided_ns, LINGER_TOTAL_NS) ||
            (receiving && !sending && overdue(c->decided_ns, UNLUCKY_NS)))
            fail("connection %u was to end, and goes on", c->id);
    } else if (overdue(later(last_moved(c), c->admitted_ns), world.config.idle_ns)) {
        fail("connection %u outlives its idle timeout", c->id);
    } else if (overdue(c->admitted_ns, world.config.lifetime_ns)) {
        fail("connection %u outlives its lifetime", c->id);
    }
}

/* Somebody waits in the queue, there is a place, and nobody asks who is there. */
static void check_queue(struct net_listener *l)
{
    bool asked = l->sock && l->sock->in == IO_ACCEPT;
    bool could = world.running && l->fd >= 0 && l->waiting > 0 && !asked && !all_came() &&
                 count_inside(is_anybody) < world.config.concurrency &&
                 (world.stopped || !world.shut);

    if (!could)
        l->ignored_ns = NEVER;
    else if (l->ignored_ns == NEVER)
        l->ignored_ns = world.now_ns;
    else if (overdue(l->ignored_ns, world.stopped ? 0 : world.config.accept_delay_ns))
        fail("stuck: %u clients wait on port %u though there is a place", l->waiting, l->port);
}

void oracle_time(void)
{
    bool places = count_inside(is_served) < world.config.concurrency;

    expected.waits = 0;
    for (unsigned i = 0; i < net.n_conns; i++) {
        struct net_conn *c = &net.conns[i];

        if (c->sock)
            check_served(c);
        if (is_inside(c) && is_held(c) && places && !all_came() && overdue(c->accepted_ns, 0) &&
            overdue(world.place_ns, 0))
            fail("stuck: connection %u is held though there is a place", c->id);
    }
    if (!places)
        world.place_ns = world.now_ns;
    for (unsigned i = 0; i < net.n_listeners; i++)
        check_queue(&net.listeners[i]);
    if (world.running && world.stopped &&
        overdue(clock_after(world.stop_ns, world.config.drain_ns), LINGER_TOTAL_NS))
        fail("stuck: the server does not end");
}

/* --- the log ------------------------------------------------------------------------------------ */

/* Between the reading and the line time may have passed, but not backwards. */
static void check_dropped(uint64_t dropped)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < net.n_listeners; i++)
        all += (uint64_t)net.listeners[i].dropped;
    if (dropped > all || dropped < told.dropped)
        fail("the figures have %" PRIu64 " SYNs dropped, before it was %" PRIu64
             ", and it is %" PRIu64,
             dropped, told.dropped, all);
    told.dropped = dropped;
}

/* "clients 12 | 48.2k reads/s | 3.1 MB/s | backlog 6/5 FULL | 4 SYNs dropped" */
static void check_figures(const char *line)
{
    const char *last = strstr(line, " SYN");
    uint64_t dropped;

    while (last && last > line && last[-1] != ' ')
        last--;
    if (!last || sscanf(last, "%" SCNu64, &dropped) != 1)
        fail("figures without SYNs: %s", line);
    check_dropped(dropped);
}

/* "the accept queue of 127.0.0.1:7000 is full (6/5), 2 SYNs dropped: a larger --backlog lets more wait": why, and what
 * to change, must be true at the moment. */
static void check_advice(const char *line)
{
    const struct doorkeeper *door = &world.server->door;
    bool shut = door->shut && !atomic_load(&world.server->draining);

    if (strstr(line, "accepting is paused") && !shut)
        fail("the log calls accepting paused, and it is not: %s", line);
    if (strstr(line, "lets more wait") && (all_came() || shut))
        fail("the log advises a longer queue, and nobody is accepted from it: %s", line);
    if (strstr(line, "whose backlog is -"))
        fail("the log takes what it does not know for a number: %s", line);
}

void oracle_log(const char *line)
{
    uint64_t client, came, left, bytes;
    const char *echoed;

    if (strncmp(line, "clients ", 8) == 0)
        check_figures(line);
    else if (strstr(line, "whose backlog is") || strstr(line, " is full ("))
        check_advice(line);
    else if (sscanf(line, "and more: %" SCNu64 " connected, %" SCNu64 " left, %" SCNu64, &came,
                    &left, &bytes) == 3) {
        told.came += came;
        told.left += left;
        told.bytes += bytes;
    } else if (sscanf(line, "client %" SCNu64, &client) == 1) {
        told.came += strstr(line, " connected") != NULL;
        echoed = strstr(line, " left after ") ? strstr(line, ", ") : NULL;
        if (echoed && sscanf(echoed, ", %" SCNu64 " byte", &bytes) == 1) {
            told.left++;
            told.bytes += bytes;
        }
    }
}

/* --- the end ------------------------------------------------------------------------------------ */

static void same(const char *what, uint64_t says, uint64_t is)
{
    if (says != is)
        fail("the server counts %" PRIu64 " %s, and it was %" PRIu64, says, what, is);
}

/* The live counters know of nothing that was sent in part, as a connection broke or was cut. */
static void check_paces(const struct server *server)
{
    uint64_t bytes = server->gone.bytes;

    for (unsigned i = 0; i < server->n_workers; i++)
        bytes += atomic_load(&server->workers[i]->pace.bytes);
    if (bytes > expected.tally.bytes)
        fail("the live counters have %" PRIu64 " bytes, and it was %" PRIu64, bytes,
             expected.tally.bytes);
    if (!expected.tally.cut && !expected.tally.resets)
        same("bytes live", bytes, expected.tally.bytes);
}

/* Everybody is announced, one by one or in a sum, unless a line was lost. */
static void check_log(void)
{
    if (world.faults.log)
        return;
    same("clients come in its log", told.came, expected.admitted);
    same("clients gone in its log", told.left, expected.admitted);
    same("bytes echoed in its log", told.bytes, expected.tally.bytes);
}

void oracle_ended(void)
{
    const struct server *server = world.server;
    const struct tally *t = &server->tally;

    same("clients", server->door.admitted, expected.admitted);
    same("bytes echoed", t->bytes, expected.tally.bytes);
    same("connections cut", t->cut, expected.tally.cut);
    same("bytes cut", t->cut_bytes, expected.tally.cut_bytes);
    same("resets", t->resets, expected.tally.resets);
    same("clients left waiting", server->door.left_waiting, expected.left_waiting);
    same("places taken", atomic_load(&server->places), 0);
    check_log();
    check_paces(server);
    if (!world.stopped && !all_came() && !world.start_failed)
        fail("the server ends, and nothing asked for it");
}
