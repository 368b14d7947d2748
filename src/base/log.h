/* log.h -- one line per event on standard error, and never a wait for whoever reads it.
 *
 * A line has a level, a stable name for machines ("connected"), fields, and a sentence for people.
 * As text only the sentence is written; as JSON one object per line with all of it, and the time.
 * Every line is escaped (escape.h), so that no peer can forge or hide one.
 *
 * A log whose reader stopped must not stop the service: a line that the pipe, terminal or socket
 * behind standard error does not take at once is dropped and counted, and the count is logged with the
 * first line that gets through again. Any thread may log.
 *
 * On a terminal one line may be kept in place below the others, for figures that change (log_status).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_ERROR,   /* the service, or a part of it, cannot go on */
    LOG_WARNING, /* something is not as asked, or needs a hand */
    LOG_NOTICE,  /* what scripts wait for; the last level that --quiet shows */
    LOG_INFO,    /* clients coming and going */
    LOG_DEBUG,   /* --verbose */
};

enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *name;
    const char *text; /* the value, or NULL: it is 'number' */
    int64_t number;
};

/* Call once, before any thread starts. Errors and warnings are prefixed with 'program' in text. */
void log_init(const char *program, enum log_format format, enum log_level most);

/* Would a line of this level be written? Ask before gathering what is dear. */
bool log_wants(enum log_level level);

/* Writes one line. 'fields' has 'n' entries. The sentence is cut at about 1 KiB. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* On a terminal, where the log is text: 'line' stays below all lines of the log from here on, cut to the
 * terminal's width, until another one takes its place or NULL takes it away. It is escaped as they are. Returns false, and
 * nothing happened, where standard error is no such terminal: then the caller logs it instead. */
bool log_status(const char *line);

/* The process is about to end under all its threads: takes that line away. Safe in a signal handler. */
void log_leave(void);

/* Nothing is served any more that a wait could hold up: from here on lines wait for room, a second all together. */
void log_patiently(void);

/* log_event(LOG_INFO, "connected", LOG_FIELDS({"client", NULL, 2}), "client %d connected", 2); */
#define LOG_FIELDS(...)                      \
    (const struct log_field[]){__VA_ARGS__}, \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)
#define LOG_NO_FIELDS NULL, 0
#define log_event(...) log_write(__VA_ARGS__)

#endif
