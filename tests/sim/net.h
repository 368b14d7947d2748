/* net.h -- the simulated kernel's side of TCP: descriptors, listeners, connections.
 *
 * It implements src/net/sock.h, src/net/listener.h and src/net/backlog.h, the receiving, sending and accepting that the
 * simulated engine (engine_sim.c) asks for, and the other end, which the clients (client.h) hold.
 *
 *     client ──▶ up ──▶ server          up, out, down: bounded buffers
 *     client ◀── down ◀── out ◀── server
 *
 * 'out' is the server's send buffer, 'down' the client's receive buffer; bytes move between them as
 * soon as there is room. A reset takes away what is under way, as the real one does: a close(2) with
 * unread input, or input that comes after a close, costs the client its echo.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_NET_H
#define SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNS_MAX 64
#define LISTENERS_MAX 3
#define FD_FIRST 1000

struct client;
struct engine;
struct io_sock;

struct ring {
    unsigned char *data;
    uint32_t head, len, cap;
};

struct net_listener {
    int fd; /* -1: closed */
    uint32_t backlog;
    int64_t dropped; /* of those who called while the queue was full */
    unsigned port;
    int64_t in_after_ns; /* as a connection's, below */
    int64_t accepted_ns; /* the latest one; 0: nobody yet */
    int64_t ignored_ns;  /* since when somebody waits whom the server could take; NEVER: nobody */
    struct net_conn *queue[CONNS_MAX];
    uint32_t waiting;
    struct io_sock *sock; /* as a connection's, below */
};

struct net_conn {
    unsigned id; /* from 1 on, in the order they connected */
    int fd;      /* the server's; -1 before it is accepted and after it is closed */
    struct client *client;
    struct net_listener *listener;
    struct ring up, out, down;
    bool client_fin;   /* the client will send no more */
    bool client_gone;  /* and does not read either: whatever arrives is answered with a reset */
    bool fin_read;     /* the server has received that end */
    bool server_fin;   /* the server will send no more */
    bool closed;       /* the server has closed it */
    int broken;        /* no connection any more, for the server; the errno it hears first */
    bool told;         /* and it did */
    bool client_reset; /* no connection any more, for the client */

    /* the engine's: when the next event of either direction may be told */
    int64_t in_after_ns, out_after_ns;
    struct io_sock *sock; /* from its first operation to its close */
    struct engine *engine;

    /* the oracle's books (oracle.c) */
    bool admitted;         /* it was received from */
    bool idled;            /* it was idle for too long when the server decided to end it */
    bool given_up;         /* the server does not wait for the client's end any longer */
    bool failed;           /* an operation told so, before the server's FIN */
    uint64_t read, echoed; /* bytes, until the server's FIN */
    int64_t connected_ns, accepted_ns, admitted_ns;
    int64_t moved_ns;      /* a byte moved, either way, as the server's calls show it, */
    int64_t sent_ns;       /* or out of the kernel's own buffer */
    int64_t decided_ns;    /* when the server decided to end it; 0: not yet */
    int64_t fin_ns;        /* the server's FIN; 0: not yet */
    int64_t unattended_ns; /* since when nothing is outstanding on it; NEVER: something is */
};

struct net {
    struct net_listener listeners[LISTENERS_MAX];
    unsigned n_listeners;
    struct net_conn conns[CONNS_MAX];
    unsigned n_conns;
    uint32_t sndbuf, rcvbuf, client_rcvbuf; /* of every connection */
};

extern struct net net;

void net_begin(void);
void net_end(void); /* frees the buffers; fails when a descriptor is open */

/* The connection, or the listener, behind a descriptor; fails when it is not one. */
struct net_conn *net_conn_of(int fd);
struct net_listener *net_listener_of(int fd);
bool net_is_listener(int fd);

/* The engine's. Each returns what the system call would, or -errno; -EAGAIN: it would block. */
int net_accept(struct net_listener *l);
int net_recv(struct net_conn *c, void *data, uint32_t n);
int net_send(struct net_conn *c, const void *data, uint32_t n);
bool net_can_recv(const struct net_conn *c);
bool net_can_send(const struct net_conn *c);

/* The clients'. net_connect() returns NULL when nobody listens (*refused) or the queue is full.
 * Receiving returns 0 when there is nothing, -EPIPE at the end, -ECONNRESET. */
struct net_conn *net_connect(struct client *client, unsigned listener, bool *refused);
int net_client_send(struct net_conn *c, const void *data, uint32_t n);
int net_client_recv(struct net_conn *c, void *data, uint32_t n);
void net_client_fin(struct net_conn *c);
void net_client_close(struct net_conn *c);
void net_break(struct net_conn *c,
               int code); /* a reset, or the network gives up: the server hears 'code' */

#endif
