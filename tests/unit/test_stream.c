/* test_stream.c -- the bytes of a connection: the same however they are made, and able to say where they belong.
 *
 * The reference is one long stretch made at once; every shorter one, at every alignment, must be a part of it.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define LONG 4096u

static struct stream stream;
static unsigned char whole[LONG];

static int reset(void **state __attribute__((unused)))
{
    stream_init(&stream, 42);
    stream_fill(&stream, 7, 0, whole, LONG);
    return 0;
}

/* As a program on any machine must write them: block b of connection c is SplitMix64's finaliser of key + c * 2^35 + b, and
 * the word k of it is that with the bits of SplitMix64's k-th number from seed 0 turned over. */
static uint64_t finalise(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

TEST(is_the_sequence_that_was_promised)
{
    struct stream plain = {.key = 0};
    unsigned char got[128];

    stream_fill(&plain, 0, 64, got, sizeof got);
    for (uint64_t i = 0; i < 16; i++) {
        uint64_t word = 0;

        for (int k = 7; k >= 0; k--)
            word = word << 8 | got[i * 8 + (size_t)k];
        assert_int_equal(word, finalise(i / 8 + 1) ^
                                   finalise((i % 8 + 1) * UINT64_C(0x9e3779b97f4a7c15)));
    }
}

TEST(any_part_is_a_part_of_the_whole)
{
    unsigned char got[80];

    for (size_t offset = 0; offset < 40; offset++) {
        for (size_t len = 0; len <= 64; len++) {
            memset(got, 0xee, sizeof got);
            stream_fill(&stream, 7, offset, got + offset % 9, len);
            assert_memory_equal(got + offset % 9, whole + offset, len);
            assert_int_equal(got[offset % 9 + len], 0xee); /* and not a byte more */
        }
    }
}

TEST(matches_to_the_first_wrong_byte)
{
    unsigned char got[72];

    for (size_t offset = 0; offset < 20; offset++) {
        for (size_t len = 0; len <= 64; len++) {
            unsigned char *at = got + offset % 8;

            memcpy(at, whole + offset, len);
            assert_int_equal(stream_match(&stream, 7, offset, at, len), len);
            for (size_t wrong = 0; wrong < len; wrong++) {
                at[wrong] ^= 0x01;
                assert_int_equal(stream_match(&stream, 7, offset, at, len), wrong);
                at[wrong] ^= 0x01;
            }
        }
    }
}

TEST(fifteen_bytes_say_where_they_belong)
{
    static const uint32_t connections[] = {0, 1, 7, 49, 65535, STREAM_CONNECTIONS - 1};
    static const uint64_t offsets[] = {0,
                                       1,
                                       2,
                                       3,
                                       4,
                                       5,
                                       6,
                                       7,
                                       8,
                                       9,
                                       15,
                                       16,
                                       1000,
                                       65535,
                                       65536,
                                       99999,
                                       1 << 20,
                                       UINT64_C(1) << 32,
                                       (UINT64_C(1) << 41) - 16};
    unsigned char got[32];

    for (size_t c = 0; c < LENGTH(connections); c++) {
        for (size_t o = 0; o < LENGTH(offsets); o++) {
            for (size_t skew = 0; skew < 8; skew++) {
                uint32_t connection = UINT32_MAX;
                uint64_t offset = UINT64_MAX;

                stream_fill(&stream, connections[c], offsets[o], got + skew, STREAM_FIND_LEN);
                assert_true(stream_find(&stream, got + skew, &connection, &offset));
                assert_int_equal(connection, connections[c]);
                assert_int_equal(offset, offsets[o]);
            }
        }
    }
}

/* Whichever of the fifteen is wrong: either the others say so, or the place would be with a connection that there is not. */
TEST(fourteen_of_fifteen_are_not_enough)
{
    unsigned char got[STREAM_FIND_LEN];
    uint32_t connection;
    uint64_t offset;

    stream.connections = 100;
    for (size_t start = 0; start < 16; start++) {
        for (size_t wrong = 0; wrong < sizeof got; wrong++) {
            memcpy(got, whole + start, sizeof got);
            got[wrong] ^= 0x80;
            assert_false(stream_find(&stream, got, &connection, &offset));
        }
    }
}

TEST(noise_belongs_nowhere)
{
    unsigned char got[64];
    uint32_t connection;
    uint64_t offset;

    memset(got, 0, sizeof got);
    assert_false(stream_find(&stream, got, &connection, &offset));
    memset(got, 0xff, sizeof got);
    assert_false(stream_find(&stream, got, &connection, &offset));
    assert_false(
        stream_find(&stream, (const unsigned char *)"HTTP/1.1 200 OK", &connection, &offset));
    srandom(1);
    for (int i = 0; i < 100000; i++) {
        for (size_t k = 0; k < STREAM_FIND_LEN; k++)
            got[k] = (unsigned char)(random() >> 7);
        assert_false(stream_find(&stream, got, &connection, &offset));
    }
}

/* Two streams have nothing in common: not the other connection's, not another seed's, not their own further on. */
TEST(no_two_are_alike)
{
    struct stream other;
    unsigned char got[LONG];
    uint32_t connection;
    uint64_t offset;

    stream_fill(&stream, 8, 0, got, LONG);
    for (size_t i = 0; i < LONG; i += 8)
        assert_memory_not_equal(got + i, whole + i, 8);
    stream_fill(&stream, 7, LONG, got, LONG);
    for (size_t i = 0; i < LONG; i += 8)
        assert_memory_not_equal(got + i, whole + i, 8);
    for (uint64_t seed = 0; seed < 100; seed++) {
        if (seed == 42)
            continue;
        stream_init(&other, seed);
        stream_fill(&other, 7, 0, got, LONG);
        for (size_t i = 0; i < LONG; i += 8)
            assert_memory_not_equal(got + i, whole + i, 8);
        if (stream_find(&stream, got, &connection,
                        &offset)) /* then of a connection that no run has */
            assert_true(connection > 100000);
    }
}

/* A run can be repeated. */
TEST(one_seed_is_one_stream)
{
    struct stream again;
    unsigned char got[LONG];

    stream_init(&again, 42);
    stream_fill(&again, 7, 0, got, LONG);
    assert_memory_equal(got, whole, LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(is_the_sequence_that_was_promised, reset),
        cmocka_unit_test_setup(any_part_is_a_part_of_the_whole, reset),
        cmocka_unit_test_setup(matches_to_the_first_wrong_byte, reset),
        cmocka_unit_test_setup(fifteen_bytes_say_where_they_belong, reset),
        cmocka_unit_test_setup(fourteen_of_fifteen_are_not_enough, reset),
        cmocka_unit_test_setup(noise_belongs_nowhere, reset),
        cmocka_unit_test_setup(no_two_are_alike, reset),
        cmocka_unit_test_setup(one_seed_is_one_stream, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
