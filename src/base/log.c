/* log.c -- see log.h.
 *
 * Not blocking is a property of the open file description, which standard error shares with the shell
 * and with whatever else writes there; setting O_NONBLOCK on it would break them. So a pipe or a
 * terminal is opened a second time through /proc (a terminal without /proc: by its name), which gives a
 * description of our own; on a socket send(2) takes a flag per call; a regular file does not block. Where
 * the second opening is refused, poll(2) asks before each write, which is enough for a pipe: it promises
 * room for a whole line.
 *
 * A terminal, a TCP connection and a disk that is nearly full may take half a line. That line counts as
 * dropped, and the next one begins with the newline that is missing. So lines are written one at a time:
 * another thread's would end up behind the half one.
 *
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include "clock.h"
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Below PIPE_BUF, so that a pipe takes a line whole or not at all (pipe(7)). */
#define LINE_MAX_BYTES 3072
#define SENTENCE_MAX_BYTES 1024
#define STATUS_MAX_BYTES 512
#define CLEAR_LINE "\r\033[K"
#define CLEAR_BYTES (sizeof CLEAR_LINE - 1)

#define LAST_WORDS_MS 1000

static struct {
    const char *program;
    enum log_format format;
    enum log_level most;
    int fd;
    bool is_socket, must_poll;
    bool is_screen;       /* a terminal that can clear a line */
    pthread_mutex_t lock; /* one line at a time; guards what follows */
    unsigned long dropped;
    bool torn;                     /* the line written last has no end */
    char status[STATUS_MAX_BYTES]; /* what stays below the log; "": nothing */
    int patience_ms;               /* how long all lines together may still wait for room */
} out = {.program = "meari",
         .most = LOG_INFO,
         .fd = STDERR_FILENO,
         .must_poll = true,
         .lock = PTHREAD_MUTEX_INITIALIZER};

/* A description of our own for what stands behind standard error, or -1. Never 0, 1 or 2: where input
 * or output is closed, it must stay so. */
static int open_again(void)
{
    const int flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    int fd = open("/proc/self/fd/2", flags), higher;
    char name[64];

    if (fd == -1 && ttyname_r(STDERR_FILENO, name, sizeof name) == 0)
        fd = open(name, flags);
    if (fd == -1 || fd > STDERR_FILENO)
        return fd;
    higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return higher;
}

static bool is_screen(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void log_init(const char *program, enum log_format format, enum log_level most)
{
    struct stat st;
    int fd = -1;

    if (format == LOG_JSON)
        json_object_seed(0); /* reads /dev/urandom, which a sandbox forbids later */
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
    out.patience_ms = 0;
    out.is_screen = format == LOG_TEXT && is_screen();
    out.status[0] = '\0';
    out.is_socket = S_ISSOCK(st.st_mode);
    out.must_poll = fd == -1 && !S_ISSOCK(st.st_mode) && !S_ISREG(st.st_mode);
}

bool log_wants(enum log_level level)
{
    return level <= out.most;
}

/* One attempt, which does not wait. Returns the bytes written, or -1 with errno. */
static ssize_t try_put(const char *line, size_t n)
{
    struct pollfd p = {.fd = out.fd, .events = POLLOUT};
    int ready;

    if (out.is_socket)
        return send(out.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    ready = out.must_poll ? poll(&p, 1, 0) : 1;
    if (ready == 0)
        errno = EAGAIN;
    return ready == 1 ? write(out.fd, line, n) : -1;
}

/* Waits for room, if that is allowed. Returns whether it is worth another attempt. */
static bool wait_for_room(void)
{
    struct pollfd p = {.fd = out.fd, .events = POLLOUT};
    int64_t begun_ns = clock_now_ns();
    int r, waited_ms;

    if (out.patience_ms <= 0)
        return false;
    r = poll(&p, 1, out.patience_ms);
    waited_ms = (int)((clock_now_ns() - begun_ns) / NS_PER_MS);
    out.patience_ms -=
        waited_ms > 0 ? waited_ms : 1; /* room for less than a line is no reason to spin */
    return r == 1 || (r == -1 && errno == EINTR);
}

static ssize_t put_some(const char *line, size_t n)
{
    ssize_t wrote;

    do {
        wrote = try_put(line, n);
    } while (wrote == -1 && (errno == EINTR || (errno == EAGAIN && wait_for_room())));
    return wrote;
}

/* The line takes the place of the status, which goes on below it. Returns the bytes. */
static size_t above_status(char *screen, size_t size, const char *line, size_t n)
{
    int used = snprintf(screen, size, CLEAR_LINE "%.*s%s", (int)n, line, out.status);

    return used < 0 ? 0 : (size_t)used;
}

/* Returns whether the line written last has its end now. */
static bool end_torn(void)
{
    out.torn = out.torn && put_some("\n", 1) != 1;
    return !out.torn;
}

/* Returns whether the line got through, all of it. Of a status that did not, the next one clears the rest. */
static bool put(const char *line, size_t n)
{
    char screen[CLEAR_BYTES + LINE_MAX_BYTES + STATUS_MAX_BYTES];
    size_t begins = 0, ends = n;
    ssize_t wrote;

    if (!end_torn())
        return false;
    if (out.status[0]) {
        begins = CLEAR_BYTES;
        ends = begins + n;
        n = above_status(screen, sizeof screen, line, n);
        line = screen;
    }
    wrote = put_some(line, n);
    out.torn = wrote > (ssize_t)begins && wrote < (ssize_t)ends;
    return wrote >= (ssize_t)ends - 1; /* without its newline it can be read all the same */
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

/* Without memory for jansson, the same by hand, without fields: escape_text() leaves only two characters
 * that mean something in a JSON string. */
static size_t json_by_hand(char *line, const char *time_text, const char *level, const char *event,
                           const char *sentence)
{
    char message[2 * SENTENCE_MAX_BYTES], *to = message;

    for (; *sentence; sentence++) {
        if (*sentence == '"' || *sentence == '\\')
            *to++ = '\\';
        *to++ = *sentence;
    }
    *to = '\0';
    return (size_t)snprintf(
        line, LINE_MAX_BYTES,
        "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"message\":\"%s\"}\n", time_text,
        level, event, message);
}

/* Adds what was made for it. Returns whether there was memory for both. */
static bool add(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static bool add_field(json_t *object, const struct log_field *field)
{
    char value[SENTENCE_MAX_BYTES];

    return add(object, field->name,
               field->text ? json_string(escape_text(value, sizeof value, field->text))
                           : json_integer(field->number));
}

static size_t json_line(char *line, enum log_level level, const char *event,
                        const struct log_field *fields, size_t n, const char *sentence)
{
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    char time_text[64];
    json_t *object = json_object();
    bool whole;
    size_t used;

    timestamp(time_text, sizeof time_text);
    whole = add(object, "time", json_string(time_text)) &&
            add(object, "level", json_string(levels[level])) &&
            add(object, "event", json_string(event));
    for (size_t i = 0; i < n && whole; i++)
        whole = add_field(object, &fields[i]);
    whole = whole && add(object, "message", json_string(sentence));
    used = whole ? json_dumpb(object, line, LINE_MAX_BYTES - 1, JSON_COMPACT) : 0;
    json_decref(object);
    if (used == 0 || used >= LINE_MAX_BYTES - 1) /* rather without its fields than not at all */
        return json_by_hand(line, time_text, levels[level], event, sentence);
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
static void confess(void)
{
    char line[LINE_MAX_BYTES], sentence[128];
    unsigned long dropped = out.dropped;
    struct log_field field = {"lines", NULL, (int64_t)dropped};
    size_t n;

    if (dropped == 0)
        return;
    snprintf(sentence, sizeof sentence, "%lu log line%s dropped: nobody read %s", dropped,
             dropped == 1 ? " was" : "s were", dropped == 1 ? "it" : "them");
    n = make_line(line, LOG_WARNING, "log-dropped", &field, 1, sentence);
    if (put(line, n))
        out.dropped = 0;
}

/* Columns of the terminal, as it is now. */
static size_t width(void)
{
    struct winsize size;

    return ioctl(out.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* One column less than there are, so that no terminal begins a new line; each character takes one. */
static void cut_status(char *line, size_t columns)
{
    size_t used = 0;

    for (; *line; line++) {
        bool begins = (*line & 0xc0) != 0x80;

        used += begins;
        if (begins && used >= columns)
            break;
    }
    *line = '\0';
}

/* One that the terminal does not take now is not missed: the next is newer. But one that it keeps has no end. */
static void put_status(void)
{
    char screen[CLEAR_BYTES + STATUS_MAX_BYTES];
    size_t n = above_status(screen, sizeof screen, "", 0);

    if (end_torn() && put_some(screen, n) < (ssize_t)CLEAR_BYTES)
        out.torn = !out.status[0];
}

bool log_status(const char *line)
{
    bool was;

    if (!out.is_screen)
        return false;
    pthread_mutex_lock(&out.lock);
    was = out.status[0];
    (void)escape_text(out.status, sizeof out.status, line ? line : "");
    cut_status(out.status, width());
    if (was || out.status[0])
        put_status();
    pthread_mutex_unlock(&out.lock);
    return true;
}

void log_leave(void)
{
    ssize_t n = 0;

    if (out.status[0])
        n = write(out.fd, CLEAR_LINE, CLEAR_BYTES);
    (void)n; /* then it stays there */
}

void log_patiently(void)
{
    pthread_mutex_lock(&out.lock);
    out.patience_ms = LAST_WORDS_MS;
    pthread_mutex_unlock(&out.lock);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n,
               const char *fmt, ...)
{
    /* what vsnprintf cuts off is more than what escape_text cuts off, and marks */
    char raw[SENTENCE_MAX_BYTES + 8], sentence[SENTENCE_MAX_BYTES], line[LINE_MAX_BYTES];
    size_t length;
    va_list args;

    if (!log_wants(level))
        return;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    escape_text(sentence, sizeof sentence, raw);
    length = make_line(line, level, event, fields, n, sentence);
    pthread_mutex_lock(&out.lock);
    confess();
    if (put(line, length))
        confess(); /* there was no room for it before, and this may be the last line */
    else
        out.dropped++;
    pthread_mutex_unlock(&out.lock);
}
