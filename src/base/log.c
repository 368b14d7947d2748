/* log.c -- see log.h.
 *
 * Not blocking is a property of the open file description, which standard error shares with the shell
 * and with whatever else writes there; setting O_NONBLOCK on it would break them. So a pipe or a
 * terminal is opened a second time through /proc, which gives a description of our own; on a socket
 * send(2) takes a flag per call; a regular file does not block. Where the second opening is refused,
 * poll(2) asks before each write.
 *
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Below PIPE_BUF, so that a pipe takes a line whole or not at all (pipe(7)). */
#define LINE_MAX_BYTES 3072
#define SENTENCE_MAX_BYTES 1024

static struct {
    const char *program;
    enum log_format format;
    enum log_level most;
    int fd;
    bool is_socket, must_poll;
    atomic_ulong dropped;
} out = {.program = "meari", .most = LOG_INFO, .fd = STDERR_FILENO, .must_poll = true};

/* A description of our own for what stands behind standard error, or -1. Never 0, 1 or 2: where input
 * or output is closed, it must stay so. */
static int open_again(void)
{
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), higher;

    if (fd == -1 || fd > STDERR_FILENO)
        return fd;
    higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return higher;
}

void log_init(const char *program, enum log_format format, enum log_level most)
{
    struct stat st;
    int fd = -1;

    if (fstat(STDERR_FILENO, &st) == -1)
        st.st_mode = 0; /* none of the kinds below */
    if (out.fd != STDERR_FILENO)
        close(out.fd);
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
        fd = open_again();
    out.program = program;
    out.format = format;
    out.most = most;
    out.fd = fd == -1 ? STDERR_FILENO : fd;
    out.is_socket = S_ISSOCK(st.st_mode);
    out.must_poll = fd == -1 && !S_ISSOCK(st.st_mode) && !S_ISREG(st.st_mode);
}

bool log_wants(enum log_level level)
{
    return level <= out.most;
}

/* Writes a whole line or nothing. Returns whether it got through. */
static bool put(const char *line, size_t n)
{
    struct pollfd p = {.fd = out.fd, .events = POLLOUT};

    if (out.is_socket)
        return send(out.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
    if (out.must_poll && poll(&p, 1, 0) != 1)
        return false;
    return write(out.fd, line, n) == (ssize_t)n;
}

static size_t text_line(char *line, enum log_level level, const char *sentence)
{
    int n = level <= LOG_WARNING ? snprintf(line, LINE_MAX_BYTES, "%s: %s\n", out.program, sentence)
                                 : snprintf(line, LINE_MAX_BYTES, "%s\n", sentence);

    return n < 0 ? 0 : (size_t)n;
}

/* RFC 3339 in UTC with milliseconds. */
static void timestamp(char *text, size_t size)
{
    struct timespec now;
    struct tm tm;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, size - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

static size_t json_line(char *line, enum log_level level, const char *event,
                        const struct log_field *fields, size_t n, const char *sentence)
{
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    char time_text[64], value[SENTENCE_MAX_BYTES];
    json_t *object = json_object();
    size_t used;

    timestamp(time_text, sizeof time_text);
    json_object_set_new(object, "time", json_string(time_text));
    json_object_set_new(object, "level", json_string(levels[level]));
    json_object_set_new(object, "event", json_string(event));
    for (size_t i = 0; i < n; i++)
        json_object_set_new(object, fields[i].name,
                            fields[i].text
                                ? json_string(escape_text(value, sizeof value, fields[i].text))
                                : json_integer(fields[i].number));
    json_object_set_new(object, "message", json_string(sentence));
    used = json_dumpb(object, line, LINE_MAX_BYTES - 1, JSON_COMPACT);
    json_decref(object);
    if (used >= LINE_MAX_BYTES - 1) /* rather without its fields than not at all; so it fits */
        return n ? json_line(line, level, event, NULL, 0, sentence) : 0;
    line[used] = '\n';
    return used + 1;
}

static size_t make_line(char *line, enum log_level level, const char *event,
                        const struct log_field *fields, size_t n, const char *sentence)
{
    return out.format == LOG_JSON ? json_line(line, level, event, fields, n, sentence)
                                  : text_line(line, level, sentence);
}

/* The reader is back: tell it what it missed. */
static void confess(unsigned long dropped)
{
    char line[LINE_MAX_BYTES], sentence[128];
    struct log_field field = {"lines", NULL, (int64_t)dropped};
    size_t n;

    snprintf(sentence, sizeof sentence, "%lu log line%s dropped: nobody read %s", dropped,
             dropped == 1 ? " was" : "s were", dropped == 1 ? "it" : "them");
    n = make_line(line, LOG_WARNING, "log-dropped", &field, 1, sentence);
    if (!put(line, n))
        atomic_fetch_add(&out.dropped, dropped);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n,
               const char *fmt, ...)
{
    /* what vsnprintf cuts off is more than what escape_text cuts off, and marks */
    char raw[SENTENCE_MAX_BYTES + 8], sentence[SENTENCE_MAX_BYTES], line[LINE_MAX_BYTES];
    unsigned long dropped;
    size_t length;
    va_list args;

    if (!log_wants(level))
        return;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    escape_text(sentence, sizeof sentence, raw);
    length = make_line(line, level, event, fields, n, sentence);
    dropped = atomic_exchange(&out.dropped, 0);
    if (dropped)
        confess(dropped);
    if (!put(line, length))
        atomic_fetch_add(&out.dropped, 1);
}
