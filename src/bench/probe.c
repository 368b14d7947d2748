/* probe.c -- see probe.h.
 *
 * SPDX-License-Identifier: MIT */
#include "probe.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/list.h"
#include "../io/io.h"
#include "../net/sock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SETTLE_NS (200 * NS_PER_MS) /* an echo has so long before the next one is called */
#define TICK_NS \
    (50 * NS_PER_MS) /* how often we look whether a SYN was sent again, and at the time */
#define SLOW 4       /* times the slowest echo is slower than slow */

enum caller_state { CALLER_CONNECTING, CALLER_ASKING, CALLER_SERVED, CALLER_ENDED };

struct caller {
    struct io_sock sock;
    enum caller_state state;
    bool served, wrong;
    int64_t since_ns; /* when it was called, then when its byte left */
};

struct probe {
    struct io *io;
    const struct plan *plan;
    const struct probe_observer *observer;
    struct probe_result *result;
    struct caller *callers;
    uint64_t n;         /* called so far; the last of them is the latest */
    uint64_t open;      /* of them, those whose descriptor is not closed */
    uint64_t asking;    /* of them, those in that state */
    size_t addr;        /* which of the plan's addresses */
    bool over;          /* the verdict stands: what comes now only closes */
    int failed;         /* errno of the latest, which could not be made */
    int64_t moved_ns;   /* when something moved, or when the latest was called, if that is later */
    uint32_t syns_seen; /* SYNs of the latest that were sent again, as far as we looked, */
    int64_t syn_ns;     /* and when we saw the last of them */
};

static _Atomic(struct io *) running;
static atomic_bool interrupted;

void probe_interrupt(void)
{
    struct io *io = atomic_load(&running);

    atomic_store(&interrupted, true);
    if (io)
        io_wake(io);
}

int64_t probe_patience_ns(int64_t timeout_ns, int64_t slowest_ns)
{
    return SLOW * slowest_ns > timeout_ns ? SLOW * slowest_ns : timeout_ns;
}

static int64_t patience_ns(const struct probe *p)
{
    return probe_patience_ns(p->plan->timeout_ns, p->result->slowest_ns);
}

static void tell(const struct probe *p, enum probe_news news, const struct caller *c)
{
    if (p->observer && p->observer->news)
        p->observer->news(p->observer->user, news, (uint64_t)(c - p->callers) + 1,
                          io_now(p->io) - c->since_ns);
}

/* Each another one than its neighbours', so that an echo that goes astray is noticed. */
static unsigned char byte_of(const struct probe *p, const struct caller *c)
{
    return (unsigned char)('A' + (c - p->callers) % 26);
}

/* --- one connection ----------------------------------------------------------------------------- */

static void close_caller(struct probe *p, struct caller *c)
{
    if (c->sock.fd < 0)
        return;
    if (c->sock.in != IO_IDLE || c->sock.out != IO_IDLE) {
        io_cancel(p->io, &c->sock); /* its events come back here */
        return;
    }
    io_close(p->io, &c->sock);
    p->open--;
}

/* Calls with the latest one, for the first time or again. */
static void dial(struct probe *p)
{
    struct caller *c = &p->callers[p->n - 1];
    const struct addr *to = &p->plan->addrs[p->addr];
    int fd = plan_socket(p->plan, to, p->n - 1);

    c->state = CALLER_CONNECTING;
    c->since_ns = io_now(p->io);
    p->syns_seen = 0;
    if (fd < 0) {
        p->failed = -fd;
        return;
    }
    io_sock_init(&c->sock, fd);
    p->open++;
    io_connect(p->io, &c->sock, to);
}

static void call_next(struct probe *p)
{
    p->callers[p->n++].sock.fd = -1;
    p->moved_ns = io_now(p->io);
    dial(p);
}

static void ask(struct probe *p, struct caller *c)
{
    struct io_buf *buf = io_buf_get(p->io);

    if (!buf) {
        p->failed = ENOMEM;
        return;
    }
    buf->data[0] = byte_of(p, c);
    buf->len = 1;
    c->since_ns = io_now(p->io);
    io_send(p->io, &c->sock, buf);
    io_recv(p->io, &c->sock);
}

static void made(struct probe *p, struct caller *c)
{
    p->result->retried += io_retransmits(p->io, &c->sock) > 0; /* nothing but SYNs so far */
    p->result->addr = p->plan->addrs[p->addr];
    p->moved_ns = io_now(p->io);
    p->asking++;
    c->state = CALLER_ASKING;
    tell(p, PROBE_MADE, c);
    ask(p, c);
}

static void ended(struct probe *p, struct caller *c)
{
    if (c->state != CALLER_ENDED) {
        p->asking -= c->state == CALLER_ASKING;
        p->moved_ns = io_now(p->io);
        c->state = CALLER_ENDED;
        tell(p, PROBE_ENDED, c);
    }
    close_caller(p, c);
}

static void echoed(struct probe *p, struct caller *c, const struct io_buf *buf)
{
    int64_t took_ns = io_now(p->io) - c->since_ns;

    c->wrong |= buf->len != 1 || buf->data[0] != byte_of(p, c) || c->state == CALLER_SERVED;
    if (c->state != CALLER_ASKING)
        return;
    p->asking--;
    p->moved_ns = io_now(p->io);
    if (took_ns > p->result->slowest_ns)
        p->result->slowest_ns = took_ns;
    c->served = true;
    c->state = CALLER_SERVED;
    tell(p, PROBE_SERVED, c);
}

static void conclude(struct probe *p, enum probe_end end);

/* --- events ------------------------------------------------------------------------------------- */

/* The latest was not made. The first one may try another address. Where the kernel has given it up for silence, that is an
 * answer unless something moved meanwhile; then it calls again. */
static void not_made(struct probe *p, struct caller *c, int code)
{
    close_caller(p, c);
    if (p->n == 1 && p->addr + 1 < p->plan->n_addrs) {
        p->addr++;
        p->moved_ns = io_now(p->io);
        dial(p);
    } else if (code == ETIMEDOUT && p->moved_ns > c->since_ns) {
        dial(p);
    } else if (code == ETIMEDOUT) {
        conclude(p, PROBE_FULL);
    } else {
        p->failed = code;
    }
}

static void on_connect(struct probe *p, struct caller *c, int result)
{
    if (result == 0 && sock_reached_itself(c->sock.fd, &p->plan->addrs[p->addr]))
        result = -ECONNREFUSED;
    if (p->over)
        close_caller(p, c);
    else if (result == 0)
        made(p, c);
    else
        not_made(p, c, -result);
}

static void on_recv(struct probe *p, struct caller *c, int result, struct io_buf *buf)
{
    if (p->over || result <= 0 || c->state == CALLER_ENDED) {
        if (result > 0)
            io_buf_put(p->io, buf);
        if (!p->over && result <= 0)
            ended(p, c);
        else
            close_caller(p, c);
        return;
    }
    echoed(p, c, buf);
    io_buf_put(p->io, buf);
    io_recv(p->io, &c->sock); /* it may end, or say more */
}

static void on_send(struct probe *p, struct caller *c, int result)
{
    if (p->over || c->state == CALLER_ENDED)
        close_caller(p, c);
    else if (result < 0)
        ended(p, c);
}

static void on_event(struct probe *p, const struct io_event *ev)
{
    struct caller *c = ev->sock ? container_of(ev->sock, struct caller, sock) : NULL;

    switch (ev->op) {
    case IO_CONNECT:
        on_connect(p, c, ev->result);
        break;
    case IO_RECV:
        on_recv(p, c, ev->result, ev->buf);
        break;
    case IO_SEND:
        on_send(p, c, ev->result);
        break;
    case IO_WAKE:
        break;
    case IO_IDLE:
    case IO_ACCEPT:
        assert(!"a probe starts neither");
    }
}

/* --- the rule ----------------------------------------------------------------------------------- */

/* What each connection has come to. */
static void count(struct probe *p)
{
    struct probe_result *r = p->result;

    for (uint64_t i = 0; i < p->n; i++) {
        const struct caller *c = &p->callers[i];

        r->opened += c->state != CALLER_CONNECTING;
        r->served += c->state == CALLER_SERVED;
        r->waiting += c->state == CALLER_ASKING;
        r->turned_away += c->state == CALLER_ENDED && !c->served;
        r->ended += c->state == CALLER_ENDED && c->served;
        r->wrong += c->wrong;
    }
}

/* The verdict; from here on everything is closed. */
static void conclude(struct probe *p, enum probe_end end)
{
    p->over = true;
    p->result->end = end;
    p->result->code = p->failed;
    p->result->syns = p->syns_seen + 1;
    p->result->patience_ns = patience_ns(p);
    count(p);
    for (uint64_t i = 0; i < p->n; i++)
        close_caller(p, &p->callers[i]);
}

static bool nothing_moves(const struct probe *p)
{
    return io_now(p->io) >= clock_after(p->moved_ns, patience_ns(p));
}

/* Looks whether the SYN of the latest was sent again. */
static void look_at_syns(struct probe *p, const struct caller *c)
{
    uint32_t syns = io_retransmits(p->io, &c->sock);

    if (syns == p->syns_seen)
        return;
    if (p->syns_seen == 0)
        tell(p, PROBE_SILENT, c);
    p->syns_seen = syns;
    p->syn_ns = io_now(p->io);
}

/* Is its silence an answer? That of a SYN from before the last move is none. Where the kernel does not tell of retries, time
 * has to. */
static bool is_full(const struct probe *p, const struct caller *c)
{
    bool fresh = p->moved_ns <= c->since_ns || p->syn_ns > p->moved_ns;
    bool again = p->syns_seen > 0 && io_now(p->io) - p->syn_ns >= SETTLE_NS;
    bool long_ago = io_now(p->io) >= clock_after(c->since_ns, p->plan->connect_timeout_ns);

    return nothing_moves(p) && ((again && fresh) || long_ago);
}

static bool may_call(const struct probe *p, const struct caller *latest)
{
    int64_t settle_ns = probe_patience_ns(SETTLE_NS, p->result->slowest_ns);

    return latest->state != CALLER_ASKING || p->asking > 1 ||
           io_now(p->io) >= clock_after(latest->since_ns, settle_ns);
}

/* The next address of the first one, whose silence on this one is certain. */
static bool may_try_elsewhere(const struct probe *p)
{
    return p->n == 1 && p->addr + 1 < p->plan->n_addrs;
}

static void consider_silence(struct probe *p, struct caller *latest)
{
    look_at_syns(p, latest);
    if (!is_full(p, latest))
        return;
    if (may_try_elsewhere(p))
        io_cancel(p->io, &latest->sock); /* not_made() goes on */
    else
        conclude(p, PROBE_FULL);
}

/* What is to be done, now that something happened or some time passed. */
static void consider(struct probe *p)
{
    struct caller *latest = p->n > 0 ? &p->callers[p->n - 1] : NULL;

    if (atomic_load(&interrupted))
        conclude(p, PROBE_INTERRUPTED);
    else if (p->failed)
        conclude(p, PROBE_FAILED);
    else if (latest && latest->state == CALLER_CONNECTING)
        consider_silence(p, latest);
    else if (p->n < p->plan->connections && (!latest || may_call(p, latest)))
        call_next(p);
    else if (p->n == p->plan->connections && p->asking == 0)
        conclude(p, PROBE_KEEPS_UP);
    else if (p->n == p->plan->connections && nothing_moves(p))
        conclude(p, PROBE_ROOM);
}

static int probe_loop(struct probe *p, struct err *err)
{
    struct io_event ev;

    while (!p->over || p->open > 0) {
        int r = io_next(p->io, &ev, io_now(p->io) + TICK_NS);

        if (r < 0)
            return err_set(err, -r, "the %s engine failed", io_engine_name(p->io));
        if (r > 0)
            on_event(p, &ev);
        if (!p->over)
            consider(p);
    }
    return 0;
}

/* An engine that failed has no more events: what it holds is taken from it. */
static void cut_loose(struct probe *p)
{
    for (uint64_t i = 0; i < p->n; i++) {
        io_buf_put(p->io, p->callers[i].sock.sending);
        if (p->callers[i].sock.fd >= 0)
            sock_close(p->callers[i].sock.fd);
    }
}

int probe_run(struct probe_result *ret, const struct plan *plan,
              const struct probe_observer *observer, struct err *err)
{
    const struct io_config config = {.engine = plan->engine, .fine = true};
    struct probe p = {.plan = plan, .observer = observer, .result = ret};
    int r;

    *ret = (struct probe_result){.plan = plan, .addr = plan->addrs[0], .slowest_ns = -1};
    p.callers = calloc(plan->connections, sizeof *p.callers);
    if (!p.callers)
        return err_set(err, ENOMEM, "cannot create %" PRIu64 " connections", plan->connections);
    r = io_create(&p.io, &config, err);
    if (r == 0) {
        ret->engine = io_engine_name(p.io);
        atomic_store(&running, p.io);
        consider(&p);
        r = probe_loop(&p, err);
        atomic_store(&running, NULL);
        if (r < 0)
            cut_loose(&p);
        io_destroy(p.io);
    }
    free(p.callers);
    return r;
}
