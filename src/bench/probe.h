/* probe.h -- what a server serves at a time, and how many its accept queue admits besides (--backlog-probe).
 *
 *     CONNECTING ──▶ ASKING ──▶ SERVED ──▶ ENDED
 *                       └──────────────────▲
 *
 * Connections are opened one after the other, at most plan->connections. Each sends one byte, which no other one sends next
 * to it. From this side a connection that waits in the accept queue looks like one that is served: the kernel completes
 * both. So the echo decides:
 *
 *   served       its byte came back;
 *   waiting      it is open, and its byte did not come back, though nothing moved for so long as *patience* is: plan->timeout_ns,
 *                or four times the slowest echo, if that is longer;
 *   turned away  the server ended it without an echo.
 *
 * The next one is called when the latest has its echo or has waited 200 ms for it (or four times the slowest echo); when
 * another one waits already, at once, since it will stand behind that one. The end is
 *
 *   full         the SYN of the latest was sent again and nothing moved for as long as patience is. A SYN that was sent before
 *                the last thing that moved says nothing: then its next retry is waited for, or plan->connect_timeout_ns. Or
 *                the kernel gave it up, and nothing had moved since it was called;
 *   room         all were made, some wait, and nothing moved for as long;
 *   keeps up     all were made, and none waits.
 *
 * What moves: an echo comes, a connection is made, the server ends one. So a server that stalls, or accepts slowly, is not
 * taken for a full one as long as something of it comes within patience; one that is slower than that cannot be told
 * from a queue, and the report says what the slowest echo took.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include "../net/addr.h"
#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum probe_end {
    PROBE_KEEPS_UP,
    PROBE_ROOM,
    PROBE_FULL,
    PROBE_FAILED, /* another one could not be made, for a reason other than silence */
    PROBE_INTERRUPTED,
};

struct probe_result {
    const struct plan *plan;
    const char *engine; /* the one used */
    struct addr addr;   /* the one of the plan's addresses that was called */
    enum probe_end end;
    int code; /* of PROBE_FAILED: errno */

    uint64_t opened;                       /* connections made: the sum of the next four */
    uint64_t served, waiting, turned_away; /* as above */
    uint64_t ended;                        /* served once, and ended by the server since */
    uint64_t wrong;      /* of all: those that got another byte, or more than one */
    uint64_t retried;    /* of all: those whose SYN had to be sent again */
    uint32_t syns;       /* of PROBE_FULL: how many the last one sent in vain */
    int64_t slowest_ns;  /* from a byte to its echo; -1: none came */
    int64_t patience_ns; /* in the end */
};

/* What happens, as it does. */
enum probe_news { PROBE_MADE, PROBE_SERVED, PROBE_ENDED, PROBE_SILENT };

struct probe_observer {
    /* Connection 'number' (from 1) was made, got its echo, was ended; its first SYN got no answer. 'after_ns' is the time
     * since it was called, or since its byte left. */
    void (*news)(void *user, enum probe_news news, uint64_t number, int64_t after_ns);
    void *user;
};

/* Opens, asks, and closes all that it opened. Returns 0, or -errno when no connection could be tried at all. */
int probe_run(struct probe_result *ret, const struct plan *plan,
              const struct probe_observer *observer, struct err *err);

/* Ends the probe that is under way; async-signal-safe. */
void probe_interrupt(void);

/* How long nothing may move before a verdict: the rule above. */
int64_t probe_patience_ns(int64_t timeout_ns, int64_t slowest_ns);

#endif
