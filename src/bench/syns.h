/* syns.h -- how many connections needed how many SYNs.
 *
 * Connecting times have a gap: up to some milliseconds, and then a second and more. What lies beyond it is no slow server
 * but a SYN that got no answer (net/synretry.h), so these connections are counted by their retries.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_SYNS_H
#define BENCH_SYNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYNS_KEPT \
    16 /* retries told apart; the last stands for so many and more (the kernel's limit is 6) */

struct syns {
    uint64_t retried[SYNS_KEPT]; /* connections made after so many retries; [0]: not counted */
    uint64_t given_up;           /* not made: given up after one retry or more */
};

/* A connection was made. */
void syns_made(struct syns *s, uint32_t retries);

/* One was given up. */
void syns_given_up(struct syns *s, uint32_t retries);

void syns_add(struct syns *to, const struct syns *from);

/* Connections made after at least one retry. */
uint64_t syns_retried(const struct syns *s);

#define SYNS_TEXT_MAX 1024

/* "4 of 10 connects needed 1 retry (1.0 s): the accept queue was full", or "" where nothing is to be said. 'made' is how
 * many connections there are, 'linear' and 'loopback' are those of net/synretry.h. Returns 'out'. */
const char *syns_text(char out[static SYNS_TEXT_MAX], const struct syns *s, uint64_t made,
                      int linear, bool loopback);

#endif
