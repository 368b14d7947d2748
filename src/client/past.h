/* past.h -- the lines typed before, in memory for the editor and in a file for the next time.
 *
 * The file is $XDG_STATE_HOME/meari/history (by default ~/.local/state/meari/history): plain lines, the
 * newest last, readable by its owner only. Each line is appended when it is entered, so that neither
 * a crash nor a second client loses any; when the file has grown beyond PAST_MAX lines it is cut
 * back, at the next start or at the end. A history that cannot be read or written is no error: the
 * conversation does not depend on it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_PAST_H
#define CLIENT_PAST_H

#include <histedit.h>

#define PAST_MAX 1000
#define PAST_LINE_MAX 4000 /* bytes; a longer line is not remembered */

struct past {
    History *history; /* the editor's view; NULL: none */
    char *path;       /* NULL: not kept */
    int in_file;      /* lines */
};

void past_init(struct past *p);
void past_done(struct past *p);

/* Remembers a line, which ends without its newline. */
void past_add(struct past *p, const char *line);

#endif
