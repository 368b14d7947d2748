/* hdrlog.c -- writing an interval log, see hdrlog.h; hdrlog_read.c reads one.
 *
 * Numbers are put together from integers, since printf(3) may write a decimal comma where a user's locale wants one.
 *
 * SPDX-License-Identifier: MIT */
#include "hdrlog.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "hdrtext.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct hdrlog {
    FILE *out;
    char *name; /* for messages */
    int failed; /* errno of what failed first, or 0 */
};

/* Opens without emptying. */
static FILE *open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    FILE *out = fd == -1 ? NULL : fdopen(fd, "w");

    if (fd != -1 && !out)
        close(fd);
    return out;
}

int hdrlog_create(struct hdrlog **ret, const char *path, struct err *err)
{
    bool named = path && strcmp(path, "-") != 0;
    const char *name = named ? path : "standard output";
    char quoted[ERR_QUOTE_MAX];
    struct hdrlog *log = calloc(1, sizeof *log);

    if (log)
        log->name = strdup(name);
    if (log && log->name)
        log->out = named ? open_file(path) : stdout;
    if (!log || !log->name || !log->out) {
        err_set(err, errno, "cannot write to '%s'", err_quote(quoted, name));
        if (log)
            free(log->name);
        free(log);
        return -err->code;
    }
    *ret = log;
    return 0;
}

/* What an earlier run left goes now, and not before. */
static int empty_file(FILE *out)
{
    struct stat st;

    if (out == stdout)
        return 0;
    if (fstat(fileno(out), &st) == -1 || (S_ISREG(st.st_mode) && ftruncate(fileno(out), 0) == -1))
        return -errno;
    return 0;
}

/* After errno was cleared and something written: notes a failure. The first is the one to tell. */
static void check(struct hdrlog *log, int r)
{
    bool bad = fflush(log->out) == EOF || ferror(log->out);

    if (log->failed == 0 && r < 0)
        log->failed = -r;
    if (log->failed == 0 && bad)
        log->failed = errno != 0 ? errno : EIO;
}

/* "-1.500000": a millionth of 'unit_ns' is the last digit. */
static void put_number(FILE *out, int64_t ns, int64_t unit_ns)
{
    uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, unit = (uint64_t)unit_ns;

    fprintf(out, "%s%" PRIu64 ".%06" PRIu64, ns < 0 ? "-" : "", size / unit,
            size % unit / (unit / 1000000));
}

/* '#' and the text, which a newline would end. */
static void put_comment(FILE *out, const char *text)
{
    putc('#', out);
    for (; *text; text++)
        putc((unsigned char)*text < ' ' ? ' ' : *text, out);
    putc('\n', out);
}

void hdrlog_begin(struct hdrlog *log, int64_t start_real_ns, const char *about)
{
    time_t seconds = (time_t)(start_real_ns / NS_PER_S);
    char date[64] = "";
    struct tm tm;
    int r = empty_file(log->out);

    errno = 0;
    if (gmtime_r(&seconds, &tm))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    put_comment(log->out, about);
    put_comment(log->out, "[Histogram log format version 1.3]");
    fputs("#[StartTime: ", log->out);
    put_number(log->out, start_real_ns, NS_PER_S);
    fprintf(log->out, " (seconds since epoch), %s]\n", date);
    fputs(
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        log->out);
    check(log, r);
}

void hdrlog_write(struct hdrlog *log, const char *tag, int64_t begin_ns, int64_t length_ns,
                  const struct hist *h)
{
    int r;

    errno = 0;
    if (tag[0] != '\0')
        fprintf(log->out, "Tag=%s,", tag);
    put_number(log->out, begin_ns, NS_PER_S);
    putc(',', log->out);
    put_number(log->out, length_ns, NS_PER_S);
    putc(',', log->out);
    put_number(log->out, h->max_ns, NS_PER_MS);
    putc(',', log->out);
    r = hdrtext_write(log->out, h);
    putc('\n', log->out);
    check(log, r);
}

int hdrlog_close(struct hdrlog *log, struct err *err)
{
    char quoted[ERR_QUOTE_MAX];
    int failed = log->failed;

    if (log->out != stdout && fclose(log->out) == EOF && failed == 0)
        failed = errno;
    if (failed != 0)
        err_set(err, failed, "cannot write to '%s'", err_quote(quoted, log->name));
    free(log->name);
    free(log);
    return -failed;
}
