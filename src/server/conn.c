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

/* With malloc's own 8 bytes 112, and there is no room for a word more: README.md says what a connection costs. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct conn) <= 104, "a connection has grown");

#define CLIENT_MASK ((UINT64_C(1) << 48) - 1)
#define BORN_MASK ((UINT64_C(1) << 59) - 1)

/* c->ended counts ticks of 2^20 ns, a millisecond, and has the lower 16 bits of them, a minute: more than the state that
 * begins can last, unless the whole process was stopped. Then it may last its time again. */
#define TICK_BITS 20

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
    return later(c->sock.moved_ns, (int64_t)c->born_ns);
}

static void note_end(struct conn *c, int64_t now_ns)
{
    c->ended = (uint16_t)(now_ns >> TICK_BITS);
}

/* The end of the tick in which that was: no state may be over too early. */
static int64_t ended_ns(const struct conn *c, int64_t now_ns)
{
    int64_t tick = now_ns >> TICK_BITS;

    return (tick - (uint16_t)(tick - c->ended) + 1) << TICK_BITS;
}

/* Draining, a connection ends when it is quiet and owes nothing, or when the drain is over. There is no such
 * hurry where another process serves the newcomers: a pause is no reason to lose a client then. */
static int64_t drain_deadline(const struct conn *c, const struct worker *w)
{
    const struct server *server = w->server;
    int64_t quiet = later(last_moved(c), server->drain_start_ns) + DRAIN_QUIET_NS;

    if (!w->draining)
        return NEVER;
    if (atomic_load(&server->handed_over) && !w->hurried)
        return server->drain_end_ns;
    return c->sock.out == IO_IDLE ? earlier(quiet, server->drain_end_ns) : server->drain_end_ns;
}

static int64_t idle_deadline(const struct conn *c, const struct worker *w)
{
    return clock_after(last_moved(c), w->server->config.idle_ns);
}

static int64_t age_deadline(const struct conn *c, const struct worker *w)
{
    return clock_after((int64_t)c->born_ns, w->server->config.lifetime_ns);
}

/* When the time of 'c' in its state is over. */
static int64_t state_deadline(const struct conn *c, const struct worker *w)
{
    int64_t ended = ended_ns(c, io_now(w->io)), over = ended + LINGER_TOTAL_NS;

    switch (c->state) {
    case CONN_ECHOING:
        return earlier(earlier(idle_deadline(c, w), age_deadline(c, w)), drain_deadline(c, w));
    case CONN_ENDING:
        return w->draining ? earlier(over, w->server->drain_end_ns) : over;
    case CONN_LINGERING:
        return earlier(later(last_moved(c), ended) + LINGER_QUIET_NS, over);
    case CONN_CLOSING:
        break;
    }
    return NEVER;
}

/* When something has to happen to 'c' if no event comes before. Who starves has its timer armed already. */
static int64_t conn_deadline(const struct conn *c, const struct worker *w)
{
    return c->starved ? earlier(c->timer.deadline_ns, state_deadline(c, w)) : state_deadline(c, w);
}

void conn_schedule(struct conn *c, struct worker *w)
{
    timer_set(&w->timers, &c->timer, conn_deadline(c, w));
}

struct conn *conn_create(int fd, uint64_t client, int64_t now_ns)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    io_sock_init(&c->sock, fd);
    c->client = client & CLIENT_MASK;
    c->born_ns = (uint64_t)now_ns & BORN_MASK;
    return c;
}

void conn_start(struct conn *c, struct worker *w)
{
    c->timer = (struct timer){0};
    w->n_conns++;
    conn_schedule(c, w);
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
static void conn_leave(const struct conn *c, struct worker *w, int error)
{
    struct roll_leave leave = {
        .client = c->client,
        .stayed_ns = io_now(w->io) - (int64_t)c->born_ns,
        .bytes = c->received - c->sock.unsent,
        .cut_bytes = error ? 0 : c->sock.unsent, /* who resets it gives up the rest himself */
        .why = leave_words(c, error),
    };

    w->tally.bytes += leave.bytes;
    w->tally.resets += error != 0;
    w->tally.cut += leave.cut_bytes > 0;
    w->tally.cut_bytes += leave.cut_bytes;
    if (roll_left(&w->server->roll, io_now(w->io), &leave))
        io_wake(w->server->workers[0]->io);
}

/* Both directions are idle: this is the last thing that happens to 'c'. */
static void conn_close(struct conn *c, struct worker *w, int error)
{
    bool had_place = c->state < CONN_LINGERING;

    conn_leave(c, w, error);
    timer_clear(&w->timers, &c->timer);
    w->n_conns--;
    io_close(w->io, &c->sock);
    if (had_place)
        server_place_free(w->server);
    free(c);
}

/* Everything that will be sent was sent: say so, and read on until the client says the same. */
static void conn_linger(struct conn *c, struct worker *w)
{
    c->state = CONN_LINGERING;
    note_end(c, io_now(w->io));
    io_shutdown(w->io, &c->sock);
    server_place_free(w->server);
    conn_schedule(c, w);
    io_recv(w->io, &c->sock);
}

/* We end it: what was received still goes back, nothing new is waited for. A client that let the idle
 * timeout or the whole drain pass without reading is not waited for either. */
static void conn_end(struct conn *c, struct worker *w, enum conn_why why)
{
    const struct server *server = w->server;
    int64_t now = io_now(w->io);
    bool gave_up = why == CONN_IDLE || (w->draining && now >= server->drain_end_ns);

    c->state = CONN_ENDING;
    c->why = why;
    note_end(c, now);
    conn_schedule(c, w);
    io_hurry(w->io, &c->sock);
    if (c->sock.in != IO_IDLE || gave_up)
        io_cancel(w->io, &c->sock);
}

/* There is no memory for a buffer: the bytes wait in the kernel, and we ask again a little later. */
static void conn_starve(struct conn *c, struct worker *w)
{
    timer_set(&w->timers, &c->timer, earlier(io_now(w->io) + RETRY_NS, state_deadline(c, w)));
    c->starved = true;
}

/* After our FIN: only the client's end counts. */
static void conn_discard(struct conn *c, struct worker *w, int result, struct io_buf *buf)
{
    if (buf)
        io_buf_put(w->io, buf);
    if (c->state == CONN_LINGERING && result > 0)
        io_recv(w->io, &c->sock);
    else if (c->state == CONN_LINGERING && result == -ENOMEM)
        conn_starve(c, w);
    else
        conn_close(c, w, 0);
}

/* A byte moved. If the connection was about to end as idle, it was we who were late, not the client: the
 * process was stopped, or had to wait for the CPU, while bytes or room for them were there. */
static void conn_moved(struct conn *c, struct worker *w)
{
    if (c->state != CONN_ENDING || c->why != CONN_IDLE)
        return;
    c->state = CONN_ECHOING;
    c->why = CONN_BY_CLIENT;
    conn_schedule(c, w);
}

static void conn_echo(struct conn *c, struct worker *w, struct io_buf *buf)
{
    conn_moved(c, w);
    c->received += buf->len;
    pace_add(&w->pace.reads, 1);
    if (c->state == CONN_ECHOING) {
        io_send_relaxed(w->io, &c->sock, buf); /* all that follows is to receive again */
        return;
    }
    io_send(w->io, &c->sock, buf);
    if (c->state == CONN_ENDING)
        conn_schedule(c, w); /* the timer may have fired for the receive that was to end instead */
}

/* Some bytes came: send them back. Or the stream ended: nothing is pending, so our FIN may follow. */
void conn_received(struct conn *c, struct worker *w, int result, struct io_buf *buf)
{
    if (c->state >= CONN_LINGERING)
        conn_discard(c, w, result, buf);
    else if (result > 0)
        conn_echo(c, w, buf);
    else if (result == -ENOMEM && c->state == CONN_ECHOING)
        conn_starve(c, w);
    else if (result == -ECANCELED || result == -ENOMEM) /* our doing: conn_end() */
        conn_linger(c, w);
    else /* 0: the client's FIN, and everything was sent back */
        conn_close(c, w, result);
}

/* The echo has left: listen again. */
void conn_sent(struct conn *c, struct worker *w, int result)
{
    if (result < 0 && result != -ECANCELED) {
        conn_close(c, w, result);
        return;
    }
    if (result >= 0) {
        conn_moved(c, w);
        pace_add(&w->pace.bytes, (uint64_t)result);
    }
    if (c->state != CONN_ECHOING) {
        conn_linger(c, w);
        return;
    }
    io_recv(w->io, &c->sock);
    if (w->draining)
        conn_schedule(c, w); /* from now on it may be quiet */
}

/* Why an echoing connection has to end now. */
static enum conn_why overdue(const struct conn *c, const struct worker *w, int64_t now)
{
    if (now >= idle_deadline(c, w))
        return CONN_IDLE;
    return now >= age_deadline(c, w) ? CONN_LIFETIME : CONN_DRAINED;
}

/* The timer fired. Bytes may have moved since it was armed: then it is armed again for the rest. */
void conn_expired(struct conn *c, struct worker *w)
{
    int64_t now = io_now(w->io);

    io_look(w->io, &c->sock);
    if (c->starved) { /* one more attempt; the last, if its time is over */
        c->starved = false;
        io_recv(w->io, &c->sock);
    }
    if (conn_deadline(c, w) > now) {
        conn_schedule(c, w);
    } else if (c->state == CONN_ECHOING) {
        conn_end(c, w, overdue(c, w, now));
    } else {
        if (c->state == CONN_LINGERING)
            c->state = CONN_CLOSING;
        io_cancel(w->io, &c->sock);
    }
}
