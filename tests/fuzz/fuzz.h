/* fuzz.h -- what the fuzz targets share.
 *
 * A target is one file, fuzz_NAME.c, listed in the meson.build beside it, with one function: it takes any
 * bytes, feeds them to a part of ours, and says what must hold of the outcome. In build-fuzz/ libFuzzer
 * calls it with inputs it makes up; everywhere else replay.c calls it with those in corpus/NAME, which
 * makes the corpora a regression test that wants no more than the compiler at hand.
 *
 * Inputs are text where they can be: lines are words, fields or messages, so that a corpus can be read
 * and a crash can be written by hand.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property. Where it does not hold the program aborts, and whoever called it keeps the input. */
#define HOLDS(what) ((what) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #what))

static inline void fuzz_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* What is left of the input. */
struct bytes {
    const uint8_t *at;
    size_t n;
};

/* The next byte, or 0 when there is none. */
static inline uint8_t take_byte(struct bytes *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->at++;
}

/* 'n' bytes as a string in an allocation of exactly its size, for AddressSanitizer to guard. */
static inline char *copy_string(const void *bytes, size_t n)
{
    char *text = malloc(n + 1);

    HOLDS(text);
    if (n > 0)
        memcpy(text, bytes, n);
    text[n] = '\0';
    return text;
}

/* The next line without its newline, as such a string; NULL when the input is over. */
static inline char *take_line(struct bytes *in)
{
    const uint8_t *newline = in->n ? memchr(in->at, '\n', in->n) : NULL;
    size_t n = newline ? (size_t)(newline - in->at) : in->n;
    char *text;

    if (in->n == 0)
        return NULL;
    text = copy_string(in->at, n);
    n += newline != NULL;
    in->at += n;
    in->n -= n;
    return text;
}

/* Is this fit for a terminal or a log as it is: printable, well-formed UTF-8 on one line? The filter that
 * decides it has a target of its own, with another opinion to compare with. */
static inline int is_clean(const char *text)
{
    size_t n = strlen(text), size = ESCAPE_MAX(n);
    struct escape e = {.lines = false};
    char *out = malloc(size);
    size_t length;
    int same;

    HOLDS(out);
    length = escape_feed(&e, out, text, n);
    same = e.have == 0 && length == n && memcmp(out, text, n) == 0;
    free(out);
    return same;
}

#endif
