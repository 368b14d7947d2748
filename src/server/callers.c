/* callers.c -- see callers.h.
 *
 * SPDX-License-Identifier: MIT */
#include "callers.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "doorkeeper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define HELLO_NS (1 * NS_PER_S)    /* for the first word of a caller */
#define SERVING_NS (10 * NS_PER_S) /* from the listeners to "serving" */
#define PAUSE_NS (100 * NS_PER_MS) /* out of descriptors or memory: how soon to try again */

static void drop(struct callers *all, struct caller *c)
{
    handover_close(c->fd);
    *c = all->list[--all->n];
}

bool callers_trying(const struct callers *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->list[i].trying && !handover_hung_up(all->list[i].fd))
            return true;
    return false;
}

static int say(const struct caller *c, enum handover_word word)
{
    const struct handover_message m = {.word = word};

    return handover_send(c->fd, &m, NULL);
}

/* Returns whether the service is his. He takes our hanging up for the same word, so only if he is gone it is not,
 * and not if there was no memory to say it. */
static bool say_yours(const struct caller *c)
{
    int r = say(c, HANDOVER_YOURS);

    return r != -EPIPE && r != -ECONNRESET;
}

/* The one who has been silent for longest makes room. There is one, since only one can be trying. */
static void make_room(struct callers *all)
{
    struct caller *oldest = NULL;

    for (size_t i = 0; i < all->n; i++)
        if (!all->list[i].trying && (!oldest || all->list[i].deadline_ns < oldest->deadline_ns))
            oldest = &all->list[i];
    drop(all, oldest);
}

static void admit_caller(struct callers *all, int64_t now_ns)
{
    struct caller c = {.deadline_ns = now_ns + HELLO_NS};
    uid_t uid;

    c.fd = handover_accept(all->fd);
    if (c.fd < 0) {
        all->pause_ns = now_ns + PAUSE_NS;
        return;
    }
    if (handover_peer(c.fd, &c.pid, &uid) < 0 || uid != all->uid) {
        handover_close(c.fd);
        return;
    }
    if (all->n == CALLERS_MAX)
        make_room(all);
    all->list[all->n++] = c;
}

static void give_up_on(struct callers *all, struct caller *c, const char *why)
{
    if (c->trying)
        log_event(LOG_WARNING, "takeover-abandoned", LOG_FIELDS({"pid", NULL, c->pid}),
                  "process %d took the listeners and %s: going on", (int)c->pid, why);
    drop(all, c);
}

static void give_listeners(struct callers *all, struct caller *c, int64_t now_ns)
{
    const struct handover_message m = {.word = HANDOVER_LISTENERS, .n = all->door->n};
    int fds[HANDOVER_MAX];

    for (size_t i = 0; i < m.n; i++)
        fds[i] = all->door->listeners[i].sock.fd;
    if (handover_send(c->fd, &m, fds) < 0) {
        drop(all, c);
        return;
    }
    c->trying = true;
    c->deadline_ns = now_ns + SERVING_NS;
    log_event(LOG_INFO, "takeover-asked", LOG_FIELDS({"pid", NULL, c->pid}),
              "process %d is about to take over", (int)c->pid);
}

/* A caller has said something, or hung up. Returns whether it has taken over. */
static bool hear_caller(struct callers *all, struct caller *c, int64_t now_ns)
{
    struct handover_message m;
    int r = handover_receive(c->fd, &m, NULL);

    if (r == -ENOMEM) /* to hang up on it now would say "yours" */
        all->pause_ns = now_ns + PAUSE_NS;
    if (r == -EAGAIN || r == -ENOMEM)
        return false;
    if (r == 1 && m.word == HANDOVER_SERVING && c->trying && m.n == all->door->n && say_yours(c)) {
        memcpy(all->served, m.served, sizeof all->served);
        return true;
    }
    if (r == 1 && m.word == HANDOVER_HELLO && !c->trying && !callers_trying(all)) {
        give_listeners(all, c, now_ns);
        return false;
    }
    if ((r == 1 && m.word == HANDOVER_HELLO && !c->trying) || r == -EPROTONOSUPPORT)
        (void)say(c, HANDOVER_BUSY); /* to another version it says which one this is */
    give_up_on(all, c, "ended");
    return false;
}

/* Everyone who has something to say, or nothing left to wait for. Returns who has taken over, or NULL. */
static struct caller *hear_callers(struct callers *all, const struct pollfd *polls, int64_t now_ns)
{
    for (size_t i = all->n; i-- > 0;) { /* downwards, because drop() puts the last one in the gap */
        struct caller *c = &all->list[i];

        if (polls[i].revents) {
            if (hear_caller(all, c, now_ns))
                return c;
        } else if (now_ns >= c->deadline_ns) {
            if (c->trying)
                (void)say(c, HANDOVER_LATE);
            give_up_on(all, c, "did not serve in time");
        }
    }
    return NULL;
}

struct caller *callers_attend(struct callers *all, int event_fd)
{
    struct pollfd polls[2 + CALLERS_MAX] = {{.fd = event_fd, .events = POLLIN},
                                            {.fd = all->fd, .events = POLLIN}};
    int64_t now_ns = clock_now_ns(), deadline_ns = NEVER;
    bool paused = now_ns < all->pause_ns;
    struct caller *taker;

    if (paused) {
        polls[1].fd = -1; /* poll(2) passes over it */
        deadline_ns = all->pause_ns;
    }
    for (size_t i = 0; i < all->n; i++) {
        polls[2 + i] = (struct pollfd){.fd = paused ? -1 : all->list[i].fd, .events = POLLIN};
        if (all->list[i].deadline_ns < deadline_ns)
            deadline_ns = all->list[i].deadline_ns;
    }
    if (poll(polls, 2 + all->n, clock_timeout_ms(now_ns, deadline_ns)) == -1)
        return NULL; /* no memory, at worst: once more */
    now_ns = clock_now_ns();
    taker = hear_callers(all, polls + 2, now_ns);
    if (!taker && polls[1].revents)
        admit_caller(all, now_ns);
    return taker;
}

void callers_close(struct callers *all)
{
    while (all->n > 0)
        drop(all, &all->list[0]);
}
