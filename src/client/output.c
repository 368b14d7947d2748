/* output.c -- see output.h.
 *
 * SPDX-License-Identifier: MIT */
#include "output.h"

#include "../base/err.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* What is filtered at a time: its escaped form lives on the stack. */
#define PIECE 4096

void output_init(struct output *o, bool terminal)
{
    *o = (struct output){.terminal = terminal, .filter = {.lines = true}};
}

/* Writes all of it. Standard output may be non-blocking, made so by whoever shares it with us. */
static int put(struct output *o, const char *bytes, size_t n, struct err *err)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    if (n > 0)
        o->mid_line = bytes[n - 1] != '\n';
    while (n > 0) {
        ssize_t wrote = write(STDOUT_FILENO, bytes, n);

        if (wrote == -1 && errno == EAGAIN)
            poll(&p, 1, -1);
        else if (wrote == -1 && errno != EINTR)
            return err_set(err, errno, "cannot write to standard output");
        if (wrote > 0) {
            bytes += wrote;
            n -= (size_t)wrote;
        }
    }
    return 0;
}

int output_words(struct output *o, const char *words, struct err *err)
{
    return put(o, words, strlen(words), err);
}

static int put_filtered(struct output *o, const char *bytes, size_t n, struct err *err)
{
    char safe[ESCAPE_MAX(PIECE)];
    int r = 0;

    while (n > 0 && r == 0) {
        size_t piece = n < PIECE ? n : PIECE;

        r = put(o, safe, escape_feed(&o->filter, safe, bytes, piece), err);
        bytes += piece;
        n -= piece;
    }
    return r;
}

int output_bytes(struct output *o, const void *bytes, size_t n, struct err *err)
{
    return o->terminal ? put_filtered(o, bytes, n, err) : put(o, bytes, n, err);
}

int output_end(struct output *o, struct err *err)
{
    char safe[ESCAPE_MAX(0)];
    int r;

    if (!o->terminal)
        return 0;
    r = put(o, safe, escape_end(&o->filter, safe), err);
    if (r == 0 && o->mid_line)
        r = output_words(o, "\n", err);
    return r;
}
