/* choose.h -- where every decision of a simulated run comes from.
 *
 * A run asks choose() whenever something could go one way or another, and nothing else in it varies, so
 * the answers are the run. They come from a seed, by a generator of our own (splitmix64: the same
 * everywhere and for ever), or from a byte string, one or two bytes per answer, so that a fuzzer can
 * change a run a little at a time. When the string is used up every answer is 0, which is everywhere
 * the plainest choice.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_CHOOSE_H
#define SIM_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void choose_from_seed(uint64_t seed);
void choose_from_script(const unsigned char *script, size_t n);

/* Also writes a seed's answers down, as the script that gives the same ones. NULL: no longer. */
void choose_and_write(FILE *script);

/* One of 0 .. n - 1; 0 for n < 2. */
uint32_t choose(uint32_t n);

/* True 'per_mille' times in a thousand. */
bool chance(uint32_t per_mille);

/* A number from 1 to 'most', small ones preferred: every order of magnitude is as likely. */
uint32_t choose_size(uint32_t most);

/* A span of virtual time from 0 to 'most_ns', short ones preferred. */
int64_t choose_span(int64_t most_ns);

/* The generator, for whoever needs a function of a number: the bytes of a client, for one. */
uint64_t scramble(uint64_t x);

#endif
