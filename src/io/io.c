/* io.c -- the facade of io.h: the choice of an engine, the books, and the contract's assertions.
 *
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../net/addr.h"
#include "../net/sock.h"
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By preference; "auto" takes the first that works. */
static const struct io_engine *const engines[] = {&engine_epoll, &engine_classic};

#define N_ENGINES (sizeof engines / sizeof *engines)

const char *const *io_engines(void)
{
    static const char *names[N_ENGINES + 1];

    for (size_t i = 0; i < N_ENGINES; i++)
        names[i] = engines[i]->name;
    return names;
}

/* Tries one engine, or all in turn for "auto". */
static int choose(struct io *io, const char *name, struct err *err)
{
    bool any = !name || strcmp(name, "auto") == 0;
    int r = -EINVAL;

    err_usage(err, "there is no engine '%s'", name ? name : "auto");
    for (size_t i = 0; i < N_ENGINES; i++) {
        if (!any && strcmp(name, engines[i]->name) != 0)
            continue;
        io->engine = engines[i];
        r = engines[i]->init(io, err);
        if (r == 0)
            return 0;
    }
    return r;
}

int io_create(struct io **ret, const struct io_config *config, struct err *err)
{
    struct io *io = calloc(1, sizeof *io);
    int r;

    if (!io)
        return err_set(err, ENOMEM, "cannot create an I/O engine");
    pool_init(&io->pool, config->buf_size ? config->buf_size : IO_BUF_SIZE);
    io->now_ns = clock_now_ns();
    r = choose(io, config->engine, err);
    if (r < 0) {
        free(io);
        return r;
    }
    *ret = io;
    return 0;
}

void io_destroy(struct io *io)
{
    if (!io)
        return;
    io->engine->done(io);
    pool_done(&io->pool);
    free(io);
}

const char *io_engine_name(const struct io *io)
{
    return io->engine->name;
}

bool io_thread_per_client(const struct io *io)
{
    return io->engine->thread_per_client;
}

int64_t io_now(const struct io *io)
{
    return io->now_ns;
}

void io_sock_init(struct io_sock *sock, int fd)
{
    *sock = (struct io_sock){.fd = fd, .in = IO_IDLE, .out = IO_IDLE};
    list_init(&sock->run);
}

static void start_in(struct io *io, struct io_sock *sock, enum io_op op)
{
    assert(sock->in == IO_IDLE);
    sock->in = op;
    io->engine->start(io, sock, op);
}

static void start_out(struct io *io, struct io_sock *sock, enum io_op op)
{
    assert(sock->out == IO_IDLE);
    sock->out = op;
    io->engine->start(io, sock, op);
}

void io_accept(struct io *io, struct io_sock *listener)
{
    start_in(io, listener, IO_ACCEPT);
}

void io_recv(struct io *io, struct io_sock *sock)
{
    start_in(io, sock, IO_RECV);
}

/* connect(2) is called here, because the address need not outlive the call; its outcome waits in
 * 'sent' for the engine: 0, EINPROGRESS or an error. */
void io_connect(struct io *io, struct io_sock *sock, const struct addr *to)
{
    sock->sent = connect(sock->fd, &to->sa, to->len) == -1 ? (uint32_t)errno : 0;
    start_out(io, sock, IO_CONNECT);
}

void io_send(struct io *io, struct io_sock *sock, struct io_buf *buf)
{
    assert(!sock->sending && buf->len > 0);
    sock->sending = buf;
    sock->sent = 0;
    start_out(io, sock, IO_SEND);
}

void io_cancel(struct io *io, struct io_sock *sock)
{
    if (sock->in != IO_IDLE || sock->out != IO_IDLE)
        io->engine->cancel(io, sock);
}

void io_shutdown(struct io *io, struct io_sock *sock)
{
    (void)io;
    assert(sock->out == IO_IDLE);
    /* ENOTCONN: the peer has reset the connection, and the next receive will say so */
    (void)shutdown(sock->fd, SHUT_WR);
}

void io_close(struct io *io, struct io_sock *sock)
{
    assert(sock->in == IO_IDLE && sock->out == IO_IDLE);
    io->engine->forget(io, sock);
    /* not repeated on EINTR: the descriptor is gone then, and may be somebody else's (close(2)) */
    (void)close(sock->fd);
    sock->fd = -1;
}

void io_look(struct io *io, struct io_sock *sock)
{
    int64_t sent_ns = io->now_ns - sock_sent_ago_ns(sock->fd);

    if (sent_ns > sock->moved_ns)
        sock->moved_ns = sent_ns;
}

int io_peer(const struct io *io, const struct io_sock *sock, struct addr *ret)
{
    (void)io;
    return addr_of_peer(ret, sock->fd);
}

struct io_buf *io_buf_get(struct io *io)
{
    return pool_get(&io->pool);
}

void io_buf_put(struct io *io, struct io_buf *buf)
{
    pool_put(&io->pool, buf);
}

void io_wake(struct io *io)
{
    io->engine->wake(io);
}

/* The operation is over: its direction is idle, and a sent buffer is back. */
static void settle(struct io *io, const struct io_event *ev)
{
    switch (ev->op) {
    case IO_ACCEPT:
    case IO_RECV:
        assert(ev->sock->in == ev->op);
        ev->sock->in = IO_IDLE;
        break;
    case IO_SEND:
        pool_put(&io->pool, ev->sock->sending);
        ev->sock->sending = NULL;
        __attribute__((fallthrough));
    case IO_CONNECT:
        assert(ev->sock->out == ev->op);
        ev->sock->out = IO_IDLE;
        break;
    case IO_WAKE:
    case IO_IDLE:
        break;
    }
}

int io_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    int r = io->engine->next(io, ev, deadline_ns);

    if (r > 0)
        settle(io, ev);
    return r;
}
