/* synretry.h -- a SYN that got no answer: when the kernel sends it again, and what its silence means.
 *
 * A client's first packet is a SYN. A Linux server whose accept queue is full (listener.h) does not answer it, and the
 * client's kernel sends it again: since 6.5 about 1, 2, 3, 4, 5, 7, 11 ... seconds after the first one
 * (net.ipv4.tcp_syn_linear_timeouts = 4: so many pauses do not grow), before that after 1, 3, 7, 15 ... So a connection that
 * took a second was most likely not a second away: it found the queue full once. How many retries one needed,
 * sock_retransmits() says as soon as it is made.
 *
 * A packet that a network lost looks the same, but loopback loses none.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SYNRETRY_H
#define NET_SYNRETRY_H

#include <stdbool.h>
#include <stdint.h>

/* net.ipv4.tcp_syn_linear_timeouts of this process's network; -1: the kernel has none, each pause doubles. */
int synretry_linear(void);

/* How long after the first SYN retry number 'retries' (from 1) leaves; 'linear' is what synretry_linear() says. */
int64_t synretry_after_ns(unsigned retries, int linear);

#define SYNRETRY_TEXT_MAX 64

/* "1 retry (1.0 s)", "3 retries (7.0 s)". Returns 'out'. */
const char *synretry_text(char out[static SYNRETRY_TEXT_MAX], unsigned retries, int linear);

/* Why one was needed: "the accept queue was full", or what else it may have been where packets can be lost. */
const char *synretry_reason(bool loopback);

#endif
