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
 * 2.17). ENDING lets the send under way finish; a connection that should end as idle and then moves a
 * byte after all goes back to ECHOING. LINGERING has sent a FIN and discards input until the
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

/* There may be a million of them, and most are idle: so every byte is asked for its reason. The worker is not here,
 * because whoever has a connection in hand is its worker. */
struct conn {
    struct io_sock sock;
    union {
        struct list node; /* on the way in its worker's inbox; */
        struct timer
            timer; /* from conn_start() on: in worker->timers, with or without a deadline */
    };
    uint64_t received;     /* bytes; what of them did not go back is sock.unsent */
    uint64_t client : 48;  /* its ordinal: a million a second for nine years */
    uint64_t ended : 16;   /* when ENDING or LINGERING began, see conn.c */
    uint64_t born_ns : 59; /* of a clock that reaches so far in eighteen years */
    enum conn_state state : 2;
    enum conn_why why : 2;
    bool starved : 1; /* there was no memory to receive: the timer is for that, too */
};

/* A connection for an accepted descriptor, which it owns once it is started; NULL when there is no
 * memory. */
struct conn *conn_create(int fd, uint64_t client, int64_t now_ns);

/* Takes it into the worker's care, on its thread: echo from here on. */
void conn_start(struct conn *c, struct worker *w);

/* Arms its timer anew: the worker drains, which is a deadline more for each of its connections. */
void conn_schedule(struct conn *c, struct worker *w);

/* The handlers of its events, called by its worker. Each may free 'c'. */
void conn_received(struct conn *c, struct worker *w, int result, struct io_buf *buf);
void conn_sent(struct conn *c, struct worker *w, int result);
void conn_expired(struct conn *c, struct worker *w);

#endif
