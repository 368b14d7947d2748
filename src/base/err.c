/* err.c -- sentences for failures.
 *
 * SPDX-License-Identifier: MIT */
#include "err.h"

#include "escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf that marks a cut, which is never within a character. Returns the length stored. */
static size_t format(char *out, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(out, size, fmt, args);
    size_t end = size - 4;

    if (n < 0)
        out[n = 0] = '\0';
    if ((size_t)n < size)
        return (size_t)n;
    while (end > 0 && (out[end] & 0xc0) == 0x80) /* a continuation byte of UTF-8 */
        end--;
    memcpy(out + end, "...", 4);
    return end + 3;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    char reason[128];
    va_list args;
    size_t n;

    err->code = code;
    va_start(args, fmt);
    n = format(err->text, sizeof err->text - sizeof reason - 2, fmt, args);
    va_end(args);
    /* strerror_r because workers fail in parallel; GNU's variant may return a constant instead */
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(code, reason, sizeof reason));
    return -code;
}

int err_usage(struct err *err, const char *fmt, ...)
{
    va_list args;

    err->code = EINVAL;
    va_start(args, fmt);
    format(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return -EINVAL;
}

const char *err_quote(char out[static ERR_QUOTE_MAX], const char *text)
{
    return escape_text(out, ERR_QUOTE_MAX, text);
}
