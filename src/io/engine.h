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

#include "../base/err.h"
#include "io.h"
#include "pool.h"
#include "spin.h"

struct io_engine {
    const char *name;
    bool thread_per_client;
    bool spins; /* looks without sleeping, as io->spin says; false: it can only block */
    bool
        optional; /* the next one serves as well: whatever refuses this one is a reason to take that */

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

    /* As io_next(). Fills *ev, keeps io->now_ns up to date, and accounts sock->unsent and moved_ns. */
    int (*next)(struct io *io, struct io_event *ev, int64_t deadline_ns);

    /* Somebody waits for the event of a send that was relaxed. NULL: all are told at once. */
    void (*hurry)(struct io *io, struct io_sock *sock);

    /* Async-signal-safe. */
    void (*wake)(struct io *io);

    /* Takes a buffer that is the engine's own; false: it is the pool's. NULL: all are. */
    bool (*take_back)(struct io *io, struct io_buf *buf);
};

struct io {
    const struct io_engine *engine;
    void *state; /* the engine's own */
    int64_t now_ns;
    atomic_bool interrupted; /* io_interrupted() was called; the engine's to clear */
    bool fine; /* as in struct io_config: deadlines to the nanosecond; io.c reads the clock */
    struct err passed_over; /* why a better engine was; its text is empty when none was */
    struct spin spin;
    struct pool pool;
    uint64_t buffer_waits; /* see io_buffer_waits() */
};

extern const struct io_engine engine_uring;
extern const struct io_engine engine_epoll;
extern const struct io_engine engine_classic;

/* Those built in, by preference, NULL at the end (engines.c; a simulation brings a table of its own). */
extern const struct io_engine *const io_engine_table[];
#define ENGINES_MAX 8

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
