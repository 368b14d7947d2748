/* fuzz_session.c -- the client's conversation, line by line, with any user, server and kernel.
 *
 * The world is world.h's. The first byte picks: 'p' standard output is a pipe, 't' a terminal, capitals with
 * a limit to the waiting. Whatever happens, the client must tell the truth: 0 only when every byte came back,
 * a failure when it saw a wrong one, and on the pipe the exact bytes that came.
 *
 * SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/session.h"

#include <ctype.h>

static const char said[] = "message from server : ";

/* The length of the line at 'text', its newline included. */
static size_t line_length(const uint8_t *text, size_t n)
{
    const uint8_t *newline = memchr(text, '\n', n);

    return newline ? (size_t)(newline - text) + 1 : n;
}

static bool is_quit(const uint8_t *line, size_t n)
{
    return (line[0] == 'q' || line[0] == 'Q') && (n == 1 || (n == 2 && line[1] == '\n'));
}

/* How much of what is typed is to be said: the lines before "q". */
static size_t to_say(const struct bytes *typed)
{
    size_t at = 0;

    while (at < typed->n) {
        size_t n = line_length(typed->at + at, typed->n - at);

        if (is_quit(typed->at + at, n))
            break;
        at += n;
    }
    return at;
}

/* On a pipe: each message after the words that announce it, as far as it came. */
static void check_exact(const struct world *w)
{
    const uint8_t *shown = w->shown.data;
    size_t left = w->shown.n, at = 0;

    while (at < w->received) {
        size_t n = line_length(w->typed.at + at, w->typed.n - at);
        size_t came = w->received - at < n ? w->received - at : n;

        HOLDS(left >= sizeof said - 1 + came);
        HOLDS(memcmp(shown, said, sizeof said - 1) == 0);
        HOLDS(memcmp(shown + sizeof said - 1, w->typed.at + at, came) == 0);
        shown += sizeof said - 1 + came;
        left -= sizeof said - 1 + came;
        at += came;
    }
    HOLDS(left == 0);
}

/* On a terminal: nothing that it would obey, but for the ends of lines and tabs. */
static void check_harmless(const struct stream *shown)
{
    for (size_t i = 0; i < shown->n; i++)
        HOLDS(shown->data[i] == '\n' || shown->data[i] == '\t' ||
              (shown->data[i] >= 0x20 && shown->data[i] != 0x7f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    uint8_t how = take_byte(&in);
    struct session_config config = {
        .program = "echo-it",
        .fd = WORLD_SOCKET,
        .timeout_ns = isupper(how) ? 5 * NS_PER_S : NEVER,
        .terminal = tolower(how) == 't',
    };
    struct err err = {.code = 0};
    struct world w;
    int r;

    log_init("echo-it", LOG_TEXT, LOG_NOTICE);
    world_begin(&w, in);
    r = session_run(&config, &err);
    if (r == 0) {
        HOLDS(!w.wrong && !w.input_failed && !w.output_failed);
        HOLDS(w.received == w.sent.n && w.sent.n == to_say(&w.typed));
    } else {
        HOLDS(r < 0 && err.code > 0 && *err.text && is_clean(err.text));
        HOLDS(!world_was_kind(&w));
    }
    HOLDS(w.sent.n <= to_say(&w.typed));
    HOLDS(w.sent.n == 0 || memcmp(w.sent.data, w.typed.at, w.sent.n) == 0);
    if (config.terminal)
        check_harmless(&w.shown);
    else if (!w.wrong && !w.output_failed)
        check_exact(&w);
    world_end(&w);
    return 0;
}
