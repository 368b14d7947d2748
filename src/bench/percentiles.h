/* percentiles.h -- which percentiles of a distribution are shown, and what they are called.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_PERCENTILES_H
#define BENCH_PERCENTILES_H

#include "../base/figures.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* The percentiles to show; the minimum, the mean and the maximum always are. */
#define PERCENTILES_MAX 32
#define PERCENTILES_DEFAULT "50,90,99,99.9,99.99"

struct percentiles {
    double list[PERCENTILES_MAX]; /* 0 to 100 */
    size_t n;
};

/* Reads "50,99,99.9"; the word max may be among them and changes nothing. Returns 0 or -EINVAL. */
int percentiles_parse(struct percentiles *ret, const char *text, struct err *err);

/* "p99.9"; returns 'out'. */
const char *percentile_text(char out[static FIGURE_MAX], double percent);

/* Does a percentile of 'count' values rest on fewer than ten that are greater? Then another run may well give another. */
bool percentile_thin(uint64_t count, double percent);

#endif
