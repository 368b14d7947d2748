/* conn.c -- see conn.h.
 *
 * SPDX-License-Identifier: MIT */
#include "conn.h"

#include "../base/clock.h"
#include "roll.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t echoing_deadline(const struct conn *c)
{
    const struct server *server = c->worker->server;
    int64_t idle = clock_after(c->sock.moved_ns, server->config.idle_ns);
    int64_t age = clock_after(c->born_ns, server->config.lifetime_ns);
    int64_t quiet;

    if (!c->worker->draining)
        return earlier(idle, age);
    quiet = later(c->sock.moved_ns, server->drain_start_ns) + DRAIN_QUIET_NS;
    return earlier(earlier(idle, age), earlier(quiet, server->drain_end_ns));
}

/* When something has to happen to 'c' if no event comes before. */
static int64_t conn_deadline(const struct conn *c)
{
    switch (c->state) {
    case CONN_ECHOING:
        return echoing_deadline(c);
    case CONN_ENDING:
        return c->ended_ns + LINGER_TOTAL_NS;
    case CONN_LINGERING:
        return earlier(c->sock.moved_ns + LINGER_QUIET_NS, c->ended_ns + LINGER_TOTAL_NS);
    case CONN_CLOSING:
        break;
    }
    return NEVER;
}

static void conn_schedule(struct conn *c)
{
    timer_set(&c->worker->timers, &c->timer, conn_deadline(c));
}

struct conn *conn_create(int fd, uint64_t client, int64_t now_ns)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    io_sock_init(&c->sock, fd);
    list_init(&c->node);
    c->client = client;
    c->born_ns = c->sock.moved_ns = now_ns;
    return c;
}

void conn_start(struct conn *c, struct worker *w)
{
    c->worker = w;
    list_append(&w->conns, &c->node);
    conn_schedule(c);
    io_recv(w->io, &c->sock);
}

void conn_drain(struct conn *c)
{
    conn_schedule(c);
}

static const char *leave_words(const struct conn *c, int error)
{
    if (error == -ECONNRESET || error == -EPIPE)
        return ", reset by the client";
    if (error)
        return ", connection lost";
    switch (c->why) {
    case CONN_IDLE:
        return ", idle";
    case CONN_LIFETIME:
        return ", lifetime over";
    case CONN_DRAINED:
    case CONN_BY_CLIENT:
        break;
    }
    return "";
}

/* Announces the end. 'error' is 0 or -errno of the operation that found the connection broken. */
static void conn_leave(const struct conn *c, int error)
{
    struct worker *w = c->worker;
    struct roll_leave leave = {
        .client = c->client,
        .stayed_ns = io_now(w->io) - c->born_ns,
        .bytes = c->echoed,
        .cut_bytes = c->cut,
        .why = leave_words(c, error),
    };

    w->tally.bytes += c->echoed;
    w->tally.resets += error != 0;
    w->tally.cut += c->cut > 0 && !error;
    w->tally.cut_bytes += error ? 0 : c->cut;
    if (roll_left(&w->server->roll, io_now(w->io), &leave))
        io_wake(w->server->workers[0]->io);
}

/* Both directions are idle: this is the last thing that happens to 'c'. */
static void conn_close(struct conn *c, int error)
{
    struct worker *w = c->worker;
    bool had_place = c->state < CONN_LINGERING;

    conn_leave(c, error);
    timer_clear(&w->timers, &c->timer);
    list_remove(&c->node);
    io_close(w->io, &c->sock);
    if (had_place)
        server_place_free(w->server);
    free(c);
}

/* Everything that will be sent was sent: say so, and read on until the client says the same. */
static void conn_linger(struct conn *c)
{
    struct worker *w = c->worker;

    c->state = CONN_LINGERING;
    c->ended_ns = c->sock.moved_ns = io_now(w->io);
    io_shutdown(w->io, &c->sock);
    server_place_free(w->server);
    conn_schedule(c);
    io_recv(w->io, &c->sock);
}

/* We end it: what was received still goes back, nothing new is waited for. */
static void conn_end(struct conn *c, enum conn_why why)
{
    const struct server *server = c->worker->server;
    int64_t now = io_now(c->worker->io);
    bool gave_up = why == CONN_IDLE || (c->worker->draining && now >= server->drain_end_ns);

    c->state = CONN_ENDING;
    c->why = why;
    c->ended_ns = now;
    conn_schedule(c);
    if (c->sock.in != IO_IDLE || gave_up)
        io_cancel(c->worker->io, &c->sock);
}

/* After our FIN: only the client's end counts. */
static void conn_discard(struct conn *c, int result, struct io_buf *buf)
{
    if (buf)
        io_buf_put(c->worker->io, buf);
    if (result > 0 && c->state == CONN_LINGERING)
        io_recv(c->worker->io, &c->sock);
    else
        conn_close(c, 0);
}

static void conn_echo(struct conn *c, struct io_buf *buf)
{
    c->owed = buf->len;
    io_send(c->worker->io, &c->sock, buf);
}

/* Some bytes came: send them back. Or the stream ended: nothing is pending, so our FIN may follow. */
void conn_received(struct conn *c, int result, struct io_buf *buf)
{
    if (c->state >= CONN_LINGERING)
        conn_discard(c, result, buf);
    else if (result > 0)
        conn_echo(c, buf);
    else if (result == -ECANCELED)
        conn_linger(c);
    else
        conn_close(c, result);
}

/* The echo has left: listen again. */
void conn_sent(struct conn *c, int result)
{
    c->echoed += c->sock.sent;
    c->cut = c->owed - c->sock.sent;
    if (result < 0 && result != -ECANCELED)
        conn_close(c, result);
    else if (c->state == CONN_ECHOING)
        io_recv(c->worker->io, &c->sock);
    else
        conn_linger(c);
}

/* Why an echoing connection has to end now, if it has to. */
static enum conn_why overdue(const struct conn *c, int64_t now)
{
    const struct server_config *config = &c->worker->server->config;

    if (now >= clock_after(c->sock.moved_ns, config->idle_ns))
        return CONN_IDLE;
    if (now >= clock_after(c->born_ns, config->lifetime_ns))
        return CONN_LIFETIME;
    /* draining: quiet means nothing more is to be sent either */
    if (now >= c->worker->server->drain_end_ns || c->sock.out == IO_IDLE)
        return CONN_DRAINED;
    return CONN_BY_CLIENT;
}

/* The timer fired. Bytes may have moved since it was armed: then it is armed again for the rest. */
void conn_expired(struct conn *c)
{
    int64_t now = io_now(c->worker->io);
    enum conn_why why;

    if (conn_deadline(c) > now) {
        conn_schedule(c);
        return;
    }
    if (c->state == CONN_ECHOING) {
        why = overdue(c, now);
        if (why != CONN_BY_CLIENT)
            conn_end(c, why);
        else
            timer_set(&c->worker->timers, &c->timer, now + DRAIN_QUIET_NS);
        return;
    }
    if (c->state == CONN_LINGERING)
        c->state = CONN_CLOSING;
    io_cancel(c->worker->io, &c->sock);
}
