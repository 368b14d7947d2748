/* lines.c -- see lines.h.
 *
 * SPDX-License-Identifier: MIT */
#include "lines.h"

#include "../base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for one read(2): what a pipe holds. */
#define READ_SIZE ((size_t)64 << 10)

void lines_done(struct lines *l)
{
    free(l->data);
    *l = (struct lines){0};
}

/* Makes room for one more read, by moving what is there to the front and, if need be, growing. */
static int make_room(struct lines *l, struct err *err)
{
    size_t cap = l->cap ? 2 * l->cap : 2 * READ_SIZE;
    char *data;

    if (l->start > 0) {
        memmove(l->data, l->data + l->start, l->end - l->start);
        l->end -= l->start;
        l->start = 0;
    }
    if (l->cap - l->end >= READ_SIZE)
        return 0;
    data = realloc(l->data, cap);
    if (!data)
        return err_set(err, ENOMEM, "cannot hold a line of more than %zu bytes", l->end);
    l->data = data;
    l->cap = cap;
    return 0;
}

/* Reads what is there, which is something: input_wait() said so. */
static int fill(struct lines *l, struct err *err)
{
    ssize_t n;
    int r = make_room(l, err);

    if (r < 0)
        return r;
    n = read(STDIN_FILENO, l->data + l->end, l->cap - l->end);
    if (n == -1 && errno != EAGAIN && errno != EINTR)
        return err_set(err, errno, "cannot read standard input");
    if (n == 0)
        l->ended = true;
    if (n > 0)
        l->end += (size_t)n;
    return 0;
}

static int hand_out(struct lines *l, size_t n, struct line *ret)
{
    if (n == 0)
        return INPUT_END;
    *ret = (struct line){l->data + l->start, n};
    l->start += n;
    return INPUT_LINE;
}

int lines_read(struct lines *l, int server, struct line *ret, struct err *err)
{
    size_t looked = 0; /* bytes of this line known to hold no newline */
    int r;

    for (;;) {
        size_t have = l->end - l->start;
        const char *from = have > 0 ? l->data + l->start : NULL;
        const char *newline = have > looked ? memchr(from + looked, '\n', have - looked) : NULL;

        if (newline)
            return hand_out(l, (size_t)(newline + 1 - from), ret);
        if (l->ended)
            return hand_out(l, have, ret);
        looked = have;
        r = input_wait(server, NULL);
        if (r < 0)
            return err_set(err, -r, "cannot wait for standard input");
        if (r == INPUT_SERVER)
            return r;
        r = fill(l, err);
        if (r < 0)
            return r;
    }
}

bool lines_over(const struct lines *l)
{
    return l->start == l->end && (l->ended || input_over());
}
