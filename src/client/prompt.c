/* prompt.c -- see prompt.h.
 *
 * SPDX-License-Identifier: MIT */
#include "prompt.h"

#include "../base/err.h"
#include "editor.h"
#include "terminal.h"

/* The words of the lesson. */
#define PROMPT "Input message ( q to quit ) "

void prompt_init(struct prompt *p, const char *program, struct output *out)
{
    *p = (struct prompt){.editor = editor_create(program, PROMPT), .out = out};
}

void prompt_done(struct prompt *p)
{
    editor_destroy(p->editor);
    lines_done(&p->lines);
}

static int plain_read(struct prompt *p, int server, struct line *ret, struct err *err)
{
    int r;

    terminal_lend();
    r = output_words(p->out, PROMPT, err);
    if (r == 0)
        r = lines_read(&p->lines, server, ret, err);
    terminal_back();
    return r;
}

int prompt_read(struct prompt *p, int server, struct line *ret, struct err *err)
{
    int r = p->editor ? editor_read(p->editor, server, ret, err) : plain_read(p, server, ret, err);

    if (r == INPUT_LINE && ret->data[ret->n - 1] == '\n') {
        p->out->mid_line = false; /* its newline was echoed */
        return r;
    }
    if (r < 0)
        output_words(p->out, "\n", &(struct err){0});
    else if (output_words(p->out, "\n", err) < 0)
        return -err->code;
    return r;
}

void prompt_remember(struct prompt *p)
{
    if (p->editor)
        editor_remember(p->editor);
}

const char *prompt_built_in(void)
{
    return EDITOR_NAME;
}
