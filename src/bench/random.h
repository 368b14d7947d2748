/* random.h -- a small generator for what a run leaves to chance: sizes and arrivals, not the streams.
 *
 * SplitMix64: one number per call, any state to begin with, the same sequence for the same state.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

__extension__ typedef unsigned __int128 random_wide;

/* 0 to n - 1, n of at least 1; biased by less than n / 2^64. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    return (uint64_t)((random_wide)random_next(state) * n >> 64);
}

/* More than 0, at most 1. */
static inline double random_unit(uint64_t *state)
{
    return (double)((random_next(state) >> 11) + 1) * 0x1p-53;
}

#endif
