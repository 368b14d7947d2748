/* stats.c -- see stats.h.
 *
 * SPDX-License-Identifier: MIT */
#include "stats.h"

#include "../base/clock.h"
#include "../base/locale.h"
#include "../base/log.h"
#include "../base/units.h"
#include "server.h"
#include "worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 10
#define LINE_MAX_BYTES 512
#define PART_MAX 128

void stats_begin(struct server *server)
{
    struct stats *stats = &server->stats;

    *stats = (struct stats){
        .next_ns = clock_after(server->born_ns, server->config.stats_ns),
        .utf8 = locale_is_utf8(),
        .network_fd = backlog_open_network(),
        .told_ns = server->born_ns,
    };
    backlog_read_network(stats->network_fd, &stats->begun);
}

void stats_end(struct server *server)
{
    (void)log_status(NULL);
    if (server->stats.network_fd >= 0)
        close(server->stats.network_fd);
    server->stats.network_fd = -1;
}

/* --- the figures -------------------------------------------------------------------------------- */

struct figures {
    uint64_t clients, reads, bytes;    /* sums since the start, */
    uint64_t reads_per_s, bytes_per_s; /* and since the line before */
    const struct door_listener *shown; /* whose queue is the fullest; NULL: all are closed */
    struct backlog backlog;            /* its queue, and the drops of all */
    struct backlog_network network;
};

static void add_pace(struct figures *f, const struct worker *w)
{
    f->reads += atomic_load_explicit(&w->pace.reads, memory_order_relaxed);
    f->bytes += atomic_load_explicit(&w->pace.bytes, memory_order_relaxed);
}

static void sum_workers(const struct server *server, struct figures *f)
{
    const struct list *node;

    f->reads = server->gone.reads;
    f->bytes = server->gone.bytes;
    for (unsigned i = 0; i < server->n_workers; i++)
        add_pace(f, server->workers[i]);
    for (node = server->helpers.next; node != &server->helpers; node = node->next)
        add_pace(f, container_of(node, struct worker, node));
}

static uint64_t per_second(uint64_t n, int64_t span_ns)
{
    return span_ns > 0 ? (uint64_t)((double)n * (double)NS_PER_S / (double)span_ns + 0.5) : 0;
}

/* Is 'a' fuller than 'b', for its size? */
static bool is_fuller(const struct backlog *a, const struct backlog *b)
{
    return a->waiting * (b->limit + 1) > b->waiting * (a->limit + 1);
}

static int64_t sum(int64_t a, int64_t b)
{
    return a == BACKLOG_UNKNOWN || b == BACKLOG_UNKNOWN ? BACKLOG_UNKNOWN : a + b;
}

static void sum_listeners(struct doorkeeper *door, struct figures *f)
{
    int64_t dropped = 0;

    f->backlog = (struct backlog){BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, 0};
    for (size_t i = 0; i < door->n; i++) {
        struct door_listener *l = &door->listeners[i];
        struct backlog b;

        backlog_read(&l->watched.gauge, &b); /* of a closed one its drops remain */
        dropped = sum(dropped, b.dropped);
        if (l->sock.fd < 0 || (f->shown && !is_fuller(&b, &f->backlog)))
            continue;
        f->shown = l;
        f->backlog = b;
    }
    f->backlog.dropped = dropped;
}

static int64_t difference(int64_t now, int64_t before)
{
    return now == BACKLOG_UNKNOWN || before == BACKLOG_UNKNOWN ? BACKLOG_UNKNOWN : now - before;
}

/* What came between two readings; unknown where one of them is. */
static struct backlog_network since(const struct backlog_network *now,
                                    const struct backlog_network *before)
{
    return (struct backlog_network){
        .listen_overflows = difference(now->listen_overflows, before->listen_overflows),
        .listen_drops = difference(now->listen_drops, before->listen_drops),
        .cookies = difference(now->cookies, before->cookies),
        .syn_queue_drops = difference(now->syn_queue_drops, before->syn_queue_drops),
    };
}

static void gather(struct server *server, struct figures *f)
{
    struct stats *stats = &server->stats;
    int64_t now = io_now(server->workers[0]->io), span_ns = now - stats->told_ns;
    struct backlog_network network;

    *f = (struct figures){.clients = atomic_load(&server->places)};
    sum_workers(server, f);
    f->reads_per_s = per_second(f->reads - stats->told_reads, span_ns);
    f->bytes_per_s = per_second(f->bytes - stats->told_bytes, span_ns);
    sum_listeners(&server->door, f);
    backlog_read_network(stats->network_fd, &network);
    f->network = since(&network, &stats->begun);
    stats->told_ns = now;
    stats->told_reads = f->reads;
    stats->told_bytes = f->bytes;
}

/* --- in words ----------------------------------------------------------------------------------- */

/* "n/a" is what cannot be read. */
static const char *number(char out[static UNITS_TEXT_MAX], int64_t n)
{
    if (n == BACKLOG_UNKNOWN)
        return "n/a";
    snprintf(out, UNITS_TEXT_MAX, "%" PRId64, n);
    return out;
}

/* A cell for each tenth that is taken, and one as soon as anybody waits. */
static void bar(char *out, size_t size, const struct backlog *b, bool utf8)
{
    int64_t room = b->limit + 1;
    int64_t cells = (b->waiting * BAR_CELLS + room - 1) / room;
    size_t used = 0;

    for (int64_t i = 0; i < BAR_CELLS && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s",
                                 i < cells ? (utf8 ? "█" : "#") : (utf8 ? "░" : "."));
    if (used < size)
        snprintf(out + used, size - used, " ");
}

/* "backlog 6/5 FULL at 127.0.0.1:7777" */
static void queue_text(char out[static PART_MAX + ADDR_TEXT_MAX], const struct figures *f,
                       const struct server *server, bool with_bar)
{
    const struct backlog *b = &f->backlog;
    char cells[PART_MAX] = "", waiting[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];
    bool several = server->door.n > 1;
    const size_t size = PART_MAX + ADDR_TEXT_MAX;

    if (!f->shown)
        snprintf(out, size, "backlog closed");
    else if (b->waiting == BACKLOG_UNKNOWN)
        snprintf(out, size, "backlog n/a");
    else {
        if (with_bar)
            bar(cells, sizeof cells, b, server->stats.utf8);
        snprintf(out, size, "backlog %s%s/%s%s%s%s", cells, number(waiting, b->waiting),
                 number(limit, b->limit), backlog_full(b) ? " FULL" : "", several ? " at " : "",
                 several ? f->shown->text : "");
    }
}

/* What only now and then is worth a word; each with the separator before it. */
static void extra_text(char out[static PART_MAX], const struct figures *f,
                       const struct server *server, const char *dot)
{
    size_t used = 0;

    out[0] = '\0';
    if (f->network.cookies > 0)
        used += (size_t)snprintf(out, PART_MAX, "%s%" PRId64 " SYN cookie%s", dot,
                                 f->network.cookies, f->network.cookies == 1 ? "" : "s");
    if (atomic_load(&server->draining))
        snprintf(out + used, PART_MAX - used, "%sdraining", dot);
    else if (server->door.shut)
        snprintf(out + used, PART_MAX - used, "%saccepting paused", dot);
}

static void line_text(char out[static LINE_MAX_BYTES], const struct figures *f,
                      const struct server *server, bool with_bar)
{
    const char *dot = server->stats.utf8 ? " · " : " | ";
    char reads[UNITS_TEXT_MAX], bytes[UNITS_TEXT_MAX], drops[UNITS_TEXT_MAX], extra[PART_MAX];
    char queue[PART_MAX + ADDR_TEXT_MAX];

    queue_text(queue, f, server, with_bar);
    extra_text(extra, f, server, dot);
    snprintf(out, LINE_MAX_BYTES, "clients %" PRIu64 "%s%s reads/s%s%sB/s%s%s%s%s SYN%s dropped%s",
             f->clients, dot, units_count_text(reads, f->reads_per_s, ""), dot,
             units_count_text(bytes, f->bytes_per_s, " "), dot, queue, dot,
             number(drops, f->backlog.dropped), f->backlog.dropped == 1 ? "" : "s", extra);
}

/* --- to the log --------------------------------------------------------------------------------- */

/* A field that says "n/a" where the number is not known. */
static struct log_field field(const char *name, int64_t n)
{
    return (struct log_field){name, n == BACKLOG_UNKNOWN ? "n/a" : NULL, n};
}

static void log_line(const struct figures *f, const char *line)
{
    const struct log_field fields[] = {
        field("clients", (int64_t)f->clients),
        field("reads", (int64_t)f->reads),
        field("bytes", (int64_t)f->bytes),
        field("reads_per_s", (int64_t)f->reads_per_s),
        field("bytes_per_s", (int64_t)f->bytes_per_s),
        {"address", f->shown ? f->shown->text : "", 0},
        field("waiting", f->backlog.waiting),
        field("backlog", f->backlog.limit),
        field("syns_dropped", f->backlog.dropped),
        field("listen_overflows", f->network.listen_overflows),
        field("listen_drops", f->network.listen_drops),
        field("syn_cookies", f->network.cookies),
        field("syn_queue_drops", f->network.syn_queue_drops),
    };

    log_write(LOG_NOTICE, "stats", fields, sizeof fields / sizeof *fields, "%s", line);
}

static void tell_line(struct server *server, const struct figures *f)
{
    char line[LINE_MAX_BYTES];

    line_text(line, f, server, false);
    log_line(f, line);
}

void stats_tick(struct server *server)
{
    struct stats *stats = &server->stats;
    struct figures f;
    char line[LINE_MAX_BYTES];

    gather(server, &f);
    line_text(line, &f, server, true);
    if (!log_status(line))
        tell_line(server, &f);
    stats->next_ns += server->config.stats_ns;
    if (stats->next_ns <= stats->told_ns) /* late: leave out what nobody waits for any more */
        stats->next_ns = clock_after(stats->told_ns, server->config.stats_ns);
}

static void tell_listener(struct door_listener *l)
{
    char waiting[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX], drops[UNITS_TEXT_MAX];
    struct backlog b;

    if (l->sock.fd < 0)
        return;
    backlog_read(&l->watched.gauge, &b);
    log_event(LOG_NOTICE, "backlog",
              LOG_FIELDS({"address", l->text, 0}, field("waiting", b.waiting),
                         field("backlog", b.limit), field("syns_dropped", b.dropped)),
              "%s: backlog %s/%s%s, %s SYN%s dropped", l->text, number(waiting, b.waiting),
              number(limit, b.limit), backlog_full(&b) ? " FULL" : "", number(drops, b.dropped),
              b.dropped == 1 ? "" : "s");
}

static void tell_network(const struct backlog_network *n)
{
    char overflows[UNITS_TEXT_MAX], drops[UNITS_TEXT_MAX], cookies[UNITS_TEXT_MAX];
    char syn_drops[UNITS_TEXT_MAX];

    log_event(LOG_NOTICE, "network",
              LOG_FIELDS(field("listen_overflows", n->listen_overflows),
                         field("listen_drops", n->listen_drops), field("syn_cookies", n->cookies),
                         field("syn_queue_drops", n->syn_queue_drops)),
              "in this network namespace, of all listeners: ListenOverflows %s, ListenDrops %s, "
              "TCPReqQFullDoCookies %s, TCPReqQFullDrop %s",
              number(overflows, n->listen_overflows), number(drops, n->listen_drops),
              number(cookies, n->cookies), number(syn_drops, n->syn_queue_drops));
}

void stats_tell(struct server *server)
{
    struct doorkeeper *door = &server->door;
    struct figures f;

    gather(server, &f);
    tell_line(server, &f);
    for (size_t i = 0; i < door->n && door->n > 1; i++)
        tell_listener(&door->listeners[i]);
    tell_network(&f.network);
}
