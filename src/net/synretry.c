/* synretry.c -- see synretry.h.
 *
 * SPDX-License-Identifier: MIT */
#include "synretry.h"

#include "../base/clock.h"
#include "../base/units.h"

#include <stdio.h>

#define LINEAR "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"
#define PAUSE_MOST_NS (120 * NS_PER_S) /* TCP_RTO_MAX */

int synretry_linear(void)
{
    FILE *file = fopen(LINEAR, "re");
    int linear = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%d", &linear) != 1)
        linear = -1;
    fclose(file);
    return linear;
}

/* The first pause is a second (RFC 6298, 2.1). tcp_retransmit_timer() in net/ipv4/tcp_timer.c doubles it at each retry of
 * a SYN beyond the first 'linear' ones, or at each. */
int64_t synretry_after_ns(unsigned retries, int linear)
{
    int64_t pause_ns = NS_PER_S, after_ns = 0;

    for (unsigned n = 1; n <= retries; n++) {
        after_ns += pause_ns;
        if ((int64_t)n > linear)
            pause_ns = 2 * pause_ns < PAUSE_MOST_NS ? 2 * pause_ns : PAUSE_MOST_NS;
    }
    return after_ns;
}

const char *synretry_text(char out[static SYNRETRY_TEXT_MAX], unsigned retries, int linear)
{
    char after[UNITS_TEXT_MAX];

    snprintf(out, SYNRETRY_TEXT_MAX, "%u retr%s (%s)", retries, retries == 1 ? "y" : "ies",
             units_duration_text(after, synretry_after_ns(retries, linear)));
    return out;
}

const char *synretry_reason(bool loopback)
{
    return loopback ? "the accept queue was full"
                    : "SYN unanswered: accept queue full, or packet lost";
}
