/* talk.c -- see talk.h.
 *
 * SPDX-License-Identifier: MIT */
#include "talk.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/units.h"
#include "../net/sock.h"
#include "../net/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define GOODBYE_NS NS_PER_S

/* Bytes nobody asked for are counted as long as more are there, but not forever. */
#define UNASKED_MAX (1 << 20)

/* One message on its way out and back. */
struct echo {
    const struct line *line;
    size_t sent, got;
    int refused; /* errno of the send that failed; what was echoed before can still be received */
    int64_t moved_ns;
};

static int lost(const struct echo *e, int code, struct err *err)
{
    return err_set(err, code, "connection lost after %zu of %zu bytes", e->got, e->line->n);
}

/* The server's end came too early. When it was our own system that let nothing out, that is the reason. */
static int cut_short(const struct echo *e, struct err *err)
{
    if (e->refused && e->refused != EPIPE && e->refused != ECONNRESET)
        return lost(e, e->refused, err);
    return err_usage(err, "connection closed after %zu of %zu bytes", e->got, e->line->n);
}

static int timed_out(const struct talk *t, const struct echo *e, struct err *err)
{
    char span[UNITS_TEXT_MAX];

    return err_usage(err, "no progress for %s after %zu of %zu bytes",
                     units_duration_text(span, t->timeout_ns), e->got, e->line->n);
}

static int unexpected(uint64_t n, struct err *err)
{
    return err_usage(err, "%" PRIu64 " unexpected byte%s", n, n == 1 ? "" : "s");
}

static bool would_block(ssize_t n)
{
    return n == -1 && (errno == EAGAIN || errno == EINTR);
}

/* Compares the 'n' bytes that just came with those that were sent, from the first one still due. */
static int compare(const struct talk *t, const struct echo *e, size_t n, struct err *err)
{
    const unsigned char *sent = (const unsigned char *)e->line->data + e->got;
    size_t i = 0;

    if (memcmp(sent, t->chunk, n) == 0)
        return 0;
    while (sent[i] == t->chunk[i])
        i++;
    return err_usage(err, "mismatch at byte %zu of %zu: sent 0x%02x, got 0x%02x", e->got + i + 1,
                     e->line->n, sent[i], t->chunk[i]);
}

/* As recv(2), into the chunk. */
static ssize_t receive(struct talk *t, size_t most)
{
    ssize_t n = recv(t->fd, t->chunk, most, 0);

    if (tracing())
        trace_recv(t->fd, t->chunk, n);
    return n;
}

static void send_some(struct talk *t, struct echo *e)
{
    const char *rest = e->line->data + e->sent;
    size_t left = e->line->n - e->sent;
    ssize_t n = send(t->fd, rest, left, MSG_NOSIGNAL);

    if (tracing())
        trace_send(t->fd, rest, left, n);
    if (n > 0) {
        e->sent += (size_t)n;
        e->moved_ns = clock_now_ns();
    } else if (!would_block(n)) {
        e->refused = errno;
        /* if the server is still there, it must not wait for the rest */
        (void)sock_shutdown(t->fd);
    }
}

/* Shows what came, right or wrong, and then judges it. */
static int receive_some(struct talk *t, struct echo *e, struct err *err)
{
    size_t due = e->line->n - e->got;
    ssize_t n = receive(t, due < sizeof t->chunk ? due : sizeof t->chunk);
    int r;

    if (would_block(n))
        return 0;
    if (n == 0)
        return cut_short(e, err);
    if (n == -1)
        return lost(e, e->refused ? e->refused : errno, err);
    if (e->got + (size_t)n > e->sent)
        return unexpected(e->got + (size_t)n - e->sent, err);
    r = e->got == 0 ? output_words(t->out, "message from server : ", err) : 0;
    if (r == 0)
        r = output_bytes(t->out, t->chunk, (size_t)n, err);
    if (r == 0)
        r = compare(t, e, (size_t)n, err);
    e->got += (size_t)n;
    e->moved_ns = clock_now_ns(); /* showing it may have taken long: not the server's fault */
    return r;
}

static int echo_step(struct talk *t, struct echo *e, struct err *err)
{
    bool more = e->sent < e->line->n && !e->refused;
    struct pollfd p = {.fd = t->fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
    int64_t deadline = clock_after(e->moved_ns, t->timeout_ns);
    int n = poll(&p, 1, clock_timeout_ms(clock_now_ns(), deadline));

    if (tracing())
        trace_wait("poll", n, n > 0 ? (unsigned)n : 0);
    if (n == -1)
        return errno == EINTR ? 0 : err_set(err, errno, "cannot wait for the server");
    if (n == 0)
        return timed_out(t, e, err);
    if (more && p.revents & POLLOUT)
        send_some(t, e);
    if (p.revents & ~POLLOUT)
        return receive_some(t, e, err);
    return 0;
}

/* Counts what is there, and what comes until 'deadline_ns'. Returns 0, or -errno of a broken
 * connection. */
static int count_unasked(struct talk *t, int64_t deadline_ns, uint64_t *total)
{
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    int r;

    *total = 0;
    while (*total < UNASKED_MAX || clock_now_ns() < deadline_ns) {
        ssize_t n = receive(t, sizeof t->chunk);

        if (n == 0)
            t->closed = true;
        if (n == 0)
            return 0;
        if (n > 0)
            *total += (uint64_t)n;
        else if (!would_block(n))
            return -errno;
        else if ((r = poll(&p, 1, clock_timeout_ms(clock_now_ns(), deadline_ns))) == 0)
            return 0;
        else if (r == -1 && errno != EINTR)
            return -errno;
    }
    return 0;
}

int talk_news(struct talk *t, struct err *err)
{
    uint64_t unasked;
    int r = count_unasked(t, 0, &unasked);

    if (unasked > 0)
        return unexpected(unasked, err);
    return r < 0 ? err_set(err, -r, "connection lost") : 0;
}

int talk_say(struct talk *t, const struct line *line, struct err *err)
{
    struct echo e = {.line = line, .moved_ns = clock_now_ns()};
    int r = talk_news(t, err), shown;

    if (r == 0 && t->closed)
        r = cut_short(&e, err);
    while (r == 0 && e.got < line->n)
        r = echo_step(t, &e, err);
    if (e.got == 0)
        return r;
    shown = output_end(t->out, err);
    return r < 0 ? r : shown;
}

int talk_end(struct talk *t, struct err *err)
{
    uint64_t unasked = 0;

    if (t->closed)
        return 0;
    (void)sock_shutdown(t->fd);
    /* a reset now takes nothing from us: everything that was due came back */
    count_unasked(t, clock_now_ns() + GOODBYE_NS, &unasked);
    return unasked > 0 ? unexpected(unasked, err) : 0;
}
