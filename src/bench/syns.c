/* syns.c -- see syns.h.
 *
 * SPDX-License-Identifier: MIT */
#include "syns.h"

#include "../base/figures.h"
#include "../net/synretry.h"

#include <stdarg.h>
#include <stdio.h>

void syns_made(struct syns *s, uint32_t retries)
{
    if (retries > 0)
        s->retried[retries < SYNS_KEPT ? retries : SYNS_KEPT - 1]++;
}

void syns_given_up(struct syns *s, uint32_t retries)
{
    s->given_up += retries > 0;
}

void syns_add(struct syns *to, const struct syns *from)
{
    for (size_t i = 0; i < SYNS_KEPT; i++)
        to->retried[i] += from->retried[i];
    to->given_up += from->given_up;
}

uint64_t syns_retried(const struct syns *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SYNS_KEPT; i++)
        sum += s->retried[i];
    return sum;
}

static void __attribute__((format(printf, 2, 3))) add(char *out, const char *fmt, ...)
{
    size_t used = 0;
    va_list args;

    while (out[used])
        used++;
    va_start(args, fmt);
    vsnprintf(out + used, SYNS_TEXT_MAX - used, fmt, args);
    va_end(args);
}

/* Begins a part of the sentence: the first one has its subject. */
static void add_count(char *out, uint64_t n, uint64_t tried)
{
    char count[FIGURE_MAX], of[FIGURE_MAX];

    if (out[0] == '\0')
        add(out, "%s of %s connect%s", count_text(count, n), count_text(of, tried),
            tried == 1 ? "" : "s");
    else
        add(out, ", %s", count_text(count, n));
}

const char *syns_text(char out[static SYNS_TEXT_MAX], const struct syns *s, uint64_t made,
                      int linear, bool loopback)
{
    char retry[SYNRETRY_TEXT_MAX];

    out[0] = '\0';
    for (unsigned n = 1; n < SYNS_KEPT; n++) {
        if (s->retried[n] == 0)
            continue;
        add_count(out, s->retried[n], made + s->given_up);
        add(out, " needed %s", synretry_text(retry, n, linear));
    }
    if (s->given_up > 0) {
        add_count(out, s->given_up, made + s->given_up);
        add(out, " got no answer");
    }
    if (out[0])
        add(out, ": %s", synretry_reason(loopback));
    return out;
}
