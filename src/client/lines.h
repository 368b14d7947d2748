/* lines.h -- standard input, line by line, with no limit to a line.
 *
 * A line is what ends with a newline, or the rest before the end of input; any other byte is just a
 * byte. It is held in memory whole, because its echo will be compared with it; the buffer grows to the
 * longest line and is used again for the next.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_LINES_H
#define CLIENT_LINES_H

#include "input.h"

struct err;

struct lines {
    char *data;
    size_t start, end; /* what was read and not yet handed out */
    size_t cap;
    bool ended; /* standard input has */
};

/* A zeroed struct lines is ready for use. */
void lines_done(struct lines *l);

/* Returns INPUT_LINE and sets *ret, valid until the next call; INPUT_END; INPUT_SERVER when the socket
 * 'server' reports something before a line is complete (nothing is lost: call again); or -errno. */
int lines_read(struct lines *l, int server, struct line *ret, struct err *err);

/* After INPUT_SERVER: is there more to come, read or unread? */
bool lines_over(const struct lines *l);

#endif
