/* net_sim.c -- see net.h.
 *
 * SPDX-License-Identifier: MIT */
#include "net.h"

#include "../../src/base/clock.h"
#include "../../src/base/err.h"
#include "../../src/net/addr.h"
#include "../../src/net/backlog.h"
#include "../../src/net/listener.h"
#include "../../src/net/sock.h"
#include "choose.h"
#include "client.h"
#include "oracle.h"
#include "trace.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FDS_MAX (CONNS_MAX + LISTENERS_MAX)

struct net net;

/* What a descriptor stands for; neither: it is free. */
static struct {
    struct net_conn *conn;
    struct net_listener *listener;
} table[FDS_MAX];

/* --- bytes -------------------------------------------------------------------------------------- */

static void ring_init(struct ring *r, uint32_t cap)
{
    *r = (struct ring){.data = malloc(cap), .cap = cap};
    if (!r->data)
        fail("the simulation is out of memory");
}

static uint32_t ring_room(const struct ring *r)
{
    return r->cap - r->len;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t ring_put(struct ring *r, const unsigned char *data, uint32_t n)
{
    uint32_t at = (r->head + r->len) % r->cap, first;

    n = least(n, ring_room(r));
    first = least(n, r->cap - at);
    memcpy(r->data + at, data, first);
    memcpy(r->data, data + first, n - first);
    r->len += n;
    return n;
}

static uint32_t ring_take(struct ring *r, unsigned char *data, uint32_t n)
{
    uint32_t first;

    n = least(n, r->len);
    first = least(n, r->cap - r->head);
    memcpy(data, r->data + r->head, first);
    memcpy(data + first, r->data, n - first);
    r->head = (r->head + n) % r->cap;
    r->len -= n;
    return n;
}

/* From the server's send buffer to the client. */
static void pump(struct net_conn *c)
{
    unsigned char piece[512];
    bool moved = false;

    if (c->out.len > 0 && c->client_gone && !c->broken) {
        net_break(c, ECONNRESET);
        return;
    }
    while (c->out.len > 0 && ring_room(&c->down) > 0) {
        uint32_t n = ring_take(&c->out, piece, least(sizeof piece, ring_room(&c->down)));

        ring_put(&c->down, piece, n);
        moved = true;
    }
    if (moved)
        c->sent_ns = world.now_ns;
}

/* --- descriptors -------------------------------------------------------------------------------- */

void net_begin(void)
{
    memset(table, 0, sizeof table);
    memset(&net, 0, sizeof net);
}

void net_end(void)
{
    for (unsigned i = 0; i < FDS_MAX; i++)
        if (table[i].conn || table[i].listener)
            fail("descriptor %u was never closed", FD_FIRST + i);
    for (unsigned i = 0; i < net.n_conns; i++) {
        free(net.conns[i].up.data);
        free(net.conns[i].out.data);
        free(net.conns[i].down.data);
    }
    net.n_conns = 0;
}

/* The lowest number that is free, as the kernel does it: so numbers come back at once. */
static int fd_new(struct net_conn *c, struct net_listener *l)
{
    for (int i = 0; i < FDS_MAX; i++) {
        if (table[i].conn || table[i].listener)
            continue;
        table[i].conn = c;
        table[i].listener = l;
        return FD_FIRST + i;
    }
    fail("the simulation is out of descriptors");
}

static int fd_index(int fd)
{
    int i = fd - FD_FIRST;

    if (i < 0 || i >= FDS_MAX || (!table[i].conn && !table[i].listener))
        fail("descriptor %d is used, and is not open", fd);
    return i;
}

bool net_is_listener(int fd)
{
    return table[fd_index(fd)].listener;
}

struct net_conn *net_conn_of(int fd)
{
    struct net_conn *c = table[fd_index(fd)].conn;

    if (!c)
        fail("descriptor %d is used as a connection, and is a listener", fd);
    return c;
}

struct net_listener *net_listener_of(int fd)
{
    struct net_listener *l = table[fd_index(fd)].listener;

    if (!l)
        fail("descriptor %d is used as a listener, and is a connection", fd);
    return l;
}

/* --- the end of connections --------------------------------------------------------------------- */

void net_break(struct net_conn *c, int code)
{
    if (c->broken)
        return;
    trace("connection %u is broken: errno %d", c->id, code);
    c->broken = code;
    c->client_reset = true;
    c->out.len = 0;
    c->down.len = 0;
    if (choose(2)) /* the kernel may hand out what had arrived, or not */
        c->up.len = 0;
    client_poke(c->client);
}

/* The client hears a reset, and loses what was on the way. */
static void reset_client(struct net_conn *c)
{
    trace("connection %u: the server's end is a reset, and %u bytes of echo are lost", c->id,
          c->out.len + c->down.len);
    oracle_reset(c);
    c->client_reset = true;
    c->out.len = c->down.len = 0;
    client_poke(c->client);
}

static void close_conn(struct net_conn *c)
{
    oracle_close(c);
    trace("connection %u is closed", c->id);
    c->closed = c->server_fin = true;
    c->fd = -1;
    c->sock = NULL;
    if (c->broken)
        return;
    if (c->up.len > 0)
        reset_client(c);
    client_poke(c->client);
}

static void close_listener(struct net_listener *l)
{
    oracle_door_closed(l);
    trace("the listener on port %u is closed, with %u waiting", l->port, l->waiting);
    for (uint32_t i = 0; i < l->waiting; i++)
        if (!l->queue[i]->broken)
            net_break(l->queue[i], ECONNRESET);
    l->waiting = 0;
    l->fd = -1;
    l->sock = NULL;
}

void sock_close(int fd)
{
    int i = fd_index(fd);

    if (table[i].conn)
        close_conn(table[i].conn);
    else
        close_listener(table[i].listener);
    table[i].conn = NULL;
    table[i].listener = NULL;
}

/* (for sockets that are passed, and here none is) */
int sock_listen(int fd, int backlog)
{
    (void)backlog;
    (void)net_listener_of(fd);
    return 0;
}

int sock_shutdown(int fd)
{
    struct net_conn *c = net_conn_of(fd);

    oracle_fin(c);
    if (c->broken)
        return -ENOTCONN;
    trace("connection %u: the server sends its FIN", c->id);
    c->server_fin = true;
    client_poke(c->client);
    return 0;
}

/* --- sock.h, the rest --------------------------------------------------------------------------- */

int sock_set(int fd, int level, int option, int value)
{
    (void)level;
    (void)option;
    (void)value;
    (void)fd_index(fd);
    return 0;
}

int sock_set_blocking(int fd, bool blocking)
{
    return sock_set(fd, 0, 0, blocking);
}

int sock_set_buffers(int fd, uint64_t sndbuf, uint64_t rcvbuf)
{
    return sock_set(fd, 0, 0, sndbuf || rcvbuf);
}

int sock_set_congestion(int fd, const char *name)
{
    return sock_set(fd, 0, 0, *name != '\0');
}

/* Made-up connections are made at once, and their segments arrive. */
uint32_t sock_retransmits(int fd)
{
    (void)fd;
    return 0;
}

int64_t sock_sent_ago_ns(int fd)
{
    const struct net_conn *c = net_conn_of(fd);

    if (world.faults.silence)
        return INT64_MAX / 2;
    return (world.now_ns - c->sent_ns) / NS_PER_MS * NS_PER_MS;
}

static void address(struct addr *ret, unsigned host, unsigned port)
{
    *ret = (struct addr){
        .in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)},
        .len = sizeof ret->in,
    };
    ret->in.sin_addr.s_addr = htonl(0x0a000000 | host);
}

int sock_local(struct addr *ret, int fd)
{
    address(ret, 0, net_listener_of(fd)->port);
    return 0;
}

int sock_peer(struct addr *ret, int fd)
{
    const struct net_conn *c = net_conn_of(fd);

    if (c->broken)
        return -ENOTCONN;
    address(ret, 1, 40000 + c->id);
    return 0;
}

int sock_connect(int fd, const struct addr *to)
{
    (void)to;
    fail("descriptor %d: a server connects to nobody", fd);
}

/* --- listener.h --------------------------------------------------------------------------------- */

int listener_open(int *ret_fd, const struct addr *addr, const struct listener_config *config,
                  struct err *err)
{
    struct net_listener *l = &net.listeners[net.n_listeners];

    if (world_fault(world.faults.memory))
        return err_set(err, ENOBUFS, "cannot create a socket");
    if (addr->sa.sa_family == AF_INET6 && choose(4) == 3)
        return err_set(err, EAFNOSUPPORT, "cannot create a socket");
    if (net.n_listeners == LISTENERS_MAX)
        fail("more listeners than endpoints are opened");
    *l = (struct net_listener){
        .fd = fd_new(NULL, l),
        .backlog = config->backlog < 0 ? 0 : (uint32_t)config->backlog,
        .port = 7000 + net.n_listeners,
        .ignored_ns = NEVER,
    };
    net.n_listeners++;
    *ret_fd = l->fd;
    return 0;
}

bool listener_listens(int fd)
{
    return net_listener_of(fd) != NULL;
}

/* --- backlog.h ---------------------------------------------------------------------------------- */

void backlog_begin(struct backlog_gauge *gauge, int fd)
{
    *gauge = (struct backlog_gauge){.fd = fd, .counts = true};
}

void backlog_end(struct backlog_gauge *gauge)
{
    gauge->fd = -1;
}

void backlog_read(struct backlog_gauge *gauge, struct backlog *ret)
{
    const struct net_listener *l;

    *ret = (struct backlog){BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, gauge->dropped};
    if (gauge->fd == -1)
        return;
    l = net_listener_of(gauge->fd);
    gauge->dropped = l->dropped;
    *ret = (struct backlog){l->waiting, l->backlog, l->dropped};
}

int backlog_open_network(void)
{
    return -ENOENT;
}

void backlog_read_network(int fd, struct backlog_network *ret)
{
    (void)fd;
    *ret = (struct backlog_network){BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, BACKLOG_UNKNOWN,
                                    BACKLOG_UNKNOWN};
}

int64_t backlog_somaxconn(void)
{
    return BACKLOG_UNKNOWN;
}

/* --- for the engine ----------------------------------------------------------------------------- */

static struct net_conn *queue_pop(struct net_listener *l)
{
    struct net_conn *c = l->queue[0];

    l->waiting--;
    memmove(l->queue, l->queue + 1, l->waiting * sizeof *l->queue);
    return c;
}

/* Every error that accept(2) lists and some beyond. The first ones take a connection with them. */
static int accept_error(struct net_listener *l)
{
    static const int codes[] = {ECONNABORTED, EPERM,      EPROTO,      ETIMEDOUT,
                                EMFILE,       ENFILE,     ENOBUFS,     ENOMEM,
                                ENETDOWN,     ENONET,     EINVAL,      EHOSTUNREACH,
                                ENOPROTOOPT,  EOPNOTSUPP, ENETUNREACH, EHOSTDOWN};
    uint32_t i = choose(sizeof codes / sizeof *codes);

    if (i < 4 && l->waiting == 0)
        return -EAGAIN;
    if (i < 4)
        net_break(queue_pop(l), ECONNRESET);
    trace("an accept fails with errno %d", codes[i]);
    return -codes[i];
}

int net_accept(struct net_listener *l)
{
    struct net_conn *c;

    if (world_fault(world.faults.accept))
        return accept_error(l);
    if (l->waiting == 0)
        return -EAGAIN;
    c = queue_pop(l);
    if (c->broken && choose(2))
        return -ECONNABORTED;
    c->fd = fd_new(c, NULL);
    trace("connection %u is accepted as descriptor %d", c->id, c->fd);
    oracle_accept(c);
    client_poke(c->client);
    return c->fd;
}

bool net_can_recv(const struct net_conn *c)
{
    return c->up.len > 0 || c->client_fin || c->broken;
}

bool net_can_send(const struct net_conn *c)
{
    return ring_room(&c->out) > 0 || c->broken;
}

/* The reason once, then none (sk_err is cleared when it is told). */
static int told(struct net_conn *c, int afterwards)
{
    int r = c->told ? afterwards : -c->broken;

    c->told = true;
    return r;
}

static void maybe_break(struct net_conn *c)
{
    static const int codes[] = {ETIMEDOUT, ECONNRESET, EHOSTUNREACH};

    if (chance(world.faults.network))
        net_break(c, codes[choose(3)]);
}

int net_recv(struct net_conn *c, void *data, uint32_t n)
{
    maybe_break(c);
    if (c->up.len == 0)
        return c->broken ? told(c, 0) : c->client_fin ? 0 : -EAGAIN;
    n = least(n, c->up.len);
    if (chance(world.faults.short_recv))
        n = choose_size(n);
    n = ring_take(&c->up, data, n);
    client_poke(c->client);
    return (int)n;
}

int net_send(struct net_conn *c, const void *data, uint32_t n)
{
    maybe_break(c);
    if (c->broken)
        return told(c, -EPIPE);
    if (c->server_fin)
        fail("connection %u: the server sends after its FIN", c->id);
    n = least(n, ring_room(&c->out));
    if (n == 0)
        return -EAGAIN;
    ring_put(&c->out, data, n);
    pump(c);
    client_poke(c->client);
    return (int)n;
}

/* --- for the clients ---------------------------------------------------------------------------- */

struct net_conn *net_connect(struct client *client, unsigned listener, bool *refused)
{
    struct net_listener *l = &net.listeners[listener];
    struct net_conn *c = &net.conns[net.n_conns];

    *refused = (l->port && l->fd < 0) || net.n_conns == CONNS_MAX;
    if (*refused || !l->port)
        return NULL;
    if (l->waiting > l->backlog) {
        l->dropped++;
        return NULL;
    }
    net.n_conns++;
    *c = (struct net_conn){
        .id = net.n_conns,
        .fd = -1,
        .client = client,
        .listener = l,
        .connected_ns = world.now_ns,
        .sent_ns = world.now_ns,
        .unattended_ns = NEVER,
    };
    ring_init(&c->up, net.rcvbuf);
    ring_init(&c->out, net.sndbuf);
    ring_init(&c->down, net.client_rcvbuf);
    l->queue[l->waiting++] = c;
    return c;
}

int net_client_send(struct net_conn *c, const void *data, uint32_t n)
{
    if (c->client_reset)
        return -ECONNRESET;
    if (c->closed) { /* the answer of a kernel that knows no such connection any more */
        reset_client(c);
        return (int)n;
    }
    return (int)ring_put(&c->up, data, n);
}

int net_client_recv(struct net_conn *c, void *data, uint32_t n)
{
    if (c->client_reset)
        return -ECONNRESET;
    n = ring_take(&c->down, data, n);
    pump(c);
    return n == 0 && c->server_fin && c->out.len == 0 ? -EPIPE : (int)n;
}

void net_client_fin(struct net_conn *c)
{
    c->client_fin = true;
}

void net_client_close(struct net_conn *c)
{
    bool unread = c->down.len > 0;

    c->client_fin = c->client_gone = true;
    if (unread && !c->closed)
        net_break(c, ECONNRESET);
    c->down.len = 0;
    pump(c);
}
