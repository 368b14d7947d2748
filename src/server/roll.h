/* roll.h -- the roll call: who came, who left.
 *
 * Every client is announced, until they come and go faster than anyone can read: after ROLL_LINES
 * lines within a second the rest of that second is summed up in one line. Any worker may call; the
 * lock is per client, not per message.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_ROLL_H
#define SERVER_ROLL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct addr;

#define ROLL_LINES 50

struct roll {
    pthread_mutex_t lock;
    bool every;                    /* sum up nothing */
    int64_t window_ns;             /* when the current second began */
    unsigned lines;                /* announced since */
    uint64_t came, left, bytes;    /* not announced since */
    atomic_int_fast64_t report_ns; /* when that is to be logged; NEVER: nothing to log */
};

/* How a connection ended, for its last line. */
struct roll_leave {
    uint64_t client;
    int64_t stayed_ns;
    uint64_t bytes;     /* echoed */
    uint64_t cut_bytes; /* read and not echoed */
    const char *why;    /* ", idle" ...: appended to the line; "" for the usual end */
};

void roll_init(struct roll *roll, bool every);

/* 'peer_error' is not 0 when the client was gone before it was accepted; then there is no 'peer'. Both
 * return whether this was the first one not announced in its second: then whoever minds the deadline
 * has to look at it again. */
bool roll_came(struct roll *roll, int64_t now_ns, uint64_t client, int peer_error,
               const struct addr *peer);
bool roll_left(struct roll *roll, int64_t now_ns, const struct roll_leave *leave);

/* When roll_report() is due, or NEVER. Takes no lock. */
int64_t roll_deadline(const struct roll *roll);

/* Logs what was not announced, if its second is over or 'at_once' is set. */
void roll_report(struct roll *roll, int64_t now_ns, bool at_once);

#endif
