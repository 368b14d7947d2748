/* output.h -- standard output: our own words, and what the server said.
 *
 * The two are kept apart because a terminal obeys what it is shown. On a terminal the server's bytes
 * pass through the filter of base/escape.h; in a pipe or a file they stay exactly what they were.
 *
 *     output_words(&out, "message from server : ", &err);
 *     output_bytes(&out, chunk, n, &err);      // any number of times: a message streams through
 *     output_end(&out, &err);                  // the message is over
 *
 * Nothing is buffered here, so whoever reads sees each piece when it arrives, and a failed write is
 * known at once. All return 0 or -errno, with 'err' saying that standard output is what failed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include "../base/escape.h"

struct err;

struct output {
    bool terminal;        /* filter, and start what comes next on a line of its own */
    bool mid_line;        /* the last byte written was no newline */
    struct escape filter; /* a character that has arrived only in part */
};

/* 'terminal': standard output is one. */
void output_init(struct output *o, bool terminal);

int output_words(struct output *o, const char *words, struct err *err);
int output_bytes(struct output *o, const void *bytes, size_t n, struct err *err);
int output_end(struct output *o, struct err *err);

#endif
