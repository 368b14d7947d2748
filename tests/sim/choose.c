/* choose.c -- see choose.h.
 *
 * SPDX-License-Identifier: MIT */
#include "choose.h"

#include <assert.h>

static struct {
    uint64_t state;
    const unsigned char *script; /* NULL: by 'state' */
    size_t left;
    FILE *written;
} source;

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014). */
uint64_t scramble(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void choose_from_seed(uint64_t seed)
{
    source.state = scramble(seed);
    source.script = NULL;
}

void choose_from_script(const unsigned char *script, size_t n)
{
    source.script = script;
    source.left = n;
}

void choose_and_write(FILE *script)
{
    source.written = script;
}

/* The bytes of a script that make one answer below 'n'. */
static unsigned bytes_for(uint32_t n)
{
    return n <= 1u << 8 ? 1 : n <= 1u << 16 ? 2 : 4;
}

static uint32_t next_of_script(uint32_t n)
{
    uint32_t answer = 0;

    for (unsigned i = bytes_for(n); i > 0 && source.left > 0; i--, source.left--)
        answer = answer << 8 | *source.script++;
    return answer % n;
}

static uint32_t next_of_seed(uint32_t n)
{
    uint32_t answer;

    source.state += UINT64_C(0x9e3779b97f4a7c15);
    answer = (uint32_t)((scramble(source.state) >> 32) * n >> 32);
    for (unsigned i = bytes_for(n); source.written && i > 0; i--)
        fputc((int)(answer >> 8 * (i - 1) & 0xff), source.written);
    return answer;
}

uint32_t choose(uint32_t n)
{
    if (n < 2)
        return 0;
    return source.script ? next_of_script(n) : next_of_seed(n);
}

bool chance(uint32_t per_mille)
{
    assert(per_mille <= 1000);
    /* the last answers are the rare ones, so that 0 means no */
    return per_mille && choose(1000) >= 1000 - per_mille;
}

uint32_t choose_size(uint32_t most)
{
    uint32_t bits = 0;

    while (bits < 31 && most >> (bits + 1))
        bits++;
    bits = choose(bits + 1);
    bits = (uint32_t)1 << bits; /* now the lowest number of that magnitude */
    return bits + choose(most - bits < bits ? most - bits + 1 : bits);
}

int64_t choose_span(int64_t most_ns)
{
    /* in steps of a microsecond, or less where it is all shorter than that */
    int64_t step = most_ns > 1000000 ? 1000 : 1;

    if (most_ns <= 0 || choose(4) == 0)
        return 0;
    return (int64_t)choose_size(
               (uint32_t)(most_ns / step > UINT32_MAX / 2 ? UINT32_MAX / 2 : most_ns / step)) *
           step;
}
