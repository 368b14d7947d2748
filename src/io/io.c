/* io.c -- the facade of io.h: the choice of an engine, the books, and the contract's assertions.
 *
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../net/sock.h"
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const *io_engines(void)
{
    static const char *names[ENGINES_MAX + 1];

    for (size_t i = 0; i < ENGINES_MAX && io_engine_table[i]; i++)
        names[i] = io_engine_table[i]->name;
    return names;
}

const char *const *io_engine_choices(bool shared)
{
    static const char *names[2][ENGINES_MAX + 2];
    const char **choices = names[shared];
    size_t n = 0;

    choices[n++] = "auto";
    for (size_t i = 0; i < ENGINES_MAX && io_engine_table[i]; i++)
        if (!shared || !io_engine_table[i]->thread_per_client)
            choices[n++] = io_engine_table[i]->name;
    return choices;
}

/* Is something short here, which may pass? Then another engine is no answer. */
static bool is_shortage(int code)
{
    return code == ENOMEM || code == EMFILE || code == ENFILE;
}

/* Tries one engine, or for "auto" all in turn until one is not forbidden here. */
static int choose(struct io *io, const char *name, struct err *err)
{
    bool any = !name || strcmp(name, "auto") == 0;
    int r = -EINVAL;

    err_usage(err, "there is no engine '%s'", name ? name : "auto");
    for (const struct io_engine *const *engine = io_engine_table; *engine; engine++) {
        if (!any && strcmp(name, (*engine)->name) != 0)
            continue;
        if (io->spin.budget_ns > 0 && !(*engine)->spins) {
            if (!any)
                return err_usage(err, "the %s engine cannot spin (--spin): it only knows to block",
                                 (*engine)->name);
            continue;
        }
        io->engine = *engine;
        r = io->engine->init(io, err);
        if (r == 0 || (is_shortage(-r) && !(*engine)->optional))
            break;
        io->passed_over = *err;
    }
    return r;
}

int io_create(struct io **ret, const struct io_config *config, struct err *err)
{
    struct io *io = calloc(1, sizeof *io);
    int r;

    if (!io)
        return err_set(err, ENOMEM, "cannot create an I/O engine");
    pool_init(&io->pool, config->buf_size ? config->buf_size : IO_BUF_SIZE, config->budget);
    io->now_ns = clock_now_ns();
    io->fine = config->fine;
    io->spin.budget_ns = config->spin_ns;
    r = choose(io, config->engine, err);
    if (r < 0) {
        free(io);
        return r;
    }
    *ret = io;
    return 0;
}

void io_advise(const char *name, struct err *err)
{
    size_t n = strlen(err->text);

    for (const struct io_engine *const *engine = io_engine_table; engine[0] && engine[1]; engine++)
        if (name && strcmp(name, engine[0]->name) == 0 && engine[0]->optional)
            snprintf(err->text + n, sizeof err->text - n, "; --engine %s serves as well",
                     engine[1]->name);
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

const char *io_passed_over(const struct io *io)
{
    return io->passed_over.text;
}

bool io_engine_optional(const struct io *io)
{
    return io->engine->optional;
}

bool io_thread_per_client(const struct io *io)
{
    return io->engine->thread_per_client;
}

uint64_t io_buffer_waits(const struct io *io)
{
    return io->buffer_waits;
}

int64_t io_now(const struct io *io)
{
    return io->now_ns;
}

int64_t io_spun_ns(const struct io *io)
{
    return io->spin.spun_ns;
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
 * 'connecting' for the engine: 0, EINPROGRESS or an error. */
void io_connect(struct io *io, struct io_sock *sock, const struct addr *to)
{
    sock->connecting = -sock_connect(sock->fd, to);
    start_out(io, sock, IO_CONNECT);
}

static void start_send(struct io *io, struct io_sock *sock, struct io_buf *buf, bool relaxed)
{
    assert(sock->out == IO_IDLE && buf->len > 0);
    buf->next = sock->sending;
    sock->sending = buf;
    sock->unsent = buf->len;
    sock->relaxed = relaxed;
    start_out(io, sock, IO_SEND);
}

void io_send(struct io *io, struct io_sock *sock, struct io_buf *buf)
{
    start_send(io, sock, buf, false);
}

void io_send_relaxed(struct io *io, struct io_sock *sock, struct io_buf *buf)
{
    start_send(io, sock, buf, true);
}

void io_hurry(struct io *io, struct io_sock *sock)
{
    if (sock->out != IO_SEND || !sock->relaxed)
        return;
    sock->relaxed = false;
    if (io->engine->hurry)
        io->engine->hurry(io, sock);
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
    (void)sock_shutdown(sock->fd);
}

void io_close(struct io *io, struct io_sock *sock)
{
    assert(sock->in == IO_IDLE && sock->out == IO_IDLE);
    io->engine->forget(io, sock);
    sock_close(sock->fd);
    sock->fd = -1;
}

void io_look(struct io *io, struct io_sock *sock)
{
    int64_t sent_ns = io->now_ns - sock_sent_ago_ns(sock->fd);

    if (sent_ns > sock->moved_ns)
        sock->moved_ns = sent_ns;
}

uint32_t io_retransmits(const struct io *io, const struct io_sock *sock)
{
    (void)io;
    return sock_retransmits(sock->fd);
}

int io_peer(const struct io *io, const struct io_sock *sock, struct addr *ret)
{
    (void)io;
    return sock_peer(ret, sock->fd);
}

struct io_buf *io_buf_get(struct io *io)
{
    return pool_get(&io->pool);
}

void io_buf_put(struct io *io, struct io_buf *buf)
{
    if (buf && io->engine->take_back && io->engine->take_back(io, buf))
        return;
    pool_put(&io->pool, buf);
}

void io_wake(struct io *io)
{
    io->engine->wake(io);
}

void io_interrupted(struct io *io)
{
    atomic_store(&io->interrupted, true);
    io->engine->wake(io);
}

/* The operation is over: its direction is idle, and a sent buffer is back. */
static void settle(struct io *io, const struct io_event *ev)
{
    struct io_buf *buf;

    switch (ev->op) {
    case IO_ACCEPT:
    case IO_RECV:
        assert(ev->sock->in == ev->op);
        ev->sock->in = IO_IDLE;
        break;
    case IO_SEND:
        buf = ev->sock->sending;
        ev->sock->sending = buf->next;
        io_buf_put(io, buf);
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

    if (r <= 0)
        return r;
    settle(io, ev);
    if (io->fine && (ev->op == IO_RECV || ev->op == IO_CONNECT))
        io->now_ns = clock_now_ns();
    return r;
}
