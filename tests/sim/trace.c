/* trace.c -- see trace.h.
 *
 * SPDX-License-Identifier: MIT */
#include "trace.h"

#include "../../src/base/clock.h"
#include "world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum trace_mode trace_mode = TRACE_OFF;
void (*fail_handler)(const char *complaint);
static uint64_t hash;

void trace_begin(enum trace_mode mode)
{
    trace_mode = mode;
    hash = UINT64_C(0xcbf29ce484222325);
}

uint64_t trace_hash(void)
{
    return hash;
}

void trace_line(const char *fmt, ...)
{
    char line[512];
    int64_t now_us = (world.now_ns - WORLD_BEGIN_NS) / NS_PER_US;
    int n = snprintf(line, sizeof line, "%4lld.%06lld  ", (long long)(now_us / 1000000),
                     (long long)(now_us % 1000000));
    va_list args;

    va_start(args, fmt);
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, args);
    va_end(args);
    for (const char *c = line; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    if (trace_mode == TRACE_PRINT)
        puts(line);
}

void fail(const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    trace("FAILED: %s", text);
    if (fail_handler)
        fail_handler(text);
    fprintf(stderr, "sim: %s\n", text);
    abort();
}

/* assert() of the code under test ends here, by name, instead of in the C library. */
void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    const char *base = strrchr(file, '/');

    (void)line; /* it changes with every edit: replay to see it */
    trace("%s:%u", file, line);
    fail("assertion failed in %s, %s(): %s", base ? base + 1 : file, function, assertion);
}
