/* report_json.c -- the report for programs: one JSON object (RFC 8259), described in docs/bench-json.md.
 *
 * Within a version of the schema fields may be added, but none is renamed, removed or given another meaning. Times
 * are whole nanoseconds. What is unknown or does not apply is null and is never left out, so that a reader
 * need not tell "not there" from "not now". No value is NaN or infinite: a rate over no time is 0.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/escape.h"
#include "../bench/result.h"
#include "../net/synretry.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

#define SCHEMA_NAME "meari-bench"
#define SCHEMA_VERSION 1

/* jansson refuses what is no UTF-8, and a name from the command line may be anything. */
static json_t *text_of(const char *text)
{
    char safe[1024];

    if (text == NULL || text[0] == '\0')
        return json_null();
    return json_string(escape_text(safe, sizeof safe, text));
}

static json_t *number_of(uint64_t value)
{
    return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *number_or_null(uint64_t value, bool is_known)
{
    return is_known ? number_of(value) : json_null();
}

static json_t *time_or_null(int64_t span_ns, bool is_known)
{
    return is_known ? json_integer(span_ns) : json_null();
}

static json_t *real_of(double value)
{
    return json_real(isfinite(value) ? value : 0);
}

static json_t *real_or_null(double value, bool is_known)
{
    return is_known ? real_of(value) : json_null();
}

/* Adds a value. Without memory the whole becomes NULL, so that nothing is left out unnoticed. */
static void append(json_t **list, json_t *value)
{
    if (json_array_append_new(*list, value) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

static void set(json_t **object, const char *name, json_t *value)
{
    if (json_object_set_new(*object, name, value) == 0)
        return;
    json_decref(*object);
    *object = NULL;
}

static json_t *addresses_of(const struct addr *addrs, size_t n)
{
    json_t *list = json_array();
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < n; i++)
        append(&list, json_string(addr_text(text, &addrs[i])));
    return list;
}

static json_t *sizes_of(const struct sizes *sizes)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sizes->n; i++)
        append(&list, json_integer(sizes->list[i]));
    return json_pack("{s:s, s:o}", "kind",
                     sizes->range    ? "range"
                     : sizes->n == 1 ? "fixed"
                                     : "list",
                     "bytes", list);
}

static const char *mode_of(const struct plan *plan)
{
    return plan->crr ? "connect" : plan->rate > 0 ? "open" : "closed";
}

static json_t *plan_of(const struct plan *plan)
{
    bool is_open = plan->rate > 0;
    char seed[24]; /* a string: few readers of JSON keep 64 bits of a number */

    snprintf(seed, sizeof seed, "%" PRIu64, plan->seed);
    return json_pack(
        "{s:o s:o s:o  s:s s:o s:o s:o  s:o s:o s:o s:o s:o s:s  s:o s:o s:o s:o s:o s:o s:o"
        " s:s s:o s:o s:o s:o s:o}",
        "target", text_of(plan->target), "addresses", addresses_of(plan->addrs, plan->n_addrs),
        "binds", addresses_of(plan->binds, plan->n_binds),
        /* the load's kind */
        "mode", mode_of(plan), "rate", real_or_null(plan->rate, is_open), "arrival",
        is_open ? json_string(plan->arrival == ARRIVAL_POISSON ? "poisson" : "constant")
                : json_null(),
        "connect_rate", real_or_null(plan->connect_rate, plan->connect_rate > 0),
        /* its size */
        "connections", number_of(plan->connections), "idle", number_of(plan->idle), "threads",
        number_of(plan->threads), "depth", number_of(plan->depth), "sizes", sizes_of(&plan->sizes),
        "seed", seed,
        /* its times */
        "omit_ns", json_integer(plan->omit_ns), "duration_ns",
        time_or_null(plan->duration_ns, plan->duration_ns != NEVER), "count",
        number_or_null(plan->count, plan->count > 0), "interval_ns",
        time_or_null(plan->interval_ns, plan->interval_ns > 0), "timeout_ns",
        json_integer(plan->timeout_ns), "connect_timeout_ns",
        time_or_null(plan->connect_timeout_ns,
                     plan->connect_timeout_ns > 0 && plan->connect_timeout_ns != NEVER),
        "start_at_real_ns", time_or_null(plan->start_at_real_ns, plan->start_at_real_ns != 0),
        /* its means */
        "engine", plan->engine ? plan->engine : "auto", "spin_ns", json_integer(plan->spin_ns),
        "sndbuf", number_or_null(plan->sndbuf, plan->sndbuf > 0), "rcvbuf",
        number_or_null(plan->rcvbuf, plan->rcvbuf > 0), "congestion", text_of(plan->congestion),
        "server_pid", number_or_null((uint64_t)plan->server_pid, plan->server_pid > 0));
}

static json_t *environment_of(const struct environment *env)
{
    return json_pack(
        "{s:o s:o s:o s:o  s:o s:o s:o s:s s:o}", "host", text_of(env->host), "system",
        text_of(env->system), "cpu", text_of(env->cpu), "cpus",
        number_or_null(env->cpus, env->cpus > 0), "congestion_control", text_of(env->congestion),
        "somaxconn", number_or_null((uint64_t)env->somaxconn, env->somaxconn >= 0),
        "syn_linear_timeouts", number_or_null((uint64_t)env->syn_linear, env->syn_linear >= 0),
        "clock", "CLOCK_MONOTONIC", "clocksource", text_of(env->clocksource));
}

/* One view of the times. Without values everything but the count is null. */
static json_t *times_of(const struct hist *h, const struct percentiles *p)
{
    bool known = h->count > 0;
    json_t *list = json_object();
    char name[FIGURE_MAX];

    for (size_t i = 0; i < p->n; i++)
        set(&list, percentile_text(name, p->list[i]),
            time_or_null(hist_percentile(h, p->list[i]), known));
    return json_pack("{s:o s:o s:o s:o s:o s:o}", "count", number_of(h->count), "min_ns",
                     time_or_null(h->min_ns, known), "mean_ns",
                     time_or_null(llround(hist_mean_ns(h)), known), "stddev_ns",
                     time_or_null(llround(hist_stddev_ns(h)), known), "max_ns",
                     time_or_null(h->max_ns, known), "percentiles_ns", list);
}

static json_t *counts_of(const struct counts *counts, int64_t span_ns)
{
    double seconds = (double)span_ns / 1e9;

    return json_pack("{s:o s:o s:o s:o s:o s:o s:o}", "messages", number_of(counts->messages),
                     "bytes", number_of(counts->bytes), "messages_per_s",
                     real_of(span_ns > 0 ? (double)counts->messages / seconds : 0), "bytes_per_s",
                     real_of(span_ns > 0 ? (double)counts->bytes / seconds : 0), "late_sends",
                     number_of(counts->late), "blocked_sends", number_of(counts->blocked),
                     "connections", number_of(counts->connections));
}

static json_t *intervals_of(const struct result *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_intervals; i++) {
        const struct interval *span = &r->intervals[i];
        bool known = span->counts.messages > 0;
        json_t *one = counts_of(&span->counts, span->length_ns);

        set(&one, "begin_ns", json_integer(span->begin_ns));
        set(&one, "length_ns", json_integer(span->length_ns));
        set(&one, "p50_ns", time_or_null(span->p50_ns, known));
        set(&one, "p99_ns", time_or_null(span->p99_ns, known));
        set(&one, "max_ns", time_or_null(span->max_ns, known));
        append(&list, one);
    }
    return list;
}

static json_t *troubles_of(const struct result *r)
{
    json_t *counts = json_object(), *first = json_array();

    for (enum trouble_kind kind = 0; kind < TROUBLE_KINDS; kind++)
        set(&counts, trouble_word(kind), number_of(r->troubles[kind]));
    for (size_t i = 0; i < r->n_kept; i++) {
        const struct trouble *t = &r->kept[i];

        append(&first, json_pack("{s:s s:o s:o s:I s:o}", "kind", trouble_word(t->kind),
                                 "connection", number_or_null(t->connection, t->connection > 0),
                                 "offset", number_or_null(t->offset, t->offset > 0), "at_ns",
                                 (json_int_t)t->at_ns, "text", text_of(t->text)));
    }
    return json_pack("{s:o s:o s:o}", "total", number_of(result_troubles(r)), "counts", counts,
                     "first", first);
}

/* "retries" is the least where SYNS_KEPT leaves no room for more. */
static json_t *syns_of(const struct result *r)
{
    json_t *list = json_array();
    uint64_t retried = syns_retried(&r->syns);

    for (unsigned n = 1; n < SYNS_KEPT; n++)
        if (r->syns.retried[n] > 0)
            append(&list, json_pack("{s:I s:o s:I}", "retries", (json_int_t)n, "connections",
                                    number_of(r->syns.retried[n]), "after_ns",
                                    (json_int_t)synretry_after_ns(n, r->env.syn_linear)));
    return json_pack("{s:o s:o s:o s:o}", "connections", number_of(retried), "given_up",
                     number_of(r->syns.given_up), "reason",
                     retried + r->syns.given_up > 0
                         ? json_string(synretry_reason(plan_on_loopback(r->plan)))
                         : json_null(),
                     "by_retries", list);
}

static json_t *costs_of(const struct result *r)
{
    double messages = (double)r->total.messages;
    bool any = r->total.messages > 0, known = r->server_cpu_ns >= 0;

    return json_pack("{s:{s:I s:I s:I s:I s:I s:o} s:{s:o s:o} s:o}", "bench", "total_ns",
                     (json_int_t)r->cpu_ns, "user_ns", (json_int_t)r->cpu_user_ns,
                     "busiest_thread_ns", (json_int_t)r->busiest_ns, "busiest_thread_spun_ns",
                     (json_int_t)r->busiest_spun_ns, "busiest_thread_waited_ns",
                     (json_int_t)r->busiest_waited_ns, "ns_per_message",
                     real_or_null((double)r->cpu_ns / messages, any), "server", "total_ns",
                     time_or_null(r->server_cpu_ns, known), "ns_per_message",
                     real_or_null((double)r->server_cpu_ns / messages, any && known),
                     "retransmitted_segments", number_of(r->retransmits));
}

static json_t *search_of(const struct result *r)
{
    if (!r->searched)
        return json_null();
    return json_pack("{s:o s:o}", "found_rate", real_or_null(r->found_rate, r->found_rate > 0),
                     "refuted_rate", real_or_null(r->refuted_rate, r->refuted_rate > 0));
}

static json_t *outcome_of(const struct result *r)
{
    json_t *outcome = counts_of(&r->total, r->elapsed_ns);

    set(&outcome, "verdict", json_string(verdict_word(result_verdict(r))));
    set(&outcome, "good", json_boolean(result_good(r)));
    set(&outcome, "interrupted", json_boolean(r->interrupted));
    set(&outcome, "cut_short", json_boolean(r->cut_short));
    set(&outcome, "limited", text_of(r->limited));
    set(&outcome, "engine", text_of(r->engine));
    set(&outcome, "begun_real_ns", json_integer(r->begun_real_ns));
    set(&outcome, "elapsed_ns", json_integer(r->elapsed_ns));
    set(&outcome, "lost_messages", number_of(r->lost_messages));
    set(&outcome, "unsent_messages", number_of(r->unsent));
    set(&outcome, "search", search_of(r));
    set(&outcome, "idle_right", number_of(r->idle_right));
    return outcome;
}

static json_t *everything(const struct result *r, const struct percentiles *p)
{
    return json_pack("{s:{s:s s:i} s:s s:o  s:o s:o s:o  s:o s:o s:o s:o s:o  s:o s:o s:o}",
                     "schema", "name", SCHEMA_NAME, "version", SCHEMA_VERSION, "program",
                     "meari-bench", "version", text_of(r->env.version), "plan", plan_of(r->plan),
                     "environment", environment_of(&r->env), "outcome", outcome_of(r), "response",
                     times_of(r->response, p), "service", times_of(r->service, p), "connect",
                     times_of(r->connect, p), "syn_retries", syns_of(r), "lag", times_of(r->lag, p),
                     "cost", costs_of(r), "troubles", troubles_of(r), "intervals", intervals_of(r));
}

int report_json(FILE *out, const struct result *r, const struct percentiles *percentiles)
{
    json_t *root = everything(r, percentiles); /* NULL where any part of it is */
    int written;

    if (root == NULL)
        return -ENOMEM;
    written = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputc('\n', out);
    json_decref(root);
    return written < 0 && !ferror(out) ? -ENOMEM : 0; /* what ferror(3) knows, others say */
}
