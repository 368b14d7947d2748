/* escape.c -- see escape.h. A strict UTF-8 decoder and a list of what must not reach a terminal.
 *
 * SPDX-License-Identifier: MIT */
#include "escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Code points that a terminal obeys or a reader cannot see, though they are well-formed UTF-8.
 * Sorted. From the Unicode character database: general categories Cc, Zl, Zp, and of Cf and the
 * default-ignorable letters those that reorder or hide text. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0x0000, 0x001f},   /* C0 controls */
    {0x007f, 0x009f},   /* DEL and the C1 controls: U+009B is a one-character CSI */
    {0x00ad, 0x00ad},   /* soft hyphen */
    {0x034f, 0x034f},   /* combining grapheme joiner */
    {0x061c, 0x061c},   /* Arabic letter mark */
    {0x115f, 0x1160},   /* Hangul fillers */
    {0x17b4, 0x17b5},   /* Khmer inherent vowels */
    {0x180b, 0x180f},   /* Mongolian selectors and vowel separator */
    {0x200b, 0x200f},   /* zero-width characters, directional marks */
    {0x2028, 0x202e},   /* line and paragraph separator, bidi embeddings and overrides */
    {0x2060, 0x206f},   /* word joiner, invisible operators, bidi isolates */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xfeff, 0xfeff},   /* zero-width no-break space */
    {0xffa0, 0xffa0},   /* halfwidth Hangul filler */
    {0xfff0, 0xfffb},   /* interlinear annotation and unassigned specials */
    {0xfffe, 0xffff},   /* noncharacters */
    {0x1bca0, 0x1bca3}, /* shorthand format controls */
    {0x1d173, 0x1d17a}, /* musical format controls */
    {0xe0000, 0xe0fff}, /* tags and more variation selectors */
};

static bool code_hidden(uint32_t code)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden && hidden[i].first <= code; i++)
        if (code <= hidden[i].last)
            return true;
    return false;
}

/* How many bytes the character has that starts with 'lead'; 0: none does (RFC 3629: no overlong C0
 * and C1, nothing above U+10FFFF). */
static unsigned utf8_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

/* May 'byte' be the next of an unfinished character? The second byte's range is narrower for some
 * leads: no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629, section 4). */
static bool utf8_continues(const struct escape *e, unsigned char byte)
{
    unsigned char low = 0x80, high = 0xbf;

    if (e->have == 1) {
        if (e->part[0] == 0xe0)
            low = 0xa0;
        else if (e->part[0] == 0xed)
            high = 0x9f;
        else if (e->part[0] == 0xf0)
            low = 0x90;
        else if (e->part[0] == 0xf4)
            high = 0x8f;
    }
    return byte >= low && byte <= high;
}

static uint32_t utf8_code(const unsigned char *bytes, unsigned n)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = bytes[0] & lead_bits[n];

    for (unsigned i = 1; i < n; i++)
        code = code << 6 | (bytes[i] & 0x3fu);
    return code;
}

/* The bytes themselves, each as \xNN. Returns the length written. */
static size_t put_escaped(char *out, const unsigned char *bytes, unsigned n)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < n; i++) {
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return 4 * (size_t)n;
}

/* The character in part[] is whole: show it as it is, or escaped. */
static size_t put_whole(struct escape *e, char *out)
{
    unsigned n = e->have;
    unsigned char c = e->part[0];

    e->have = 0;
    if (code_hidden(utf8_code(e->part, n)) && !(e->lines && (c == '\n' || c == '\t')))
        return put_escaped(out, e->part, n);
    memcpy(out, e->part, n);
    return n;
}

size_t escape_end(struct escape *e, char *out)
{
    size_t n = put_escaped(out, e->part, e->have);

    e->have = 0;
    return n;
}

size_t escape_feed(struct escape *e, char *out, const void *in, size_t n)
{
    const unsigned char *bytes = in;
    char *at = out;

    for (size_t i = 0; i < n; i++) {
        if (e->have > 0 && !utf8_continues(e, bytes[i]))
            at += escape_end(e, at);
        e->part[e->have++] = bytes[i];
        if (utf8_length(e->part[0]) == 0)
            at += escape_end(e, at);
        else if (utf8_length(e->part[0]) == e->have)
            at += put_whole(e, at);
    }
    return (size_t)(at - out);
}

const char *escape_text(char *out, size_t size, const char *text)
{
    struct escape e = {.lines = false};
    char piece[ESCAPE_MAX(1)];
    size_t used = 0, keep = 0, n;
    bool more = true;

    while (more) {
        more = *text != '\0';
        n = more ? escape_feed(&e, piece, text++, 1) : escape_end(&e, piece);
        if (used + n + 1 > size) {
            memcpy(out + keep, "...", 4);
            return out;
        }
        memcpy(out + used, piece, n);
        used += n;
        if (used + 4 <= size) /* the dots still fit behind this much */
            keep = used;
    }
    out[used] = '\0';
    return out;
}
