/* try.c -- the system calls of the readiness engines, each tried once.
 *
 * An engine knows when to try; here is what trying means: which flags, what an interrupted or a
 * partial call is worth, and who gets the buffer.
 *
 * SPDX-License-Identifier: MIT */
#include "../net/trace.h"
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

void fill_event(struct io_event *ev, struct io_sock *sock, enum io_op op, int result)
{
    *ev = (struct io_event){.sock = sock, .op = op, .result = result};
}

static bool would_block(int code)
{
    return code == EAGAIN || code == EWOULDBLOCK;
}

/* An accept that finds nobody has made a socket and a file by then (do_accept() in net/socket.c), and takes ten times
 * as long as this. */
static bool somebody_waits(const struct io_sock *listener)
{
    struct pollfd p = {.fd = listener->fd, .events = POLLIN};
    int n = poll(&p, 1, 0);

    if (tracing())
        trace_wait("poll", n, n > 0 ? (unsigned)n : 0);
    return n != 0; /* an error the accept may tell */
}

bool try_accept(struct io *io, struct io_sock *sock, struct io_event *ev, int flags)
{
    int fd;

    (void)io;
    if (flags & SOCK_NONBLOCK && !somebody_waits(sock))
        return false;
    do {
        fd = accept4(sock->fd, NULL, NULL, SOCK_CLOEXEC | flags);
        if (tracing())
            trace_accept(sock->fd, fd);
    } while (fd == -1 && errno == EINTR);
    if (fd == -1 && would_block(errno))
        return false;
    fill_event(ev, sock, IO_ACCEPT, fd == -1 ? -errno : fd);
    return true;
}

bool try_connect(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(int);
    int code = sock->connecting;

    (void)io;
    if (code == EINPROGRESS) {
        if (getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &code, &len) == -1)
            code = errno;
        len = sizeof peer;
        if (code == 0 && getpeername(sock->fd, (struct sockaddr *)&peer, &len) == -1)
            return false; /* no error, no peer: still under way */
    }
    fill_event(ev, sock, IO_CONNECT, -code);
    return true;
}

bool try_recv(struct io *io, struct io_sock *sock, struct io_event *ev, int flags)
{
    struct io_buf *buf = pool_get(&io->pool);
    ssize_t n;
    int code;

    if (!buf) {
        fill_event(ev, sock, IO_RECV, -ENOMEM);
        return true;
    }
    do {
        n = recv(sock->fd, buf->data, buf->cap, flags);
        if (tracing())
            trace_recv(sock->fd, buf->data, n);
    } while (n == -1 && errno == EINTR);
    if (n > 0) {
        buf->len = (uint32_t)n;
        sock->moved_ns = io->now_ns;
        fill_event(ev, sock, IO_RECV, (int)n);
        ev->buf = buf;
        return true;
    }
    code = n == -1 ? errno : 0;
    pool_put(&io->pool, buf);
    if (would_block(code))
        return false;
    fill_event(ev, sock, IO_RECV, -code);
    return true;
}

/* By itself, so that without a trace nothing is kept for it. */
TRACE_COLD static void trace_sent(const struct io_sock *sock, ssize_t n)
{
    const struct io_buf *buf = sock->sending;

    trace_send(sock->fd, buf->data + buf->len - sock->unsent, sock->unsent, n);
}

bool try_send(struct io *io, struct io_sock *sock, struct io_event *ev, int flags)
{
    const struct io_buf *buf = sock->sending;
    ssize_t n;

    do {
        n = send(sock->fd, buf->data + buf->len - sock->unsent, sock->unsent, MSG_NOSIGNAL | flags);
        if (tracing())
            trace_sent(sock, n);
        if (n > 0) {
            sock->unsent -= (uint32_t)n;
            sock->moved_ns = io->now_ns;
        }
    } while ((n > 0 && sock->unsent > 0) || (n == -1 && errno == EINTR));
    if (n == -1 && would_block(errno))
        return false;
    fill_event(ev, sock, IO_SEND, n == -1 ? -errno : (int)buf->len);
    return true;
}
