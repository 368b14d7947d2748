/* io.h -- ask for one operation, later take its event.
 *
 * A worker thread owns one struct io. It starts operations on sockets with the verbs below and takes
 * their results, one at a time, from io_next(). The contract is the same for every engine:
 *
 *   - A socket has at most one operation outstanding per direction (asserted): accepting and receiving
 *     are "in", connecting and sending are "out". The directions are independent.
 *   - Every started operation yields exactly one event. Verbs cannot fail and never complete in place:
 *     all outcomes, good or bad, come from io_next(). A direction is idle again when io_next() returns
 *     its event, so handlers never nest, and the owner of a socket may free it as soon as both
 *     directions are idle and the socket is closed.
 *   - A send is complete when the kernel took all of it. EINTR, EAGAIN and short writes stay inside.
 *     A started send is tried before the next receive is delivered.
 *   - A struct io_buf has one holder. A receive's event gives one to you, io_send() takes it, io_buf_put()
 *     gives it back. An idle or waiting socket holds none.
 *   - After io_cancel() an operation that can still complete at once does so; any other ends with
 *     -ECANCELED. So "accept, cancel" repeated until -ECANCELED empties an accept queue.
 *   - Only io_wake() and io_interrupted() may be called from another thread, or from a signal handler.
 *
 * An echo is therefore two handlers:
 *
 *     case IO_RECV: if (ev->result > 0) io_send(io, ev->sock, ev->buf); else ...the peer has ended
 *     case IO_SEND: if (ev->result >= 0) io_recv(io, ev->sock); else ...the peer is gone
 *
 * docs/design.md says why the boundary is here. engine.h is the implementers' side.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_IO_H
#define IO_IO_H

#include "../base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct addr;
struct err;
struct io;

enum io_op {
    IO_IDLE,    /* nothing outstanding */
    IO_ACCEPT,  /* result: the new descriptor, to be used with an io of the same engine */
    IO_CONNECT, /* result: 0 */
    IO_RECV,    /* result: the bytes in buf, or 0 at the end of the stream */
    IO_SEND,    /* result: the bytes sent, always all of them on success */
    IO_WAKE,    /* io_wake() was called, once or more often; sock is NULL */
} __attribute__((packed)); /* a byte: there are two of them in each socket */

/* A slice of memory lent by the io's pool. */
struct io_buf {
    unsigned char *data;   /* the bytes in use begin here, */
    uint32_t len;          /* so many they are, */
    uint32_t cap;          /* and so many there is room for */
    struct io_buf *next;   /* the holder's own: the pool's, or the engine's, */
    struct io_buf *queued; /* and so is the next one of those being sent, */
    struct io_sock *sock;  /* with whose it is */
};

/* Embedded in its owner: connection, listener, bench flow. Zero it and set fd (io_sock_init). */
struct io_sock {
    int fd;
    enum io_op in;  /* IO_IDLE, IO_ACCEPT or IO_RECV; read-only outside io/ */
    enum io_op out; /* IO_IDLE, IO_CONNECT or IO_SEND; likewise */
    bool relaxed;   /* nobody waits for the event of its send; the engine's */
    union {
        uint32_t unsent; /* bytes of the latest send that the kernel did not take; likewise */
        int connecting;  /* errno so far of a connect under way, which no send goes before */
    };
    uint32_t flags;   /* what the engine knows about it */
    int64_t moved_ns; /* when bytes last moved, either way (io_now's clock; 0: not yet); likewise */
    struct io_buf *sending; /* the engine's own: the buffer it took; below that what it keeps, */
    struct list run;        /* and its place in a queue */
};

struct io_event {
    struct io_sock *sock;
    struct io_buf *buf; /* IO_RECV with a positive result: yours now; otherwise NULL */
    enum io_op op;
    int result; /* >= 0 as listed above, or -errno */
};

/* What the buffers of several io may take together. Zero it and set the limit. */
struct io_budget {
    uint64_t limit;             /* bytes */
    atomic_uint_fast64_t taken; /* the pools' own */
};

struct io_config {
    const char *engine; /* a name from io_engines(), or NULL or "auto": the first that works here */
    uint32_t buf_size;  /* bytes that one receive may bring; 0: IO_BUF_SIZE */
    struct io_budget *budget; /* NULL: no limit. Above half of it buffers are small (pool.h) */

    /* For who measures: io_now() is read anew for what was received and for each connection, and a deadline is
     * met as exactly as the kernel can, not to the millisecond. */
    bool fine;

    /* Poll for events instead of sleeping, while they come quickly, for so long after the latest one (spin.h). 0: never.
     * An engine that can only block is not created then. */
    int64_t spin_ns;
};

#define IO_BUF_SIZE (64u * 1024)
#define IO_SPIN_MAX_NS INT64_C(10000000) /* a sensible maximum: no wake-up takes longer */

/* The engines built in, by preference, NULL at the end. */
const char *const *io_engines(void);

/* What an --engine option takes, NULL at the end: "auto" and those built in; where one thread shall have many
 * connections ('shared'), none that wants a thread for each. */
const char *const *io_engine_choices(bool shared);

/* Returns 0, or -errno with 'err' naming the engine and the reason. */
int io_create(struct io **ret, const struct io_config *config, struct err *err);

/* Adds to 'err', which says why the engine of this name cannot be had, which one serves as well. "auto"
 * and NULL are none. */
void io_advise(const char *engine, struct err *err);

/* All sockets must be idle and all buffers back. NULL is fine. */
void io_destroy(struct io *io);

const char *io_engine_name(const struct io *io);

/* Why "auto" could not take a better engine, in a sentence, or "" when this is the best one. */
const char *io_passed_over(const struct io *io);

/* Would the next engine serve as well? Then what refuses this one is no reason to give up. */
bool io_engine_optional(const struct io *io);

/* Does the engine want a thread, with an io of its own, for each connection? */
bool io_thread_per_client(const struct io *io);

/* How often a receive had to wait for a buffer, because an engine that lends buffers to the kernel had lent too few. */
uint64_t io_buffer_waits(const struct io *io);

/* The time as of the latest io_next(), on the monotonic clock (base/clock.h). An engine may return several events
 * for one look at the clock, unless io_config.fine asks for more. */
int64_t io_now(const struct io *io);

/* How long io_next() spun in all, and nothing was there. */
int64_t io_spun_ns(const struct io *io);

void io_sock_init(struct io_sock *sock, int fd);

/* Takes one connection from a listening socket. */
void io_accept(struct io *io, struct io_sock *listener);

/* Connects the socket, for programs that call others; 'to' is needed during the call only. */
void io_connect(struct io *io, struct io_sock *sock, const struct addr *to);

/* Receives what there is, up to one buffer. -ENOMEM when neither memory nor budget is left for one. */
void io_recv(struct io *io, struct io_sock *sock);

/* Sends all of 'buf' and gives it back to the pool, whatever the outcome. After a failure
 * sock->unsent says how much did not go out. */
void io_send(struct io *io, struct io_sock *sock, struct io_buf *buf);

/* io_send(), where nothing waits for its event but to receive on: an engine may tell it together with the next event,
 * whatever that is, instead of looking for it. io_hurry() takes that back, for a send under way. */
void io_send_relaxed(struct io *io, struct io_sock *sock, struct io_buf *buf);
void io_hurry(struct io *io, struct io_sock *sock);

/* Asks what is outstanding on 'sock' to end now; each operation's event still comes. */
void io_cancel(struct io *io, struct io_sock *sock);

/* No more will be sent: a FIN follows what was sent (shutdown(2), SHUT_WR). No send outstanding. */
void io_shutdown(struct io *io, struct io_sock *sock);

/* Closes the descriptor. Both directions must be idle; there is no event. A listening socket may live on in
 * another process that holds it too. */
void io_close(struct io *io, struct io_sock *sock);

/* Brings sock->moved_ns up to date with what the kernel sent out of its own buffers meanwhile: a peer
 * that reads slowly is not idle, though no call of ours shows it. Costs a system call. */
void io_look(struct io *io, struct io_sock *sock);

/* How many segments this side of the connection has sent again so far. While it connects, and right after, these are its
 * SYNs (net/synretry.h). 0 when the kernel does not say. Costs a system call. */
uint32_t io_retransmits(const struct io *io, const struct io_sock *sock);

/* Whom the socket is connected to. Returns 0 or -errno; -ENOTCONN when the peer is gone already. */
int io_peer(const struct io *io, const struct io_sock *sock, struct addr *ret);

/* A buffer of one's own to fill and send, or NULL when there is no memory. */
struct io_buf *io_buf_get(struct io *io);
void io_buf_put(struct io *io, struct io_buf *buf);

/* Waits for an event until 'deadline_ns' (NEVER: for ever). Returns 1 with *ev filled; 0 when the
 * deadline passed or a signal arrived; or -errno when the engine is broken. */
int io_next(struct io *io, struct io_event *ev, int64_t deadline_ns);

/* Makes io_next() return an IO_WAKE soon. Safe in any thread and in a signal handler. */
void io_wake(struct io *io);

/* A signal may have been pending while this io's thread was in the kernel, which says less then than there is (receive_doubt()
 * in uring.h): it looks again, and wakes up for it. To be called from the handler of each signal that does not end the
 * process, SIGCONT among them. Safe like io_wake(). */
void io_interrupted(struct io *io);

#endif
