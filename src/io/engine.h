/* engine.h -- what an engine has to bring; io.h is the users' side.
 *
 * io.c keeps the books (which direction is busy, who holds which buffer, when bytes last moved) and
 * checks the contract. An engine finds out when an operation is over, and says so by filling in the
 * event. It reads sock->in and sock->out to know what is outstanding and never changes them.
 *
 * Engines meet in a const table, and are chosen at run time, because a kernel or a sandbox may forbid
 * one on the day.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_ENGINE_H
#define IO_ENGINE_H

#include "io.h"
#include "pool.h"

struct io_engine {
    const char *name;
    bool thread_per_client;

    /* Sets up io->state. Returns 0, or -errno with 'err' saying why this kernel or sandbox cannot run
     * it; then done() is not called. */
    int (*init)(struct io *io, struct err *err);
    void (*done)(struct io *io);

    /* An operation was entered in sock->in or sock->out: see to it, in next(). */
    void (*start)(struct io *io, struct io_sock *sock, enum io_op op);

    /* End what is outstanding, as io.h says; the events come from next(). */
    void (*cancel)(struct io *io, struct io_sock *sock);

    /* Forget the socket: its descriptor is about to be closed. */
    void (*forget)(struct io *io, struct io_sock *sock);

    /* As io_next(). Fills *ev, keeps io->now_ns up to date, and accounts sock->sent and moved_ns. */
    int (*next)(struct io *io, struct io_event *ev, int64_t deadline_ns);

    /* Async-signal-safe. */
    void (*wake)(struct io *io);
};

struct io {
    const struct io_engine *engine;
    void *state; /* the engine's own */
    int64_t now_ns;
    struct pool pool;
};

extern const struct io_engine engine_epoll;
extern const struct io_engine engine_classic;

/* The system calls that readiness engines share (try.c). Each tries its operation once, EINTR aside, and
 * returns whether it is over: then *ev is filled. False: it would block. 'flags' are those of accept4,
 * recv and send. A short send goes on until the kernel takes no more. */
bool try_accept(struct io *io, struct io_sock *sock, struct io_event *ev, int flags);
bool try_connect(struct io *io, struct io_sock *sock, struct io_event *ev);
bool try_recv(struct io *io, struct io_sock *sock, struct io_event *ev, int flags);
bool try_send(struct io *io, struct io_sock *sock, struct io_event *ev, int flags);

/* The event of an operation that ended early. */
void fill_event(struct io_event *ev, struct io_sock *sock, enum io_op op, int result);

#endif
