/* probe_report.c -- see probe_report.h.
 *
 * SPDX-License-Identifier: MIT */
#include "probe_report.h"

#include "../base/clock.h"
#include "../base/escape.h"
#include "../base/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define LABEL "%-13s "
#define SCHEMA_NAME "meari-backlog-probe"
#define SCHEMA_VERSION 1

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

const char *probe_word(enum probe_end end)
{
    switch (end) {
    case PROBE_KEEPS_UP:
        return "keeps_up";
    case PROBE_ROOM:
        return "room";
    case PROBE_FULL:
        return "full";
    case PROBE_FAILED:
        return "failed";
    case PROBE_INTERRUPTED:
        return "interrupted";
    }
    return "unknown";
}

bool probe_good(const struct probe_result *r)
{
    return r->end != PROBE_FAILED && r->turned_away == 0 && r->wrong == 0;
}

/* Linux admits one more than the backlog (net/listener.h). */
static bool knows_backlog(const struct probe_result *r)
{
    return r->end == PROBE_FULL && r->waiting > 0;
}

/* Was nobody kept waiting, not even for a SYN's answer? */
static bool is_quick(const struct probe_result *r)
{
    return r->end == PROBE_KEEPS_UP && r->retried == 0 && r->turned_away == 0;
}

static const char *ending(const struct probe_result *r)
{
    switch (r->end) {
    case PROBE_KEEPS_UP:
        return r->retried ? ", accepted more slowly than we connect" : "";
    case PROBE_ROOM:
        return ", and more may wait";
    case PROBE_FULL:
        return ", then no answer";
    case PROBE_FAILED:
        return ", then: ";
    case PROBE_INTERRUPTED:
        break;
    }
    return ", then interrupted";
}

const char *probe_sentence(char out[static PROBE_TEXT_MAX], const struct probe_result *r)
{
    char backlog[64] = "", away[64] = "", ended[64] = "";

    if (is_quick(r)) {
        snprintf(out, PROBE_TEXT_MAX, "accepts as fast as we connect");
        return out;
    }
    if (knows_backlog(r))
        snprintf(backlog, sizeof backlog, " (backlog %" PRIu64 " + 1)", r->waiting - 1);
    if (r->turned_away > 0)
        snprintf(away, sizeof away, ", turned away %" PRIu64, r->turned_away);
    if (r->ended > 0)
        snprintf(ended, sizeof ended, ", served and ended %" PRIu64, r->ended);
    snprintf(out, PROBE_TEXT_MAX, "served %" PRIu64 ", waiting %" PRIu64 "%s%s%s%s%s", r->served,
             r->waiting, backlog, ended, away, ending(r),
             r->end == PROBE_FAILED ? strerror(r->code) : "");
    return out;
}

/* --- text --------------------------------------------------------------------------------------- */

static void print_opened(FILE *out, const struct probe_result *r)
{
    fprintf(out, LABEL "%" PRIu64 " connection%s of at most %" PRIu64 ", one after the other",
            "opened", r->opened, plural(r->opened), r->plan->connections);
    if (r->end == PROBE_FULL)
        fprintf(out, "; the next one sent %" PRIu32 " SYN%s in vain", r->syns, plural(r->syns));
    if (r->retried > 0)
        fprintf(out, "; %" PRIu64 " needed more than one SYN", r->retried);
    fputc('\n', out);
}

static void print_echoes(FILE *out, const struct probe_result *r)
{
    uint64_t n = r->served + r->ended;
    char slowest[FIGURE_MAX], patience[FIGURE_MAX];

    if (n > 0)
        fprintf(out, LABEL "%" PRIu64 ", the slowest after %s", "echoes", n,
                time_text(slowest, r->slowest_ns));
    else
        fprintf(out, LABEL "none", "echoes");
    if (r->waiting > 0 && r->end != PROBE_INTERRUPTED && r->end != PROBE_FAILED)
        fprintf(out, "; nothing moved for %s then", time_text(patience, r->patience_ns));
    fputc('\n', out);
}

/* What the figures do not say by themselves. */
static void print_notes(FILE *out, const struct probe_result *r)
{
    if (r->wrong > 0)
        fprintf(out,
                "WRONG: %" PRIu64 " connection%s got something else than the byte it had sent\n",
                r->wrong, plural(r->wrong));
    if (r->turned_away > 0)
        fprintf(out, "TURNED AWAY: %" PRIu64 " connection%s, ended by the server without an echo\n",
                r->turned_away, plural(r->turned_away));
    if (r->end == PROBE_FULL && r->opened == 0)
        fprintf(out,
                "note: the queue was full before we came, or packets are dropped on the way\n");
    else if (r->waiting > 0 && r->slowest_ns < 0)
        fprintf(out,
                "note: not one byte came back, so a server that accepts and does not echo, or\n"
                "      later than --timeout, would look the same\n");
    else if (r->waiting > 0 && r->slowest_ns > r->plan->timeout_ns / 4)
        fprintf(out,
                "note: this server is slow, so some of those that wait may be served and slower\n"
                "      still; a longer --timeout tells\n");
}

void probe_text(FILE *out, const struct probe_result *r)
{
    char target[sizeof r->plan->target], sentence[PROBE_TEXT_MAX], addr[ADDR_TEXT_MAX];

    fprintf(out, "%s\n\n", probe_sentence(sentence, r));
    fprintf(out, LABEL "%s (%s), engine %s\n", "target",
            escape_text(target, sizeof target, r->plan->target), addr_text(addr, &r->addr),
            r->engine);
    print_opened(out, r);
    print_echoes(out, r);
    fprintf(out, LABEL "all of them\n", "closed");
    print_notes(out, r);
}

/* --- JSON --------------------------------------------------------------------------------------- */

static json_t *plan_of(const struct plan *plan)
{
    char target[1024];

    return json_pack("{s:s s:I s:I s:s}", "target",
                     escape_text(target, sizeof target, plan->target), "connections",
                     (json_int_t)plan->connections, "timeout_ns", (json_int_t)plan->timeout_ns,
                     "engine", plan->engine ? plan->engine : "auto");
}

static json_t *known(bool is_known, int64_t value)
{
    return is_known ? json_integer(value) : json_null();
}

static json_t *outcome_of(const struct probe_result *r)
{
    char sentence[PROBE_TEXT_MAX], addr[ADDR_TEXT_MAX];
    bool failed = r->end == PROBE_FAILED, full = r->end == PROBE_FULL;

    return json_pack(
        "{s:s s:b s:s s:s s:s s:I s:I s:I s:I s:I s:I s:I s:o s:o s:o s:I s:o}", "verdict",
        probe_word(r->end), "good", probe_good(r), "text", probe_sentence(sentence, r), "address",
        addr_text(addr, &r->addr), "engine", r->engine, "opened", (json_int_t)r->opened, "served",
        (json_int_t)r->served, "waiting", (json_int_t)r->waiting, "turned_away",
        (json_int_t)r->turned_away, "ended", (json_int_t)r->ended, "wrong", (json_int_t)r->wrong,
        "retried", (json_int_t)r->retried, "backlog",
        known(knows_backlog(r), (int64_t)r->waiting - 1), "syns", known(full, r->syns),
        "slowest_echo_ns", known(r->slowest_ns >= 0, r->slowest_ns), "patience_ns",
        (json_int_t)r->patience_ns, "error", failed ? json_string(strerror(r->code)) : json_null());
}

int probe_json(FILE *out, const struct probe_result *r, const char *version)
{
    json_t *root = json_pack("{s:{s:s s:i} s:s s:s s:o s:o}", "schema", "name", SCHEMA_NAME,
                             "version", SCHEMA_VERSION, "program", "meari-bench", "version",
                             version, "plan", plan_of(r->plan), "outcome", outcome_of(r));
    int written;

    if (root == NULL)
        return -ENOMEM;
    written = json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
    return written < 0 && !ferror(out) ? -ENOMEM : 0;
}
