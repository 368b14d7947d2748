/* evidence.h -- what exactly is wrong with an echo.
 *
 * The check of a running connection is a comparison and knows only where the first wrong byte is. From there on what
 * comes is collected, and then read as a sequence of pieces: a *piece* is a run of bytes that belong to some
 * stream at some offset (stream.h: any fifteen bytes say which), the rest is foreign. What the
 * first pieces are tells the kind:
 *
 *     our stream from further back                          doubled
 *     our stream from further on; what was left out ...     comes later: reordered; never: skipped
 *     another connection's stream                           crossed
 *     foreign bytes, then our stream where it should be     changed; the same bytes in another order: reordered
 *     foreign bytes, then our stream from where it stopped  unasked
 *     anything behind the last byte that was sent           doubled or crossed as above, or unasked
 *
 * Of another connection fifteen bytes in a row must have come to be known; fewer are bytes that were changed. Of our
 * own stream fewer do where there are no more, if they are from near by.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_EVIDENCE_H
#define BENCH_EVIDENCE_H

#include "result.h"
#include "stream.h"

#define EVIDENCE_BYTES 65536u

/* What came, from the first wrong byte on. */
struct evidence {
    const struct stream *stream;
    uint32_t connection; /* whose echo it should be (from 0) */
    uint64_t offset;     /* where the first wrong byte should have been (from 0) */
    uint64_t sent;       /* bytes that this connection has sent in all */
    size_t len;
    unsigned char got[EVIDENCE_BYTES];
};

/* Adds what came next; what is beyond EVIDENCE_BYTES is left out. */
void evidence_add(struct evidence *e, const unsigned char *got, size_t len);

/* Fills kind, connection, offset and text. */
void evidence_judge(struct trouble *ret, const struct evidence *e);

#endif
