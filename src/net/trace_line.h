/* trace_line.h -- one line of a trace: made from a call that has just returned, told to the log.
 *
 *     struct trace_line l = trace_line_of("recv", fd, n);
 *
 *     l.state = ...;
 *     trace_tell(&l, "what it means");
 *
 * The first of these comes right behind the call, since errno says why it failed; the last one gives errno back.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_TRACE_LINE_H
#define NET_TRACE_LINE_H

#include "../base/quote.h"
#include "trace.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACE_NO_FD (-1)

struct trace_line {
    const char *call;
    char args[32]; /* the descriptor, and what else is worth a look */
    int fd;
    bool asked;     /* of a ring: the result comes later */
    int64_t result; /* or -1, and */
    int code;       /* its errno */
    int saved_errno;
    const char *state; /* "": not told */
    char data[QUOTE_MAX(TRACE_COLUMNS)];
};

extern struct trace_config trace_config;

struct trace_line trace_line_of(const char *call, int fd, int64_t result);

/* Of the bytes received or sent, if there are any. */
void trace_quote(struct trace_line *l, const void *data);

/* The state as it is now. While both sides talk it is always the same, and not told. */
void trace_note_state(struct trace_line *l);

/* Writes it, with what it means. */
void trace_tell(const struct trace_line *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a call that failed. */
void trace_tell_error(struct trace_line *l);

#endif
