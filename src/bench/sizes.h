/* sizes.h -- how long messages are: 64, 64:1500 (each length as likely as any other), or 64,512,1400 (each as
 * often as any other, at random).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_SIZES_H
#define BENCH_SIZES_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define SIZES_MAX 64
#define SIZE_LIMIT (UINT32_C(1) << 30) /* of one message */

struct sizes {
    uint32_t list[SIZES_MAX]; /* the choices; of a range the two ends */
    size_t n;
    int range;
};

/* Reads one of the three forms; each number as units_bytes() reads it, 1 to SIZE_LIMIT. Returns 0 or -EINVAL. */
int sizes_parse(struct sizes *ret, const char *text, struct err *err);

/* The next length. '*state' is the generator's (any value to begin with). */
uint32_t sizes_next(const struct sizes *sizes, uint64_t *state);

/* "64 bytes", "64 to 1500 bytes", "64, 512 or 1400 bytes"; returns 'out'. */
#define SIZES_TEXT_MAX 1024
const char *sizes_text(char out[static SIZES_TEXT_MAX], const struct sizes *sizes);

#endif
