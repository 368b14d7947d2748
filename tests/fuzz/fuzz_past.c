/* fuzz_past.c -- any file as the history of lines typed before, and lines added to it.
 *
 * The first line is a digit or two: how often the file's text stands in the file, so that a small input
 * makes a long history. Then come lines to add, each beginning with '+', and then the file's text. What
 * is remembered, and what is in the file afterwards, must be what a simple list of lines says.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "client/past.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADDED_MAX 8

static char folder[64], below[80], path[96];

static void remove_folder(void)
{
    unlink(path);
    rmdir(below);
    rmdir(folder);
}

static void make_folder(void)
{
    if (*folder)
        return;
    snprintf(folder, sizeof folder, "/tmp/meari-fuzz.XXXXXX");
    HOLDS(mkdtemp(folder) && setenv("XDG_STATE_HOME", folder, 1) == 0);
    snprintf(below, sizeof below, "%s/meari", folder);
    snprintf(path, sizeof path, "%s/history", below);
    HOLDS(mkdir(below, 0700) == 0 && atexit(remove_folder) == 0);
}

/* What should be remembered: lines without their ends, none twice in a row, the newest PAST_MAX. */
struct list {
    char **lines;
    size_t n;
};

static void list_add(struct list *l, const char *line, size_t n)
{
    char *copy = copy_string(line, n);

    copy[strcspn(copy, "\n")] = '\0';
    if (l->n > 0 && strcmp(l->lines[l->n - 1], copy) == 0) {
        free(copy);
        return;
    }
    l->lines = realloc(l->lines, (l->n + 1) * sizeof *l->lines);
    HOLDS(l->lines);
    l->lines[l->n++] = copy;
}

static void list_done(struct list *l)
{
    while (l->n > 0)
        free(l->lines[--l->n]);
    free(l->lines);
}

static size_t write_file(struct list *l, struct bytes text, unsigned times)
{
    FILE *file = fopen(path, "we");
    size_t lines = 0;

    HOLDS(file);
    while (times-- > 0 && text.n > 0)
        fwrite(text.at, 1, text.n, file);
    fclose(file);
    file = fopen(path, "re");
    HOLDS(file);
    for (char *line = NULL;; lines++) {
        size_t size = 0;
        ssize_t n = getline(&line, &size, file);

        if (n > 0)
            list_add(l, line, strlen(line));
        free(line);
        line = NULL;
        if (n <= 0)
            break;
    }
    fclose(file);
    return lines;
}

/* What the history holds is the end of the list, and as much of it as it should. */
static void check_history(History *h, const struct list *l)
{
    size_t want = l->n < PAST_MAX ? l->n : PAST_MAX, i = l->n;
    HistEvent event;
    int r = history(h, &event, H_FIRST); /* the newest */

    for (; r >= 0; r = history(h, &event, H_NEXT)) {
        HOLDS(i > 0 && strcmp(event.str, l->lines[i - 1]) == 0);
        i--;
    }
    HOLDS(l->n - i == want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    char *first = take_line(&in), *added[ADDED_MAX];
    struct list list = {0};
    struct past past;
    struct stat st;
    unsigned n = 0;

    make_folder();
    while (n < ADDED_MAX && in.n > 0 && *in.at == '+')
        added[n++] = take_line(&in);
    write_file(&list, in, first ? (unsigned)atoi(first) % 100 : 0);
    free(first);

    past_init(&past);
    check_history(past.history, &list);
    for (unsigned i = 0; i < n; i++) {
        char *line = added[i] + 1;

        past_add(&past, line);
        if (*line && strlen(line) <= PAST_LINE_MAX)
            list_add(&list, line, strlen(line));
        free(added[i]);
    }
    check_history(past.history, &list);
    past_done(&past);

    past_init(&past); /* the next time */
    check_history(past.history, &list);
    HOLDS(past.in_file <= PAST_MAX);
    past_done(&past);
    HOLDS(stat(path, &st) == 0 && unlink(path) == 0);
    list_done(&list);
    return 0;
}
