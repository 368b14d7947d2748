/* hdrtext.c -- see hdrtext.h.
 *
 * Outermost is base64. In it are 8 bytes, a cookie and the length of the rest, and a zlib stream of a header of 40
 * bytes and the counts, slot after slot: each a number of one to nine bytes, 7 bits in each but the ninth, the
 * lowest first, with the sign in the lowest bit. A negative number stands for as many empty slots. Numbers
 * outside of the counts are big-endian.
 *
 * What is read may be anybody's. The stream is unpacked by pieces of a fixed size, and no more of it than the header
 * allows, so a small text can neither take much memory nor more time than the largest histogram there is.
 *
 * SPDX-License-Identifier: MIT */
#include "hdrtext.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The last hexadecimal digit is the format, the one before it "counts have a variable length". */
#define COOKIE UINT32_C(0x1c849313)
#define COOKIE_COMPRESSED UINT32_C(0x1c849314)
#define COOKIE_WORD UINT32_C(0xf0) /* the bits to ignore */
#define COOKIE_V1_COMPRESSED UINT32_C(0x1c849302)
#define COOKIE_V0_COMPRESSED UINT32_C(0x1c849309)
#define ENVELOPE 8
#define HEADER 40
#define COUNT_MAX 9 /* bytes of a count */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_base64(FILE *out, const unsigned char *in, size_t n)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t bits = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                        (have > 2 ? in[i + 2] : 0);

        putc(alphabet[bits >> 18], out);
        putc(alphabet[bits >> 12 & 63], out);
        putc(have > 1 ? alphabet[bits >> 6 & 63] : '=', out);
        putc(have > 2 ? alphabet[bits & 63] : '=', out);
    }
}

/* Writes up to n / 4 * 3 bytes. Returns how many, or -1 if that is no base64. */
static ssize_t get_base64(unsigned char *out, const char *in, size_t n)
{
    unsigned char *start = out;

    if (n % 4 != 0)
        return -1;
    for (size_t i = 0; i < n; i += 4) {
        size_t have = 4;
        uint32_t bits = 0;

        if (i + 4 == n)
            have -= (in[n - 1] == '=') + (size_t)(in[n - 1] == '=' && in[n - 2] == '=');
        for (size_t k = 0; k < have; k++) {
            const char *at = in[i + k] ? strchr(alphabet, in[i + k]) : NULL;

            if (!at)
                return -1;
            bits |= (uint32_t)(at - alphabet) << (18 - 6 * k);
        }
        for (size_t k = 0; k + 1 < have; k++)
            *out++ = (unsigned char)(bits >> (16 - 8 * k));
    }
    return out - start;
}

static unsigned char *put_be32(unsigned char *p, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *p++ = (unsigned char)(v >> shift);
    return p;
}

static unsigned char *put_be64(unsigned char *p, uint64_t v)
{
    return put_be32(put_be32(p, (uint32_t)(v >> 32)), (uint32_t)v);
}

static uint32_t get_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get_be64(const unsigned char *p)
{
    return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static unsigned char *put_count(unsigned char *p, int64_t count)
{
    uint64_t bits = (uint64_t)count << 1 ^ (uint64_t)(count >> 63);

    for (int i = 1; i < COUNT_MAX && bits > 0x7f; i++, bits >>= 7)
        *p++ = (unsigned char)(bits | 0x80);
    *p++ = (unsigned char)bits;
    return p;
}

/* The counts up to the greatest value's. Returns the end. */
static unsigned char *put_counts(unsigned char *p, const struct hist *h)
{
    uint32_t i = 0, last = hist_slot(h->max_ns);

    while (i <= last) {
        uint32_t empty = 0;

        while (i + empty <= last && h->slots[i + empty] == 0)
            empty++;
        p = put_count(p, empty > 1 ? -(int64_t)empty : (int64_t)h->slots[i]);
        i += empty > 1 ? empty : 1;
    }
    return p;
}

static size_t encode(unsigned char *out, const struct hist *h)
{
    unsigned char *end = put_counts(out + HEADER, h), *p = out;
    double ratio = 1; /* of a recorded number to the value it stands for */
    uint64_t bits;

    memcpy(&bits, &ratio, sizeof bits);
    p = put_be32(p, COOKIE);
    p = put_be32(p, (uint32_t)(end - out - HEADER));
    p = put_be32(p, 0); /* by how many slots the counts are shifted */
    p = put_be32(p, HIST_DIGITS);
    p = put_be64(p, 1); /* lowest value told from 0 */
    p = put_be64(p, (uint64_t)HIST_MAX_NS);
    put_be64(p, bits);
    return (size_t)(end - out);
}

int hdrtext_write(FILE *out, const struct hist *h)
{
    /* one count for each slot that can have one, and one for the empty ones before them */
    size_t slots = hist_slot(h->max_ns) - hist_slot(h->min_ns) + 2;
    unsigned char *plain = malloc(HEADER + slots * COUNT_MAX), *packed = NULL;
    size_t n;
    uLongf n_packed;
    int r = -ENOMEM;

    if (!plain)
        return -ENOMEM;
    n = encode(plain, h);
    n_packed = compressBound(n);
    packed = malloc(ENVELOPE + n_packed);
    if (packed && compress(packed + ENVELOPE, &n_packed, plain, n) == Z_OK) {
        put_be32(put_be32(packed, COOKIE_COMPRESSED), (uint32_t)n_packed);
        put_base64(out, packed, ENVELOPE + n_packed);
        r = 0;
    }
    free(packed);
    free(plain);
    return r;
}

/* The bytes of a zlib stream, one after the other. */
struct unpacker {
    z_stream z;
    unsigned char piece[4096];
    size_t at, n;
    int state; /* what inflate(3) said last */
};

static bool next_byte(struct unpacker *u, unsigned char *ret)
{
    if (u->at == u->n) {
        if (u->state != Z_OK)
            return false;
        u->z.next_out = u->piece;
        u->z.avail_out = sizeof u->piece;
        u->state = inflate(&u->z, Z_NO_FLUSH);
        u->at = 0;
        u->n = u->state == Z_OK || u->state == Z_STREAM_END ? sizeof u->piece - u->z.avail_out : 0;
        if (u->n == 0)
            return false;
    }
    *ret = u->piece[u->at++];
    return true;
}

/* How the slots of a foreign histogram lie. */
struct layout {
    uint32_t half_bits; /* binary logarithm of the slots per doubling */
    uint32_t unit_bits; /* ... of the unit */
    uint64_t slots;
};

/* Of a layout that HdrHistogram can have. */
static bool layout_of(struct layout *ret, uint32_t digits, uint64_t lowest, uint64_t highest)
{
    uint64_t single = 2, reach;

    if (digits > 5 || lowest < 1 || lowest > INT64_MAX / 2 || highest < 2 * lowest ||
        highest > INT64_MAX)
        return false;
    while (digits-- > 0)
        single *= 10;
    /* up to 'single' units a slot holds one value: the next power of two is twice the slots per doubling */
    ret->half_bits = 63 - (uint32_t)__builtin_clzll(single - 1);
    ret->unit_bits = 63 - (uint32_t)__builtin_clzll(lowest);
    if (ret->half_bits + ret->unit_bits > 61)
        return false;
    ret->slots = UINT64_C(2) << ret->half_bits;
    for (reach = ret->slots << ret->unit_bits; reach <= highest; reach *= 2)
        ret->slots += UINT64_C(1) << ret->half_bits;
    return true;
}

/* The lowest value of a slot, and how many more it stands for. */
static void slot_values(const struct layout *l, uint64_t slot, uint64_t *lowest, uint64_t *more)
{
    uint64_t half = UINT64_C(1) << l->half_bits;
    uint32_t shift = l->unit_bits + (slot < 2 * half ? 0 : (uint32_t)(slot >> l->half_bits) - 1);

    *lowest = (slot < 2 * half ? slot : (slot & (half - 1)) | half) << shift;
    *more = (UINT64_C(1) << shift) - 1;
}

/* Records 'count' values of a slot, as much of which lies above our range as there may be. */
static bool take_count(struct hist *h, const struct layout *l, uint64_t slot, uint64_t count)
{
    uint64_t lowest, more, sum;

    if (slot >= l->slots || __builtin_add_overflow(h->count, count, &sum) || sum > INT64_MAX)
        return false;
    if (count == 0)
        return true;
    slot_values(l, slot, &lowest, &more);
    if (lowest > (uint64_t)HIST_MAX_NS)
        lowest = (uint64_t)HIST_MAX_NS;
    if (more > (uint64_t)HIST_MAX_NS - lowest)
        more = (uint64_t)HIST_MAX_NS - lowest;
    hist_record_many(h, (int64_t)(lowest + more), count);
    if ((int64_t)lowest < h->min_ns)
        h->min_ns = (int64_t)lowest;
    return true;
}

static const char broken_off[] = "its compressed data are damaged or end early";

/* The counts, of which there are 'n' bytes. Returns NULL, or what is wrong. */
static const char *read_counts(struct hist *h, struct unpacker *u, const struct layout *l,
                               uint32_t n)
{
    uint64_t slot = 0;

    while (n > 0) {
        uint64_t bits = 0;
        unsigned char byte = 0x80;

        for (unsigned i = 0; i < COUNT_MAX && byte & 0x80; i++, n--) {
            if (n == 0)
                return "a count ends early";
            if (!next_byte(u, &byte))
                return broken_off;
            bits |= (uint64_t)(i + 1 < COUNT_MAX ? byte & 0x7f : byte) << 7 * i;
        }
        if (bits & 1) { /* -x is written as 2x - 1 */
            uint64_t empty = bits / 2 + 1;

            if (empty > l->slots - slot)
                return "it has more slots than its range";
            slot += empty;
        } else if (!take_count(h, l, slot++, bits / 2)) {
            return "it has more slots than its range, or too many values";
        }
    }
    return NULL;
}

/* Header and counts, and then the end, up to which the stream's own checksum holds. */
static const char *read_stream(struct hist *h, struct unpacker *u)
{
    unsigned char header[HEADER], byte;
    struct layout l;
    const char *why;
    uint32_t n;

    for (size_t i = 0; i < HEADER; i++)
        if (!next_byte(u, &header[i]))
            return broken_off;
    if ((get_be32(header) & ~COOKIE_WORD) != (COOKIE & ~COOKIE_WORD))
        return "it is not in the V2 encoding";
    n = get_be32(header + 4);
    if (get_be32(header + 8) != 0)
        return "its slots are shifted (it was recorded as floating-point values)";
    if (!layout_of(&l, get_be32(header + 12), get_be64(header + 16), get_be64(header + 24)))
        return "its range or its number of digits makes no sense";
    if (n > l.slots * COUNT_MAX)
        return "it has more slots than its range";
    why = read_counts(h, u, &l, n);
    if (why)
        return why;
    if (next_byte(u, &byte))
        return "it goes on after its last slot";
    return u->state == Z_STREAM_END ? NULL : broken_off;
}

static const char *read_packed(struct hist *h, const unsigned char *in, size_t n)
{
    struct unpacker u = {.state = Z_OK};
    const char *why;
    uint32_t cookie;

    if (n < ENVELOPE)
        return "it is too short";
    cookie = get_be32(in) & ~COOKIE_WORD;
    if (cookie == COOKIE_V0_COMPRESSED || cookie == COOKIE_V1_COMPRESSED)
        return "it is in an encoding before V2, which is not supported";
    if (cookie != (COOKIE_COMPRESSED & ~COOKIE_WORD))
        return "it is not a compressed HdrHistogram of whole numbers";
    if (get_be32(in + 4) > n - ENVELOPE)
        return "it ends early";
    u.z.next_in = (unsigned char *)(uintptr_t)(in + ENVELOPE); /* zlib only reads it */
    u.z.avail_in = get_be32(in + 4);
    if (inflateInit(&u.z) != Z_OK)
        return "there is no memory to unpack it";
    why = read_stream(h, &u);
    inflateEnd(&u.z);
    return why;
}

int hdrtext_read(struct hist *h, const char *text, size_t n, const char **why)
{
    unsigned char *packed = malloc(n / 4 * 3 + 1);
    ssize_t n_packed;

    hist_clear(h);
    *why = "there is no memory to unpack it";
    if (!packed)
        return -ENOMEM;
    n_packed = get_base64(packed, text, n);
    *why = n_packed < 0 ? "it is no base64" : read_packed(h, packed, (size_t)n_packed);
    free(packed);
    if (*why)
        hist_clear(h);
    return *why ? -EBADMSG : 0;
}
