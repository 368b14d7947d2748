/* client.c -- see client.h.
 *
 * SPDX-License-Identifier: MIT */
#include "client.h"

#include "../../src/base/clock.h"
#include "choose.h"
#include "net.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <string.h>

#define PIECE_MAX 65536
#define CONNECTS_MAX 40 /* attempts at a full queue */

enum reading { AT_ONCE, IN_BITES, AFTER_SENDING, NEVER_READS };
enum ending {
    HALF_CLOSES,  /* when all is sent; then reads on */
    CLOSES,       /* when all came back */
    CLOSES_EARLY, /* when all is sent */
    RESETS,       /* at a moment drawn */
    STAYS,
};
enum stage { AWAY, TALKS, OVER };

struct client {
    unsigned id; /* from 1 on */
    enum stage stage;
    enum reading reading;
    enum ending ending;
    unsigned listener, connects, again;
    uint64_t key; /* its stream */
    uint32_t total, sent, got, piece;
    int64_t pause_ns; /* the longest between two acts */
    int64_t next_ns;
    int64_t reset_ns;
    bool fin, ended; /* it half-closed; it read the end */
    struct net_conn *conn;
};

static struct client clients[CLIENTS_MAX];
static unsigned n_clients;
static bool storm; /* they come and go, faster than the log announces them */

unsigned client_id(const struct client *c)
{
    return c->id;
}

/* --- its stream --------------------------------------------------------------------------------- */

static unsigned char byte_at(uint64_t key, uint32_t at)
{
    return (unsigned char)(scramble(key + at / 8) >> (at % 8 * 8));
}

static void make_piece(unsigned char *out, uint64_t key, uint32_t at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = byte_at(key, at + i);
}

/* Whose bytes are these? NULL: nobody's, or too few to tell. */
static const struct client *whose(const unsigned char *data, uint32_t n)
{
    if (n < 4)
        return NULL;
    for (const struct client *c = clients; c < clients + n_clients; c++)
        for (uint32_t at = 0; at + n <= c->sent; at++) {
            uint32_t same = 0;

            while (same < n && data[same] == byte_at(c->key, at + same))
                same++;
            if (same == n)
                return c;
        }
    return NULL;
}

static void check_piece(struct client *c, const unsigned char *data, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct client *other;

        if (c->got + i >= c->sent)
            fail("client %u gets back more than it sent", c->id);
        if (data[i] == byte_at(c->key, c->got + i))
            continue;
        other = whose(data + i, n - i < 16 ? n - i : 16);
        if (other && other != c)
            fail("client %u gets bytes of client %u", c->id, other->id);
        fail("client %u gets a wrong byte at %u of %u", c->id, c->got + i, c->sent);
    }
    c->got += n;
}

/* --- drawing ------------------------------------------------------------------------------------ */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Enough to fill every buffer on the way a few times, in no more than some hundred steps. */
static uint32_t draw_total(uint32_t piece)
{
    uint32_t step =
        least(world.config.buf_size, least(net.rcvbuf, least(net.sndbuf, net.client_rcvbuf)));
    uint32_t most = 100 * step;
    uint32_t way = world.config.buf_size + net.rcvbuf + net.sndbuf + net.client_rcvbuf;

    most = least(most, least(4 * way, 200 * piece));
    return choose(8) == 0 ? 0 : choose_size(most);
}

static void draw_script(struct client *c)
{
    static const int64_t pauses_ns[] = {100 * NS_PER_US, NS_PER_MS, 100 * NS_PER_MS, NS_PER_S,
                                        20 * NS_PER_S};

    c->stage = AWAY;
    c->key = (uint64_t)choose(UINT32_MAX) << 32 | choose(UINT32_MAX);
    c->key = scramble(c->key + c->id); /* a script has no more to give: different all the same */
    c->piece = choose_size(PIECE_MAX);
    c->total = draw_total(c->piece);
    c->reading = (enum reading)(choose(2) ? 0 : choose(4));
    c->ending = (enum ending)(choose(2) ? 0 : choose(5));
    c->pause_ns = pauses_ns[choose(3) ? choose(3) : choose(5)];
    c->listener = choose(net.n_listeners ? net.n_listeners : 1);
    c->next_ns = world.now_ns + choose_span(choose(2) ? 50 * NS_PER_MS : 5 * NS_PER_S);
    c->reset_ns = c->ending == RESETS ? c->next_ns + choose_span(2 * NS_PER_S) : NEVER;
    if (storm) {
        c->total = choose(4);
        c->reading = AT_ONCE;
        c->ending = (enum ending)choose(3);
        c->pause_ns = NS_PER_MS;
        c->next_ns = world.now_ns + choose_span(NS_PER_MS);
        c->reset_ns = NEVER;
    }
    c->sent = c->got = c->connects = 0;
    c->fin = c->ended = false;
    c->conn = NULL;
}

void clients_begin(unsigned n)
{
    storm = choose(16) == 15;
    n_clients = storm ? CLIENTS_MAX : n;
    for (unsigned i = 0; i < n_clients; i++) {
        clients[i].id = i + 1;
        clients[i].again = storm ? 3 : choose(4) ? 0 : choose(3);
        draw_script(&clients[i]);
    }
}

/* --- acting ------------------------------------------------------------------------------------- */

static void over(struct client *c, const char *why)
{
    trace("client %u: %s, %u sent, %u back", c->id, why, c->sent, c->got);
    c->stage = OVER;
    c->next_ns = NEVER;
    if (c->again == 0)
        return;
    c->again--;
    draw_script(c);
}

static void try_to_connect(struct client *c)
{
    bool refused;

    c->conn = net_connect(c, c->listener, &refused);
    if (c->conn) {
        trace("client %u connects: connection %u, %u bytes to send", c->id, c->conn->id, c->total);
        c->stage = TALKS;
        c->next_ns = world.now_ns + choose_span(c->pause_ns);
    } else if (refused || ++c->connects == CONNECTS_MAX) {
        over(c, refused ? "refused" : "gave up");
    } else {
        c->next_ns = world.now_ns + NS_PER_MS + choose_span(storm ? NS_PER_MS : NS_PER_S);
    }
}

/* The stream has ended. Everything that the kernel took from the server must have come. */
static void check_end(struct client *c)
{
    const struct net_conn *conn = c->conn;

    if (c->got < conn->echoed)
        fail("client %u: %u bytes came back and then the end, though %llu were echoed", c->id,
             c->got, (unsigned long long)conn->echoed);
    if (conn->fin_read && !conn->fin_ns && c->got < c->sent)
        fail("client %u half-closed after %u bytes, and only %u came back", c->id, c->sent, c->got);
}

/* One receive. Returns whether there was something. */
static bool reads(struct client *c, uint32_t most)
{
    static unsigned char data[PIECE_MAX];
    int n = net_client_recv(c->conn, data, least(most, PIECE_MAX));

    if (n > 0) {
        check_piece(c, data, (uint32_t)n);
        return true;
    }
    if (n == -EPIPE && !c->ended) {
        c->ended = true;
        check_end(c);
        trace("client %u reads the end", c->id);
        return true;
    }
    if (n == -ECONNRESET)
        over(c, "was reset");
    return false;
}

static bool wants_to_read(const struct client *c)
{
    return !c->ended && c->reading != NEVER_READS &&
           (c->reading != AFTER_SENDING || c->sent == c->total);
}

static bool sends(struct client *c)
{
    static unsigned char data[PIECE_MAX];
    uint32_t n = choose_size(c->piece);
    int r;

    if (c->sent == c->total || c->fin)
        return false;
    n = least(n, c->total - c->sent);
    make_piece(data, c->key, c->sent, n);
    r = net_client_send(c->conn, data, n);
    if (r <= 0)
        return false;
    c->sent += (uint32_t)r;
    return true;
}

/* Returns whether it did. */
static bool ends(struct client *c)
{
    bool all_sent = c->sent == c->total;

    if (c->ended && (c->fin || choose(3) == 0)) {
        net_client_close(c->conn);
        over(c, "closed after the end");
    } else if (!c->fin && c->ending == HALF_CLOSES && all_sent) {
        c->fin = true;
        net_client_fin(c->conn);
        trace("client %u half-closes after %u bytes", c->id, c->sent);
    } else if ((c->ending == CLOSES && all_sent && c->got == c->total) ||
               (c->ending == CLOSES_EARLY && all_sent)) {
        net_client_close(c->conn);
        over(c, "closed");
    } else {
        return false;
    }
    return true;
}

static void act(struct client *c)
{
    bool did = false;

    c->next_ns = NEVER;
    if (c->stage == AWAY) {
        try_to_connect(c);
        return;
    }
    if (world.now_ns >= c->reset_ns) {
        net_break(c->conn, ECONNRESET);
        over(c, "reset the connection");
        return;
    }
    if (wants_to_read(c))
        did = reads(c, c->reading == IN_BITES ? choose_size(16) : PIECE_MAX);
    if (c->stage == TALKS)
        did = sends(c) || did;
    if (c->stage == TALKS)
        did = ends(c) || did;
    if (c->stage == TALKS)
        c->next_ns = did ? world.now_ns + choose_span(c->pause_ns) : c->reset_ns;
}

void client_poke(struct client *c)
{
    if (c->stage == TALKS && (c->next_ns == NEVER || c->next_ns == c->reset_ns))
        c->next_ns = world.now_ns + choose_span(NS_PER_MS);
}

int64_t clients_next(void)
{
    int64_t next = NEVER;

    for (unsigned i = 0; i < n_clients; i++)
        if (clients[i].next_ns < next)
            next = clients[i].next_ns;
    return next;
}

bool clients_act(void)
{
    struct client *due[CLIENTS_MAX];
    uint32_t n = 0;

    for (unsigned i = 0; i < n_clients; i++)
        if (clients[i].next_ns <= world.now_ns)
            due[n++] = &clients[i];
    if (n > 0)
        act(due[choose(n)]);
    return n > 0;
}

void clients_end(void)
{
    for (struct client *c = clients; c < clients + n_clients; c++) {
        c->again = 0;
        if (c->stage != TALKS)
            continue;
        while (reads(c, PIECE_MAX))
            ;
        if (c->stage == TALKS && !c->ended)
            fail("client %u: the server has ended, and no end came", c->id);
    }
}
