/* fuzz_log.c -- whatever a peer's bytes put into a line of the log, it stays one line, and says so.
 *
 * The first byte picks format, level and the number of fields; of the rest each line is a field's value,
 * and what is left is the sentence. The log writes to a pipe; each line is read back, and as JSON parsed.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#define FIELDS_MAX 4
#define LONGEST_LINE 3072

static int ends[2] = {-1, -1};

/* The log opens the pipe behind standard error for itself, and then standard error is what it was. */
static void start(enum log_format format)
{
    int saved;

    if (ends[0] == -1)
        HOLDS(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    saved = dup(STDERR_FILENO);
    HOLDS(saved != -1 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    log_init("echo-it", format, LOG_INFO);
    HOLDS(dup2(saved, STDERR_FILENO) == STDERR_FILENO);
    close(saved);
}

/* What was written, as a string: one line, which is returned without its newline. */
static size_t hear(char out[static LONGEST_LINE + 2])
{
    ssize_t n = read(ends[0], out, LONGEST_LINE + 1);

    HOLDS(n > 0 && n <= LONGEST_LINE);
    HOLDS(memchr(out, '\n', (size_t)n) == out + n - 1);
    HOLDS(memchr(out, '\0', (size_t)n) == NULL);
    out[n - 1] = '\0';
    return (size_t)n - 1;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    HOLDS(text);
    return text;
}

static void check_json(const char *line, enum log_level level, const struct log_field *fields,
                       size_t n, const char *message)
{
    static const char *const levels[] = {"error", "warning", "notice", "info"};
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    char value[1024];

    HOLDS(object);
    HOLDS(strcmp(text_of(object, "message"), message) == 0);
    HOLDS(strcmp(text_of(object, "event"), "tried") == 0);
    HOLDS(strcmp(text_of(object, "level"), levels[level]) == 0);
    HOLDS(strlen(text_of(object, "time")) == strlen("2026-01-01T00:00:00.000Z"));
    if (n > 0 && json_object_size(object) == 4)
        n = 0; /* they were too long, all together */
    HOLDS(json_object_size(object) == 4 + n);
    for (size_t i = 0; i < n; i++)
        if (fields[i].text)
            HOLDS(strcmp(text_of(object, fields[i].name),
                         escape_text(value, sizeof value, fields[i].text)) == 0);
        else
            HOLDS(json_integer_value(json_object_get(object, fields[i].name)) == fields[i].number);
    json_decref(object);
}

/* The sentence as it must appear: escaped, and cut to what the log keeps. */
static void expect_sentence(char out[static 1024], const char *raw)
{
    escape_text(out, 1024, raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[FIELDS_MAX] = {"client", "reason", "bytes", "peer"};
    struct bytes in = {data, size};
    uint8_t how = take_byte(&in);
    enum log_format format = how & 1 ? LOG_JSON : LOG_TEXT;
    enum log_level level = (enum log_level)(how >> 1 & 3);
    struct log_field fields[FIELDS_MAX];
    char line[LONGEST_LINE + 2], message[1024], *texts[FIELDS_MAX], *sentence;
    size_t n = how >> 3 & 3, length;

    start(format);
    for (size_t i = 0; i < n; i++) {
        texts[i] = take_line(&in);
        fields[i] = (struct log_field){names[i], texts[i], (int64_t)(how * (size + 1))};
    }
    sentence = copy_string(in.at, in.n);
    expect_sentence(message, sentence);
    log_write(level, "tried", fields, n, "%s", sentence);
    length = hear(line);
    HOLDS(is_clean(line));
    if (format == LOG_JSON) {
        check_json(line, level, fields, n, message);
    } else {
        HOLDS(length >= strlen(message));
        HOLDS(strcmp(line + length - strlen(message), message) == 0);
        HOLDS((level <= LOG_WARNING) == (length == strlen(message) + strlen("echo-it: ")));
    }
    free(sentence);
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    return 0;
}
