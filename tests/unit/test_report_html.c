/* test_report_html.c -- the page of a run: complete, closed, without a script or an address to load from, and with
 * nothing in it that a name from outside could have put there. A browser looks at it in tests/e2e.
 *
 * rows: B05
 *
 * SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "base/clock.h"
#include "base/err.h"
#include "bench/result.h"
#include "made_up.h"
#include "report/html.h"
#include "report/plot.h"

#include <math.h>
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

static char *page_of(const struct result *r)
{
    struct percentiles p;
    struct err err;
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);

    assert_non_null(memory);
    assert_int_equal(percentiles_parse(&p, PERCENTILES_DEFAULT, &err), 0);
    assert_int_equal(report_html(memory, r, &p), 0);
    assert_int_equal(fclose(memory), 0);
    return text;
}

static size_t occurrences(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* What holds for every page. */
static void check_page(const char *page)
{
    static const char *const pairs[][2] = {
        {"<svg ", "</svg>"},
        {"<section>", "</section>"},
        {"<table", "</table>"},
        {"<figure>", "</figure>"},
        {"<tr>", "</tr>"},
        {"<dl ", "</dl>"},
        {"<rect class=\"hint\"", "</rect>"},
        {"<title>", "</title>"},
    };
    static const char *const never[] = {
        "nan", "inf\"", "<script", "http:", "https:", "src=", "url(", "@import"};

    for (size_t i = 0; i < LENGTH(pairs); i++)
        assert_int_equal(occurrences(page, pairs[i][0]), occurrences(page, pairs[i][1]));
    for (size_t i = 0; i < LENGTH(never); i++)
        if (strstr(page, never[i]))
            fail_msg("'%s' in the page", never[i]);
    assert_string_equal(page + strlen(page) - 8, "</html>\n");
}

TEST(a_page_has_its_plots_and_says_what_happened)
{
    static const char *const wanted[] = {
        "<title>localhost:7777: echo bench</title>",
        "Round-trip times, CLOCK_MONOTONIC (tsc)",
        "<h2>Latency</h2>",
        "<h2>Over time</h2>",
        "<h2>Connections</h2>",
        "<h2>Troubles</h2>",
        ">p99.9: response 190 ms, service 756 us<",
        "Latency by percentile",
        "Messages a second over",
        "2 × Example CPU &lt;3 GHz&gt;",
        "connection 8: &lt;b&gt;&quot;refused&quot; &amp; &#39;worse&#39;&lt;/b&gt; \\xff",
        "The highest rate that held</strong> is 20,000 messages/s",
        "12 were due and still waiting",
        "The bench may have been the limit:",
    };
    char *page = page_of(made_up_run());

    check_page(page);
    assert_int_equal(occurrences(page, "<svg "), 2 * 4);
    for (size_t i = 0; i < LENGTH(wanted); i++)
        if (strstr(page, wanted[i]) == NULL)
            fail_msg("no '%s' in the page", wanted[i]);
    assert_null(strstr(page, "Verified"));
    free(page);
}

TEST(a_page_of_nothing_has_no_plots)
{
    struct result *r = made_up_nothing();
    char *page;

    r->interrupted = r->cut_short = true;
    page = page_of(r);
    check_page(page);
    assert_int_equal(occurrences(page, "<svg "), 0);
    assert_non_null(strstr(page, "No echo came back"));
    assert_non_null(strstr(page, "Interrupted</strong> after"));
    assert_non_null(strstr(page, "Cut short</strong> after"));
    free(page);
}

static void keep(struct result *r, const char *text)
{
    struct trouble *t = &r->kept[r->n_kept++];

    *t = (struct trouble){.kind = TROUBLE_CONNECT};
    snprintf(t->text, sizeof t->text, "%s", text);
    r->troubles[TROUBLE_CONNECT]++;
}

/* Three tell the same of three connections. */
TEST(a_page_of_a_run_that_reached_nobody)
{
    struct result *r = made_up_nothing();
    char *page;

    keep(r, "connection 1: cannot connect: Connection refused");
    keep(r, "connection 2: did not connect in time");
    keep(r, "connection 3: cannot connect: Connection refused");
    keep(r, "connection 4: cannot connect: Connection refused");
    page = page_of(r);
    check_page(page);
    assert_non_null(strstr(page, "No connection</strong> could be made."));
    assert_non_null(strstr(page, "<h2>Troubles</h2>"));
    assert_non_null(strstr(page, "<li>connection 1: cannot connect: Connection refused "
                                 "(and 2 more like it)</li>\n"
                                 "<li>connection 2: did not connect in time</li>\n"));
    assert_int_equal(occurrences(page, "<li>"), 2);
    assert_null(strstr(page, "Verified"));
    free(page);
}

TEST(a_page_of_a_search_that_found_nothing)
{
    struct result *r = made_up_run();
    char *page;

    r->found_rate = 0;
    page = page_of(r);
    check_page(page);
    assert_non_null(strstr(page, "No rate held</strong> of those that were tried."));
    assert_null(strstr(page, "The highest rate that held"));
    free(page);
}

TEST(a_page_says_what_kind_of_load_it_was)
{
    struct result *r = made_up_run();
    char *page = page_of(r);

    assert_non_null(strstr(page, "open loop, 20,000 messages/s, Poisson arrivals"));
    free(page);
    made_up_plan.arrival = ARRIVAL_CONSTANT;
    page = page_of(r);
    assert_non_null(strstr(page, "open loop, 20,000 messages/s, evenly spaced"));
    free(page);
    made_up_plan.rate = 0;
    page = page_of(r);
    assert_non_null(strstr(page, "closed loop"));
    free(page);
    made_up_plan.crr = true;
    page = page_of(r);
    assert_non_null(strstr(page, "a connection for each message"));
    assert_null(strstr(page, "spin"));
    free(page);
    made_up_plan.spin_ns = 200000;
    page = page_of(r);
    assert_non_null(strstr(page, "200 us"));
    free(page);
}

TEST(one_message_in_one_interval_is_a_page)
{
    struct result *r = made_up_nothing();
    struct interval only = {.length_ns = NS_PER_S,
                            .counts = {.messages = 1},
                            .p50_ns = 1000,
                            .p99_ns = 1000,
                            .max_ns = 1000};
    char *page;

    hist_record(r->response, 1000);
    hist_record(r->service, 1000);
    hist_record(r->connect, 0);
    r->intervals = &only;
    r->n_intervals = 1;
    r->total.messages = 1;
    r->idle_right = r->plan->idle;
    page = page_of(r);
    check_page(page);
    assert_int_equal(occurrences(page, "<svg "), 2 * 4);
    assert_non_null(strstr(page, "Verified.</strong> 1 message came back right to the last byte."));
    free(page);
    only.length_ns = 0; /* and no time: the axis has a length all the same */
    page = page_of(r);
    check_page(page);
    assert_int_equal(occurrences(page, "<svg "), 2 * 4);
    free(page);
}

/* Then there is a rate to be drawn, of 0, but no time that anything took. */
TEST(an_interval_without_an_echo_is_a_page)
{
    struct result *r = made_up_nothing();
    struct interval only = {.length_ns = NS_PER_S};
    char *page;

    r->intervals = &only;
    r->n_intervals = 1;
    page = page_of(r);
    check_page(page);
    assert_int_equal(occurrences(page, "<svg "), 2 * 1);
    assert_non_null(strstr(page, ">from 0 s on: no echo<"));
    free(page);
}

TEST(silent_and_empty_intervals_are_drawn)
{
    struct result *r = made_up_run();
    char *page;

    r->intervals[4].counts.messages = 0;
    r->intervals[r->n_intervals - 1] = (struct interval){.begin_ns = 9 * NS_PER_S};
    page = page_of(r);
    check_page(page);
    assert_non_null(strstr(page, ">from 2 s on: no echo<"));
    free(page);
}

TEST(a_name_from_outside_stays_text)
{
    struct result *r = made_up_run();
    char *page;

    snprintf(made_up_plan.target, sizeof made_up_plan.target, "</title><script>\033[2J\"'&");
    page = page_of(r);
    check_page(page);
    assert_non_null(strstr(page, "<h1>&lt;/title&gt;&lt;script&gt;\\x1b[2J&quot;&#39;&amp;</h1>"));
    free(page);
}

TEST(many_points_become_few)
{
    enum { N = 100000 };
    static struct plot_point points[N];
    const struct plot_series series = {"noise", 1, PLOT_LINE, points, N};
    struct plot plot = {.width = 400,
                        .height = 200,
                        .about = "noise",
                        .x = {.title = "x", .max = N},
                        .y = {.title = "y", .max = 1000},
                        .series = &series,
                        .n_series = 1};
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);

    assert_non_null(memory);
    for (int i = 0; i < N; i++)
        points[i] = (struct plot_point){i, i == N / 3 ? 1000 : i % 500};
    plot_write(memory, &plot, "wide");
    assert_int_equal(fclose(memory), 0);
    assert_true(len < 50000);
    assert_non_null(strstr(text, "V40.0")); /* the peak, at the top, is not lost */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_has_its_plots_and_says_what_happened),
        cmocka_unit_test(a_page_of_nothing_has_no_plots),
        cmocka_unit_test(a_page_of_a_run_that_reached_nobody),
        cmocka_unit_test(a_page_of_a_search_that_found_nothing),
        cmocka_unit_test(a_page_says_what_kind_of_load_it_was),
        cmocka_unit_test(one_message_in_one_interval_is_a_page),
        cmocka_unit_test(an_interval_without_an_echo_is_a_page),
        cmocka_unit_test(silent_and_empty_intervals_are_drawn),
        cmocka_unit_test(a_name_from_outside_stays_text),
        cmocka_unit_test(many_points_become_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
