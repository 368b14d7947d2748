/* engine_classic.c -- the calls of the first lesson: wait for a socket, then accept, recv or send on it.
 *
 * Connections are blocking sockets, and a server gives each its own thread (or serves one client after
 * the other), so this engine knows few sockets at a time and looks at all of them. It waits in poll(2),
 * not in the call itself, because a deadline or a wake-up must be able to end the wait; the recv or
 * accept behind it is the plain call, and finds what poll promised. A send is tried first and waits for
 * room only when the kernel took less than all of it.
 *
 * It is also the reference for the other engines: short enough to be right at a glance.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/err.h"
#include "../net/trace.h"
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* sock->flags */
enum {
    TRY_OUT = 1 << 0,   /* a send or connect was started and not tried yet */
    CANCEL_IN = 1 << 1, /* do not wait any longer */
    CANCEL_OUT = 1 << 2,
};

struct classic_state {
    int wake_fd;
    bool hurry;                      /* something is to be tried once more without waiting */
    const struct io_sock *sent_last; /* whose send was the latest event */
    struct list busy;                /* sockets with something outstanding, served in turn */
    struct pollfd *polls;            /* [0] is wake_fd, then one per busy socket */
    size_t polls_max;
    unsigned breaths; /* how often in a row poll(2) had no memory */
};

#define POLLS_FIRST 8
#define BREATH_MS 10
#define BREATHS_MAX 100

static int classic_init(struct io *io, struct err *err)
{
    struct classic_state *s = calloc(1, sizeof *s);

    if (s)
        s->polls = calloc(POLLS_FIRST, sizeof *s->polls);
    if (!s || !s->polls) {
        free(s);
        return err_set(err, ENOMEM, "cannot set up the classic engine");
    }
    s->polls_max = POLLS_FIRST;
    list_init(&s->busy);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd == -1) {
        int r = err_set(err, errno, "cannot set up the classic engine: eventfd");

        free(s->polls);
        free(s);
        return r;
    }
    io->state = s;
    return 0;
}

static void classic_done(struct io *io)
{
    struct classic_state *s = io->state;

    close(s->wake_fd);
    free(s->polls);
    free(s);
}

static void classic_wake(struct io *io)
{
    const struct classic_state *s = io->state;
    int saved = errno; /* this may be a signal handler */
    ssize_t n = write(s->wake_fd, &(uint64_t){1}, sizeof(uint64_t));

    (void)n; /* EAGAIN: the counter is full, so a wake-up is on its way */
    errno = saved;
}

static void classic_start(struct io *io, struct io_sock *sock, enum io_op op)
{
    struct classic_state *s = io->state;

    if (op == IO_SEND || op == IO_CONNECT)
        sock->flags |= TRY_OUT;
    if (!list_linked(&sock->run))
        list_append(&s->busy, &sock->run);
}

static void classic_cancel(struct io *io, struct io_sock *sock)
{
    (void)io;
    if (sock->in != IO_IDLE)
        sock->flags |= CANCEL_IN;
    if (sock->out != IO_IDLE)
        sock->flags |= CANCEL_OUT;
}

static void classic_forget(struct io *io, struct io_sock *sock)
{
    struct classic_state *s = io->state;

    list_remove(&sock->run);
    sock->flags = 0;
    if (s->sent_last == sock)
        s->sent_last = NULL;
}

/* 'flags' is 0 for the blocking call, MSG_DONTWAIT for a last attempt. */
static bool try_in(struct io *io, struct io_sock *sock, struct io_event *ev, int flags)
{
    return sock->in == IO_RECV ? try_recv(io, sock, ev, flags) : try_accept(io, sock, ev, 0);
}

static bool try_out(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    sock->flags &= ~(uint32_t)TRY_OUT;
    return sock->out == IO_SEND ? try_send(io, sock, ev, MSG_DONTWAIT) : try_connect(io, sock, ev);
}

/* A send or connect that was not tried yet needs no waiting. (A send right after a send waits its turn:
 * the others, wake-ups and the clock have to be seen, too.) */
static bool serve_at_once(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    const struct classic_state *s = io->state;

    return sock != s->sent_last && sock->out != IO_IDLE && (sock->flags & TRY_OUT) &&
           try_out(io, sock, ev);
}

static bool serve_ready(struct io *io, struct io_sock *sock, short revents, struct io_event *ev)
{
    bool broken = revents & (POLLERR | POLLHUP | POLLNVAL);

    if (sock->out != IO_IDLE && (broken || (revents & POLLOUT)) && try_out(io, sock, ev))
        return true;
    return sock->in != IO_IDLE && (broken || (revents & POLLIN)) && try_in(io, sock, ev, 0);
}

/* Once more, and over: the poll before it did not wait. */
static bool serve_cancelled(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    enum io_op in = sock->in, out = sock->out;

    if (out != IO_IDLE && (sock->flags & CANCEL_OUT)) {
        if (!try_out(io, sock, ev))
            fill_event(ev, sock, out, -ECANCELED);
        return true;
    }
    if (in != IO_IDLE && (sock->flags & CANCEL_IN)) {
        if (!try_in(io, sock, ev, MSG_DONTWAIT))
            fill_event(ev, sock, in, -ECANCELED);
        return true;
    }
    return false;
}

/* Its event is made. Now it goes behind the others, so that they are served in turn. */
static int served(struct classic_state *s, struct io_sock *sock, enum io_op op)
{
    bool in = op == IO_RECV || op == IO_ACCEPT;

    sock->flags &= ~(uint32_t)(in ? CANCEL_IN : CANCEL_OUT);
    s->sent_last = in ? NULL : sock;
    list_remove(&sock->run);
    list_append(&s->busy, &sock->run);
    return 1;
}

/* Room for 'n' entries in polls[]. Without memory the old room has to do: since sockets are served in
 * turn, each gets into it sooner or later. */
static void make_room(struct classic_state *s, size_t n)
{
    struct pollfd *more = n > s->polls_max ? reallocarray(s->polls, 2 * n, sizeof *more) : NULL;

    if (!more)
        return;
    s->polls = more;
    s->polls_max = 2 * n;
}

/* Makes the list of descriptors to wait for, and drops sockets with nothing outstanding from the busy
 * ones. Returns its length. */
static size_t fill_polls(struct classic_state *s)
{
    struct list *node, *next;
    size_t n = 1;

    s->hurry = false;
    s->polls[0] = (struct pollfd){.fd = s->wake_fd, .events = POLLIN};
    for (node = s->busy.next; node != &s->busy; node = next) {
        struct io_sock *sock = container_of(node, struct io_sock, run);
        int events = (sock->in != IO_IDLE ? POLLIN : 0) | (sock->out != IO_IDLE ? POLLOUT : 0);

        next = node->next;
        if (events == 0) {
            list_remove(node);
            continue;
        }
        s->hurry = s->hurry || (sock->flags & (TRY_OUT | CANCEL_IN | CANCEL_OUT));
        make_room(s, n + 1);
        if (n < s->polls_max)
            s->polls[n++] = (struct pollfd){.fd = sock->fd, .events = (short)events};
    }
    return n;
}

static bool take_wake(const struct classic_state *s, struct io_event *ev)
{
    uint64_t count;

    if (!(s->polls[0].revents & POLLIN) || read(s->wake_fd, &count, sizeof count) == -1)
        return false;
    fill_event(ev, NULL, IO_WAKE, 0);
    return true;
}

/* After the poll: the first socket that has an event, of the 'n' that were polled. */
static bool serve_polled(struct io *io, size_t n, struct io_event *ev)
{
    struct classic_state *s = io->state;
    struct list *node = s->busy.next;

    for (size_t i = 1; i < n; i++, node = node->next) {
        struct io_sock *sock = container_of(node, struct io_sock, run);

        if (serve_ready(io, sock, s->polls[i].revents, ev) || serve_cancelled(io, sock, ev))
            return true;
    }
    return false;
}

/* What io_next() returns then. For many sockets poll(2) wants memory of the kernel: without, we ask again
 * a little later, but not for ever. */
static int poll_failed(struct classic_state *s, int code)
{
    if (code == EINTR)
        return 0;
    if (code != ENOMEM || ++s->breaths > BREATHS_MAX)
        return -code;
    (void)poll(NULL, 0, BREATH_MS); /* wants no memory, and a sandbox allows it */
    return 0;
}

static int classic_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    struct classic_state *s = io->state;
    struct list *node;
    size_t n;
    int r;

    for (;;) {
        for (node = s->busy.next; node != &s->busy; node = node->next)
            if (serve_at_once(io, container_of(node, struct io_sock, run), ev))
                return served(s, ev->sock, ev->op);
        n = fill_polls(s);
        r = poll(s->polls, n, s->hurry ? 0 : clock_timeout_ms(clock_now_ns(), deadline_ns));
        if (tracing())
            trace_wait("poll", r, r > 0 ? (unsigned)r : 0);
        io->now_ns = clock_now_ns();
        s->sent_last = NULL;
        if (r == -1)
            return poll_failed(s, errno);
        s->breaths = 0;
        if (r > 0 && take_wake(s, ev))
            return 1;
        if (serve_polled(io, n, ev))
            return served(s, ev->sock, ev->op);
        if (r == 0 && !s->hurry)
            return 0;
    }
}

const struct io_engine engine_classic = {
    .name = "classic",
    .thread_per_client = true,
    .init = classic_init,
    .done = classic_done,
    .start = classic_start,
    .cancel = classic_cancel,
    .forget = classic_forget,
    .next = classic_next,
    .wake = classic_wake,
};
