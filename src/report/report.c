/* report.c -- see report.h: the files, and which format is written how.
 *
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include "../base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is the file empty, or does it begin with the header that this run would give it? */
static int check_header(struct report *report, const struct percentiles *percentiles,
                        struct err *err)
{
    char *wanted = NULL, *found = NULL;
    size_t wanted_len = 0, found_size = 0;
    char quote[ERR_QUOTE_MAX];
    FILE *memory = open_memstream(&wanted, &wanted_len);
    ssize_t len;
    int r = 0;

    if (memory == NULL)
        return err_set(err, ENOMEM, "cannot check '%s'", err_quote(quote, report->path));
    report_csv_header(memory, percentiles);
    if (fclose(memory) != 0) {
        r = err_set(err, ENOMEM, "cannot check '%s'", err_quote(quote, report->path));
        goto done;
    }
    len = getline(&found, &found_size, report->file);
    if (len > 0 && strcmp(found, wanted) != 0)
        r = err_usage(err, "'%s' has other columns than this run would add to it",
                      err_quote(quote, report->path));
    report->has_header = len > 0;
    fseek(report->file, 0, SEEK_END);
done:
    free(wanted);
    free(found);
    return r;
}

/* Opens without emptying. A CSV file is read, too, but not what takes bytes only, such as a pipe. */
static FILE *open_file(const char *path, bool *ret_adds, enum report_format format)
{
    struct stat st;
    bool adds = format == REPORT_CSV && (stat(path, &st) == -1 || S_ISREG(st.st_mode));
    int fd = open(path, O_CREAT | O_CLOEXEC | (adds ? O_RDWR | O_APPEND : O_WRONLY), 0666);
    FILE *file;

    if (fd == -1)
        return NULL;
    file = fdopen(fd, adds ? "a+" : "w");
    if (file == NULL)
        close(fd);
    *ret_adds = adds;
    return file;
}

int report_open(struct report *ret, enum report_format format, const char *path,
                const struct percentiles *percentiles, struct err *err)
{
    struct report report = {.format = format, .path = path, .file = stdout};
    bool adds = false;
    char quote[ERR_QUOTE_MAX];
    int r;

    if (path == NULL || strcmp(path, "-") == 0) {
        report.path = "standard output";
        *ret = report;
        return 0;
    }
    report.file = open_file(path, &adds, format);
    if (report.file == NULL)
        return err_set(err, errno, "cannot write to '%s'", err_quote(quote, path));
    r = adds ? check_header(&report, percentiles, err) : 0;
    if (r < 0) {
        fclose(report.file);
        return r;
    }
    *ret = report;
    return 0;
}

static int write_format(const struct report *report, const struct result *result,
                        const struct percentiles *percentiles)
{
    switch (report->format) {
    case REPORT_TEXT:
        report_text(report->file, result, percentiles);
        return 0;
    case REPORT_JSON:
        return report_json(report->file, result, percentiles);
    case REPORT_CSV:
        if (!report->has_header)
            report_csv_header(report->file, percentiles);
        report_csv(report->file, result, percentiles);
        return 0;
    case REPORT_HTML:
        return report_html(report->file, result, percentiles);
    }
    return -EINVAL;
}

/* What an earlier run left goes now, and not before. */
int report_begin(const struct report *report)
{
    struct stat st;

    errno = 0; /* stdio says that it failed, and leaves the reason here */
    if (report->file == stdout || report->format == REPORT_CSV)
        return 0;
    if (fstat(fileno(report->file), &st) == -1)
        return -errno;
    if (S_ISREG(st.st_mode) && ftruncate(fileno(report->file), 0) == -1)
        return -errno;
    return 0;
}

int report_end(struct report *report, int r, struct err *err)
{
    char quote[ERR_QUOTE_MAX];

    if (r == 0 && (fflush(report->file) != 0 || ferror(report->file)))
        r = errno > 0 ? -errno : -EIO;
    if (report->file != stdout && fclose(report->file) != 0 && r == 0)
        r = errno > 0 ? -errno : -EIO;
    report->file = NULL;
    if (r == 0)
        return 0;
    return err_set(err, -r, "cannot write to '%s'", err_quote(quote, report->path));
}

int report_write(struct report *report, const struct result *result,
                 const struct percentiles *percentiles, struct err *err)
{
    int r = report_begin(report);

    if (r == 0)
        r = write_format(report, result, percentiles);
    return report_end(report, r, err);
}

void report_abandon(struct report *report)
{
    if (report->file != NULL && report->file != stdout)
        fclose(report->file);
    report->file = NULL;
}
