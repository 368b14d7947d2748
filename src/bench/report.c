/* report.c -- see report.h: files, percentiles, and words that several formats use.
 *
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include "../base/err.h"
#include "result.h"
#include "sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One word of the list: a plain decimal number, not all that strtod(3) takes. */
static int parse_percent(double *ret, const char *word, size_t len)
{
    char text[24], *end;

    if (len == 0 || len >= sizeof text || strspn(word, "0123456789.") < len || word[0] == '.')
        return -EINVAL;
    memcpy(text, word, len);
    text[len] = '\0';
    *ret = strtod(text, &end);
    return *end != '\0' || *ret > 100 ? -EINVAL : 0;
}

static bool holds(const struct percentiles *p, double percent)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i] == percent)
            return true;
    return false;
}

int percentiles_parse(struct percentiles *ret, const char *text, struct err *err)
{
    struct percentiles found = {.n = 0};

    for (const char *word = text;; word++) {
        size_t len = strcspn(word, ",");
        char quote[ERR_QUOTE_MAX];
        double percent;

        if (len == 3 && strncmp(word, "max", len) == 0)
            ;
        else if (parse_percent(&percent, word, len) < 0)
            return err_usage(err, "--percentiles: '%s' is no list of percentiles, like %s",
                             err_quote(quote, text), PERCENTILES_DEFAULT);
        else if (found.n == PERCENTILES_MAX)
            return err_usage(err, "--percentiles: '%s' has more than %d", err_quote(quote, text),
                             PERCENTILES_MAX);
        else if (!holds(&found, percent)) /* twice is once: each has one place in a report */
            found.list[found.n++] = percent;
        word += len;
        if (*word == '\0')
            break;
    }
    *ret = found;
    return 0;
}

bool percentile_thin(uint64_t count, double percent)
{
    return (double)count * (100 - percent) / 100 < 10;
}

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

const char *percentile_text(char out[static FIGURE_MAX], double percent)
{
    snprintf(out, FIGURE_MAX, "p%.12g", percent);
    return out;
}

const char *sizes_text(char out[static SIZES_TEXT_MAX], const struct sizes *sizes)
{
    size_t used = 0;

    for (size_t i = 0; i < sizes->n; i++) {
        const char *before = i == 0 ? "" : sizes->range ? " to " : i + 1 < sizes->n ? ", " : " or ";

        used += (size_t)snprintf(out + used, SIZES_TEXT_MAX - used, "%s%" PRIu32, before,
                                 sizes->list[i]);
    }
    snprintf(out + used, SIZES_TEXT_MAX - used, " byte%s",
             sizes->n == 1 && sizes->list[0] == 1 ? "" : "s");
    return out;
}

const char *spinning_text(char out[static FIGURE_MAX], const struct result *r)
{
    double elapsed = r->elapsed_ns > 0 ? (double)r->elapsed_ns : 1;

    out[0] = '\0';
    if (r->busiest_spun_ns > 0)
        snprintf(out, FIGURE_MAX, ", %.0f %% spinning", (double)r->busiest_spun_ns * 100 / elapsed);
    return out;
}
