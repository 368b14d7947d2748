/* test_probe.c -- what a probe of the backlog says of what it found, in words and as JSON, and how long it waits before it
 * says so. That it finds it is for the real programs: tests/e2e/test_backlog_probe.py.
 *
 * rows: B14
 *
 * SPDX-License-Identifier: MIT */
#include "report/probe_report.h"

#include "base/clock.h"
#include "made_up.h"

#include <errno.h>
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

/* What all of them share. */
static struct probe_result completed(struct probe_result r)
{
    (void)made_up_nothing(); /* makes the plan */
    r.plan = &made_up_plan;
    r.addr = made_up_plan.addrs[0];
    r.engine = "epoll";
    r.patience_ns = 2 * NS_PER_S;
    return r;
}

TEST(each_end_has_its_sentence)
{
    static const struct {
        const char *sentence;
        struct probe_result r;
        bool good;
    } all[] = {
        {"accepts as fast as we connect", {.end = PROBE_KEEPS_UP, .served = 50}, true},
        {"accepts as fast as we connect", {.end = PROBE_KEEPS_UP, .ended = 50}, true},
        {"served 50, waiting 0, accepted more slowly than we connect",
         {.end = PROBE_KEEPS_UP, .served = 50, .retried = 2},
         true},
        {"served 2, waiting 0, turned away 3",
         {.end = PROBE_KEEPS_UP, .served = 2, .turned_away = 3},
         false},
        {"served 3, waiting 6 (backlog 5 + 1), then no answer",
         {.end = PROBE_FULL, .served = 3, .waiting = 6},
         true},
        {"served 0, waiting 1 (backlog 0 + 1), then no answer",
         {.end = PROBE_FULL, .waiting = 1},
         true},
        {"served 3, waiting 0, then no answer", {.end = PROBE_FULL, .served = 3}, true},
        {"served 3, waiting 47, and more may wait",
         {.end = PROBE_ROOM, .served = 3, .waiting = 47},
         true},
        {"served 1, waiting 6 (backlog 5 + 1), served and ended 2, turned away 4, then no answer",
         {.end = PROBE_FULL, .served = 1, .waiting = 6, .ended = 2, .turned_away = 4},
         false},
        {"served 3, waiting 0, then: Connection refused",
         {.end = PROBE_FAILED, .code = ECONNREFUSED, .served = 3},
         false},
        {"served 3, waiting 1, then interrupted",
         {.end = PROBE_INTERRUPTED, .served = 3, .waiting = 1},
         true},
        {"accepts as fast as we connect", {.end = PROBE_KEEPS_UP, .served = 5, .wrong = 1}, false},
    };
    char text[PROBE_TEXT_MAX];

    for (size_t i = 0; i < LENGTH(all); i++) {
        assert_string_equal(probe_sentence(text, &all[i].r), all[i].sentence);
        assert_int_equal(probe_good(&all[i].r), all[i].good);
    }
}

TEST(the_longest_sentence_fits)
{
    const struct probe_result r = {.end = PROBE_FULL,
                                   .served = UINT64_MAX,
                                   .waiting = UINT64_MAX,
                                   .ended = UINT64_MAX,
                                   .turned_away = UINT64_MAX};
    char text[PROBE_TEXT_MAX];

    probe_sentence(text, &r);
    assert_string_equal(text + strlen(text) - strlen(", then no answer"), ", then no answer");
}

TEST(a_slow_server_is_given_more_time)
{
    assert_int_equal(probe_patience_ns(2 * NS_PER_S, -1), 2 * NS_PER_S);
    assert_int_equal(probe_patience_ns(2 * NS_PER_S, 100 * NS_PER_US), 2 * NS_PER_S);
    assert_int_equal(probe_patience_ns(2 * NS_PER_S, 500 * NS_PER_MS), 2 * NS_PER_S);
    assert_int_equal(probe_patience_ns(2 * NS_PER_S, 600 * NS_PER_MS), 2400 * NS_PER_MS);
    assert_int_equal(probe_patience_ns(1, 1), 4);
}

static char *text_of(const struct probe_result *r)
{
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);

    assert_non_null(memory);
    probe_text(memory, r);
    assert_int_equal(fclose(memory), 0);
    return text;
}

static void says(struct probe_result r, const char *wanted, bool says_it)
{
    char *text;

    r = completed(r);
    text = text_of(&r);
    if (!strstr(text, wanted) == says_it)
        fail_msg("'%s' is %sin\n%s", wanted, says_it ? "not " : "", text);
    free(text);
}

TEST(what_the_counts_rest_on_is_said)
{
    const struct probe_result full = {
        .end = PROBE_FULL, .opened = 9, .served = 3, .waiting = 6, .syns = 2, .slowest_ns = 45100};
    const struct probe_result slow = {
        .end = PROBE_FULL, .opened = 9, .served = 3, .waiting = 6, .slowest_ns = NS_PER_S};
    const struct probe_result mute = {
        .end = PROBE_ROOM, .opened = 6, .waiting = 6, .slowest_ns = -1};
    const struct probe_result shut = {.end = PROBE_FULL, .syns = 2, .slowest_ns = -1};

    says(full,
         "9 connections of at most 50, one after the other; the next one sent 2 SYNs in vain\n",
         true);
    says(full, "3, the slowest after 45.1 us; nothing moved for 2.00 s then\n", true);
    says(full, "note:", false);
    says(full, "all of them\n", true);
    says(slow, "note: this server is slow", true);
    says(mute, "note: not one byte came back", true);
    says(shut, "note: the queue was full before we came", true);
    says((struct probe_result){.turned_away = 1}, "TURNED AWAY: 1 connection, ended", true);
    says((struct probe_result){.wrong = 2}, "WRONG: 2 connections got", true);
    says((struct probe_result){.retried = 3}, "; 3 needed more than one SYN\n", true);
}

static json_t *json_of(struct probe_result r)
{
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    json_t *root;

    assert_non_null(memory);
    r = completed(r);
    assert_int_equal(probe_json(memory, &r, "1.2.3"), 0);
    assert_int_equal(fclose(memory), 0);
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

/* Each end has all members; what does not apply is null. The number of members is that of docs/bench-json.md. */
TEST(json_is_always_whole)
{
    static const char *const words[] = {"keeps_up", "room", "full", "failed", "interrupted"};

    for (enum probe_end end = PROBE_KEEPS_UP; end <= PROBE_INTERRUPTED; end++) {
        json_t *root = json_of((struct probe_result){
            .end = end, .served = 3, .waiting = 6, .slowest_ns = -1, .code = ECONNREFUSED});
        json_t *outcome = json_object_get(root, "outcome");

        assert_int_equal(json_object_size(root), 5);
        assert_int_equal(json_object_size(json_object_get(root, "plan")), 4);
        assert_int_equal(json_object_size(outcome), 17);
        assert_string_equal(json_string_value(json_object_get(outcome, "verdict")), words[end]);
        assert_true(json_is_null(json_object_get(outcome, "slowest_echo_ns")));
        assert_int_equal(json_is_integer(json_object_get(outcome, "backlog")), end == PROBE_FULL);
        assert_int_equal(json_is_integer(json_object_get(outcome, "syns")), end == PROBE_FULL);
        assert_int_equal(json_is_string(json_object_get(outcome, "error")), end == PROBE_FAILED);
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_has_its_sentence),
        cmocka_unit_test(the_longest_sentence_fits),
        cmocka_unit_test(a_slow_server_is_given_more_time),
        cmocka_unit_test(what_the_counts_rest_on_is_said),
        cmocka_unit_test(json_is_always_whole),
    };

    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
