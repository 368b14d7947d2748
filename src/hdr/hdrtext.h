/* hdrtext.h -- a histogram as one word of text: HdrHistogram's V2 encoding, compressed, in base64.
 *
 * It is what the lines of an interval log end with (hdrlog.h), and what HdrHistogram's ports in other languages read
 * and write. Written is always the layout of hist.h. Read is every layout that the encoding allows: other
 * digits, another unit, another range; each count then lies at the highest value of its foreign slot, which
 * is what HdrHistogram itself gives as a percentile. Values are taken as nanoseconds, the encoding does not say.
 * Not read are the encodings before V2 (of 2014), and histograms of floating-point values.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HDR_HDRTEXT_H
#define HDR_HDRTEXT_H

#include "../base/hist.h"

#include <stddef.h>
#include <stdio.h>

/* Writes it to 'out', whose error indicator tells of a failed write. Returns 0 or -ENOMEM. */
int hdrtext_write(FILE *out, const struct hist *h);

/* Reads it from 'n' bytes into 'h', whose earlier contents are lost in any case. The extremes are those of the slots,
 * since the encoding does not hold them. Returns 0, or -EBADMSG or -ENOMEM with '*why' in
 * words: "it ends early". */
int hdrtext_read(struct hist *h, const char *text, size_t n, const char **why);

#endif
