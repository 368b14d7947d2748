/* stream.h -- the bytes that a connection sends: pseudo-random, its own, and able to say where they belong.
 *
 * A stream is a sequence of blocks of eight 64-bit words, little-endian. Block b of connection c is made of one number, a mix
 * (a bijection of 64 bits) of key + c * 2^35 + b: the number under eight fixed masks. So it costs little more
 * than writing it to memory, and any part of it can be made at any time. Whoever gets eight bytes of it, in whatever
 * connection and at whatever place, can undo the mix and read the connection and the offset they were made for
 * (stream_find). So an echo that is wrong can be told apart: changed, lost, doubled, reordered, or another
 * connection's (evidence.h).
 *
 * Of 2^29 connections and 2^41 bytes (2 TiB) in each every block differs; beyond that they come again.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_CONNECTIONS (UINT32_C(1) << 29)

/* All streams of one run. */
struct stream {
    uint64_t key;
    uint32_t connections; /* those that there are: what points beyond them is no place */
};

/* With 'connections' at STREAM_CONNECTIONS: who knows better how many there are, says so. */
void stream_init(struct stream *s, uint64_t seed);

/* Writes the 'len' bytes of 'connection' (from 0) that begin at 'offset'. */
void stream_fill(const struct stream *s, uint32_t connection, uint64_t offset, unsigned char *to,
                 size_t len);

/* How many of the first bytes at 'got' are those; 'len' when all are. */
size_t stream_match(const struct stream *s, uint32_t connection, uint64_t offset,
                    const unsigned char *got, size_t len);

/* Bytes that stream_find() wants to see: a whole word, whatever its alignment. */
#define STREAM_FIND_LEN 15u

/* Which connection and which offset the STREAM_FIND_LEN bytes at 'got' were made for; false when they are no
 * stream's. Any eight bytes can be undone into some connection and offset; the other seven have to agree, and the
 * connection must be one of those there are (bytes that were all changed in the same way may look like another stream's). */
bool stream_find(const struct stream *s, const unsigned char *got, uint32_t *ret_connection,
                 uint64_t *ret_offset);

#endif
