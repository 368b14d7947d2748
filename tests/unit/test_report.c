/* test_report.c -- the reports of a made-up run as text and CSV, and the files they go to. A run from which nothing
 * came gives no NaN. The JSON has test_report_json.c, the page test_report_html.c.
 *
 * rows: B05 B12 C21
 *
 * SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "base/clock.h"
#include "base/err.h"
#include "bench/result.h"
#include "made_up.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* What a format makes of the result; the caller frees it. */
static char *written(enum report_format format, const struct result *r)
{
    struct percentiles p = usual();
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);

    assert_non_null(memory);
    if (format == REPORT_TEXT)
        report_text(memory, r, &p);
    else if (format == REPORT_CSV) {
        report_csv_header(memory, &p);
        report_csv(memory, r, &p);
    }
    assert_int_equal(fclose(memory), 0);
    return text;
}

TEST(percentiles_are_read)
{
    struct percentiles p;
    struct err err;
    static const char *const wrong[] = {
        "",    "50,",   ",50",    "101",    "-1",
        "1e1", "50 90", "0x10",   "99.9.9", "median",
        ".5",  "nan",   "50,,90", "max99",  "99.999999999999999999999999"};

    assert_int_equal(percentiles_parse(&p, "50,99.9,max,0,100,50", &err), 0);
    assert_int_equal(p.n, 4);
    assert_true(p.list[1] == 99.9 && p.list[2] == 0 && p.list[3] == 100);
    assert_int_equal(percentiles_parse(&p, "max", &err), 0);
    assert_int_equal(p.n, 0);
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        if (percentiles_parse(&p, wrong[i], &err) != -EINVAL)
            fail_msg("'%s' was read", wrong[i]);
        assert_non_null(strstr(err.text, "is no list of percentiles"));
    }
}

TEST(no_more_percentiles_than_there_is_room_for)
{
    struct percentiles p;
    struct err err;
    char text[4 * (PERCENTILES_MAX + 2)] = "";

    for (int i = 0; i <= PERCENTILES_MAX; i++)
        sprintf(text + strlen(text), "%s%d", i ? "," : "", i);
    assert_int_equal(percentiles_parse(&p, text, &err), -EINVAL);
    *strrchr(text, ',') = '\0';
    assert_int_equal(percentiles_parse(&p, text, &err), 0);
    assert_int_equal(p.n, PERCENTILES_MAX);
}

TEST(times_have_three_digits)
{
    static const struct {
        int64_t span_ns;
        const char *text;
    } table[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.00 us"},
        {9994, "9.99 us"},
        {9995, "10.0 us"},
        {99949, "99.9 us"},
        {99950, "100 us"},
        {999499, "999 us"},
        {999500, "1.00 ms"},
        {12345678, "12.3 ms"},
        {999500000, "1.00 s"},
        {NS_PER_S, "1.00 s"},
        {90 * NS_PER_S, "90.0 s"},
        {3600 * NS_PER_S, "3600 s"},
    };
    char out[FIGURE_MAX];

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(time_text(out, table[i].span_ns), table[i].text);
}

TEST(counts_and_rates_are_grouped)
{
    char out[FIGURE_MAX];

    assert_string_equal(count_text(out, 0), "0");
    assert_string_equal(count_text(out, 999), "999");
    assert_string_equal(count_text(out, 1000), "1,000");
    assert_string_equal(count_text(out, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(rate_text(out, 0), "0");
    assert_string_equal(rate_text(out, 0.5), "0.5");
    assert_string_equal(rate_text(out, 99.94), "99.9");
    assert_string_equal(rate_text(out, 99.96), "100");
    assert_string_equal(rate_text(out, 123456.7), "123,457");
}

TEST(sizes_are_said)
{
    char out[SIZES_TEXT_MAX];
    struct sizes sizes = {.list = {1}, .n = 1};

    assert_string_equal(sizes_text(out, &sizes), "1 byte");
    sizes = (struct sizes){.list = {64, 1500}, .n = 2, .range = 1};
    assert_string_equal(sizes_text(out, &sizes), "64 to 1500 bytes");
    sizes = (struct sizes){.list = {64, 512, 1400}, .n = 3};
    assert_string_equal(sizes_text(out, &sizes), "64, 512 or 1400 bytes");
    sizes.n = SIZES_MAX;
    for (size_t i = 0; i < SIZES_MAX; i++)
        sizes.list[i] = SIZE_LIMIT;
    assert_non_null(strstr(sizes_text(out, &sizes), "1073741824 or 1073741824 bytes"));
}

TEST(verdicts_follow_from_what_happened)
{
    struct result *r = made_up_nothing();

    r->idle_right = r->plan->idle;
    assert_true(result_good(r));
    r->interrupted = true;
    assert_int_equal(result_verdict(r), VERDICT_INTERRUPTED);
    r->idle_right = 0; /* nobody looked at them */
    assert_int_equal(result_verdict(r), VERDICT_INTERRUPTED);
    r->interrupted = false;
    assert_int_equal(result_verdict(r), VERDICT_WRONG);
    r->idle_right = r->plan->idle;
    r->cut_short = true;
    assert_int_equal(result_verdict(r), VERDICT_WRONG);
    r->cut_short = false;
    r->lost_messages = 1;
    assert_int_equal(result_verdict(r), VERDICT_WRONG);
    r->lost_messages = 0;
    r->troubles[TROUBLE_CONNECT] = 1;
    assert_int_equal(result_verdict(r), VERDICT_UNCONNECTED);
    r->total.connections = 1;
    assert_int_equal(result_verdict(r), VERDICT_WRONG);
    assert_false(result_good(r));
}

TEST(a_closed_loop_says_so)
{
    struct result *r = made_up_run();
    char *text;

    made_up_plan.rate = 0;
    text = written(REPORT_TEXT, r);
    assert_null(strstr(text, "service"));
    assert_non_null(strstr(text, "-R sends on schedule"));
    free(text);
}

TEST(text_says_everything_that_matters)
{
    static const char *const wanted[] = {
        "round-trip times, CLOCK_MONOTONIC (tsc)\n",
        "localhost:7777",
        "50 connections on 2 threads, 100 idle ones beside them, engine epoll",
        "64, 512 or 1400 bytes, depth 4",
        "open loop, 20,000 messages/s asked for, Poisson arrivals",
        "10.0 s, after a warm-up of 2.0 s",
        "Linux 6.1.0 x86_64, 2 CPUs, cubic\n",
        "highest rate  20,000 messages/s held, 21,000 did not\n",
        "20,000 messages/s, 12.6 MiB/s each way",
        "response      service\n",
        "\np99.99 ",
        "\nmax ",
        "4,000 more than 1.00 ms late, of them 3,990 because every connection was busy",
        "12 messages due, and still waiting at the end\n",
        "after the schedule",
        "48 made: p50 ",
        "4 of 50 connects needed 1 retry (1.0 s), 1 needed 3 retries (3.0 s), 2 got no answer",
        "no answer: the accept queue was full\n",
        "99 of 100 still echoed",
        "us per message, busiest thread at 95 %",
        "us per message, 20 % of one CPU",
        "5 segments",
        "CLIENT-LIMITED: its busiest thread used 95 % of a CPU",
        "TROUBLE: 2 connect, 30 changed, 3 messages sent and never echoed, 1 idle connection",
        " without an echo\n",
        "  connection 7: 1 byte changed at offset 4097\n",
        "\\xff\n",
        "  ... and 30 more\n",
    };
    struct result *r = made_up_run();
    char *text = written(REPORT_TEXT, r);

    assert_true(strncmp(text, wanted[0], strlen(wanted[0])) == 0);
    for (size_t i = 0; i < LENGTH(wanted); i++)
        if (strstr(text, wanted[i]) == NULL)
            fail_msg("no '%s' in\n%s", wanted[i], text);
    assert_null(strstr(text, "INTERRUPTED"));
    free(text);
}

TEST(text_says_how_much_of_it_was_spinning)
{
    struct result *r = made_up_run();
    char *text;

    r->busiest_spun_ns = 7 * NS_PER_S;
    text = written(REPORT_TEXT, r);
    assert_non_null(strstr(text, "busiest thread at 95 %, 70 % spinning\n"));
    free(text);
}

TEST(text_marks_a_part_and_praises_only_what_is_right)
{
    struct result *r = made_up_nothing();
    char *text;

    r->interrupted = r->cut_short = true;
    text = written(REPORT_TEXT, r);
    assert_non_null(strstr(text, "\nINTERRUPTED after"));
    assert_non_null(strstr(text, "\nCUT SHORT after"));
    assert_non_null(strstr(text, "no echo came back"));
    assert_non_null(strstr(text, "TROUBLE: not all that was asked was done\n"));
    assert_null(strstr(text, "nan"));
    free(text);
    r = made_up_run();
    memset(r->troubles, 0, sizeof r->troubles);
    r->lost_messages = 0;
    r->idle_right = r->plan->idle;
    text = written(REPORT_TEXT, r);
    assert_non_null(strstr(text, "every byte of 200,000 messages came back right\n"));
    assert_null(strstr(text, "TROUBLE"));
    free(text);
}

static void keep(struct result *r, uint64_t connection, const char *words)
{
    struct trouble *t = &r->kept[r->n_kept++];

    *t = (struct trouble){.kind = TROUBLE_LOST, .connection = connection};
    snprintf(t->text, sizeof t->text, "connection %d: %s", (int)connection, words);
    r->troubles[TROUBLE_LOST]++;
}

TEST(troubles_that_differ_in_the_connection_are_one_line)
{
    struct result *r = made_up_nothing();
    char *text;

    keep(r, 1, "closed by the server");
    keep(r, 2, "Connection reset by peer");
    keep(r, 3, "closed by the server");
    keep(r, 4, "closed by the server");
    text = written(REPORT_TEXT, r);
    assert_non_null(strstr(text, "TROUBLE: 4 lost, 100 idle connections without an echo\n"
                                 "  connection 1: closed by the server (and 2 more like it)\n"
                                 "  connection 2: Connection reset by peer\n"));
    assert_null(strstr(text, "connection 3"));
    assert_null(strstr(text, "connection 4"));
    free(text);
}

TEST(a_percentile_of_too_few_is_marked)
{
    struct result *r = made_up_nothing();
    char *text;

    hist_record(r->response, 1000);
    hist_record(r->service, 1000);
    text = written(REPORT_TEXT, r);
    assert_non_null(strstr(text, "1.00 us *\n"));
    assert_non_null(strstr(text, "* fewer than ten"));
    free(text);
    assert_true(percentile_thin(999, 99));
    assert_false(percentile_thin(1000, 99));
}

/* The cells of a line, quotes minded. */
static size_t cells(const char *line)
{
    bool quoted = false;
    size_t n = 1;

    for (; *line != '\n' && *line != '\0'; line++) {
        quoted ^= *line == '"';
        n += *line == ',' && !quoted;
    }
    return n;
}

TEST(csv_has_a_cell_for_each_column)
{
    struct result *r = made_up_run();
    char *text, *row;

    snprintf(made_up_plan.target, sizeof made_up_plan.target, "=1+1,\"x\"");
    text = written(REPORT_CSV, r);
    row = strchr(text, '\n') + 1;
    assert_int_equal(cells(text), cells(row));
    assert_int_equal(strncmp(text, "begun,host,target,", 18), 0);
    assert_non_null(strstr(text, ",response_p99.9_ns,"));
    assert_int_equal(
        strncmp(row, "2025-11-24T16:00:02Z,example,\"'=1+1,\"\"x\"\"\",open,20000,", 54), 0);
    assert_non_null(strstr(row, ",\"64,512,1400\","));
    assert_int_equal(strlen(strchr(row, '\n')), 1);
    free(text);
    text = written(REPORT_CSV, made_up_nothing());
    assert_int_equal(cells(text), cells(strchr(text, '\n') + 1));
    assert_null(strstr(text, "nan"));
    free(text);
}

TEST(csv_tells_the_kinds_of_load_apart)
{
    struct result *r = made_up_run();
    char *text;

    made_up_plan.rate = 0;
    made_up_plan.sizes = (struct sizes){.list = {64, 1500}, .n = 2, .range = true};
    text = written(REPORT_CSV, r);
    assert_non_null(strstr(text, ",closed,,,50,100,2,4,64:1500,epoll,"));
    free(text);
    made_up_plan.crr = true;
    text = written(REPORT_CSV, r);
    assert_non_null(strstr(text, ",connect,,,50,"));
    free(text);
    r = made_up_run();
    made_up_plan.arrival = ARRIVAL_CONSTANT;
    text = written(REPORT_CSV, r);
    assert_non_null(strstr(text, ",open,20000,constant,50,"));
    free(text);
}

/* Files. */

static char folder[] = "/tmp/test_report.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something */
}

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static char *contents(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;

    assert_non_null(file);
    if (getdelim(&text, &size, '\0', file) == -1)
        text[0] = '\0';
    fclose(file);
    return text;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

TEST(a_path_that_cannot_be_written_is_known_before)
{
    struct percentiles p = usual();
    struct report report;
    struct err err;

    assert_int_equal(report_open(&report, REPORT_JSON, "/no/such/folder/x", &p, &err), -ENOENT);
    assert_string_equal(err.text, "cannot write to '/no/such/folder/x': No such file or directory");
    assert_int_equal(report_open(&report, REPORT_CSV, folder, &p, &err), -EISDIR);
}

TEST(what_was_there_stays_until_the_report_is_written)
{
    struct percentiles p = usual();
    const char *path = in_folder("old");
    struct report report;
    struct err err;
    char *text;

    put(path, "an earlier report, and a long one at that");
    assert_int_equal(report_open(&report, REPORT_TEXT, path, &p, &err), 0);
    report_abandon(&report);
    text = contents(path);
    assert_string_equal(text, "an earlier report, and a long one at that");
    free(text);
    assert_int_equal(report_open(&report, REPORT_TEXT, path, &p, &err), 0);
    assert_int_equal(report_write(&report, made_up_nothing(), &p, &err), 0);
    text = contents(path);
    assert_int_equal(strncmp(text, "round-trip times", 16), 0);
    assert_null(strstr(text, "at that"));
    free(text);
    unlink(path);
}

TEST(a_disk_that_is_full_is_an_error)
{
    struct percentiles p = usual();
    const enum report_format formats[] = {REPORT_TEXT, REPORT_JSON, REPORT_CSV, REPORT_HTML};

    for (size_t i = 0; i < LENGTH(formats); i++) {
        struct report report;
        struct err err;

        assert_int_equal(report_open(&report, formats[i], "/dev/full", &p, &err), 0);
        assert_int_equal(report_write(&report, made_up_run(), &p, &err), -ENOSPC);
        assert_string_equal(err.text, "cannot write to '/dev/full': No space left on device");
    }
}

TEST(csv_rows_gather_in_one_file)
{
    struct percentiles p = usual(), other = {.list = {50}, .n = 1};
    const char *path = in_folder("runs.csv");
    struct report report;
    struct err err;
    char *text;

    for (int run = 0; run < 3; run++) {
        assert_int_equal(report_open(&report, REPORT_CSV, path, &p, &err), 0);
        assert_int_equal(report_write(&report, made_up_run(), &p, &err), 0);
    }
    text = contents(path);
    assert_int_equal(lines(text), 4);
    assert_null(strstr(text + 1, "begun,host"));
    free(text);
    assert_int_equal(report_open(&report, REPORT_CSV, path, &other, &err), -EINVAL);
    assert_non_null(strstr(err.text, "has other columns"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_read),
        cmocka_unit_test(no_more_percentiles_than_there_is_room_for),
        cmocka_unit_test(times_have_three_digits),
        cmocka_unit_test(counts_and_rates_are_grouped),
        cmocka_unit_test(sizes_are_said),
        cmocka_unit_test(verdicts_follow_from_what_happened),
        cmocka_unit_test(a_closed_loop_says_so),
        cmocka_unit_test(text_says_everything_that_matters),
        cmocka_unit_test(text_says_how_much_of_it_was_spinning),
        cmocka_unit_test(text_marks_a_part_and_praises_only_what_is_right),
        cmocka_unit_test(troubles_that_differ_in_the_connection_are_one_line),
        cmocka_unit_test(a_percentile_of_too_few_is_marked),
        cmocka_unit_test(csv_has_a_cell_for_each_column),
        cmocka_unit_test(csv_tells_the_kinds_of_load_apart),
        cmocka_unit_test(a_path_that_cannot_be_written_is_known_before),
        cmocka_unit_test(what_was_there_stays_until_the_report_is_written),
        cmocka_unit_test(a_disk_that_is_full_is_an_error),
        cmocka_unit_test(csv_rows_gather_in_one_file),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
