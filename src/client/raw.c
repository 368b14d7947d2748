/* raw.c -- see raw.h.
 *
 * Standard input and output may block, and making them non-blocking would change them for the shell
 * and everybody else who shares them. So they are used only when poll(2) says they are ready, and
 * standard output takes PIPE_BUF bytes at a time: that much a pipe that polls writable has room for.
 *
 * SPDX-License-Identifier: MIT */
#include "raw.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/units.h"
#include "../net/sock.h"
#include "../net/trace.h"
#include "input.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One direction. It is filled only when it is empty. */
struct half {
    size_t start, end; /* what waits in 'data' */
    bool ended;        /* its source has */
    unsigned char data[64 << 10];
};

struct raw {
    int fd;
    int64_t timeout_ns;
    int64_t moved_ns; /* when the last byte passed the socket, or we stopped holding it up */
    uint64_t sent, got;
    int refused; /* errno of the send that failed; what the server said before can still be received */
    struct half up, down;
};

static bool half_empty(const struct half *h)
{
    return h->start == h->end;
}

static bool would_block(ssize_t n)
{
    return n == -1 && (errno == EAGAIN || errno == EINTR);
}

static int read_input(struct raw *r, struct err *err)
{
    ssize_t n = read(STDIN_FILENO, r->up.data, sizeof r->up.data);

    if (would_block(n))
        return 0;
    if (n == -1)
        return err_set(err, errno, "cannot read standard input");
    r->up.start = 0;
    r->up.end = (size_t)n;
    r->up.ended = n == 0;
    if (r->up.ended)
        (void)sock_shutdown(r->fd);
    r->moved_ns = clock_now_ns(); /* from now on something may be due */
    return 0;
}

static void send_up(struct raw *r)
{
    const unsigned char *rest = r->up.data + r->up.start;
    size_t left = r->up.end - r->up.start;
    ssize_t n = send(r->fd, rest, left, MSG_NOSIGNAL);

    if (tracing())
        trace_send(r->fd, rest, left, n);
    if (n > 0) {
        r->up.start += (size_t)n;
        r->sent += (uint64_t)n;
        r->moved_ns = clock_now_ns();
    } else if (!would_block(n)) {
        r->refused = errno;
        /* if the server is still there, it must not wait for the rest */
        (void)sock_shutdown(r->fd);
    }
}

static int lost(const struct raw *r, int code, struct err *err)
{
    return err_set(err, code, "connection lost after %" PRIu64 " of %" PRIu64 " bytes", r->got,
                   r->sent);
}

static int receive_down(struct raw *r, struct err *err)
{
    ssize_t n = recv(r->fd, r->down.data, sizeof r->down.data, 0);

    if (tracing())
        trace_recv(r->fd, r->down.data, n);
    if (would_block(n))
        return 0;
    if (n == -1)
        return lost(r, r->refused ? r->refused : errno, err);
    r->down.start = 0;
    r->down.end = (size_t)n;
    r->down.ended = n == 0;
    r->got += (uint64_t)n;
    r->moved_ns = clock_now_ns();
    return 0;
}

static int write_output(struct raw *r, struct err *err)
{
    size_t left = r->down.end - r->down.start;
    ssize_t n =
        write(STDOUT_FILENO, r->down.data + r->down.start, left < PIPE_BUF ? left : PIPE_BUF);

    if (would_block(n))
        return 0;
    if (n == -1)
        return err_set(err, errno, "cannot write to standard output");
    r->down.start += (size_t)n;
    r->moved_ns = clock_now_ns(); /* while we did not read, the server was not to blame */
    return 0;
}

/* Until when something has to move: only while the server owes us bytes or its end, and is free to
 * deliver. */
static int64_t deadline(const struct raw *r)
{
    bool owes = r->sent > r->got || !half_empty(&r->up) || r->up.ended;

    return owes && half_empty(&r->down) ? clock_after(r->moved_ns, r->timeout_ns) : NEVER;
}

static int timed_out(const struct raw *r, struct err *err)
{
    char span[UNITS_TEXT_MAX];

    units_duration_text(span, r->timeout_ns);
    return err_usage(err, "no progress for %s after %" PRIu64 " of %" PRIu64 " bytes", span, r->got,
                     r->sent + (r->up.end - r->up.start));
}

/* Waits until one of the four ends is ready, and moves what can be moved. */
static int step(struct raw *r, struct err *err)
{
    bool reading = half_empty(&r->up) && !r->up.ended && !r->refused;
    bool sending = !half_empty(&r->up) && !r->refused;
    bool receiving = half_empty(&r->down);
    struct pollfd p[] = {
        {.fd = reading ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = sending ? r->fd : -1, .events = POLLOUT},
        {.fd = receiving ? r->fd : -1, .events = POLLIN},
        {.fd = receiving ? -1 : STDOUT_FILENO, .events = POLLOUT},
    };
    int n = poll(p, 4, clock_timeout_ms(clock_now_ns(), deadline(r))), result = 0;

    if (tracing())
        trace_wait("poll", n, n > 0 ? (unsigned)n : 0);
    if (n == -1)
        return errno == EINTR ? 0 : err_set(err, errno, "cannot wait for the server");
    if (n == 0)
        return timed_out(r, err);
    if (p[0].revents)
        result = read_input(r, err);
    if (result == 0 && p[1].revents)
        send_up(r);
    if (result == 0 && p[2].revents)
        result = receive_down(r, err);
    if (result == 0 && p[3].revents)
        result = write_output(r, err);
    return result;
}

/* The server closed: did it owe us nothing, and was there nothing more to say? When it was our own system
 * that let nothing out, that is the reason. */
static int verdict(const struct raw *r, struct err *err)
{
    if (r->refused && r->refused != EPIPE && r->refused != ECONNRESET)
        return lost(r, r->refused, err);
    if (r->got < r->sent)
        return err_usage(err, "connection closed after %" PRIu64 " of %" PRIu64 " bytes", r->got,
                         r->sent);
    if (!half_empty(&r->up) || (!r->up.ended && !input_over()))
        return err_usage(err, "connection closed by the server before the end of the input");
    return 0;
}

int raw_run(int fd, int64_t timeout_ns, struct err *err)
{
    struct raw *r = calloc(1, sizeof *r);
    int result = 0;

    if (!r)
        return err_set(err, ENOMEM, "cannot start");
    r->fd = fd;
    r->timeout_ns = timeout_ns;
    while (result == 0 && !r->down.ended)
        result = step(r, err);
    if (result == 0)
        result = verdict(r, err);
    free(r);
    return result;
}
