/* conn.c -- see conn.h.
 *
 * SPDX-License-Identifier: MIT */
#include "conn.h"

#include "../base/clock.h"
#include "roll.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#define RETRY_NS (100 * NS_PER_MS) /* how soon to try again without memory */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When a byte last moved, either way; before the first one, when the client came. */
static int64_t last_moved(const struct conn *c)
{
    return later(c->sock.moved_ns, c->born_ns);
}

/* Draining, a connection ends when it is quiet and owes nothing, or when the drain is over. */
static int64_t drain_deadline(const struct conn *c)
{
    const struct server *server = c->worker->server;
    int64_t quiet = later(last_moved(c), server->drain_start_ns) + DRAIN_QUIET_NS;

    if (!c->worker->draining)
        return NEVER;
    return c->sock.out == IO_IDLE ? earlier(quiet, server->drain_end_ns) : server->drain_end_ns;
}

static int64_t idle_deadline(const struct conn *c)
{
    return clock_after(last_moved(c), c->worker->server->config.idle_ns);
}

static int64_t age_deadline(const struct conn *c)
{
    return clock_after(c->born_ns, c->worker->server->config.lifetime_ns);
}

/* When something has to happen to 'c' if no event comes before. */
static int64_t conn_deadline(const struct conn *c)
{
    int64_t over = c->ended_ns + LINGER_TOTAL_NS;

    if (c->starved)
        return c->retry_ns;
    switch (c->state) {
    case CONN_ECHOING:
        return earlier(earlier(idle_deadline(c), age_deadline(c)), drain_deadline(c));
    case CONN_ENDING:
        return c->worker->draining ? earlier(over, c->worker->server->drain_end_ns) : over;
    case CONN_LINGERING:
        return earlier(later(last_moved(c), c->ended_ns) + LINGER_QUIET_NS, over);
    case CONN_CLOSING:
        break;
    }
    return NEVER;
}

void conn_schedule(struct conn *c)
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
    c->born_ns = now_ns;
    return c;
}

void conn_start(struct conn *c, struct worker *w)
{
    c->worker = w;
    list_append(&w->conns, &c->node);
    conn_schedule(c);
    io_recv(w->io, &c->sock);
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
        return ", drained";
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
        .cut_bytes = error ? 0 : c->cut, /* who resets a connection gives up the rest himself */
        .why = leave_words(c, error),
    };

    w->tally.bytes += c->echoed;
    w->tally.resets += error != 0;
    w->tally.cut += leave.cut_bytes > 0;
    w->tally.cut_bytes += leave.cut_bytes;
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
    c->ended_ns = io_now(w->io);
    io_shutdown(w->io, &c->sock);
    server_place_free(w->server);
    conn_schedule(c);
    io_recv(w->io, &c->sock);
}

/* We end it: what was received still goes back, nothing new is waited for. A client that let the idle
 * timeout or the whole drain pass without reading is not waited for either. */
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

/* There is no memory for a buffer: the bytes wait in the kernel, and we ask again a little later. */
static void conn_starve(struct conn *c)
{
    c->starved = true;
    c->retry_ns = io_now(c->worker->io) + RETRY_NS;
    conn_schedule(c);
}

/* After our FIN: only the client's end counts. */
static void conn_discard(struct conn *c, int result, struct io_buf *buf)
{
    if (buf)
        io_buf_put(c->worker->io, buf);
    if (c->state == CONN_LINGERING && result > 0)
        io_recv(c->worker->io, &c->sock);
    else if (c->state == CONN_LINGERING && result == -ENOMEM)
        conn_starve(c);
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
    else if (result == -ENOMEM)
        conn_starve(c);
    else if (result == -ECANCELED) /* our doing: conn_end() */
        conn_linger(c);
    else /* 0: the client's FIN, and everything was sent back */
        conn_close(c, result);
}

/* The echo has left: listen again. */
void conn_sent(struct conn *c, int result)
{
    c->echoed += c->sock.sent;
    c->cut = c->owed - c->sock.sent;
    if (result < 0 && result != -ECANCELED) {
        conn_close(c, result);
        return;
    }
    if (c->state != CONN_ECHOING) {
        conn_linger(c);
        return;
    }
    io_recv(c->worker->io, &c->sock);
    if (c->worker->draining)
        conn_schedule(c); /* from now on it may be quiet */
}

/* Why an echoing connection has to end now. */
static enum conn_why overdue(const struct conn *c, int64_t now)
{
    if (now >= idle_deadline(c))
        return CONN_IDLE;
    return now >= age_deadline(c) ? CONN_LIFETIME : CONN_DRAINED;
}

/* The timer fired. Bytes may have moved since it was armed: then it is armed again for the rest. */
void conn_expired(struct conn *c)
{
    int64_t now = io_now(c->worker->io);

    io_look(c->worker->io, &c->sock);
    if (conn_deadline(c) > now) {
        conn_schedule(c);
    } else if (c->starved) {
        c->starved = false;
        conn_schedule(c);
        io_recv(c->worker->io, &c->sock);
    } else if (c->state == CONN_ECHOING) {
        conn_end(c, overdue(c, now));
    } else {
        if (c->state == CONN_LINGERING)
            c->state = CONN_CLOSING;
        io_cancel(c->worker->io, &c->sock);
    }
}
