/* result.c -- see result.h.
 *
 * SPDX-License-Identifier: MIT */
#include "result.h"

#include <stdio.h>
#include <string.h>

const char *trouble_word(enum trouble_kind kind)
{
    switch (kind) {
    case TROUBLE_CONNECT:
        return "connect";
    case TROUBLE_LOST:
        return "lost";
    case TROUBLE_MISSING:
        return "missing";
    case TROUBLE_CHANGED:
        return "changed";
    case TROUBLE_SKIPPED:
        return "skipped";
    case TROUBLE_DOUBLED:
        return "doubled";
    case TROUBLE_REORDERED:
        return "reordered";
    case TROUBLE_CROSSED:
        return "crossed";
    case TROUBLE_UNASKED:
        return "unasked";
    case TROUBLE_KINDS:
        break;
    }
    return "unknown";
}

/* What is said, without of whom: "connection 7: ..." */
static const char *said(const struct trouble *t)
{
    const char *colon = strchr(t->text, ':');

    return colon ? colon : t->text;
}

size_t result_alike(const struct result *r, size_t i)
{
    size_t n = 0;

    for (size_t k = 0; k < r->n_kept; k++) {
        if (strcmp(said(&r->kept[k]), said(&r->kept[i])) != 0)
            continue;
        if (k < i)
            return 0;
        n++;
    }
    return n;
}

const char *result_syns_text(char out[static SYNS_TEXT_MAX], const struct result *r)
{
    return syns_text(out, &r->syns, r->total.connections, r->env.syn_linear,
                     plan_on_loopback(r->plan));
}

const char *result_spinning_text(char out[static FIGURE_MAX], const struct result *r)
{
    double elapsed = r->elapsed_ns > 0 ? (double)r->elapsed_ns : 1;

    out[0] = '\0';
    if (r->busiest_spun_ns > 0)
        snprintf(out, FIGURE_MAX, ", %.0f %% spinning", (double)r->busiest_spun_ns * 100 / elapsed);
    return out;
}

const char *result_cost_text(char out[static RESULT_COST_MAX], const struct result *r,
                             int64_t cpu_ns, const char *us)
{
    out[0] = '\0';
    if (r->total.messages > 0)
        snprintf(out, RESULT_COST_MAX, "%.2f %s per message, ",
                 (double)cpu_ns / 1000 / (double)r->total.messages, us);
    return out;
}

uint64_t result_troubles(const struct result *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TROUBLE_KINDS; i++)
        sum += r->troubles[i];
    return sum;
}

enum verdict result_verdict(const struct result *r)
{
    bool wrong = result_troubles(r) > 0 || r->lost_messages > 0 || r->cut_short;

    if (r->total.connections == 0 && r->troubles[TROUBLE_CONNECT] > 0)
        return VERDICT_UNCONNECTED;
    if (wrong)
        return VERDICT_WRONG;
    if (r->interrupted)
        return VERDICT_INTERRUPTED;
    return r->idle_right < r->plan->idle ? VERDICT_WRONG : VERDICT_RIGHT;
}

const char *verdict_word(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_RIGHT:
        return "right";
    case VERDICT_WRONG:
        return "wrong";
    case VERDICT_INTERRUPTED:
        return "interrupted";
    case VERDICT_UNCONNECTED:
        return "unconnected";
    }
    return "unknown";
}

bool result_good(const struct result *r)
{
    return result_verdict(r) == VERDICT_RIGHT;
}
