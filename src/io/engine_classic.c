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
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* sock->ready */
enum {
    TRY_OUT = 1 << 0,   /* a send or connect was started and not tried yet */
    CANCEL_IN = 1 << 1, /* do not wait any longer */
    CANCEL_OUT = 1 << 2,
};

struct classic_state {
    int wake_fd;
    struct list busy;     /* sockets with something outstanding, served in turn */
    struct pollfd *polls; /* [0] is wake_fd, then one per busy socket */
    size_t polls_max;
};

static int classic_init(struct io *io, struct err *err)
{
    struct classic_state *s = calloc(1, sizeof *s);

    if (!s)
        return err_set(err, ENOMEM, "cannot set up the classic engine");
    list_init(&s->busy);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd == -1) {
        int r = err_set(err, errno, "cannot set up the classic engine: eventfd");

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
        sock->ready |= TRY_OUT;
    if (!list_linked(&sock->run))
        list_append(&s->busy, &sock->run);
}

static void classic_cancel(struct io *io, struct io_sock *sock)
{
    (void)io;
    if (sock->in != IO_IDLE)
        sock->ready |= CANCEL_IN;
    if (sock->out != IO_IDLE)
        sock->ready |= CANCEL_OUT;
}

static void classic_forget(struct io *io, struct io_sock *sock)
{
    (void)io;
    list_remove(&sock->run);
    sock->ready = 0;
}

/* 'flags' is 0 for the blocking call, MSG_DONTWAIT for a last attempt. */
static bool try_in(struct io *io, struct io_sock *sock, struct io_event *ev, int flags)
{
    return sock->in == IO_RECV ? try_recv(io, sock, ev, flags) : try_accept(io, sock, ev, 0);
}

static bool try_out(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    sock->ready &= ~(uint32_t)TRY_OUT;
    return sock->out == IO_SEND ? try_send(io, sock, ev, MSG_DONTWAIT) : try_connect(io, sock, ev);
}

/* What needs no waiting: a send not tried yet, and what was cancelled. */
static bool serve_at_once(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    enum io_op op = sock->out;

    if (op != IO_IDLE && (sock->ready & (TRY_OUT | CANCEL_OUT))) {
        bool over = try_out(io, sock, ev);

        if (!over && (sock->ready & CANCEL_OUT)) {
            fill_event(ev, sock, op, -ECANCELED);
            over = true;
        }
        if (over) {
            sock->ready &= ~(uint32_t)CANCEL_OUT;
            return true;
        }
    }
    op = sock->in;
    if (op != IO_IDLE && (sock->ready & CANCEL_IN)) {
        sock->ready &= ~(uint32_t)CANCEL_IN;
        if (!try_in(io, sock, ev, MSG_DONTWAIT))
            fill_event(ev, sock, op, -ECANCELED);
        return true;
    }
    return false;
}

static bool serve_ready(struct io *io, struct io_sock *sock, short revents, struct io_event *ev)
{
    bool broken = revents & (POLLERR | POLLHUP | POLLNVAL);

    if (sock->out != IO_IDLE && (broken || (revents & POLLOUT)) && try_out(io, sock, ev))
        return true;
    return sock->in != IO_IDLE && (broken || (revents & POLLIN)) && try_in(io, sock, ev, 0);
}

/* Behind the others, so that they are served in turn. */
static int served(struct classic_state *s, struct io_sock *sock)
{
    list_remove(&sock->run);
    list_append(&s->busy, &sock->run);
    return 1;
}

/* Makes the list of descriptors to wait for. Returns their number, or -ENOMEM. */
static int fill_polls(struct classic_state *s)
{
    size_t n = 1;

    for (struct list *node = s->busy.next, *next; node != &s->busy; node = next) {
        struct io_sock *sock = container_of(node, struct io_sock, run);

        next = node->next;
        if (sock->in == IO_IDLE && sock->out == IO_IDLE)
            list_remove(node);
        else
            n++;
    }
    if (n > s->polls_max) {
        struct pollfd *more = reallocarray(s->polls, 2 * n, sizeof *more);

        if (!more)
            return -ENOMEM;
        s->polls = more;
        s->polls_max = 2 * n;
    }
    s->polls[0] = (struct pollfd){.fd = s->wake_fd, .events = POLLIN};
    n = 1;
    for (struct list *node = s->busy.next; node != &s->busy; node = node->next) {
        const struct io_sock *sock = container_of(node, struct io_sock, run);
        int events = (sock->in != IO_IDLE ? POLLIN : 0) | (sock->out != IO_IDLE ? POLLOUT : 0);

        s->polls[n++] = (struct pollfd){.fd = sock->fd, .events = (short)events};
    }
    return (int)n;
}

static bool take_wake(const struct classic_state *s, struct io_event *ev)
{
    uint64_t count;

    if (!(s->polls[0].revents & POLLIN) || read(s->wake_fd, &count, sizeof count) == -1)
        return false;
    fill_event(ev, NULL, IO_WAKE, 0);
    return true;
}

static int classic_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    struct classic_state *s = io->state;
    struct list *node;
    int n, i;

    for (;;) {
        for (node = s->busy.next; node != &s->busy; node = node->next)
            if (serve_at_once(io, container_of(node, struct io_sock, run), ev))
                return served(s, ev->sock);
        n = fill_polls(s);
        if (n < 0)
            return n;
        n = poll(s->polls, (nfds_t)n, clock_timeout_ms(clock_now_ns(), deadline_ns));
        io->now_ns = clock_now_ns();
        if (n <= 0)
            return n == 0 || errno == EINTR ? 0 : -errno;
        if (take_wake(s, ev))
            return 1;
        for (node = s->busy.next, i = 1; node != &s->busy; node = node->next, i++)
            if (serve_ready(io, container_of(node, struct io_sock, run), s->polls[i].revents, ev))
                return served(s, ev->sock);
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
