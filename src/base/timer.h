/* timer.h -- deadlines of one thread, earliest first.
 *
 * A struct timer lives in its owner; a struct timers is the thread's heap of them. One without a deadline,
 * NEVER, may be there all the same: so the heap is a list of the owners, too. Arming, moving and
 * disarming allocate nothing and cannot fail. timers_next() is the deadline to hand to the call that
 * waits; timers_due() then takes out what has passed, one at a time:
 *
 *     while ((t = timers_due(&w->timers, now)))
 *         conn_expire(container_of(t, struct conn, timer), now);
 *
 * An idle timeout need not move its timer at every byte: let it fire, compare with the time of the
 * last byte, and arm it again for the rest. That is one heap operation per idle period.
 *
 * The heap is a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986): arming costs O(1), taking out
 * or disarming O(log n) amortised.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t deadline_ns;
    struct timer *child; /* the first of its children, none of them earlier than it */
    struct timer *next;  /* the next sibling */
    struct timer **link; /* the pointer that points here; NULL: not armed */
};

struct timers {
    struct timer *root;
};

/* A zeroed struct timer is disarmed, a zeroed struct timers empty. */

static inline bool timer_armed(const struct timer *t)
{
    return t->link;
}

/* Arms 't' for 'deadline_ns', or moves it there; at NEVER it stays and is never due. */
void timer_set(struct timers *timers, struct timer *t, int64_t deadline_ns);

/* Disarms 't'; one that is not armed stays so. */
void timer_clear(struct timers *timers, struct timer *t);

/* Disarms them all. Returns them in no order, linked by 'next', to be armed anew. */
struct timer *timers_take_all(struct timers *timers);

/* The earliest deadline, NEVER when there is none. */
static inline int64_t timers_next(const struct timers *timers)
{
    return timers->root ? timers->root->deadline_ns : NEVER;
}

/* Disarms and returns the earliest timer that is not after 'now_ns', or NULL. Asked after every event,
 * and the answer is nearly always NULL. */
static inline struct timer *timers_due(struct timers *timers, int64_t now_ns)
{
    struct timer *t = timers->root;

    if (!t || t->deadline_ns > now_ns || t->deadline_ns == NEVER)
        return NULL;
    timer_clear(timers, t);
    return t;
}

#endif
