/* past.c -- see past.h.
 *
 * SPDX-License-Identifier: MIT */
#include "past.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes each folder on the way to 'path'; new ones are for their owner only (XDG Base Directory
 * Specification). */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* Where the file belongs, or NULL. A relative $XDG_STATE_HOME is to be ignored, says the
 * specification. */
static char *find_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = -1;

    if (state && *state == '/')
        n = asprintf(&path, "%s/meari/history", state);
    else if (home && *home == '/')
        n = asprintf(&path, "%s/.local/state/meari/history", home);
    return n == -1 ? NULL : path;
}

/* Reads the file into memory, which keeps the last PAST_MAX lines. */
static void load(struct past *p)
{
    FILE *file = fopen(p->path, "re");
    HistEvent event;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    p->in_file = 0;
    if (!file)
        return;
    while ((n = getline(&line, &size, file)) > 0) {
        p->in_file++;
        line[strcspn(line, "\n")] = '\0';
        history(p->history, &event, H_ENTER, line);
    }
    free(line);
    fclose(file);
}

static FILE *open_private(const char *path, int flags)
{
    int fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "w");

    if (!file && fd != -1)
        close(fd);
    return file;
}

/* Writes what is in memory, the oldest line first. Returns whether all of it could be written. */
static bool save(struct past *p, FILE *file)
{
    HistEvent event;
    int r = history(p->history, &event, H_LAST);

    for (; r >= 0; r = history(p->history, &event, H_PREV))
        fprintf(file, "%s\n", event.str);
    return fclose(file) == 0;
}

/* The last PAST_MAX lines, read anew for those of other clients, go to a file that takes the old one's
 * place. */
static void cut_back(struct past *p)
{
    HistEvent event;
    char *fresh = NULL;
    FILE *file;

    history(p->history, &event, H_CLEAR);
    load(p);
    if (asprintf(&fresh, "%s.new", p->path) == -1)
        return;
    file = open_private(fresh, O_WRONLY | O_TRUNC);
    if (!file || !save(p, file) || rename(fresh, p->path) == -1)
        unlink(fresh);
    free(fresh);
}

void past_init(struct past *p)
{
    HistEvent event;

    *p = (struct past){.history = history_init(), .path = find_path()};
    if (!p->history)
        return;
    history(p->history, &event, H_SETSIZE, PAST_MAX);
    history(p->history, &event, H_SETUNIQUE, 1); /* a line entered twice running counts once */
    if (!p->path)
        return;
    make_folders(p->path);
    load(p);
    if (p->in_file > PAST_MAX)
        cut_back(p);
}

/* A full disk, or an editor, may have left a last line without its end. */
static bool ends_mid_line(int fd)
{
    struct stat st;
    char last;

    return fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 &&
           last != '\n';
}

/* In one write(2), so that lines of two clients do not mix. */
static void append(struct past *p, const char *line)
{
    FILE *file = open_private(p->path, O_RDWR | O_APPEND);

    if (!file)
        return;
    fprintf(file, "%s%s\n", ends_mid_line(fileno(file)) ? "\n" : "", line);
    fclose(file);
    p->in_file++;
}

void past_add(struct past *p, const char *line)
{
    HistEvent event;

    if (!p->history || !*line || strchr(line, '\n') || strlen(line) > PAST_LINE_MAX)
        return;
    if (history(p->history, &event, H_ENTER, line) == 1 && p->path)
        append(p, line);
}

void past_done(struct past *p)
{
    if (p->history && p->path && p->in_file > PAST_MAX)
        cut_back(p);
    if (p->history)
        history_end(p->history);
    free(p->path);
    *p = (struct past){0};
}
