/* test_hdrlog.c -- interval logs: what is written is read back to the last count, what others wrote is understood, and
 * what is damaged is refused with its line.
 *
 * The foreign payloads were made by HdrHistogram 2.1.11, the reference, as were the figures beside them. (The other
 * direction, that it reads ours, is tests/e2e/test_hdr_reference.py.)
 *
 * SPDX-License-Identifier: MIT */
#include "hdr/hdrlog.h"
#include "hdr/hdrtext.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* 1000, 2000, ... 1000000, in a histogram of 1 to an hour with 3 digits, as ours */
#define THOUSAND                                                                                   \
    "HISTFAAAAIp42pNpmSzMwMB+mgECmKE0I5DpZrBjAYP9B4jAeX6ms/xMUzmYnrIzLWRh+sgMRcuZmL4zYkErGZmqmSrx" \
    "4GwmayC0BZPk0bpM0kyyQIgg6c/nZ+Jl4gZiCESwsIsOV3l2JlYwZIbSqJB40VH9Q18/MxMDGsQQwAWJVkgLM0ctH7V8" \
    "ZFgOAMVaPY4="

static char path[] = "/tmp/meari-hdrlog-XXXXXX";
static struct hist h;

static int setup(void **state __attribute__((unused)))
{
    int fd = mkstemp(path);

    return fd == -1 ? -1 : close(fd);
}

static int teardown(void **state __attribute__((unused)))
{
    return unlink(path);
}

/* What reading gave. */
struct taken {
    size_t n;
    struct {
        char tag[HDRLOG_TAG_MAX + 1];
        int64_t begin_ns, length_ns;
        struct hist hist;
    } list[8];
};

static struct taken taken;

static int take(void *user, const struct hdrlog_interval *i, struct err *err)
{
    struct taken *t = user;

    (void)err;
    assert_true(t->n < LENGTH(t->list));
    snprintf(t->list[t->n].tag, sizeof t->list[t->n].tag, "%s", i->tag);
    t->list[t->n].begin_ns = i->begin_ns;
    t->list[t->n].length_ns = i->length_ns;
    t->list[t->n].hist = *i->hist;
    t->n++;
    return 0;
}

/* Reads a log given as text. */
static int read_text(const char *text, struct err *err)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    int r;

    assert_non_null(in);
    taken.n = 0;
    r = hdrlog_read(in, "a.hlog", take, &taken, err);
    fclose(in);
    return r;
}

static void reads(const char *text)
{
    struct err err = {.text = ""};
    int r = read_text(text, &err);

    if (r != 0)
        print_error("%s\n", err.text);
    assert_int_equal(r, 0);
}

static void same_hist(const struct hist *a, const struct hist *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->max_ns, b->max_ns);
    assert_int_equal(hist_slot(a->min_ns), hist_slot(b->min_ns));
    assert_memory_equal(a->slots, b->slots, sizeof a->slots);
}

TEST(what_is_written_is_read_back)
{
    static struct hist service, connect, none;
    struct hdrlog *log;
    struct err err;
    const int64_t start = INT64_C(1700000000123456000);

    hist_clear(&h);
    for (int64_t i = 0; i < 100000; i++)
        hist_record(&h, i * i % 1234567891);
    hist_record_many(&service, 30001, UINT64_C(1) << 40);
    hist_record_many(&service, 0, 1);
    hist_record(&service, HIST_MAX_NS);
    hist_record(&connect, 123456789);
    assert_int_equal(hdrlog_create(&log, path, &err), 0);
    hdrlog_begin(log, start, "what\nwas done");
    hdrlog_write(log, HDRLOG_RESPONSE, 0, 1000042000, &h);
    hdrlog_write(log, HDRLOG_SERVICE, 0, 1000042000, &service);
    hdrlog_write(log, HDRLOG_CONNECT, -NS_PER_S / 2, NS_PER_S, &connect);
    hdrlog_write(log, HDRLOG_RESPONSE, 1000042000, 5000, &none);
    assert_int_equal(hdrlog_close(log, &err), 0);

    taken.n = 0;
    assert_int_equal(hdrlog_read_file(path, take, &taken, &err), 0);
    assert_int_equal(taken.n, 4);
    assert_string_equal(taken.list[0].tag, "");
    assert_string_equal(taken.list[1].tag, "service");
    assert_string_equal(taken.list[2].tag, "connect");
    assert_true(taken.list[0].begin_ns == start);
    assert_true(taken.list[2].begin_ns == start - NS_PER_S / 2);
    assert_true(taken.list[3].begin_ns == start + 1000042000);
    assert_int_equal(taken.list[0].length_ns, 1000042000);
    assert_int_equal(taken.list[3].length_ns, 5000);
    same_hist(&taken.list[0].hist, &h);
    same_hist(&taken.list[1].hist, &service);
    same_hist(&taken.list[2].hist, &connect);
    same_hist(&taken.list[3].hist, &none);
}

/* rows: C21 */
TEST(earlier_log_stays_until_the_run_begins)
{
    struct hdrlog *log;
    struct err err;
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "0,1,1," THOUSAND "\n");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(hdrlog_create(&log, path, &err), 0);
    assert_int_equal(hdrlog_close(log, &err), 0);
    taken.n = 0;
    assert_int_equal(hdrlog_read_file(path, take, &taken, &err), 0);
    assert_int_equal(taken.n, 1);
    assert_int_equal(hdrlog_create(&log, path, &err), 0);
    hdrlog_begin(log, 0, "");
    assert_int_equal(hdrlog_close(log, &err), 0);
    taken.n = 0;
    assert_int_equal(hdrlog_read_file(path, take, &taken, &err), 0);
    assert_int_equal(taken.n, 0);
}

/* What a reader that looks for them in the text must find. */
TEST(lines_are_those_of_the_format)
{
    static const char head[] =
        "#what was done\n"
        "#[Histogram log format version 1.3]\n"
        "#[StartTime: 1700000000.123456 (seconds since epoch), 2023-11-14T22:13:20Z]\n"
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        "0.000000,1.000042,1.234567,HISTFA";
    char got[sizeof head];
    struct hdrlog *log;
    struct err err;
    FILE *in;

    hist_clear(&h);
    hist_record(&h, 1234567);
    assert_int_equal(hdrlog_create(&log, path, &err), 0);
    hdrlog_begin(log, INT64_C(1700000000123456000), "what\nwas done");
    hdrlog_write(log, HDRLOG_RESPONSE, 0, 1000042000, &h);
    assert_int_equal(hdrlog_close(log, &err), 0);
    in = fopen(path, "r");
    assert_non_null(in);
    assert_int_equal(fread(got, 1, sizeof head - 1, in), sizeof head - 1);
    got[sizeof head - 1] = '\0';
    assert_string_equal(got, head);
    fclose(in);
}

/* Each slot by itself, with counts of each length in bytes. */
TEST(every_slot_survives)
{
    static struct hist again;
    const char *why;

    hist_clear(&h);
    for (uint32_t slot = 0; hist_slot_lowest(slot) <= HIST_MAX_NS; slot += slot % 7 + 1) {
        uint64_t count = UINT64_C(1) << slot % 46;

        hist_record_many(&h, hist_slot_lowest(slot), count - (slot % 3 == 0));
    }
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_int_equal(hdrtext_write(out, &h), 0);
    fclose(out);
    assert_int_equal(hdrtext_read(&again, text, n, &why), 0);
    assert_int_equal(again.count, h.count);
    assert_memory_equal(again.slots, h.slots, sizeof h.slots);
    free(text);
}

/* rows: B09 */
TEST(greatest_count_survives)
{
    const char *why;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    hist_clear(&h);
    hist_record_many(&h, 5000, INT64_MAX);
    assert_int_equal(hdrtext_write(out, &h), 0);
    fclose(out);
    assert_int_equal(hdrtext_read(&h, text, n, &why), 0);
    assert_true(h.count == INT64_MAX);
    assert_true(h.slots[hist_slot(5000)] == INT64_MAX);
    free(text);
}

/* HdrHistogram's figures, of its own histograms. */
TEST(histograms_of_the_reference_are_understood)
{
    static const struct {
        const char *text;
        uint64_t count;
        int64_t min, p50, p99, max;
    } table[] = {
        {THOUSAND, 1000, 1000, 500223, 990207, 1000447},
        {/* 1 to an hour in microseconds, 2 digits */
         "HISTFAAAAHV42pNpmSzMwMBUxQABTFCaEURcm7yEwf4DROAzO9NfRqZ6pmomRyZrILRlUmSSZZIGYhgpyMQLhdxYWLxM"
         "nEysGJAZixhuUWYmBqIgkcpIUAhVShxgYWKikUoWdMDGggXQTpADArg4ODBYxAuSqIcJAEgiExY=",
         1000, 1000, 501759, 991231, 1003519},
        {/* a unit of 1000 (which is 512), 1 digit */
         "HISTFAAAAEl42pNpmSzMwMBQzwABjBCK+QWQ4P3hHsFg/wEqw4QfogMWIGBjQQAOIODigAMuASAQEoCTQgoKSkAIQSDC"
         "ycHJCY6dlADooQ1V",
         1000, 512, 507903, 1015807, 1015807},
        {/* 5 digits, beyond an hour */
         "HISTFAAAACx42pNpmSzMwMAgyAABrFCa0QHKsP8AoTkbQMBh//a1jEwbTyxiYQIAslcJ3Q==",
         (UINT64_C(1) << 40) + 2, 5, 5, 5, HIST_MAX_NS},
        {/* no digits */
         "HISTFAAAACB42pNpmSzMwMDAwoAKGMEkv5OD/QeIABMTPxMATCkDIQ==", 3, 0, 1, 1023, 1023},
        {"HISTFAAAACF42pNpmSzMwMDAyAABzFAayGd2M9ixgMH+A1QEAFKmBEw=", 0, 0, 0, 0, 0},
    };
    const char *why = "";

    for (size_t i = 0; i < LENGTH(table); i++) {
        int r = hdrtext_read(&h, table[i].text, strlen(table[i].text), &why);

        if (r != 0)
            print_error("%zu: %s\n", i, why);
        assert_int_equal(r, 0);
        assert_true(h.count == table[i].count);
        assert_true(h.min_ns == table[i].min);
        assert_true(h.max_ns == table[i].max);
        assert_int_equal(hist_slot(hist_percentile(&h, 50)), hist_slot(table[i].p50));
        assert_int_equal(hist_slot(hist_percentile(&h, 99)), hist_slot(table[i].p99));
    }
}

TEST(slots_of_our_own_layout_are_exact)
{
    const char *why;

    assert_int_equal(hdrtext_read(&h, THOUSAND, sizeof THOUSAND - 1, &why), 0);
    for (int64_t i = 1; i <= 1000; i++)
        h.slots[hist_slot(i * 1000)]--;
    for (uint32_t i = 0; i < HIST_SLOTS; i++)
        assert_int_equal(h.slots[i], 0);
}

TEST(exact_maximum_is_taken_where_it_can_be_one)
{
    reads("0,1,1.000000," THOUSAND "\n0,1,1.000448," THOUSAND "\n0,1,NaN," THOUSAND
          "\n0,1,0.5," THOUSAND "\n");
    assert_int_equal(taken.list[0].hist.max_ns, 1000000);
    assert_int_equal(taken.list[1].hist.max_ns, 1000447);
    assert_int_equal(taken.list[2].hist.max_ns, 1000447);
    assert_int_equal(taken.list[3].hist.max_ns, 1000447);
}

TEST(times_are_absolute_or_not_as_the_reference_has_it)
{
    static const struct {
        const char *head, *time;
        int64_t begin_ms;
    } table[] = {
        {"", "5.25", 5250},
        {"", "1441812279.474", 1441812279474},
        {"#[StartTime: 1441812279.474 (seconds since epoch), Wed]\n", "0.127", 1441812279601},
        {"#[StartTime: 1441812279.474 (seconds since epoch), Wed]\n", "1441812280", 1441812280000},
        {"#[StartTime: 1000.5 (seconds since epoch)]\n#[BaseTime: 900 (seconds since epoch)]\n",
         "7", 907000},
        {"#[BaseTime: 900 (seconds since epoch)]\n#[StartTime: 1000 (seconds since epoch)]\n", "7",
         907000},
        {"#[Histogram log format version 1.2]\r\n\"StartTimestamp\",\"...\"\r\n\r\n", "3", 3000},
        {"#[StartTime: 2000 (seconds since epoch)]\n", "-1.5", 1998500},
    };
    char text[1024];

    for (size_t i = 0; i < LENGTH(table); i++) {
        snprintf(text, sizeof text, "%s%s,1.5,1.0,%s", table[i].head, table[i].time, THOUSAND);
        reads(text);
        assert_int_equal(taken.n, 1);
        assert_int_equal(taken.list[0].begin_ns, table[i].begin_ms * NS_PER_MS);
        assert_int_equal(taken.list[0].length_ns, 1500 * NS_PER_MS);
    }
}

TEST(logs_one_after_the_other_keep_their_own_start)
{
    reads("#[StartTime: 1000.0 (seconds since epoch)]\n0.5,1,1," THOUSAND
          "\n#[StartTime: 2000.0 (seconds since epoch)]\n0.5,1,1," THOUSAND "\n");
    assert_int_equal(taken.list[0].begin_ns, 1000 * NS_PER_S + NS_PER_S / 2);
    assert_int_equal(taken.list[1].begin_ns, 2000 * NS_PER_S + NS_PER_S / 2);
}

TEST(tags_and_delimiters)
{
    reads("Tag=A,0,1,1," THOUSAND "\r\nTag=two-2 0 1 1 " THOUSAND "\n0,1,1," THOUSAND "\n");
    assert_int_equal(taken.n, 3);
    assert_string_equal(taken.list[0].tag, "A");
    assert_string_equal(taken.list[1].tag, "two-2");
    assert_string_equal(taken.list[2].tag, "");
    assert_int_equal(taken.list[1].hist.count, 1000);
}

TEST(nothing_is_a_log_of_nothing)
{
    reads("\n");
    assert_int_equal(taken.n, 0);
    reads("# a comment");
    assert_int_equal(taken.n, 0);
}

/* rows: C20 */
TEST(damage_is_named_with_its_line)
{
    static const struct {
        const char *text, *says;
    } table[] = {
        {"hello\n", "line 1: this is no line of an HdrHistogram log"},
        {"{\"schema\": 1}\n", "line 1: this is no line of an HdrHistogram log"},
        {"\n\n\"Start\"\n", "line 3: this is no line of an HdrHistogram log"},
        {"0,1\n", "line 1: this is no line"},
        {"0,1,5\n", "line 1: it ends early"},
        {"0,1,,X\n", "line 1: it ends early"},
        {"0,1,5,\n", "its histogram: it is too short"},
        {"0,1,5,HIST\n", "its histogram: it is too short"},
        {"0,1,5,?\n", "its histogram: it is no base64"},
        {"0,1,5,HI=T\n", "its histogram: it is no base64"},
        {"0,1,5,=\n", "its histogram: it is no base64"},
        {"0,1,5,====\n", "its histogram: it is no base64"},
        {"0,1,5,HISTFAAA HIST\n", "its histogram: it is no base64"},
        {"0,-1,5," THOUSAND "\n", "its time makes no sense"},
        {"99999999999,1,5," THOUSAND "\n", "this is no line"},
        {"9223372036.9,1,5," THOUSAND "\n", "this is no line"},
        {"9000000000,900000000,5," THOUSAND "\n", "its time makes no sense"},
        {"#[StartTime: soon]\n", "there is no start time"},
        {"-1,1,5," THOUSAND "\n", "its time makes no sense"},
        {"#\n#[BaseTime: ]\n", "line 2: there is no base time"},
        {"Tag=,0,1,1," THOUSAND "\n", "its tag is empty"},
        {"Tag=a\tb,0,1,1," THOUSAND "\n", "its tag is"},
        {"Tag=x\n", "its tag is"},
        /* the right length, the wrong insides */
        {"0,1,5,HISTFP///wAAAAAA\n", "its histogram: it ends early"},
        {"0,1,5,AAAAAAAAAAAAAAAA\n", "it is not a compressed HdrHistogram"},
        {"0,1,5,HISTFAAAAAAAAAAA\n", "its compressed data are damaged or end early"},
        {"0,1,5,HISTAgAAAAAAAAAA\n", "it is in an encoding before V2"},
        {"0,1,5,HISTCQAAAAAAAAAA\n", "it is in an encoding before V2"},
    };
    struct err err;

    for (size_t i = 0; i < LENGTH(table); i++) {
        int r = read_text(table[i].text, &err);

        if (r != -EINVAL || !strstr(err.text, table[i].says) || taken.n != 0)
            print_error("%zu: %d '%s'\n", i, r, err.text);
        assert_int_equal(r, -EINVAL);
        assert_non_null(strstr(err.text, table[i].says));
        assert_non_null(strstr(err.text, "'a.hlog'"));
        assert_int_equal(taken.n, 0);
    }
}

/* Some bits mean nothing: padding, the codes of symbols that do not occur. All others are under zlib's checksum. */
TEST(flipped_bit_is_refused_or_changes_nothing)
{
    static struct hist right;
    char text[sizeof THOUSAND];
    const char *why;
    size_t refused = 0;

    assert_int_equal(hdrtext_read(&right, THOUSAND, sizeof THOUSAND - 1, &why), 0);
    for (size_t i = 0; i < sizeof THOUSAND - 1; i++)
        for (unsigned bit = 0; bit < 7; bit++) {
            memcpy(text, THOUSAND, sizeof text);
            text[i] = (char)(text[i] ^ 1 << bit);
            if (hdrtext_read(&h, text, sizeof THOUSAND - 1, &why) < 0)
                refused++;
            else
                assert_memory_equal(&h, &right, sizeof h);
        }
    assert_true(refused > sizeof THOUSAND * 6);
}

/* A cut log is no short run. */
TEST(cut_line_is_refused)
{
    static const char line[] = "0.0,1.0,1.0," THOUSAND;
    char text[sizeof line];
    struct err err;

    for (size_t n = 1; n < sizeof line - 1; n++) {
        memcpy(text, line, n);
        text[n] = '\0';
        assert_int_equal(read_text(text, &err), -EINVAL);
    }
}

TEST(no_text_is_refused)
{
    static const char zero[] = "# \0";
    struct err err;
    FILE *in = fmemopen((void *)(uintptr_t)zero, sizeof zero, "r");

    assert_int_equal(hdrlog_read(in, "a.hlog", take, &taken, &err), -EINVAL);
    assert_non_null(strstr(err.text, "zero byte"));
    fclose(in);
    assert_int_equal(hdrlog_read_file("/", take, &taken, &err), -EISDIR);
    assert_string_equal(err.text, "cannot read '/': Is a directory");
    assert_int_equal(hdrlog_read_file("/nowhere/x", take, &taken, &err), -ENOENT);
    assert_string_equal(err.text, "cannot open '/nowhere/x': No such file or directory");
}

static int stop(void *user, const struct hdrlog_interval *i, struct err *err)
{
    (void)user;
    (void)i;
    return err_set(err, ENOMEM, "enough");
}

TEST(taker_can_end_it)
{
    struct err err;
    FILE *in = fmemopen((void *)(uintptr_t) "0,1,1," THOUSAND, 6 + sizeof THOUSAND - 1, "r");

    assert_int_equal(hdrlog_read(in, "a.hlog", stop, NULL, &err), -ENOMEM);
    fclose(in);
}

/* rows: C21 */
TEST(what_cannot_be_written_is_told)
{
    struct hdrlog *log;
    struct err err;

    assert_int_equal(hdrlog_create(&log, "/nowhere/x", &err), -ENOENT);
    assert_string_equal(err.text, "cannot write to '/nowhere/x': No such file or directory");
    assert_int_equal(hdrlog_create(&log, "/dev/full", &err), 0);
    hdrlog_begin(log, 0, "");
    hdrlog_write(log, HDRLOG_RESPONSE, 0, NS_PER_S, &h);
    assert_int_equal(hdrlog_close(log, &err), -ENOSPC);
    assert_string_equal(err.text, "cannot write to '/dev/full': No space left on device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(earlier_log_stays_until_the_run_begins),
        cmocka_unit_test(lines_are_those_of_the_format),
        cmocka_unit_test(every_slot_survives),
        cmocka_unit_test(greatest_count_survives),
        cmocka_unit_test(histograms_of_the_reference_are_understood),
        cmocka_unit_test(slots_of_our_own_layout_are_exact),
        cmocka_unit_test(exact_maximum_is_taken_where_it_can_be_one),
        cmocka_unit_test(times_are_absolute_or_not_as_the_reference_has_it),
        cmocka_unit_test(logs_one_after_the_other_keep_their_own_start),
        cmocka_unit_test(tags_and_delimiters),
        cmocka_unit_test(nothing_is_a_log_of_nothing),
        cmocka_unit_test(damage_is_named_with_its_line),
        cmocka_unit_test(flipped_bit_is_refused_or_changes_nothing),
        cmocka_unit_test(cut_line_is_refused),
        cmocka_unit_test(no_text_is_refused),
        cmocka_unit_test(taker_can_end_it),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };

    return cmocka_run_group_tests_name("hdrlog", tests, setup, teardown);
}
