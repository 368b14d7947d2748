/* test_escape.c -- no bytes of a peer's can act on a terminal, hide, or break UTF-8.
 *
 * What passes and what does not is a table for each family: text in several scripts, controls,
 * sequences that terminals obey, what is no UTF-8, what reorders or hides. Then properties over
 * random bytes from a seeded generator: what comes out is valid UTF-8 without a control byte,
 * however the input is cut into pieces, and never longer than promised. Buffers are allocated to the
 * byte, so that AddressSanitizer sees one too many.
 *
 * SPDX-License-Identifier: MIT */
#include "base/escape.h"

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

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers everywhere. */
static uint64_t seed;

static uint64_t next_random(void)
{
    uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return (size_t)(next_random() % n);
}

/* Feeds 'n' bytes from a copy into a buffer, both of exactly the size promised, and appends the
 * result at 'out'. Returns its length. */
static size_t feed(struct escape *e, char *out, const void *in, size_t n)
{
    char *copy = malloc(n + 1), *exact = malloc(ESCAPE_MAX(n));
    size_t length;

    assert_non_null(copy);
    assert_non_null(exact);
    memcpy(copy + 1, in, n); /* unaligned, and ending where the allocation does */
    length = escape_feed(e, exact, copy + 1, n);
    assert_true(length <= ESCAPE_MAX(n));
    memcpy(out, exact, length);
    free(copy);
    free(exact);
    return length;
}

static size_t finish(struct escape *e, char *out)
{
    char *exact = malloc(ESCAPE_MAX(0));
    size_t length;

    assert_non_null(exact);
    length = escape_end(e, exact);
    assert_true(length <= ESCAPE_MAX(0));
    memcpy(out, exact, length);
    free(exact);
    return length;
}

/* The whole input at once, as a string. */
static const char *filtered(bool lines, const void *in, size_t n)
{
    static char out[ESCAPE_MAX(4096) + 1];
    struct escape e = {.lines = lines};
    size_t length;

    assert_true(n <= 4096);
    length = feed(&e, out, in, n);
    length += finish(&e, out + length);
    assert_int_equal(e.have, 0);
    out[length] = '\0';
    return out;
}

/* Each byte as \xNN. */
static const char *as_bytes(const void *in, size_t n)
{
    static char out[4 * 64 + 1];
    const unsigned char *bytes = in;

    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++)
        snprintf(out + 4 * i, 5, "\\x%02x", bytes[i]);
    return out;
}

static size_t utf8(unsigned char out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xc0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xe0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (unsigned char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | code >> 18);
    out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (unsigned char)(0x80 | (code & 0x3f));
    return 4;
}

/* Reads one character the other way round, by value: no decoder in common with the filter. Returns
 * its length and sets *code, or 0 when it is no valid UTF-8. */
static size_t decode(const unsigned char *in, size_t n, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = in[0] < 0x80         ? 1
                    : in[0] >> 5 == 0x06 ? 2
                    : in[0] >> 4 == 0x0e ? 3
                    : in[0] >> 3 == 0x1e ? 4
                                         : 0;

    if (length == 0 || length > n)
        return 0;
    *code = length == 1 ? in[0] : in[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (in[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (in[i] & 0x3f);
    }
    if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return length;
}

/* What must hold for everything that comes out. */
static bool harmless(const char *out, size_t n, bool lines)
{
    const unsigned char *at = (const unsigned char *)out, *end = at + n;

    while (at < end) {
        uint32_t code = 0;
        size_t length = decode(at, (size_t)(end - at), &code);

        if (length == 0 || (code < 0x20 && !(lines && (code == '\n' || code == '\t'))) ||
            (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
            (code >= 0x2066 && code <= 0x2069))
            return false;
        at += length;
    }
    return true;
}

TEST(printable_text_passes)
{
    static const char *const table[] = {
        "",
        "hello, world",
        " !\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`{|}~",
        "\\x41", /* a backslash is nothing special */
        "메아리",
        "안녕하세요, 세계!",
        "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", /* the same syllable in conjoining letters */
        "ㅎㅏㄴ",
        "日本語 中文",
        "Ελληνικά, Русский, עברית, العربية, हिन्दी, ไทย",
        "naïve café – “quotes” … €",
        "e\xcc\x81", /* e and a combining acute accent */
        "\xc2\xa0",  /* no-break space: it has a width */
        "😀🎉🇰🇷",
        "👍🏽",
        "❤\xef\xb8\x8f", /* with the selector for the coloured form */
        "\xef\xbf\xbd",  /* U+FFFD, the replacement character */
        "\xee\x80\x80",  /* U+E000, private use: fonts draw it */
        "\xf4\x8f\xbf\xbd",
        "𝔐𐍈",
    };

    for (size_t i = 0; i < LENGTH(table); i++) {
        assert_string_equal(filtered(false, table[i], strlen(table[i])), table[i]);
        assert_string_equal(filtered(true, table[i], strlen(table[i])), table[i]);
    }
}

TEST(every_control_is_escaped)
{
    for (uint32_t code = 0; code < 0x20; code++) {
        unsigned char c = (unsigned char)code;

        assert_string_equal(filtered(false, &c, 1), as_bytes(&c, 1));
        if (c != '\n' && c != '\t')
            assert_string_equal(filtered(true, &c, 1), as_bytes(&c, 1));
    }
    assert_string_equal(filtered(true, "\x7f", 1), "\\x7f");
    for (uint32_t code = 0x80; code < 0xa0; code++) {
        unsigned char bytes[4], raw = (unsigned char)code;

        assert_int_equal(utf8(bytes, code), 2);
        assert_string_equal(filtered(true, bytes, 2), as_bytes(bytes, 2));
        assert_string_equal(filtered(true, &raw, 1), as_bytes(&raw, 1));
    }
}

TEST(newline_and_tab_pass_on_request)
{
    assert_string_equal(filtered(true, "a\tb\nc\r\n", 7), "a\tb\nc\\x0d\n");
    assert_string_equal(filtered(false, "a\tb\nc", 5), "a\\x09b\\x0ac");
}

TEST(zero_bytes_are_shown)
{
    assert_string_equal(filtered(true, "a\0b", 3), "a\\x00b");
}

TEST(terminal_commands_are_shown)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        {"\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"},
        {"\x1b]0;title\a", "\\x1b]0;title\\x07"},
        {"\x1b]52;c;cm0gLXJmCg==\x1b\\", "\\x1b]52;c;cm0gLXJmCg==\\x1b\\"},
        {"\x1bP$q\"p\x1b\\", "\\x1bP$q\"p\\x1b\\"},
        {"\x1b[21t", "\\x1b[21t"},
        {"\x1b(0", "\\x1b(0"},
        {"\x9b"
         "2J",
         "\\x9b2J"},
        {"\xc2\x9b"
         "2J",
         "\\xc2\\x9b2J"},
        {"\xc2\x9d"
         "0;x\xc2\x9c",
         "\\xc2\\x9d0;x\\xc2\\x9c"},
        {"ok\rfail", "ok\\x0dfail"},
        {"ok\b\bno", "ok\\x08\\x08no"},
        {"\x0e\x0f\x05", "\\x0e\\x0f\\x05"},
    };

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(filtered(true, table[i].in, strlen(table[i].in)), table[i].out);
}

TEST(what_is_no_utf8_is_escaped_byte_by_byte)
{
    static const char *const table[] = {
        "\x80",
        "\xbf",
        "\xfe",
        "\xff",
        "\xff\xfe\x80", /* bytes that begin nothing */
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf8\x88\x80\x80\x80",
        "\xfc\x84\x80\x80\x80\x80", /* overlong */
        "\xc0\xaf",
        "\xc1\x9c",
        "\xc0\x9b", /* an overlong slash, backslash, ESC */
        "\xed\xa0\x80",
        "\xed\xad\xbf",
        "\xed\xbf\xbf",
        "\xed\xa0\x80\xed\xb0\x80", /* surrogates */
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf7\xbf\xbf\xbf", /* above U+10FFFF */
        "\xc3",
        "\xe2\x82",
        "\xed\x95",
        "\xf0\x9f\x98",
        "\xe2",
        "\xf0", /* cut short */
    };

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(filtered(true, table[i], strlen(table[i])),
                            as_bytes(table[i], strlen(table[i])));
}

/* A cut character must not take the next one with it: ESC after a lead byte is still ESC. */
TEST(character_cut_short_swallows_nothing)
{
    assert_string_equal(filtered(true,
                                 "\xe2\x82"
                                 "A",
                                 3),
                        "\\xe2\\x82A");
    assert_string_equal(filtered(true, "\xf0\x9f\x98\x1b[m", 6), "\\xf0\\x9f\\x98\\x1b[m");
    assert_string_equal(filtered(true, "\xed\x95\xed\x95\x9c", 5), "\\xed\\x95한");
    assert_string_equal(filtered(true, "\xc3\xc3\xa9", 3), "\\xc3é");
    assert_string_equal(filtered(true, "\xe2\x82\n", 3), "\\xe2\\x82\n");
    assert_string_equal(filtered(true, "\xf4\x90\x80\x80Z", 5), "\\xf4\\x90\\x80\\x80Z");
}

/* First and last of each range, and their neighbours that pass. */
TEST(what_reorders_or_hides_is_escaped)
{
    static const uint32_t escaped[] = {
        0xad,    0x34f,   0x61c,   0x115f,  0x1160,  0x17b4,  0x180e,  0x200b,  0x200c,  0x200d,
        0x200e,  0x200f,  0x2028,  0x2029,  0x202a,  0x202d,  0x202e,  0x2060,  0x2064,  0x2066,
        0x2069,  0x206f,  0x3164,  0xfeff,  0xffa0,  0xfff9,  0xfffb,  0xfffe,  0xffff,  0x1bca0,
        0x1d173, 0x1d17a, 0xe0000, 0xe0001, 0xe0041, 0xe007f, 0xe0100, 0xe01ef, 0xe0fff,
    };
    static const uint32_t shown[] = {
        0x20,   0x7e,   0xa0,    0xac,    0xae,    0x34e,   0x350,   0x7c0,   0x7ff,
        0x800,  0xfff,  0x1000,  0x115e,  0x1161,  0x2010,  0x2027,  0x202f,  0x205f,
        0x2070, 0x3163, 0x3165,  0xd7ff,  0xe000,  0xfefe,  0xff00,  0xff9f,  0xffa1,
        0xfffc, 0xfffd, 0x10000, 0x1f600, 0x3ffff, 0x40000, 0xdffff, 0xe1000, 0x10fffd,
    };
    unsigned char bytes[5];
    size_t n;

    for (size_t i = 0; i < LENGTH(escaped); i++) {
        n = utf8(bytes, escaped[i]);
        assert_string_equal(filtered(true, bytes, n), as_bytes(bytes, n));
    }
    for (size_t i = 0; i < LENGTH(shown); i++) {
        n = utf8(bytes, shown[i]);
        bytes[n] = '\0';
        assert_string_equal(filtered(true, bytes, n), (char *)bytes);
    }
}

/* All of Unicode: whole or escaped, nothing in between. */
TEST(every_code_point_is_shown_or_escaped_whole)
{
    for (uint32_t code = 1; code <= 0x10ffff; code++) {
        unsigned char bytes[5];
        struct escape e = {0};
        char out[ESCAPE_MAX(4)];
        size_t n = utf8(bytes, code), length;

        length = escape_feed(&e, out, bytes, n);
        length += escape_end(&e, out + length);
        if (length == n)
            assert_memory_equal(out, bytes, n);
        else
            assert_memory_equal(out, as_bytes(bytes, n), 4 * n);
        assert_true(harmless(out, length, false));
    }
}

/* Random bytes with what is interesting over-represented: leads, continuations, controls. */
static size_t make_noise(unsigned char *out, size_t size)
{
    static const unsigned char leads[] = {0xc0, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef,
                                          0xf0, 0xf3, 0xf4, 0xf5, 0xff, 0x1b, '\n'};
    size_t n = below(size + 1), used = 0;

    while (used + 4 <= n) {
        switch (below(4)) {
        case 0:
            out[used++] = (unsigned char)next_random();
            break;
        case 1:
            out[used++] = leads[below(sizeof leads)];
            break;
        case 2:
            out[used++] = (unsigned char)(0x80 | below(0x40));
            break;
        case 3:
            used += utf8(out + used, (uint32_t)below(0x110000)); /* surrogates too */
            break;
        }
    }
    return used;
}

TEST(noise_comes_out_harmless_however_it_is_cut)
{
    seed = 1;
    for (int round = 0; round < 4000; round++) {
        unsigned char in[96];
        char whole[ESCAPE_MAX(sizeof in) + 16], pieces[ESCAPE_MAX(sizeof in) + 16];
        bool lines = round & 1;
        struct escape e = {.lines = lines};
        size_t n = make_noise(in, sizeof in), whole_n, pieces_n = 0;

        whole_n = feed(&e, whole, in, n);
        whole_n += finish(&e, whole + whole_n);
        assert_true(harmless(whole, whole_n, lines));
        assert_true(whole_n <= 4 * n);
        e = (struct escape){.lines = lines};
        for (size_t at = 0, step; at < n; at += step) {
            step = below(n - at < 5 ? n - at + 1 : 6); /* nothing, too */
            pieces_n += feed(&e, pieces + pieces_n, in + at, step);
        }
        pieces_n += finish(&e, pieces + pieces_n);
        assert_int_equal(pieces_n, whole_n);
        assert_memory_equal(pieces, whole, whole_n);
    }
}

TEST(text_split_at_any_place_is_the_same)
{
    static const char text[] = "a한\xe2\x82\x1b\xf0\x9f\x98\x80\xc2\x9b\xe2\x80\xae\xf0\x9f\x98";
    const size_t n = sizeof text - 1;
    char expected[256], out[256];

    strcpy(expected, filtered(true, text, n));
    for (size_t first = 0; first <= n; first++)
        for (size_t second = first; second <= n; second++) {
            struct escape e = {.lines = true};
            size_t used = feed(&e, out, text, first);

            used += feed(&e, out + used, text + first, second - first);
            used += feed(&e, out + used, text + second, n - second);
            used += finish(&e, out + used);
            out[used] = '\0';
            assert_string_equal(out, expected);
        }
}

/* The bound is met exactly: three bytes kept, and the next call escapes all of them. */
TEST(promised_room_is_enough_and_needed)
{
    struct escape e = {0};
    char out[64];

    assert_int_equal(feed(&e, out, "\xf0\x9f\x98", 3), 0);
    assert_int_equal(feed(&e, out, "\xff", 1), ESCAPE_MAX(1));
    assert_memory_equal(out, "\\xf0\\x9f\\x98\\xff", 16);
    assert_int_equal(feed(&e, out, "\xf0\x9f\x98", 3), 0);
    assert_int_equal(finish(&e, out), ESCAPE_MAX(0));
    assert_int_equal(finish(&e, out), 0); /* and nothing is left */
}

TEST(ended_filter_starts_afresh)
{
    struct escape e = {.lines = true};
    char out[64];

    assert_int_equal(feed(&e, out, "\xed\x95", 2), 0);
    assert_int_equal(finish(&e, out), 8);
    assert_int_equal(feed(&e, out, "\x9c\n", 2), 5); /* alone it continues nothing */
    assert_memory_equal(out, "\\x9c\n", 5);
}

/* Into an allocation of exactly 'size' bytes. */
static const char *text_of(size_t size, const char *text)
{
    static char copy[512];
    char *exact = malloc(size);

    assert_non_null(exact);
    assert_ptr_equal(escape_text(exact, size, text), exact);
    assert_true(strnlen(exact, size) < size);
    strcpy(copy, exact);
    free(exact);
    return copy;
}

TEST(string_is_cut_between_characters_and_says_so)
{
    static const struct {
        size_t size;
        const char *in, *out;
    } table[] = {
        {4, "", ""},
        {4, "abc", "abc"},
        {4, "abcd", "..."},
        {5, "abcd", "abcd"},
        {5, "abcde", "a..."},
        {8, "abcdefg", "abcdefg"},
        {8, "abcdefgh", "abcd..."},
        {4, "한", "한"},
        {4, "한a", "..."},
        {6, "한글", "..."},
        {7, "한글", "한글"},
        {7, "한글a", "한..."},
        {8, "한글a", "한글a"},
        {9, "한글말", "한..."},
        {10, "한글말", "한글말"},
        {4, "\x1b", "..."},
        {5, "\x1b", "\\x1b"},
        {7, "\x1b[2J", "..."},
        {8, "\x1b[2J", "\\x1b[2J"},
        {8, "a\x1b[2J", "a..."},
        {8, "\x1b[2Jx", "\\x1b..."},
        {12, "a\x1b\x1b", "a\\x1b\\x1b"},
        {12, "ab\xff\xff", "ab\\xff\\xff"},
        {10, "ab\xff\xff", "ab\\xff..."},
        {12, "\xe2\x82", "\\xe2\\x82"},
        {8, "\xe2\x82", "..."},
        {9, "\xe2\x82", "\\xe2\\x82"},
        {16, "a\nb\tc", "a\\x0ab\\x09c"},
    };

    for (size_t i = 0; i < LENGTH(table); i++)
        assert_string_equal(text_of(table[i].size, table[i].in), table[i].out);
}

/* Every size for every noise: terminated, harmless, and a prefix of the whole with or without dots. */
TEST(cut_string_is_a_prefix_of_the_whole)
{
    seed = 2;
    for (int round = 0; round < 300; round++) {
        unsigned char in[49];
        char whole[512];
        size_t n = make_noise(in, sizeof in - 1);

        for (size_t i = 0; i < n; i++)
            if (in[i] == 0)
                in[i] = 0x80;
        in[n] = '\0';
        strcpy(whole, text_of(sizeof whole, (char *)in));
        assert_true(harmless(whole, strlen(whole), false));
        for (size_t size = 4; size <= 64; size++) {
            const char *cut = text_of(size, (char *)in);
            size_t length = strlen(cut);

            assert_true(harmless(cut, length, false));
            if (strlen(whole) < size) {
                assert_string_equal(cut, whole);
                continue;
            }
            assert_true(length >= 3);
            assert_string_equal(cut + length - 3, "...");
            assert_memory_equal(cut, whole, length - 3);
            /* nor is less shown than there is room for: at worst three bytes of an unfinished
             * character and the next one, escaped together */
            assert_true(length + 1 + 16 > size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_passes),
        cmocka_unit_test(every_control_is_escaped),
        cmocka_unit_test(newline_and_tab_pass_on_request),
        cmocka_unit_test(zero_bytes_are_shown),
        cmocka_unit_test(terminal_commands_are_shown),
        cmocka_unit_test(what_is_no_utf8_is_escaped_byte_by_byte),
        cmocka_unit_test(character_cut_short_swallows_nothing),
        cmocka_unit_test(what_reorders_or_hides_is_escaped),
        cmocka_unit_test(every_code_point_is_shown_or_escaped_whole),
        cmocka_unit_test(noise_comes_out_harmless_however_it_is_cut),
        cmocka_unit_test(text_split_at_any_place_is_the_same),
        cmocka_unit_test(promised_room_is_enough_and_needed),
        cmocka_unit_test(ended_filter_starts_afresh),
        cmocka_unit_test(string_is_cut_between_characters_and_says_so),
        cmocka_unit_test(cut_string_is_a_prefix_of_the_whole),
    };

    return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
