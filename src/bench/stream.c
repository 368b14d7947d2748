/* stream.c -- see stream.h. The mix is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable
 * pseudorandom number generators, 2014; constants by Stafford), which has an inverse: each of its
 * steps has. What tells the words of a block apart is the beginning of that generator's sequence.
 *
 * SPDX-License-Identifier: MIT */
#include "stream.h"

#include <endian.h>
#include <string.h>

#define WORD 8u
#define WORDS 8u
#define BLOCK (WORDS * WORD)
#define BLOCK_BITS 35 /* of the number of a block in its stream */

#define MIX_1 UINT64_C(0xbf58476d1ce4e5b9)
#define MIX_2 UINT64_C(0x94d049bb133111eb)
#define UNMIX_1 UINT64_C(0x96de1b173f119089) /* MIX_1 * UNMIX_1 = 1 modulo 2^64; likewise */
#define UNMIX_2 UINT64_C(0x319642b2d24d8ec3)
#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)

/* SplitMix64 from seed 0. No two neighbours differ in the same bits as two others, so two words of a block say which of
 * them they are. */
static const uint64_t masks[WORDS] = {
    UINT64_C(0xe220a8397b1dcdaf), UINT64_C(0x6e789e6aa1b965f4), UINT64_C(0x06c45d188009454f),
    UINT64_C(0xf88bb8a8724c81ec), UINT64_C(0x1b39896a51a8749b), UINT64_C(0x53cb9f0c747ea2ea),
    UINT64_C(0x2c829abe1f4532e1), UINT64_C(0xc584133ac916ab3c),
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * MIX_1;
    x = (x ^ x >> 27) * MIX_2;
    return x ^ x >> 31;
}

static uint64_t unmix(uint64_t x)
{
    x = (x ^ x >> 31 ^ x >> 62) * UNMIX_2;
    x = (x ^ x >> 27 ^ x >> 54) * UNMIX_1;
    return x ^ x >> 30 ^ x >> 60;
}

void stream_init(struct stream *s, uint64_t seed)
{
    s->key = mix(seed + GOLDEN_GAMMA);
    s->connections = STREAM_CONNECTIONS;
}

/* What the block at 'offset' is made of. */
static uint64_t number(const struct stream *s, uint32_t connection, uint64_t offset)
{
    return mix(s->key + ((uint64_t)connection << BLOCK_BITS) + offset / BLOCK);
}

static inline uint64_t word(uint64_t number, size_t k)
{
    return htole64(number ^ masks[k]);
}

static void make_block(uint64_t number, unsigned char to[static BLOCK])
{
    for (size_t k = 0; k < WORDS; k++) {
        uint64_t w = word(number, k);

        memcpy(to + k * WORD, &w, WORD);
    }
}

static bool is_block(uint64_t number, const unsigned char got[static BLOCK])
{
    uint64_t w, differ = 0;

    for (size_t k = 0; k < WORDS; k++) {
        memcpy(&w, got + k * WORD, WORD);
        differ |= w ^ word(number, k);
    }
    return differ == 0;
}

/* How much of 'len' bytes at 'offset' one block has. */
static size_t within_block(uint64_t offset, size_t len)
{
    size_t room = BLOCK - offset % BLOCK;

    return len < room ? len : room;
}

void stream_fill(const struct stream *s, uint32_t connection, uint64_t offset, unsigned char *to,
                 size_t len)
{
    unsigned char block[BLOCK];

    while (len > 0) {
        size_t size = within_block(offset, len);
        uint64_t n = number(s, connection, offset);

        if (size == BLOCK) {
            make_block(n, to);
        } else {
            make_block(n, block);
            memcpy(to, block + offset % BLOCK, size);
        }
        offset += size;
        to += size;
        len -= size;
    }
}

/* The first of 'len' bytes that differs; 'len' when none does. */
static size_t first_difference(const unsigned char *got, const unsigned char *want, size_t len)
{
    size_t i = 0;

    while (i < len && got[i] == want[i])
        i++;
    return i;
}

size_t stream_match(const struct stream *s, uint32_t connection, uint64_t offset,
                    const unsigned char *got, size_t len)
{
    unsigned char block[BLOCK];
    size_t done = 0, size, right;

    for (; done < len; done += size) {
        uint64_t n = number(s, connection, offset + done);

        size = within_block(offset + done, len - done);
        if (size == BLOCK && is_block(n, got + done))
            continue;
        make_block(n, block);
        right = first_difference(got + done, block + (offset + done) % BLOCK, size);
        if (right < size)
            return done + right;
    }
    return len;
}

/* Were the bytes at 'got' made for this place? */
static bool is_place(const struct stream *s, const unsigned char *got, uint32_t connection,
                     uint64_t offset)
{
    return stream_match(s, connection, offset, got, STREAM_FIND_LEN) == STREAM_FIND_LEN;
}

bool stream_find(const struct stream *s, const unsigned char *got, uint32_t *ret_connection,
                 uint64_t *ret_offset)
{
    for (size_t skip = 0; skip < WORD; skip++) {
        uint64_t w;

        memcpy(&w, got + skip, WORD);
        for (size_t k = 0; k < WORDS; k++) {
            uint64_t n = unmix(le64toh(w) ^ masks[k]) - s->key;
            uint64_t offset = (n & ((UINT64_C(1) << BLOCK_BITS) - 1)) * BLOCK + (uint64_t)k * WORD;

            *ret_connection = (uint32_t)(n >> BLOCK_BITS);
            *ret_offset = offset - skip;
            if (*ret_connection < s->connections && offset >= skip &&
                is_place(s, got, *ret_connection, *ret_offset))
                return true;
        }
    }
    return false;
}
