/* roll.c -- see roll.h.
 *
 * SPDX-License-Identifier: MIT */
#include "roll.h"

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/units.h"
#include "../net/addr.h"

#include <inttypes.h>
#include <stdio.h>

#define WINDOW_NS NS_PER_S

void roll_init(struct roll *roll, bool every)
{
    roll->every = every;
    roll->window_ns = -WINDOW_NS;
    roll->lines = 0;
    roll->came = roll->left = roll->bytes = 0;
    atomic_init(&roll->report_ns, NEVER);
    pthread_mutex_init(&roll->lock, NULL);
}

static void sum_up(struct roll *roll)
{
    if (roll->came + roll->left == 0)
        return;
    log_event(LOG_INFO, "clients",
              LOG_FIELDS({"connected", NULL, (int64_t)roll->came},
                         {"left", NULL, (int64_t)roll->left},
                         {"bytes", NULL, (int64_t)roll->bytes}),
              "and more: %" PRIu64 " connected, %" PRIu64 " left, %" PRIu64 " bytes echoed",
              roll->came, roll->left, roll->bytes);
    roll->came = roll->left = roll->bytes = 0;
    atomic_store(&roll->report_ns, NEVER);
}

/* The first one without a line of its own starts the clock. Returns whether this is it. */
static bool expect_report(struct roll *roll)
{
    if (roll->came + roll->left != 1)
        return false;
    atomic_store(&roll->report_ns, roll->window_ns + WINDOW_NS);
    return true;
}

/* May this one have a line of its own? Otherwise the caller counts it. */
static bool room(struct roll *roll, int64_t now_ns)
{
    if (roll->every)
        return true;
    if (now_ns - roll->window_ns >= WINDOW_NS) {
        sum_up(roll);
        roll->window_ns = now_ns;
        roll->lines = 0;
    }
    return roll->lines++ < ROLL_LINES;
}

static void announce_came(uint64_t client, int peer_error, const struct addr *peer)
{
    char text[ADDR_TEXT_MAX];

    if (peer_error)
        log_event(LOG_INFO, "connected", LOG_FIELDS({"client", NULL, (int64_t)client}),
                  "client %" PRIu64 " connected, and is gone already", client);
    else
        log_event(LOG_INFO, "connected",
                  LOG_FIELDS({"client", NULL, (int64_t)client}, {"peer", addr_text(text, peer), 0}),
                  "client %" PRIu64 " connected from %s", client, addr_text(text, peer));
}

static void announce_left(const struct roll_leave *leave)
{
    char span[UNITS_TEXT_MAX], cut[64] = "";

    if (leave->cut_bytes)
        snprintf(cut, sizeof cut, ", %" PRIu64 " bytes cut", leave->cut_bytes);
    log_event(LOG_INFO, "left",
              LOG_FIELDS({"client", NULL, (int64_t)leave->client},
                         {"bytes", NULL, (int64_t)leave->bytes},
                         {"cut_bytes", NULL, (int64_t)leave->cut_bytes},
                         {"ms", NULL, leave->stayed_ns / NS_PER_MS},
                         {"why", leave->why[0] ? leave->why + 2 : "closed", 0}),
              "client %" PRIu64 " left after %s, %" PRIu64 " byte%s echoed%s%s", leave->client,
              units_duration_text(span, leave->stayed_ns), leave->bytes,
              leave->bytes == 1 ? "" : "s", cut, leave->why);
}

bool roll_came(struct roll *roll, int64_t now_ns, uint64_t client, int peer_error,
               const struct addr *peer)
{
    bool first = false;

    if (!log_wants(LOG_INFO))
        return false;
    pthread_mutex_lock(&roll->lock);
    if (room(roll, now_ns)) {
        announce_came(client, peer_error, peer);
    } else {
        roll->came++;
        first = expect_report(roll);
    }
    pthread_mutex_unlock(&roll->lock);
    return first;
}

bool roll_left(struct roll *roll, int64_t now_ns, const struct roll_leave *leave)
{
    bool first = false;

    if (!log_wants(LOG_INFO))
        return false;
    pthread_mutex_lock(&roll->lock);
    if (room(roll, now_ns)) {
        announce_left(leave);
    } else {
        roll->left++;
        roll->bytes += leave->bytes;
        first = expect_report(roll);
    }
    pthread_mutex_unlock(&roll->lock);
    return first;
}

int64_t roll_deadline(const struct roll *roll)
{
    return atomic_load_explicit(&roll->report_ns, memory_order_relaxed);
}

void roll_report(struct roll *roll, int64_t now_ns, bool at_once)
{
    pthread_mutex_lock(&roll->lock);
    if (at_once || now_ns - roll->window_ns >= WINDOW_NS)
        sum_up(roll);
    pthread_mutex_unlock(&roll->lock);
}
