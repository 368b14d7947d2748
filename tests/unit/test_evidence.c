/* test_evidence.c -- each way in which an echo can be wrong, planted, and named: kind, connection, offset, how many bytes.
 *
 * An echo is built here as a faulty server would send it, from messages of a size; the evidence is what a connection
 * would collect of it: everything from the first byte on that is not as it should be. It lies in a block of its own
 * length at the end of the structure, so that the address sanitizer sees every byte read beyond it.
 *
 * rows: B02
 *
 * SPDX-License-Identifier: MIT */
#include "bench/evidence.h"

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

#define US 6u /* connection 7 for people */
#define THEM 8u
#define MESSAGES 12u
#define SIZE_MOST 1400u

static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 64, 1400};

static struct stream stream;
static unsigned char echo[2 * MESSAGES * SIZE_MOST];
static size_t echoed;
static uint64_t begin; /* where in the stream the echo begins */
static struct trouble found;

static int reset(void **state __attribute__((unused)))
{
    stream_init(&stream, 42);
    stream.connections = 100;
    begin = 1000;
    echoed = 0;
    return 0;
}

static void add(uint32_t connection, uint64_t offset, size_t len)
{
    stream_fill(&stream, connection, offset, echo + echoed, len);
    echoed += len;
}

/* Message number 'k' of our connection. */
static void message(size_t size, size_t k)
{
    add(US, begin + k * size, size);
}

static void messages(size_t size, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++)
        message(size, k);
}

/* Judges the first 'cut' bytes of the echo when 'sent' bytes were sent. The first that differ begin the evidence. */
static void judge_cut(size_t sent, size_t cut)
{
    size_t most = cut < sent ? cut : sent;
    size_t right = stream_match(&stream, US, begin, echo, most), len = cut - right;
    struct evidence *e;

    assert_true(len > 0);
    e = malloc(offsetof(struct evidence, got) + len);
    assert_non_null(e);
    e->stream = &stream;
    e->connection = US;
    e->offset = begin + right;
    e->sent = begin + sent;
    e->len = len;
    memcpy((unsigned char *)e + offsetof(struct evidence, got), echo + right, len);
    memset(&found, 0xff, sizeof found);
    evidence_judge(&found, e);
    free(e);
    assert_int_equal(found.connection, US + 1);
    assert_int_equal(found.offset, begin + right + 1);
    assert_memory_equal(found.text, "connection 7: ", 14);
    assert_true(strlen(found.text) < sizeof found.text - 1);
}

static void judge(size_t sent)
{
    judge_cut(sent, echoed);
}

static void __attribute__((format(printf, 2, 3)))
assert_found(enum trouble_kind kind, const char *fmt, ...)
{
    char want[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(want, sizeof want, fmt, args);
    va_end(args);
    if (found.kind != kind || strcmp(found.text + 14, want) != 0)
        fail_msg("found %d '%s', not %d '%s'", found.kind, found.text + 14, kind, want);
}

static const char *bytes(size_t n)
{
    static char out[40];

    snprintf(out, sizeof out, "%zu byte%s", n, n == 1 ? "" : "s");
    return out;
}

/* Every place in a word, and in the message; behind it the rest is right. */
TEST(one_changed_byte)
{
    for (size_t at = 0; at < 64; at++) {
        for (size_t rest = 1; rest <= 64; rest++) {
            for (int bit = 0; bit < 8; bit++) {
                echoed = 0;
                add(US, begin, at + rest);
                echo[at] ^= (unsigned char)(1 << bit);
                judge(at + rest);
                assert_found(TROUBLE_CHANGED, "1 byte changed at offset %zu", 1000 + at + 1);
            }
        }
    }
}

TEST(many_changed_bytes)
{
    for (size_t at = 0; at < 20; at++) {
        for (size_t n = 1; n < 100; n++) {
            echoed = 0;
            add(US, begin, 200);
            for (size_t i = at; i < at + n; i++)
                echo[i] ^= 0x55;
            judge(200);
            assert_found(TROUBLE_CHANGED, "%s changed at offset %zu", bytes(n), 1000 + at + 1);
        }
    }
}

/* Up to the end of what came, which may be anywhere. */
TEST(changed_to_the_very_end)
{
    for (size_t at = 0; at < 20; at++) {
        for (size_t n = 1; n < 200; n++) {
            echoed = 0;
            add(US, begin, at + n);
            for (size_t i = at; i < at + n; i++)
                echo[i] ^= 0x55;
            judge(at + n);
            assert_found(TROUBLE_CHANGED, "%s changed at offset %zu", bytes(n), 1000 + at + 1);
            judge(at + n + 77); /* more was sent, and did not come */
            assert_found(TROUBLE_CHANGED, "%s changed at offset %zu", bytes(n), 1000 + at + 1);
        }
    }
}

/* Some of them right by chance or by intent: told exactly. */
TEST(scattered_changes_are_counted)
{
    add(US, begin, 100);
    echo[10] ^= 1;
    echo[14] ^= 1;
    echo[20] ^= 1;
    echo[60] ^= 1; /* far behind, where the stream was right for long */
    judge(100);
    assert_found(TROUBLE_CHANGED, "3 of 11 bytes changed at offset 1011");
}

/* A proxy that rewrites: others came, and more or fewer. */
TEST(changed_into_more_or_fewer)
{
    add(US, begin, 30);
    memset(echo + echoed, 'x', 5);
    echoed += 5;
    add(US, begin + 33, 100);
    judge(133);
    assert_found(TROUBLE_CHANGED, "3 bytes at offset 1031 changed into 5 bytes");
}

TEST(one_message_is_skipped)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        size_t size = sizes[s];

        echoed = 0;
        messages(size, 0, 3);
        messages(size, 4, MESSAGES);
        judge(MESSAGES * size);
        assert_found(TROUBLE_SKIPPED, "%s at offset %zu are lost, later ones came", bytes(size),
                     1000 + 3 * size + 1);
    }
}

TEST(any_number_of_bytes_is_skipped)
{
    for (size_t lost = 1; lost <= 80; lost++) {
        for (size_t rest = 4; rest <= 40; rest++) {
            echoed = 0;
            add(US, begin, 10);
            add(US, begin + 10 + lost, rest);
            judge(10 + lost + rest); /* (some of the first are right by chance) */
            assert_found(TROUBLE_SKIPPED, "%s at offset %u are lost, later ones came", bytes(lost),
                         (unsigned)found.offset);
        }
    }
}

/* The first gap is told, whatever comes behind it. */
TEST(skipped_again_and_again)
{
    messages(64, 0, 3);
    message(64, 5);
    messages(64, 8, 10);
    add(THEM, 77, 64);
    judge(MESSAGES * 64);
    assert_found(TROUBLE_SKIPPED, "128 bytes at offset 1193 are lost, later ones came");
}

/* In the midst, where others follow, which were sent. */
TEST(one_message_is_doubled)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        size_t size = sizes[s];

        echoed = 0;
        messages(size, 0, 4);
        messages(size, 3, MESSAGES);
        judge(MESSAGES * size);
        assert_found(TROUBLE_DOUBLED, "at offset %zu %s from offset %zu come a second time",
                     1000 + 4 * size + 1, bytes(size), 1000 + 3 * size + 1);
    }
}

/* At the end, where nothing more was sent. */
TEST(the_last_message_is_doubled)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        size_t size = sizes[s];

        echoed = 0;
        messages(size, 0, 4);
        message(size, 3);
        judge(4 * size);
        assert_found(TROUBLE_DOUBLED, "at offset %zu %s from offset %zu come a second time",
                     1000 + 4 * size + 1, bytes(size), 1000 + 3 * size + 1);
    }
}

/* One from further back, and only it. */
TEST(an_old_message_comes_again)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        size_t size = sizes[s];

        if (size < 15)
            continue; /* followed by another piece it is too short to be known */
        echoed = 0;
        messages(size, 0, 6);
        message(size, 1);
        messages(size, 6, MESSAGES);
        judge(MESSAGES * size);
        assert_found(TROUBLE_DOUBLED, "at offset %zu %s from offset %zu come a second time",
                     1000 + 6 * size + 1, bytes(size), 1000 + size + 1);
    }
}

TEST(two_messages_are_swapped)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        for (size_t apart = 1; apart < 5; apart++) {
            size_t size = sizes[s];

            echoed = 0;
            messages(size, 0, 3);
            message(size, 3 + apart);
            messages(size, 4, 3 + apart);
            message(size, 3);
            messages(size, 4 + apart, MESSAGES);
            judge(MESSAGES * size);
            if (found.kind != TROUBLE_REORDERED)
                fail_msg("size %zu, %zu apart: %d '%s'", size, apart, found.kind, found.text);
            if (size >= 15)
                assert_found(TROUBLE_REORDERED, "%s at offset %zu come after later ones",
                             bytes(apart * size), 1000 + 3 * size + 1);
        }
    }
}

/* The last two: nothing right comes behind. */
TEST(the_last_two_messages_are_swapped)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        size_t size = sizes[s];

        echoed = 0;
        messages(size, 0, 3);
        message(size, 4);
        message(size, 3);
        judge(5 * size);
        if (found.kind != TROUBLE_REORDERED)
            fail_msg("size %zu: %d '%s'", size, found.kind, found.text);
    }
}

TEST(one_message_comes_late)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        size_t size = sizes[s];

        echoed = 0;
        messages(size, 0, 3);
        messages(size, 4, 8);
        message(size, 3);
        messages(size, 8, MESSAGES);
        judge(MESSAGES * size);
        if (found.kind != TROUBLE_REORDERED)
            fail_msg("size %zu: %d '%s'", size, found.kind, found.text);
    }
}

/* Another connection's, in the midst and for good. */
TEST(another_connection_s_bytes_come)
{
    for (size_t len = 15; len < 100; len++) {
        for (size_t skew = 0; skew < 8; skew++) {
            echoed = 0;
            messages(64, 0, 3);
            add(THEM, 77 + skew, len);
            if (len % 2)
                messages(64, 4, MESSAGES);
            judge(MESSAGES * 64);
            assert_found(TROUBLE_CROSSED,
                         "at offset 1193 comes what connection 9 sent at offset %zu",
                         77 + skew + 1);
        }
    }
}

/* ... behind bytes that are nobody's. */
TEST(another_connection_s_bytes_come_behind_nobody_s)
{
    messages(64, 0, 3);
    memset(echo + echoed, 0, 20);
    echoed += 20;
    add(THEM, 77, 64);
    judge(MESSAGES * 64);
    assert_found(TROUBLE_CROSSED, "at offset 1213 comes what connection 9 sent at offset 78");
}

/* ... and behind all that was sent. */
TEST(another_connection_s_bytes_come_unasked)
{
    messages(64, 0, 3);
    add(THEM, 0, 64);
    judge(3 * 64);
    assert_found(TROUBLE_CROSSED, "at offset 1193 comes what connection 9 sent at offset 1");
}

/* Where only fourteen of them come, they are bytes that were changed. */
TEST(too_few_of_another_connection_are_changes)
{
    for (size_t len = 1; len < 15; len++) {
        echoed = 0;
        messages(64, 0, 3);
        add(THEM, 80, len);
        add(US, begin + 192 + len, 300);
        judge(MESSAGES * 64);
        assert_int_equal(found.kind, TROUBLE_CHANGED);
    }
}

TEST(nobody_asked_for_them)
{
    for (size_t n = 2; n < 300; n++) {
        echoed = 0;
        messages(64, 0, 3);
        for (size_t i = 0; i < n; i++)
            echo[echoed++] = (unsigned char)(i * 11 + 3);
        judge(3 * 64);
        assert_found(TROUBLE_UNASKED, "%s that nobody sent behind offset 1192", bytes(n));
    }
}

/* A newline at the end of each message, a header in front of one: between bytes that are right. */
TEST(nobody_asked_for_them_in_between)
{
    for (size_t n = 1; n < 100; n++) {
        echoed = 0;
        messages(64, 0, 3);
        for (size_t i = 0; i < n; i++)
            echo[echoed++] = (unsigned char)(i * 11 + 3);
        messages(64, 3, MESSAGES);
        judge(MESSAGES * 64);
        assert_found(TROUBLE_UNASKED, "%s that nobody sent before offset 1193", bytes(n));
    }
}

/* The evidence ends anywhere: there is a verdict, the place is right, and nothing beyond the end is read. */
TEST(evidence_cut_anywhere)
{
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        for (int fault = 0; fault < 5; fault++) {
            size_t size = sizes[s], at = 3 * size;

            echoed = 0;
            messages(size, 0, 3);
            if (fault == 0)
                messages(size, 4, MESSAGES);
            else if (fault == 1)
                messages(size, 2, MESSAGES);
            else if (fault == 2)
                add(THEM, 5, size);
            if (fault >= 3)
                message(size, 4);
            if (fault >= 3)
                message(size, 3);
            if (fault >= 2)
                messages(size, fault == 2 ? 4 : 5, MESSAGES);
            if (fault == 4)
                echo[at] = (unsigned char)(echo[at] ^ 0x80);
            for (size_t cut = at + 1; cut <= echoed; cut += size > 64 && cut > at + 100 ? 97 : 1) {
                if (stream_match(&stream, US, begin, echo, cut) == cut)
                    continue; /* right by chance so far */
                judge_cut(MESSAGES * size, cut);
                assert_in_range(found.kind, TROUBLE_CHANGED, TROUBLE_UNASKED);
            }
        }
    }
}

/* Of what comes no more is kept than there is room for. */
TEST(evidence_has_an_end)
{
    static unsigned char much[3 * EVIDENCE_BYTES];
    struct evidence *e = calloc(1, sizeof *e);

    assert_non_null(e);
    stream_fill(&stream, THEM, 0, much, sizeof much);
    e->stream = &stream;
    e->connection = US;
    e->sent = 10 * EVIDENCE_BYTES;
    evidence_add(e, much, 1);
    assert_int_equal(e->len, 1);
    evidence_add(e, much + 1, EVIDENCE_BYTES - 2);
    assert_int_equal(e->len, EVIDENCE_BYTES - 1);
    evidence_add(e, much + EVIDENCE_BYTES - 1, EVIDENCE_BYTES);
    assert_int_equal(e->len, EVIDENCE_BYTES);
    evidence_add(e, much, 1);
    assert_int_equal(e->len, EVIDENCE_BYTES);
    assert_memory_equal(e->got, much, EVIDENCE_BYTES);
    evidence_judge(&found, e);
    assert_found(TROUBLE_CROSSED, "at offset 1 comes what connection 9 sent at offset 1");
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_changed_byte, reset),
        cmocka_unit_test_setup(many_changed_bytes, reset),
        cmocka_unit_test_setup(changed_to_the_very_end, reset),
        cmocka_unit_test_setup(scattered_changes_are_counted, reset),
        cmocka_unit_test_setup(changed_into_more_or_fewer, reset),
        cmocka_unit_test_setup(one_message_is_skipped, reset),
        cmocka_unit_test_setup(any_number_of_bytes_is_skipped, reset),
        cmocka_unit_test_setup(skipped_again_and_again, reset),
        cmocka_unit_test_setup(one_message_is_doubled, reset),
        cmocka_unit_test_setup(the_last_message_is_doubled, reset),
        cmocka_unit_test_setup(an_old_message_comes_again, reset),
        cmocka_unit_test_setup(two_messages_are_swapped, reset),
        cmocka_unit_test_setup(the_last_two_messages_are_swapped, reset),
        cmocka_unit_test_setup(one_message_comes_late, reset),
        cmocka_unit_test_setup(another_connection_s_bytes_come, reset),
        cmocka_unit_test_setup(another_connection_s_bytes_come_behind_nobody_s, reset),
        cmocka_unit_test_setup(another_connection_s_bytes_come_unasked, reset),
        cmocka_unit_test_setup(too_few_of_another_connection_are_changes, reset),
        cmocka_unit_test_setup(nobody_asked_for_them, reset),
        cmocka_unit_test_setup(nobody_asked_for_them_in_between, reset),
        cmocka_unit_test_setup(evidence_cut_anywhere, reset),
        cmocka_unit_test_setup(evidence_has_an_end, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
