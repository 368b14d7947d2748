/* conn.h -- one client's connection, from accept to close.
 *
 *     ECHOING ──(the client's FIN: everything was sent back already)──▶ closed
 *        │
 *        └─(our decision)─▶ ENDING ──▶ LINGERING ──(the client's FIN)──▶ closed
 *                                          └─(time)─▶ CLOSING ──(its last receive ends)──▶ closed
 *
 * While echoing, at most one operation is outstanding: receive, or send what was received. So bytes go
 * back in order, a client that does not read is not read from, and the end of the stream comes when
 * nothing is left to send.
 *
 * A close of ours takes two steps more, or it would destroy our own data: close(2) with unread input
 * sends a reset, and a reset discards what the client has not read yet (RFC 1122, 4.2.2.13; RFC 2525,
 * 2.17). ENDING lets the send under way finish. LINGERING has sent a FIN and discards input until the
 * client's FIN; it no longer holds one of the places that --concurrency counts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "../base/timer.h"
#include "../io/io.h"

struct worker;

/* In this order: before LINGERING a connection holds a place, from then on it does not. */
enum conn_state { CONN_ECHOING, CONN_ENDING, CONN_LINGERING, CONN_CLOSING };

/* Why we ended it; the client's own end is none of these. */
enum conn_why { CONN_BY_CLIENT, CONN_IDLE, CONN_LIFETIME, CONN_DRAINED };

struct conn {
    struct io_sock sock;
    struct worker *worker;
    struct list node;   /* in worker->conns, or on the way in its inbox */
    struct timer timer; /* armed only while there is a deadline */
    uint64_t client;    /* its ordinal */
    uint64_t echoed;    /* bytes */
    int64_t born_ns;
    int64_t ended_ns; /* when ENDING or LINGERING began */
    int64_t retry_ns; /* when to receive again, */
    bool starved;     /* if there was no memory for it the last time */
    uint32_t owed;    /* bytes received last, */
    uint32_t cut;     /* and those of them that never went back */
    enum conn_state state;
    enum conn_why why;
};

/* A connection for an accepted descriptor, which it owns once it is started; NULL when there is no
 * memory. */
struct conn *conn_create(int fd, uint64_t client, int64_t now_ns);

/* Takes it into the worker's care, on its thread: echo from here on. */
void conn_start(struct conn *c, struct worker *w);

/* Arms its timer anew: the worker drains, which is a deadline more for each of its connections. */
void conn_schedule(struct conn *c);

/* The handlers of its events. Each may free 'c'. */
void conn_received(struct conn *c, int result, struct io_buf *buf);
void conn_sent(struct conn *c, int result);
void conn_expired(struct conn *c);

#endif
