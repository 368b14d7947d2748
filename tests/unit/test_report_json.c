/* test_report_json.c -- the JSON of a made-up run: every field that docs/bench-json.md promises is there and of its type,
 * no other one is, and a run from which nothing came has null where a figure would be a guess.
 *
 * rows: B05 B12
 *
 * SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "base/clock.h"
#include "base/err.h"
#include "bench/result.h"
#include "made_up.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static struct percentiles usual(void)
{
    struct percentiles p;
    struct err err;

    assert_int_equal(percentiles_parse(&p, PERCENTILES_DEFAULT, &err), 0);
    return p;
}

/* The types of fields: s string, i integer, r real, b boolean, o object, a array; a capital: may be null, and is
 * when nothing came of the run. */
struct field {
    const char *path; /* members, separated by dots */
    char type;
};

static const struct field fields[] = {
    {"schema.name", 's'},
    {"schema.version", 'i'},
    {"program", 's'},
    {"version", 'S'},
    {"plan.target", 's'},
    {"plan.addresses", 'a'},
    {"plan.binds", 'a'},
    {"plan.mode", 's'},
    {"plan.rate", 'r'},
    {"plan.arrival", 's'},
    {"plan.connect_rate", 'r'},
    {"plan.connections", 'i'},
    {"plan.idle", 'i'},
    {"plan.threads", 'i'},
    {"plan.depth", 'i'},
    {"plan.sizes.kind", 's'},
    {"plan.sizes.bytes", 'a'},
    {"plan.seed", 's'},
    {"plan.omit_ns", 'i'},
    {"plan.duration_ns", 'i'},
    {"plan.count", 'n'},
    {"plan.interval_ns", 'i'},
    {"plan.timeout_ns", 'i'},
    {"plan.connect_timeout_ns", 'i'},
    {"plan.start_at_real_ns", 'i'},
    {"plan.engine", 's'},
    {"plan.spin_ns", 'i'},
    {"plan.sndbuf", 'i'},
    {"plan.rcvbuf", 'i'},
    {"plan.congestion", 's'},
    {"plan.server_pid", 'i'},
    {"environment.host", 'S'},
    {"environment.system", 'S'},
    {"environment.cpu", 'S'},
    {"environment.cpus", 'I'},
    {"environment.congestion_control", 'S'},
    {"environment.somaxconn", 'i'},
    {"environment.syn_linear_timeouts", 'i'},
    {"environment.clock", 's'},
    {"environment.clocksource", 'S'},
    {"outcome.verdict", 's'},
    {"outcome.good", 'b'},
    {"outcome.interrupted", 'b'},
    {"outcome.cut_short", 'b'},
    {"outcome.limited", 'S'},
    {"outcome.engine", 's'},
    {"outcome.begun_real_ns", 'i'},
    {"outcome.elapsed_ns", 'i'},
    {"outcome.messages", 'i'},
    {"outcome.bytes", 'i'},
    {"outcome.messages_per_s", 'r'},
    {"outcome.bytes_per_s", 'r'},
    {"outcome.late_sends", 'i'},
    {"outcome.blocked_sends", 'i'},
    {"outcome.connections", 'i'},
    {"outcome.lost_messages", 'i'},
    {"outcome.unsent_messages", 'i'},
    {"outcome.search", 'O'},
    {"outcome.idle_right", 'i'},
    {"syn_retries.connections", 'i'},
    {"syn_retries.given_up", 'i'},
    {"syn_retries.reason", 'S'},
    {"syn_retries.by_retries", 'a'},
    {"cost.bench.total_ns", 'i'},
    {"cost.bench.user_ns", 'i'},
    {"cost.bench.busiest_thread_ns", 'i'},
    {"cost.bench.busiest_thread_spun_ns", 'i'},
    {"cost.bench.busiest_thread_waited_ns", 'i'},
    {"cost.bench.ns_per_message", 'R'},
    {"cost.server.total_ns", 'I'},
    {"cost.server.ns_per_message", 'R'},
    {"cost.retransmitted_segments", 'i'},
    {"troubles.total", 'i'},
    {"troubles.counts.connect", 'i'},
    {"troubles.counts.lost", 'i'},
    {"troubles.counts.missing", 'i'},
    {"troubles.counts.changed", 'i'},
    {"troubles.counts.skipped", 'i'},
    {"troubles.counts.doubled", 'i'},
    {"troubles.counts.reordered", 'i'},
    {"troubles.counts.crossed", 'i'},
    {"troubles.counts.unasked", 'i'},
    {"troubles.first", 'a'},
    {"intervals", 'a'},
};

/* Each is a view of times. */
static const char *const views[] = {"response", "service", "connect", "lag"};
static const struct field times[] = {
    {"count", 'i'},     {"min_ns", 'I'}, {"mean_ns", 'I'},
    {"stddev_ns", 'I'}, {"max_ns", 'I'}, {"percentiles_ns", 'o'},
};

static const struct field search[] = {{"found_rate", 'r'}, {"refuted_rate", 'r'}};

static const struct field interval[] = {
    {"begin_ns", 'i'},       {"length_ns", 'i'},   {"messages", 'i'},   {"bytes", 'i'},
    {"messages_per_s", 'r'}, {"bytes_per_s", 'r'}, {"late_sends", 'i'}, {"blocked_sends", 'i'},
    {"connections", 'i'},    {"p50_ns", 'i'},      {"p99_ns", 'i'},     {"max_ns", 'i'},
};

static const struct field retries[] = {{"retries", 'i'}, {"connections", 'i'}, {"after_ns", 'i'}};

static const struct field trouble[] = {
    {"kind", 's'}, {"connection", 'i'}, {"offset", 'I'}, {"at_ns", 'i'}, {"text", 's'},
};

/* percentiles_ns has a dot in some names, so only what is above it can be found by path. */
static json_t *find(json_t *from, const char *path)
{
    char copy[128], *rest = copy;

    snprintf(copy, sizeof copy, "%s", path);
    for (char *name; from && (name = strsep(&rest, "."));)
        from = json_object_get(from, name);
    return from;
}

static bool has_type(const json_t *value, char type, bool nothing)
{
    if (type == 'n' || (nothing && strchr("SIRO", type)))
        return json_is_null(value);
    switch (type) {
    case 's':
    case 'S':
        return json_is_string(value);
    case 'i':
    case 'I':
        return json_is_integer(value);
    case 'r':
    case 'R':
        return json_is_real(value);
    case 'b':
        return json_is_boolean(value);
    case 'o':
    case 'O':
        return json_is_object(value);
    case 'a':
        return json_is_array(value);
    default:
        return false;
    }
}

static void check(json_t *from, const struct field *list, size_t n, bool nothing)
{
    for (size_t i = 0; i < n; i++)
        if (!has_type(find(from, list[i].path), list[i].type, nothing))
            fail_msg("%s is missing or not of type %c", list[i].path, list[i].type);
}

/* How many members there are, those of members included; arrays are not entered. */
static size_t members(json_t *object)
{
    size_t n = 0;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value) n += json_is_object(value) ? members(value) : 1;
    return n;
}

static json_t *parsed(const struct result *r)
{
    struct percentiles p = usual();
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    json_error_t error;
    json_t *root;

    assert_non_null(memory);
    assert_int_equal(report_json(memory, r, &p), 0);
    assert_int_equal(fclose(memory), 0);
    root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL)
        fail_msg("%s in\n%s", error.text, text);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
    return root;
}

static void check_everything(json_t *root, bool nothing)
{
    check(root, fields, LENGTH(fields), nothing);
    for (size_t i = 0; i < LENGTH(views); i++) {
        json_t *view = json_object_get(root, views[i]);
        json_t *percentiles = json_object_get(view, "percentiles_ns");

        check(view, times, LENGTH(times), nothing);
        assert_int_equal(json_object_size(percentiles), usual().n);
        assert_true(has_type(json_object_get(percentiles, "p99.99"), 'I', nothing));
    }
    if (!nothing)
        check(json_object_get(json_object_get(root, "outcome"), "search"), search, LENGTH(search),
              false);
    /* nothing that is not in the tables here, and so not in the docs: of each view five beside the list */
    assert_int_equal(members(root), LENGTH(fields) + LENGTH(views) * (5 + usual().n) +
                                        (nothing ? 0 : LENGTH(search) - 1));
}

TEST(json_has_every_field)
{
    const struct result *r = made_up_run();
    json_t *root = parsed(r), *list, *one;
    size_t i;

    check_everything(root, false);
    list = json_object_get(root, "intervals");
    assert_int_equal(json_array_size(list), r->n_intervals);
    json_array_foreach(list, i, one)
    {
        check(one, interval, LENGTH(interval), false);
        assert_int_equal(json_object_size(one), LENGTH(interval));
    }
    list = find(root, "syn_retries.by_retries");
    assert_int_equal(json_array_size(list), 2);
    json_array_foreach(list, i, one)
    {
        check(one, retries, LENGTH(retries), false);
        assert_int_equal(json_object_size(one), LENGTH(retries));
    }
    list = find(root, "troubles.first");
    assert_int_equal(json_array_size(list), 2);
    json_array_foreach(list, i, one)
    {
        check(one, trouble, LENGTH(trouble), i == 1);
        assert_int_equal(json_object_size(one), LENGTH(trouble));
    }
    json_decref(root);
}

TEST(json_has_the_values)
{
    const struct result *r = made_up_run();
    json_t *root = parsed(r), *retried;

    assert_string_equal(json_string_value(find(root, "outcome.verdict")), "wrong");
    assert_string_equal(json_string_value(find(root, "plan.seed")), "18446744073709551615");
    assert_string_equal(json_string_value(json_array_get(find(root, "plan.addresses"), 1)),
                        "[::1]:7777");
    assert_int_equal(json_integer_value(find(root, "outcome.messages")), r->total.messages);
    assert_int_equal(
        json_integer_value(json_object_get(find(root, "response.percentiles_ns"), "p99.9")),
        hist_percentile(r->response, 99.9));
    assert_int_equal(json_integer_value(find(root, "service.max_ns")), r->service->max_ns);
    assert_int_equal(json_integer_value(find(root, "troubles.counts.changed")), 30);
    assert_int_equal(json_integer_value(find(root, "syn_retries.connections")), 5);
    assert_int_equal(json_integer_value(find(root, "syn_retries.given_up")), 2);
    assert_string_equal(json_string_value(find(root, "syn_retries.reason")),
                        "the accept queue was full");
    retried = json_array_get(find(root, "syn_retries.by_retries"), 1);
    assert_int_equal(json_integer_value(json_object_get(retried, "retries")), 3);
    assert_int_equal(json_integer_value(json_object_get(retried, "connections")), 1);
    assert_int_equal(json_integer_value(json_object_get(retried, "after_ns")), 3 * NS_PER_S);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(find(root, "troubles.first"), 1), "text")),
        "connection 8: <b>\"refused\" & 'worse'</b> \\xff");
    json_decref(root);
}

TEST(json_of_nothing_has_no_guess)
{
    struct result *r = made_up_nothing();
    json_t *root = parsed(r);

    check_everything(root, true);
    assert_true(json_real_value(find(root, "outcome.messages_per_s")) == 0);
    json_decref(root);
}

TEST(json_of_an_interval_without_echoes)
{
    struct result *r = made_up_nothing();
    struct interval silent = {.length_ns = 0};
    json_t *root, *one;

    r->intervals = &silent;
    r->n_intervals = 1;
    root = parsed(r);
    one = json_array_get(json_object_get(root, "intervals"), 0);
    assert_true(json_is_null(json_object_get(one, "p50_ns")));
    assert_true(json_real_value(json_object_get(one, "messages_per_s")) == 0);
    json_decref(root);
}

TEST(what_does_not_apply_is_null)
{
    struct result *r = made_up_run();
    json_t *root;

    made_up_plan.rate = 0;
    made_up_plan.duration_ns = NEVER;
    made_up_plan.count = 1000;
    root = parsed(r);
    assert_string_equal(json_string_value(find(root, "plan.mode")), "closed");
    assert_true(json_is_null(find(root, "plan.rate")));
    assert_true(json_is_null(find(root, "plan.arrival")));
    assert_true(json_is_null(find(root, "plan.duration_ns")));
    assert_int_equal(json_integer_value(find(root, "plan.count")), 1000);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_every_field),
        cmocka_unit_test(json_has_the_values),
        cmocka_unit_test(json_of_nothing_has_no_guess),
        cmocka_unit_test(json_of_an_interval_without_echoes),
        cmocka_unit_test(what_does_not_apply_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
