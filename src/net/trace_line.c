/* trace_line.c -- see trace_line.h.
 *
 * SPDX-License-Identifier: MIT */
#include "trace_line.h"

#include "../base/log.h"
#include "trace_state.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Where the state begins in a line, and the meaning. So the lines of most conversations fit a terminal of 80 columns, and
 * what stands before the state may be as long as "SO_ERROR(3) = ECONNREFUSED". */
#define STATE_COLUMN 27
#define MEANING_COLUMN (STATE_COLUMN + 13)
#define MEANING_MAX 192
#define FIELDS_MAX 8

struct trace_config trace_config;

struct trace_line trace_line_of(const char *call, int fd, int64_t result)
{
    struct trace_line l = {
        .call = call,
        .fd = fd,
        .result = result,
        .code = result == -1 ? errno : 0,
        .saved_errno = errno,
        .state = "",
    };

    if (fd != TRACE_NO_FD)
        snprintf(l.args, sizeof l.args, "%d", fd);
    return l;
}

/* Threads are numbered as they first have something to tell. */
static unsigned thread_number(void)
{
    static _Thread_local unsigned own;
    static atomic_uint last;

    if (own == 0)
        own = 1 + atomic_fetch_add(&last, 1);
    return own;
}

static const char *thread_text(char *out, size_t size)
{
    out[0] = '\0';
    if (trace_config.threads)
        snprintf(out, size, "[%u] ", thread_number());
    return out;
}

static const char *error_name(const struct trace_line *l)
{
    const char *name = l->code ? strerrorname_np(l->code) : "";

    return name ? name : "an unknown error";
}

/* The call as a program has it, and what it returned. */
static const char *call_text(char *out, size_t size, const struct trace_line *l)
{
    char result[48] = "";

    if (l->code)
        snprintf(result, sizeof result, " = %s", error_name(l));
    else if (!l->asked)
        snprintf(result, sizeof result, " = %lld", (long long)l->result);
    snprintf(out, size, "%s(%s)%s%s%s", l->call, l->args, result, *l->data ? " " : "", l->data);
    return out;
}

/* A line as it grows. */
struct text {
    char line[512];
    size_t used;
};

/* Adds a text that begins in this column, or behind what is there. */
static void add_at(struct text *t, size_t column, const char *text)
{
    size_t width = quote_columns(t->line);
    int blanks = width == 0 ? 0 : width < column ? (int)(column - width) : 1;

    if (*text)
        t->used += (size_t)snprintf(t->line + t->used, sizeof t->line - t->used, "%*s%s", blanks,
                                    "", text);
}

/* For machines the same without a table: what there is of it. */
static size_t fields_of(struct log_field fields[static FIELDS_MAX], const struct trace_line *l,
                        const char *meaning)
{
    const struct log_field texts[] = {{"error", error_name(l), 0},
                                      {"data", l->data, 0},
                                      {"state", l->state, 0},
                                      {"meaning", meaning, 0}};
    size_t n = 0;

    fields[n++] = (struct log_field){"call", l->call, 0};
    if (l->fd != TRACE_NO_FD)
        fields[n++] = (struct log_field){"fd", NULL, l->fd};
    if (trace_config.threads)
        fields[n++] = (struct log_field){"thread", NULL, thread_number()};
    if (!l->asked && !l->code)
        fields[n++] = (struct log_field){"result", NULL, l->result};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i].text)
            fields[n++] = texts[i];
    return n;
}

void trace_tell(const struct trace_line *l, const char *fmt, ...)
{
    char thread[16], call[192], meaning[MEANING_MAX];
    struct log_field fields[FIELDS_MAX];
    struct text t = {.used = 0};
    va_list args;

    va_start(args, fmt);
    vsnprintf(meaning, sizeof meaning, fmt, args);
    va_end(args);
    add_at(&t, 0, call_text(call, sizeof call, l));
    add_at(&t, STATE_COLUMN, l->state);
    add_at(&t, MEANING_COLUMN, meaning);
    log_write(LOG_NOTICE, "trace", fields, fields_of(fields, l, meaning), "%s%s",
              thread_text(thread, sizeof thread), t.line);
    errno = l->saved_errno;
}

void trace_quote(struct trace_line *l, const void *data)
{
    if (l->result > 0)
        quote(l->data, TRACE_COLUMNS, data, (size_t)l->result);
}

void trace_note_state(struct trace_line *l)
{
    int state = trace_state_of(l->fd);

    if (state != TCP_ESTABLISHED)
        l->state = trace_state_name(state);
}

/* --- errors ------------------------------------------------------------------------------------- */

static const char *would_block(const struct trace_line *l)
{
    if (strstr(l->call, "accept"))
        return "nobody waits in the queue";
    return strstr(l->call, "send") ? "no room: it is not read over there" : "nothing has come yet";
}

/* Where no better words are here, the system's. */
void trace_tell_error(struct trace_line *l)
{
    char words[128];

    switch (l->code) {
    case EAGAIN:
        trace_tell(l, "%s", would_block(l));
        break;
    case EINTR:
        trace_tell(l, "a signal came first: once more");
        break;
    case ECONNRESET:
        trace_note_end(l->fd, false);
        trace_note_state(l);
        trace_tell(l, "reset by the %s (RST)", trace_config.peer);
        break;
    case ETIME:
        trace_tell(l, "nothing, so far");
        break;
    case ECANCELED:
        trace_tell(l, "ended, as we asked");
        break;
    case ENOBUFS:
        trace_tell(l, "no buffer was free: once more");
        break;
    case EPIPE:
        trace_tell(l, "nothing can be sent any more");
        break;
    case ECONNREFUSED:
        trace_note_state(l);
        trace_tell(l, "nobody listens there (RST)");
        break;
    default:
        trace_tell(l, "%s", strerror_r(l->code, words, sizeof words));
        break;
    }
}
