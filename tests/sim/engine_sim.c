/* engine_sim.c -- an engine that keeps the contract of io.h, and nothing beyond it.
 *
 * Whatever io.h leaves open is chosen anew each time: which of the events that are due comes next, how
 * late, how much a receive brings, in how many pieces a send leaves, whether a cancelled operation ends
 * on the spot or completes after all. What io.h promises holds: one event per operation, a started send
 * is tried before anything is received, a cancelled operation that can complete does. That a relaxed send is
 * over it may keep to itself, until there is any other event or something to receive on that connection.
 *
 * It comes in two kinds, with workers that share the clients and with a thread for each of them.
 *
 * SPDX-License-Identifier: MIT */
#include "engine_sim.h"

#include "../../src/base/clock.h"
#include "../../src/base/err.h"
#include "../../src/io/engine.h"
#include "choose.h"
#include "net.h"
#include "oracle.h"
#include "task.h"
#include "trace.h"
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* sock->flags; from bit 16 on the errno of a send that failed */
enum {
    FRESH_OUT = 1 << 0,  /* not tried yet */
    DONE_OUT = 1 << 1,   /* over, its event is due */
    CANCEL_IN = 1 << 2,  /* do not wait any longer */
    CANCEL_OUT = 1 << 3, /* likewise */
    OVER_IN = 1 << 4,    /* ended on the spot, its event is due */
    SEEN_IN = 1 << 5,    /* it is settled how late the event will be */
    SEEN_OUT = 1 << 6,   /* likewise */
    UNTOLD = 1 << 7,     /* a relaxed send, to be told with the next event */
};
#define ERRNO_SHIFT 16

struct engine {
    struct io *io;
    struct list busy; /* sockets with something outstanding */
    bool woken;
    int64_t wake_after_ns;
    int64_t deadline_ns;
    bool returned_for_nothing;
};

static int sim_init(struct io *io, struct err *err)
{
    struct engine *e;

    if (world_fault(world.faults.memory))
        return err_set(err, EMFILE, "cannot set up the simulated engine");
    e = calloc(1, sizeof *e);
    if (!e)
        fail("the simulation is out of memory");
    e->io = io;
    e->deadline_ns = NEVER;
    list_init(&e->busy);
    io->state = e;
    return 0;
}

static void sim_done(struct io *io)
{
    struct engine *e = io->state;

    if (!list_empty(&e->busy))
        fail("an io is destroyed with an operation outstanding");
    free(e);
}

static bool is_in(enum io_op op)
{
    return op == IO_ACCEPT || op == IO_RECV;
}

static void sim_start(struct io *io, struct io_sock *sock, enum io_op op)
{
    struct engine *e = io->state;

    if (op == IO_ACCEPT) {
        net_listener_of(sock->fd)->sock = sock;
    } else {
        struct net_conn *c = net_conn_of(sock->fd);

        if (c->sock && c->sock != sock)
            fail("descriptor %d has two owners", sock->fd);
        c->sock = sock;
        c->engine = e;
        oracle_start(c, op);
        if (op == IO_SEND && sock->relaxed && chance(500))
            sock->flags |= UNTOLD;
    }
    sock->flags &= ~(uint32_t)(is_in(op) ? SEEN_IN : SEEN_OUT);
    if (!is_in(op))
        sock->flags |= FRESH_OUT;
    if (!list_linked(&sock->run))
        list_append(&e->busy, &sock->run);
}

static void sim_forget(struct io *io, struct io_sock *sock)
{
    (void)io;
    list_remove(&sock->run);
    sock->flags = 0;
}

static void sim_hurry(struct io *io, struct io_sock *sock)
{
    (void)io;
    sock->flags &= ~(uint32_t)UNTOLD;
}

/* There is an event: what was kept back may come with it. */
static void tell_all(struct engine *e)
{
    for (struct list *node = e->busy.next; node != &e->busy; node = node->next)
        container_of(node, struct io_sock, run)->flags &= ~(uint32_t)UNTOLD;
}

static void sim_wake(struct io *io)
{
    struct engine *e = io->state;

    task_preempt();
    if (e->woken)
        return;
    e->woken = true;
    e->wake_after_ns = world.now_ns;
    if (chance(world.faults.late_wake))
        e->wake_after_ns += choose_span(LATE_MAX_NS);
}

/* --- sending ------------------------------------------------------------------------------------ */

/* Once. Returns whether another attempt may get further now. */
static bool send_piece(struct io *io, struct io_sock *sock, bool all)
{
    const struct io_buf *buf = sock->sending;
    struct net_conn *c = net_conn_of(sock->fd);
    uint32_t left = sock->unsent;
    int r;

    if (!all && chance(world.faults.short_send))
        left = choose_size(left);
    r = net_send(c, buf->data + buf->len - sock->unsent, left);
    if (r == -EAGAIN)
        return false;
    if (r < 0) {
        sock->flags |= DONE_OUT | (uint32_t)-r << ERRNO_SHIFT;
        return false;
    }
    sock->unsent -= (uint32_t)r;
    sock->moved_ns = io->now_ns;
    oracle_moved(c, IO_SEND, (uint32_t)r);
    trace("connection %u: %d bytes are sent, %u are left", c->id, r, sock->unsent);
    if (sock->unsent == 0)
        sock->flags |= DONE_OUT;
    return sock->unsent > 0;
}

static void try_fresh_sends(struct engine *e)
{
    for (struct list *node = e->busy.next; node != &e->busy; node = node->next) {
        struct io_sock *sock = container_of(node, struct io_sock, run);

        if (sock->out == IO_IDLE || !(sock->flags & FRESH_OUT))
            continue;
        sock->flags &= ~(uint32_t)FRESH_OUT;
        (void)send_piece(e->io, sock, false);
    }
}

/* It was cancelled: all that goes at once still goes. */
static void finish_send(struct io *io, struct io_sock *sock)
{
    sock->flags &= ~(uint32_t)FRESH_OUT;
    if (sock->flags & DONE_OUT)
        return;
    while (send_piece(io, sock, true))
        ;
    if (!(sock->flags & DONE_OUT))
        sock->flags |= DONE_OUT | (uint32_t)ECANCELED << ERRNO_SHIFT;
}

static bool serve_out(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    uint32_t code;

    if (sock->flags & CANCEL_OUT)
        finish_send(io, sock);
    else if (!(sock->flags & DONE_OUT))
        (void)send_piece(io, sock, false);
    if (!(sock->flags & DONE_OUT))
        return false;
    code = sock->flags >> ERRNO_SHIFT;
    *ev = (struct io_event){
        .sock = sock,
        .op = IO_SEND,
        .result = code ? -(int)code : (int)sock->sending->len,
    };
    sock->flags &= (1 << ERRNO_SHIFT) - 1;
    sock->flags &= ~(uint32_t)(DONE_OUT | CANCEL_OUT | SEEN_OUT | UNTOLD);
    return true;
}

/* --- receiving and accepting -------------------------------------------------------------------- */

static int receive(struct io *io, struct io_sock *sock, struct io_buf **ret_buf)
{
    struct net_conn *c = net_conn_of(sock->fd);
    bool none = world_fault(world.faults.memory);
    struct io_buf *buf = none ? NULL : pool_get(&io->pool);
    int r;

    *ret_buf = NULL;
    if (!buf)
        return -ENOMEM;
    r = net_recv(c, buf->data, buf->cap);
    if (r <= 0) {
        pool_put(&io->pool, buf);
        return r;
    }
    buf->len = (uint32_t)r;
    sock->moved_ns = io->now_ns;
    oracle_moved(c, IO_RECV, buf->len);
    *ret_buf = buf;
    return r;
}

static bool serve_in(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    bool cancelled = sock->flags & CANCEL_IN;
    struct io_buf *buf = NULL;
    int r;

    if (sock->flags & OVER_IN)
        r = -ECANCELED;
    else if (sock->in == IO_ACCEPT)
        r = net_accept(net_listener_of(sock->fd));
    else
        r = receive(io, sock, &buf);
    if (r == -EAGAIN && !cancelled)
        return false;
    *ev = (struct io_event){
        .sock = sock,
        .op = sock->in,
        .result = r == -EAGAIN ? -ECANCELED : r,
        .buf = buf,
    };
    sock->flags &= ~(uint32_t)(OVER_IN | CANCEL_IN | SEEN_IN);
    return true;
}

/* --- what is due -------------------------------------------------------------------------------- */

static bool in_due(const struct io_sock *sock)
{
    if (sock->in == IO_IDLE)
        return false;
    if (sock->flags & CANCEL_IN)
        return true;
    return sock->in == IO_ACCEPT ? net_listener_of(sock->fd)->waiting > 0
                                 : net_can_recv(net_conn_of(sock->fd));
}

/* Is it a send that went out whole, and nobody waits for the news? */
static bool is_untold(const struct io_sock *sock)
{
    return (sock->flags & (UNTOLD | DONE_OUT | CANCEL_OUT)) == (UNTOLD | DONE_OUT) &&
           sock->flags >> ERRNO_SHIFT == 0 && !net_can_recv(net_conn_of(sock->fd));
}

static bool out_due(const struct io_sock *sock)
{
    if (sock->out == IO_IDLE || is_untold(sock))
        return false;
    return (sock->flags & (CANCEL_OUT | DONE_OUT | FRESH_OUT)) ||
           net_can_send(net_conn_of(sock->fd));
}

static int64_t *in_after(const struct io_sock *sock)
{
    return sock->in == IO_ACCEPT ? &net_listener_of(sock->fd)->in_after_ns
                                 : &net_conn_of(sock->fd)->in_after_ns;
}

/* When an event of this direction may be told. How late that is, is settled when it is due first. */
static int64_t due_ns(struct io_sock *sock, bool due, uint32_t seen, int64_t *after_ns)
{
    if (!due)
        return NEVER;
    if (!(sock->flags & seen)) {
        sock->flags |= seen;
        *after_ns = world.now_ns;
        if (chance(world.faults.late_event))
            *after_ns += choose_span(LATE_MAX_NS);
    }
    return *after_ns;
}

static int64_t in_due_ns(struct io_sock *sock)
{
    bool due = in_due(sock);

    return due ? due_ns(sock, due, SEEN_IN, in_after(sock)) : NEVER;
}

static int64_t out_due_ns(struct io_sock *sock)
{
    bool due = out_due(sock);

    return due ? due_ns(sock, due, SEEN_OUT, &net_conn_of(sock->fd)->out_after_ns) : NEVER;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t engine_ready_ns(struct engine *e)
{
    int64_t ready = e->woken ? earlier(e->wake_after_ns, e->deadline_ns) : e->deadline_ns;

    for (struct list *node = e->busy.next; node != &e->busy; node = node->next) {
        struct io_sock *sock = container_of(node, struct io_sock, run);

        ready = earlier(ready, earlier(in_due_ns(sock), out_due_ns(sock)));
    }
    return ready;
}

/* Of all events that may be told now, one at random. */
static bool pick(struct engine *e, struct io_event *ev)
{
    struct {
        struct io_sock *sock; /* NULL: the wake-up */
        bool in;
    } due[2 * CONNS_MAX + LISTENERS_MAX + 1];
    uint32_t n = 0, i;

    if (e->woken && e->wake_after_ns <= world.now_ns)
        due[n++].sock = NULL;
    for (struct list *node = e->busy.next; node != &e->busy; node = node->next) {
        struct io_sock *sock = container_of(node, struct io_sock, run);

        if (in_due_ns(sock) <= world.now_ns) {
            due[n].sock = sock;
            due[n++].in = true;
        }
        if (out_due_ns(sock) <= world.now_ns) {
            due[n].sock = sock;
            due[n++].in = false;
        }
    }
    if (n == 0)
        return false;
    i = choose(n);
    if (!due[i].sock) {
        e->woken = false;
        *ev = (struct io_event){.op = IO_WAKE};
        return true;
    }
    return due[i].in ? serve_in(e->io, due[i].sock, ev) : serve_out(e->io, due[i].sock, ev);
}

/* --- cancelling --------------------------------------------------------------------------------- */

static void sim_cancel(struct io *io, struct io_sock *sock)
{
    bool at_once = chance(world.faults.early_end);

    trace("descriptor %d: %s%s cancelled", sock->fd, sock->in != IO_IDLE ? "in " : "",
          sock->out != IO_IDLE ? "out " : "");
    if (sock->in != IO_IDLE) {
        if (at_once && !in_due(sock))
            sock->flags |= OVER_IN;
        sock->flags |= CANCEL_IN;
    }
    if (sock->out != IO_IDLE) {
        sock->flags |= CANCEL_OUT;
        if (at_once)
            finish_send(io, sock);
    }
}

/* --- the wait ----------------------------------------------------------------------------------- */

static void drop_idle(struct engine *e)
{
    struct list *node, *next;

    for (node = e->busy.next; node != &e->busy; node = next) {
        const struct io_sock *sock = container_of(node, struct io_sock, run);

        next = node->next;
        if (sock->in == IO_IDLE && sock->out == IO_IDLE)
            list_remove(node);
    }
}

static void look_at_the_clock(struct io *io)
{
    if (chance(world.faults.stale_clock) && world.now_ns - io->now_ns < LATE_MAX_NS)
        return;
    io->now_ns = world.now_ns;
}

static int sim_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    struct engine *e = io->state;

    oracle_waits(e->returned_for_nothing);
    e->returned_for_nothing = false;
    e->deadline_ns = deadline_ns;
    drop_idle(e);
    try_fresh_sends(e);
    for (;;) {
        task_wait(e);
        look_at_the_clock(io);
        if (chance(world.faults.spurious)) {
            e->returned_for_nothing = true;
            io->now_ns = world.now_ns;
            return 0;
        }
        if (pick(e, ev)) {
            tell_all(e);
            oracle_event(ev);
            return 1;
        }
        if (world.now_ns >= deadline_ns) {
            io->now_ns = world.now_ns;
            return 0;
        }
    }
}

#define SIM_VERBS                                                                 \
    .init = sim_init, .done = sim_done, .start = sim_start, .cancel = sim_cancel, \
    .forget = sim_forget, .next = sim_next, .wake = sim_wake, .hurry = sim_hurry

static const struct io_engine engine_shared = {.name = "sim", SIM_VERBS};
static const struct io_engine engine_threads = {
    .name = "sim-threads",
    .thread_per_client = true,
    SIM_VERBS,
};

const struct io_engine *const io_engine_table[] = {&engine_shared, &engine_threads, NULL};
