/* watch.c -- see watch.h.
 *
 * SPDX-License-Identifier: MIT */
#include "watch.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "doorkeeper.h"
#include "server.h"
#include "worker.h"

#include <inttypes.h>
#include <stdio.h>

#define SOON_NS (100 * NS_PER_MS)
#define RARELY_NS (10 * NS_PER_S)
#define TELL_NS (10 * NS_PER_S) /* how often a listener has a line */

void watch_begin(struct doorkeeper *door)
{
    door->watch = (struct watch){
        .looked_ns = -SOON_NS,
        .next_ns = NEVER,
        .pause_ns = SOON_NS,
        .somaxconn = backlog_somaxconn(),
    };
    for (size_t i = 0; i < door->n; i++) {
        struct watched *w = &door->listeners[i].watched;

        *w = (struct watched){.told_ns = -TELL_NS};
        backlog_begin(&w->gauge, door->listeners[i].sock.fd);
    }
}

void watch_expect(struct doorkeeper *door)
{
    struct watch *watch = &door->watch;
    int64_t soon = io_now(door->worker->io) + SOON_NS;

    if (watch->next_ns <= soon)
        return;
    watch->next_ns = soon;
    watch->pause_ns = SOON_NS;
}

void watch_glance(struct doorkeeper *door)
{
    if (io_now(door->worker->io) - door->watch.looked_ns >= SOON_NS)
        watch_look(door);
}

int64_t watch_deadline(const struct doorkeeper *door)
{
    return door->watch.next_ns;
}

/* --- what to say -------------------------------------------------------------------------------- */

/* What would let more clients wait: whichever of the two cut the queue. It cannot be told without /proc. */
static const char *larger_queue(const struct doorkeeper *door, const struct backlog *b)
{
    if (door->watch.somaxconn == BACKLOG_UNKNOWN)
        return "a larger --backlog or net.core.somaxconn lets more wait";
    if (b->limit >= door->watch.somaxconn)
        return "a larger net.core.somaxconn lets more wait";
    return "a larger --backlog lets more wait";
}

/* Why they wait, and what to change. */
static const char *advice(const struct door_listener *l, char *out, size_t size)
{
    const struct doorkeeper *door = l->door;
    const struct server *server = door->server;
    const struct backlog *b = &l->watched.latest;

    if (!door_admits_more(door))
        snprintf(out, size, "--clients %" PRIu64 " is reached, and nobody else is served",
                 server->config.clients);
    else if (door->shut && !atomic_load(&server->draining))
        snprintf(out, size, "accepting is paused, and SIGUSR2 resumes it");
    else if (l->crowded || atomic_load(&server->places) >= server->config.concurrency)
        snprintf(out, size,
                 "--concurrency %" PRIu64 " is reached, and a larger one serves more; %s",
                 server->config.concurrency, larger_queue(door, b));
    else if (l->shut_out)
        snprintf(out, size, "accepting was paused");
    else if (server->config.accept_delay_ns > 0)
        snprintf(out, size, "each accept waits for --accept-delay; %s", larger_queue(door, b));
    else
        snprintf(out, size, "%s", larger_queue(door, b));
    return out;
}

/* SYNs are dropped for other reasons, too; so what is not seen is not said. */
static const char *finding(const struct door_listener *l, int64_t dropped, char *out, size_t size)
{
    const struct backlog *b = &l->watched.latest;
    char drops[64] = "";

    if (dropped > 0)
        snprintf(drops, sizeof drops, "%" PRId64 " SYN%s dropped", dropped,
                 dropped == 1 ? "" : "s");
    if (backlog_full(b))
        snprintf(out, size, "the accept queue of %s is full (%" PRId64 "/%" PRId64 ")%s%s", l->text,
                 b->waiting, b->limit, dropped > 0 ? ", " : "", drops);
    else
        snprintf(out, size, "%s at %s, whose backlog is %" PRId64, drops, l->text, b->limit);
    return out;
}

static void tell(struct door_listener *l, int64_t dropped)
{
    const struct backlog *b = &l->watched.latest;
    char what[192], more[192];

    log_event(LOG_WARNING, "backlog-full",
              LOG_FIELDS({"address", l->text, 0}, {"waiting", NULL, b->waiting},
                         {"backlog", NULL, b->limit}, {"syns_dropped", NULL, dropped}),
              "%s: %s", finding(l, dropped, what, sizeof what), advice(l, more, sizeof more));
}

/* --- looking ------------------------------------------------------------------------------------ */

/* Were SYNs dropped at some listener of this network since the last line? Ours counts what else it discards, too (backlog.h),
 * which is no reason to warn. Where nobody can tell, they were. */
static bool syns_were_dropped(const struct door_listener *l, int64_t *ret)
{
    const struct stats *stats = &l->door->server->stats;
    struct backlog_network now;

    backlog_read_network(stats->network_fd, &now);
    if (now.listen_drops == BACKLOG_UNKNOWN || stats->begun.listen_drops == BACKLOG_UNKNOWN)
        return true;
    *ret = now.listen_drops - stats->begun.listen_drops;
    return *ret > l->watched.network_drops;
}

/* Returns whether it has to come back for a line that was not due yet. */
static bool report(struct door_listener *l, int64_t now)
{
    struct watched *w = &l->watched;
    int64_t dropped = w->latest.dropped - w->told_dropped, network_drops = w->network_drops;
    bool full = backlog_full(&w->latest);

    w->told_full = w->told_full && full;
    if (dropped > 0 && !syns_were_dropped(l, &network_drops)) {
        w->told_dropped += dropped;
        dropped = 0;
    }
    if (dropped <= 0 && (!full || w->told_full))
        return false;
    if (now - w->told_ns < TELL_NS)
        return true;
    w->told_full = full;
    w->network_drops = network_drops;
    w->told_dropped += dropped > 0 ? dropped : 0;
    w->told_ns = now;
    tell(l, dropped);
    return false;
}

/* Returns whether anything is different from the look before. */
static bool read_queue(struct watched *w)
{
    struct backlog before = w->latest;

    backlog_read(&w->gauge, &w->latest);
    return w->latest.waiting != before.waiting || w->latest.dropped != before.dropped;
}

static bool nobody_accepts(const struct door_listener *l)
{
    return l->sock.in == IO_IDLE;
}

void watch_look(struct doorkeeper *door)
{
    struct watch *watch = &door->watch;
    int64_t now = io_now(door->worker->io), pause = watch->pause_ns * 2;
    bool reason = false;

    for (size_t i = 0; i < door->n; i++) {
        struct door_listener *l = &door->listeners[i];
        bool changed;

        if (l->sock.fd < 0)
            continue;
        changed = read_queue(&l->watched);
        if (changed)
            pause = SOON_NS;
        if (report(l, now) || changed || l->watched.latest.waiting > 0 || nobody_accepts(l))
            reason = true;
    }
    watch->looked_ns = now;
    watch->pause_ns = pause < RARELY_NS ? pause : RARELY_NS;
    watch->next_ns =
        reason && !atomic_load(&door->server->draining) ? now + watch->pause_ns : NEVER;
}
