/* editor.h -- a prompt with line editing and history, by libedit.
 *
 * libedit asks for one key after another through a function of ours (EL_GETCFN), and that function
 * waits with poll(2) for the key and for the server. So one blocking call edits a whole line, and still
 * nothing is missed: not a server that closes meanwhile, not a character of which half has arrived.
 *
 * A build without libedit has no editor, and neither has a terminal that cannot move its cursor:
 * prompt.h knows what to do then.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_EDITOR_H
#define CLIENT_EDITOR_H

#include "input.h"

struct err;
struct editor;

#ifdef HAVE_LIBEDIT
#define EDITOR_NAME "libedit"

/* Returns NULL where there is no editing. 'prompt' must outlive it. */
struct editor *editor_create(const char *program, const char *prompt);
void editor_destroy(struct editor *e);

/* As lines_read(): INPUT_LINE, INPUT_END, INPUT_SERVER or -errno. What was typed before INPUT_SERVER is
 * given up. The terminal has its own modes again when this returns. */
int editor_read(struct editor *e, int server, struct line *ret, struct err *err);

/* Adds the line last read to the history. */
void editor_remember(struct editor *e);

#else
#define EDITOR_NAME "no libedit"

static inline struct editor *editor_create(const char *program, const char *prompt)
{
    (void)program;
    (void)prompt;
    return NULL;
}

static inline void editor_destroy(struct editor *e)
{
    (void)e;
}

static inline int editor_read(struct editor *e, int server, struct line *ret, struct err *err)
{
    (void)e;
    (void)server;
    (void)ret;
    (void)err;
    return INPUT_END;
}

static inline void editor_remember(struct editor *e)
{
    (void)e;
}

#endif
#endif
