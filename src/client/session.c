/* session.c -- see session.h.
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../base/units.h"
#include "lines.h"
#include "prompt.h"
#include "talk.h"

#include <errno.h>
#include <stdlib.h>

struct session {
    bool interactive;
    struct prompt prompt; /* one of these two gives the lines */
    struct lines lines;
    struct output out;
    struct talk talk;
};

static struct session *session_create(const struct session_config *config)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->interactive = config->interactive;
    output_init(&s->out, config->terminal);
    if (s->interactive)
        prompt_init(&s->prompt, config->program, &s->out);
    s->talk.fd = config->fd;
    s->talk.timeout_ns = config->timeout_ns;
    s->talk.out = &s->out;
    return s;
}

static void session_destroy(struct session *s)
{
    prompt_done(&s->prompt);
    lines_done(&s->lines);
    free(s);
}

static int next_line(struct session *s, struct line *ret, struct err *err)
{
    return s->interactive ? prompt_read(&s->prompt, s->talk.fd, ret, err)
                          : lines_read(&s->lines, s->talk.fd, ret, err);
}

/* "q" or "Q", alone on its line. */
static bool says_quit(const struct line *line)
{
    bool alone = line->n == 1 || (line->n == 2 && line->data[1] == '\n');

    return alone && (line->data[0] == 'q' || line->data[0] == 'Q');
}

static int say(struct session *s, const struct line *line, struct err *err)
{
    char span[UNITS_TEXT_MAX];
    int64_t start;
    int r;

    if (s->interactive)
        prompt_remember(&s->prompt);
    start = clock_now_ns();
    r = talk_say(&s->talk, line, err);
    if (r == 0)
        log_event(LOG_DEBUG, "echoed", LOG_FIELDS({"bytes", NULL, (int64_t)line->n}),
                  "%zu byte%s in %s", line->n, line->n == 1 ? "" : "s",
                  units_duration_text(span, clock_now_ns() - start));
    return r;
}

/* The server closed, and owes us nothing. That is an end like any other, unless there was more to
 * say. */
static int closed(const struct session *s, struct err *err)
{
    if (!s->interactive && !lines_over(&s->lines))
        return err_usage(err, "connection closed by the server before the end of the input");
    log_event(LOG_INFO, "closed", LOG_NO_FIELDS, "connection closed by the server");
    return 0;
}

static int converse(struct session *s, struct err *err)
{
    struct line line;
    int r, input;

    for (;;) {
        input = next_line(s, &line, err);
        if (input < 0)
            return input;
        if (input == INPUT_END || (input == INPUT_LINE && says_quit(&line)))
            return talk_end(&s->talk, err);
        r = input == INPUT_LINE ? say(s, &line, err) : talk_news(&s->talk, err);
        if (r < 0)
            return r;
        if (s->talk.closed)
            return closed(s, err);
    }
}

int session_run(const struct session_config *config, struct err *err)
{
    struct session *s = session_create(config);
    int r = 0;

    if (!s)
        return err_set(err, ENOMEM, "cannot start");
    if (s->interactive && !config->quiet)
        r = output_words(&s->out, "connected..........................\n", err);
    if (r == 0)
        r = converse(s, err);
    session_destroy(s);
    return r;
}
