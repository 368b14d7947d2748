/* prompt.h -- the user at a terminal: ask, and take the answer.
 *
 * With an editor (editor.h) where there is one; otherwise the prompt is written and the kernel's own
 * line editing does (backspace, Ctrl-U, Ctrl-D), in lines of up to 4095 bytes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_PROMPT_H
#define CLIENT_PROMPT_H

#include "lines.h"
#include "output.h"

struct editor;

struct prompt {
    struct editor *editor; /* NULL: none */
    struct lines lines;    /* then these */
    struct output *out;
};

void prompt_init(struct prompt *p, const char *program, struct output *out);
void prompt_done(struct prompt *p);

/* As lines_read(). What is shown next begins on a line of its own. */
int prompt_read(struct prompt *p, int server, struct line *ret, struct err *err);

/* Keeps the line last read in the history. */
void prompt_remember(struct prompt *p);

/* For --version: which editor is built in. */
const char *prompt_built_in(void);

#endif
