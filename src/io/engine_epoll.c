/* engine_epoll.c -- readiness turned into completions: try; if it would block, park; when the kernel
 * says ready, finish.
 *
 * A socket is registered once, edge-triggered, and only when an operation had to wait for the first
 * time: a short connection whose bytes are there already never meets epoll_ctl. Nothing known means
 * "try". A direction is dry when a call would block *and* epoll will tell when that is over; this is
 * kept in sock->flags, so a message costs its share of one epoll_wait, one recv and one send.
 *
 * Rounds keep it fair. A round serves the sockets that the last epoll_wait named ('now'); one whose
 * next operation could go on at once waits for the next round ('later'), so a client that streams
 * cannot keep the kernel from being asked about the others. A started send goes to the front: its
 * buffer is back before the next receive needs one. (A send right after a send waits its turn, too.)
 *
 * After a short read the socket is known to be empty and the EAGAIN of one more recv is saved, except
 * where a short read proves nothing: behind a FIN, an error, or an urgent byte, at whose mark recv
 * stops (tcp_recvmsg_locked in net/ipv4/tcp.c). No new edge comes for what lies behind those.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/err.h"
#include "../net/trace.h"
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 256
#define ACCEPTS_PER_ROUND 16       /* tried, until the kernel is asked about the others */
#define RETRY_NS (100 * NS_PER_MS) /* how soon to ask again for a watch that was refused */

/* sock->flags */
enum {
    DRY_IN = 1 << 0,   /* receiving or accepting would block, and epoll will tell */
    DRY_OUT = 1 << 1,  /* sending would; likewise */
    DEEP = 1 << 2,     /* a short read proves nothing: read until it would block */
    WATCH_IN = 1 << 3, /* epoll reports these directions */
    WATCH_OUT = 1 << 4,
    CANCEL_IN = 1 << 5, /* do not wait any longer */
    CANCEL_OUT = 1 << 6,
    LISTENS = 1 << 7,
    RETRIES = 1 << 8, /* is among the 'unwatched' though it is watched: is_ready() */
};

struct epoll_state {
    int epoll_fd;
    int wake_fd;
    bool woken;
    const struct io_sock *sent_last; /* whose send was the latest event */
    struct list now;
    struct list later;
    unsigned accepts; /* tried in this round */
    struct list
        unwatched; /* the kernel had no memory for them, and will not tell: tried again at retry_ns */
    int64_t retry_ns;
    struct epoll_event batch[BATCH];
};

static int epoll_init(struct io *io, struct err *err)
{
    struct epoll_state *s = calloc(1, sizeof *s);
    /* edge-triggered, so that waking needs no read to be over */
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    int r;

    if (!s)
        return err_set(err, ENOMEM, "cannot set up the epoll engine");
    list_init(&s->now);
    list_init(&s->later);
    list_init(&s->unwatched);
    s->wake_fd = -1;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd == -1) {
        r = err_set(err, errno, "cannot set up the epoll engine: epoll_create1");
        goto fail;
    }
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd == -1) {
        r = err_set(err, errno, "cannot set up the epoll engine: eventfd");
        goto fail;
    }
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->wake_fd, &wake) == -1) {
        r = err_set(err, errno, "cannot set up the epoll engine: epoll_ctl");
        goto fail;
    }
    io->state = s;
    return 0;
fail:
    if (s->wake_fd != -1)
        close(s->wake_fd);
    if (s->epoll_fd != -1)
        close(s->epoll_fd);
    free(s);
    return r;
}

static void epoll_done(struct io *io)
{
    struct epoll_state *s = io->state;

    close(s->wake_fd);
    close(s->epoll_fd);
    free(s);
}

static void epoll_wake(struct io *io)
{
    const struct epoll_state *s = io->state;
    int saved = errno; /* this may be a signal handler */
    ssize_t n = write(s->wake_fd, &(uint64_t){1}, sizeof(uint64_t));

    (void)n; /* EAGAIN: the counter is full, so a wake-up is on its way */
    errno = saved;
}

/* Asks epoll to report one more direction. Returns 0 or -errno; -ENOMEM for both things that may run out,
 * memory and the user's watches (epoll_ctl(2): ENOSPC). Adding and changing both report what
 * is ready already, so nothing is missed between the call that would have blocked and this one. */
static int watch(const struct epoll_state *s, struct io_sock *sock, uint32_t direction)
{
    struct epoll_event event = {.events = EPOLLET, .data.ptr = sock};
    uint32_t watched = sock->flags & (WATCH_IN | WATCH_OUT), all = watched | direction;

    if (all == watched)
        return 0;
    if (all & WATCH_IN)
        event.events |= EPOLLIN | EPOLLRDHUP | EPOLLPRI;
    if (all & WATCH_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(s->epoll_fd, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, sock->fd, &event) == -1)
        return errno == ENOSPC ? -ENOMEM : -errno;
    sock->flags |= direction;
    return 0;
}

static bool can_go_on(const struct io_sock *sock)
{
    return (sock->in != IO_IDLE && !(sock->flags & DRY_IN)) ||
           (sock->out != IO_IDLE && !(sock->flags & DRY_OUT));
}

static void epoll_start(struct io *io, struct io_sock *sock, enum io_op op)
{
    struct epoll_state *s = io->state;

    if (op == IO_ACCEPT)
        sock->flags |= LISTENS;
    if (!can_go_on(sock))
        return;
    if ((op == IO_SEND || op == IO_CONNECT) && sock != s->sent_last) {
        list_remove(&sock->run);
        list_prepend(&s->now, &sock->run);
    } else if (!list_linked(&sock->run)) {
        list_append(op == IO_ACCEPT && s->accepts < ACCEPTS_PER_ROUND ? &s->now : &s->later,
                    &sock->run);
    }
}

/* Try once more, in the next round: a chain of "accept, cancel" must not keep the kernel, and the clock,
 * from being asked. */
static void epoll_cancel(struct io *io, struct io_sock *sock)
{
    struct epoll_state *s = io->state;

    if (sock->in != IO_IDLE)
        sock->flags = (sock->flags & ~(uint32_t)DRY_IN) | CANCEL_IN;
    if (sock->out != IO_IDLE)
        sock->flags = (sock->flags & ~(uint32_t)DRY_OUT) | CANCEL_OUT;
    list_remove(&sock->run);
    list_append(&s->later, &sock->run);
}

/* close(2) takes a connection out of epoll, because nobody else holds its description. Another process may
 * hold a listener's (a service manager, a successor); then epoll would go on to name it to us, whatever
 * its owner is used for by now (epoll(7), questions and answers). */
static void epoll_forget(struct io *io, struct io_sock *sock)
{
    struct epoll_state *s = io->state;

    if ((sock->flags & LISTENS) && (sock->flags & WATCH_IN))
        (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, sock->fd, NULL);
    list_remove(&sock->run);
    sock->flags = 0;
    if (s->sent_last == sock)
        s->sent_last = NULL;
}

/* Nothing will tell when the socket takes more, and whoever sends cannot ask again: its buffer is ours. */
static void retry_later(struct io *io, struct io_sock *sock)
{
    struct epoll_state *s = io->state;

    if (list_empty(&s->unwatched))
        s->retry_ns = io->now_ns + RETRY_NS;
    list_remove(&sock->run);
    list_append(&s->unwatched, &sock->run);
}

/* Does the kernel say now that it is ready, though the call has just been told that it would block? That happens twice, and no
 * edge follows:
 *
 *   - A send was refused for want of memory for TCP as a whole. When that is over nobody is told: the next edge comes with
 *     the next ACK, and nothing may be under way that would be acknowledged. (The kernel's own wait, of a blocking send, is a
 *     nap then: sk_stream_wait_memory in net/core/stream.c.)
 *   - A receive at the mark of an urgent byte finds nothing while a signal is pending, whatever is there
 *     (tcp_recvmsg_locked in net/ipv4/tcp.c). */
static bool is_ready(const struct io_sock *sock, short events)
{
    struct pollfd p = {.fd = sock->fd, .events = events};

    return poll(&p, 1, 0) == 1 && (p.revents & events);
}

/* The operation would block. Returns whether it is over all the same: cancelled, or not watchable. */
static bool must_wait(struct io *io, struct io_sock *sock, struct io_event *ev, enum io_op op)
{
    bool in = op == IO_ACCEPT || op == IO_RECV;
    int r = sock->flags & (in ? CANCEL_IN : CANCEL_OUT) ? -ECANCELED : 0;

    if (r == 0)
        r = watch(io->state, sock, in ? WATCH_IN : WATCH_OUT);
    if (r == 0 && op == IO_RECV && (sock->flags & DEEP) && is_ready(sock, POLLIN)) {
        struct epoll_state *s = io->state;

        if (!list_linked(&sock->run))
            list_append(&s->later, &sock->run);
        return false;
    }
    if (in)
        sock->flags &= ~(uint32_t)DEEP;
    if (sock->flags & (in ? WATCH_IN : WATCH_OUT))
        sock->flags |= in ? DRY_IN : DRY_OUT;
    if (r == 0 && op == IO_SEND && is_ready(sock, POLLOUT)) {
        sock->flags = (sock->flags & ~(uint32_t)DRY_OUT) | RETRIES;
        retry_later(io, sock);
        return false;
    }
    if (r == -ENOMEM && !in) {
        retry_later(io, sock);
        return false;
    }
    if (r < 0)
        fill_event(ev, sock, op, r);
    return r < 0;
}

static bool serve_out(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    enum io_op op = sock->out;
    bool over;

    if (op == IO_IDLE || (sock->flags & DRY_OUT))
        return false;
    over = op == IO_SEND ? try_send(io, sock, ev, 0) : try_connect(io, sock, ev);
    over = over || must_wait(io, sock, ev, op);
    if (over)
        sock->flags &= ~(uint32_t)(CANCEL_OUT | RETRIES);
    return over;
}

static bool serve_in(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    struct epoll_state *s = io->state;
    enum io_op op = sock->in;
    bool over;

    if (op == IO_IDLE || (sock->flags & DRY_IN))
        return false;
    if (op == IO_ACCEPT)
        s->accepts++;
    over = op == IO_RECV ? try_recv(io, sock, ev, 0) : try_accept(io, sock, ev, SOCK_NONBLOCK);
    if (over && ev->buf && ev->buf->len < ev->buf->cap &&
        (sock->flags & (WATCH_IN | DEEP)) == WATCH_IN)
        sock->flags |= DRY_IN; /* a short read: there is no more */
    over = over || must_wait(io, sock, ev, op);
    if (over)
        sock->flags &= ~(uint32_t)CANCEL_IN;
    return over;
}

/* One event of this socket, if it has one. */
static bool serve(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    struct epoll_state *s = io->state;

    s->sent_last = NULL;
    if (!serve_out(io, sock, ev))
        return serve_in(io, sock, ev);
    s->sent_last = sock;
    if (sock->in != IO_IDLE && !(sock->flags & DRY_IN))
        list_append(&s->later, &sock->run);
    return true;
}

static void note(struct epoll_state *s, const struct epoll_event *event)
{
    struct io_sock *sock = event->data.ptr;

    if (!sock) {
        s->woken = true;
        return;
    }
    if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP))
        sock->flags &= ~(uint32_t)DRY_IN;
    if (event->events & (EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP))
        sock->flags |= DEEP;
    if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        sock->flags &= ~(uint32_t)DRY_OUT;
    if (sock->flags & RETRIES) /* perhaps the room came after the refusal, and here is its edge */
        list_remove(&sock->run);
    if (can_go_on(sock) && !list_linked(&sock->run))
        list_append(&s->now, &sock->run);
}

/* As epoll_wait(2), until the deadline: rounded up to a millisecond, or to what the kernel can where that was
 * asked for (epoll_pwait2, since Linux 5.11). */
static int wait_for_events(const struct io *io, struct epoll_state *s, int64_t deadline_ns)
{
    int64_t now_ns = deadline_ns == NEVER || deadline_ns == 0 ? 0 : clock_now_ns();

    if (io->fine && deadline_ns != NEVER) {
        int64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};
        int n = epoll_pwait2(s->epoll_fd, s->batch, BATCH, &left, NULL);

        if (n >= 0 || errno != ENOSYS)
            return n;
    }
    return epoll_wait(s->epoll_fd, s->batch, BATCH, clock_timeout_ms(now_ns, deadline_ns));
}

/* Looks without sleeping while that is worth it (spin.h), then as wait_for_events(). */
static int spin_for_events(struct io *io, struct epoll_state *s, int64_t deadline_ns)
{
    int64_t until_ns = spin_until(&io->spin, io->now_ns, deadline_ns), begun_ns, now_ns;
    int n;

    if (until_ns == 0)
        return wait_for_events(io, s, deadline_ns);
    n = epoll_wait(s->epoll_fd, s->batch, BATCH, 0);
    if (n != 0)
        return n;
    begun_ns = now_ns = clock_now_ns();
    while (n == 0 && now_ns < until_ns) {
        n = epoll_wait(s->epoll_fd, s->batch, BATCH, 0);
        now_ns = clock_now_ns();
    }
    io->spin.spun_ns += now_ns - begun_ns;
    return n != 0 ? n : wait_for_events(io, s, deadline_ns);
}

/* Begins a new round. Returns the number of events, 0 at the deadline or after a signal, or -errno. */
static int ask_kernel(struct io *io, int64_t deadline_ns)
{
    struct epoll_state *s = io->state;
    int n;

    if (!list_empty(&s->unwatched) && s->retry_ns < deadline_ns)
        deadline_ns = s->retry_ns;
    n = spin_for_events(io, s, list_empty(&s->later) ? deadline_ns : 0);
    if (tracing())
        trace_wait("epoll_wait", n, n > 0 ? (unsigned)n : 0);
    if (n == -1 && errno != EINTR)
        return -errno;
    io->now_ns = clock_now_ns();
    if (n > 0)
        spin_event(&io->spin, io->now_ns);
    list_move_all(&s->now, &s->later);
    s->accepts = 0;
    if (io->now_ns >= s->retry_ns)
        list_move_all(&s->now, &s->unwatched);
    for (int i = 0; i < n; i++)
        note(s, &s->batch[i]);
    return n > 0 ? n : 0;
}

static int epoll_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    struct epoll_state *s = io->state;
    struct list *node;
    int n;

    for (;;) {
        if (s->woken) {
            s->woken = false;
            fill_event(ev, NULL, IO_WAKE, 0);
            return 1;
        }
        while ((node = list_pop(&s->now)))
            if (serve(io, container_of(node, struct io_sock, run), ev))
                return 1;
        n = ask_kernel(io, deadline_ns);
        if (n < 0 || (n == 0 && list_empty(&s->now)))
            return n;
    }
}

const struct io_engine engine_epoll = {
    .name = "epoll",
    .spins = true,
    .init = epoll_init,
    .done = epoll_done,
    .start = epoll_start,
    .cancel = epoll_cancel,
    .forget = epoll_forget,
    .next = epoll_next,
    .wake = epoll_wake,
};
