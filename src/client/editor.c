/* editor.c -- see editor.h.
 *
 * Signals. At the prompt the terminal is in the editor's modes, so being stopped (Ctrl-Z), continued and
 * resized takes a hand: modes back, stop, modes on, draw the line again. Handlers only note that it
 * happened; they can run only inside ppoll(2), and read_key() then acts. Away from the prompt Ctrl-Z
 * stops us as it stops any program.
 *
 * SPDX-License-Identifier: MIT */
#include "editor.h"

#include "../base/err.h"
#include "../base/process.h"
#include "past.h"
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define CTRL_D '\4'

struct editor {
    EditLine *el;
    const char *prompt;
    struct past past;
    sigset_t outside;  /* the signal mask of the rest of the program */
    mbstate_t partial; /* a character that was typed, or arrived, in part */
    int server;
    int outcome; /* why read_key() gave up: INPUT_END, INPUT_SERVER or -errno */
    char *line;
    size_t cap;
};

static volatile sig_atomic_t stop_asked, was_continued, was_resized;

static void on_stop(int signo)
{
    (void)signo;
    stop_asked = 1;
}

static void on_continue(int signo)
{
    (void)signo;
    was_continued = 1;
}

static void on_resize(int signo)
{
    (void)signo;
    was_resized = 1;
}

/* Stops as if nobody had caught the signal; returns when continued. */
static void stop_here(struct editor *e)
{
    sigset_t held;

    el_set(e->el, EL_PREP_TERM, 0);
    terminal_back();
    process_on_signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    sigprocmask(SIG_SETMASK, &e->outside, &held); /* here it takes effect */
    sigprocmask(SIG_SETMASK, &held, NULL);
    process_on_signal(SIGTSTP, on_stop);
    was_continued = 1;
}

/* The editor no longer knows where on the screen its line is; we know that the cursor is in it. Rows
 * above the cursor's, of a line that wraps, stay as they are. */
static void draw_resized(struct editor *e)
{
    const char *clear_below = NULL;

    el_resize(e->el);
    if (el_get(e->el, EL_GETTC, "cd", &clear_below) == 0 && clear_below)
        printf("\r%s", clear_below);
    el_set(e->el, EL_REFRESH);
}

/* Whoever had the terminal meanwhile may have left it in other modes. */
static void draw_again(struct editor *e)
{
    el_set(e->el, EL_PREP_TERM, 0);
    terminal_lend();
    el_set(e->el, EL_PREP_TERM, 1);
    el_set(e->el, EL_REFRESH);
}

static void act_on_signals(struct editor *e)
{
    if (stop_asked) {
        stop_asked = 0;
        stop_here(e);
    }
    if (was_resized) {
        was_resized = 0;
        draw_resized(e);
    }
    if (was_continued) {
        was_continued = 0;
        draw_again(e);
    }
}

/* Waits for the next byte from the keyboard. Returns 1, or 0 with 'outcome' set. */
static int read_byte(struct editor *e, char *ret)
{
    ssize_t n;
    int r;

    do {
        while ((r = input_wait(e->server, &e->outside)) == -EINTR)
            act_on_signals(e);
        if (r != INPUT_LINE) {
            e->outcome = r;
            return 0;
        }
        n = read(STDIN_FILENO, ret, 1);
    } while (n == -1 && (errno == EAGAIN || errno == EINTR));
    if (n == 1 &&
        *ret == '\0') /* a Ctrl-D typed ahead, in the terminal's own modes, becomes a NUL */
        *ret = CTRL_D;
    e->outcome = n == -1 ? -errno : INPUT_END;
    return n == 1;
}

/* What libedit calls for the next character: 1 with it, or 0 to give the line up. Bytes that make no
 * character are passed over, as libedit's own function does. */
static int read_key(EditLine *el, wchar_t *ret)
{
    struct editor *e;
    char byte;

    el_get(el, EL_CLIENTDATA, &e);
    while (read_byte(e, &byte)) {
        size_t n = mbrtowc(ret, &byte, 1, &e->partial);

        if (n == 0)
            *ret = L'\0';
        if (n <= 1)
            return 1;
        if (n == (size_t)-1)
            memset(&e->partial, 0, sizeof e->partial);
    }
    return 0;
}

static char *give_prompt(EditLine *el)
{
    struct editor *e;

    el_get(el, EL_CLIENTDATA, &e);
    return (char *)e->prompt;
}

/* Keys that people expect and libedit does not bind by itself; ~/.editrc comes after and may differ. */
static void bind_keys(EditLine *el)
{
    static const char *const keys[][2] = {
        {"^R", "em-inc-search-prev"},      {"^W", "ed-delete-prev-word"},
        {"\\e[1~", "ed-move-to-beg"},      {"\\e[4~", "ed-move-to-end"},
        {"\\e[H", "ed-move-to-beg"},       {"\\e[F", "ed-move-to-end"},
        {"\\eOH", "ed-move-to-beg"},       {"\\eOF", "ed-move-to-end"},
        {"\\e[3~", "ed-delete-next-char"}, {"\\e[1;5C", "em-next-word"},
        {"\\e[1;5D", "ed-prev-word"},
    };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
}

/* A terminal without a name, or one named "dumb", cannot be edited on. */
static bool can_edit(void)
{
    const char *term = getenv("TERM");

    return term && *term && strcmp(term, "dumb") != 0;
}

/* On a terminal it does not know, libedit does its best, and complains while it starts. Only the first
 * is wanted. */
static EditLine *start_quietly(const char *program)
{
    FILE *nowhere = fopen("/dev/null", "we");
    EditLine *el = nowhere ? el_init(program, stdin, stdout, nowhere) : NULL;

    if (el)
        el_set(el, EL_SETFP, 2, stderr);
    if (nowhere)
        fclose(nowhere);
    return el;
}

struct editor *editor_create(const char *program, const char *prompt)
{
    struct editor *e = can_edit() ? calloc(1, sizeof *e) : NULL;

    if (!e)
        return NULL;
    e->el = start_quietly(program);
    if (!e->el) {
        free(e);
        return NULL;
    }
    e->prompt = prompt;
    past_init(&e->past);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_GETCFN, read_key);
    el_set(e->el, EL_PROMPT, give_prompt);
    el_set(e->el, EL_EDITOR, "emacs");
    if (e->past.history)
        el_set(e->el, EL_HIST, history, e->past.history);
    bind_keys(e->el);
    el_source(e->el, NULL);
    return e;
}

void editor_destroy(struct editor *e)
{
    if (!e)
        return;
    el_end(e->el);
    past_done(&e->past);
    free(e->line);
    free(e);
}

/* While the editor has the terminal, the three signals wait for ppoll(2). */
static void begin(struct editor *e)
{
    sigset_t held;

    stop_asked = was_continued = was_resized = 0;
    terminal_lend();
    sigemptyset(&held);
    sigaddset(&held, SIGTSTP);
    sigaddset(&held, SIGCONT);
    sigaddset(&held, SIGWINCH);
    sigprocmask(SIG_BLOCK, &held, &e->outside);
    terminal_on_signal(SIGTSTP, on_stop);
    terminal_on_signal(SIGCONT, on_continue);
    terminal_on_signal(SIGWINCH, on_resize);
    el_resize(e->el);               /* it may have happened while nobody looked */
    el_set(e->el, EL_PREP_TERM, 1); /* before the prompt is seen, and answered */
}

static void end(struct editor *e)
{
    terminal_on_signal(SIGTSTP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &e->outside, NULL);
    terminal_back();
}

/* The editor's line as the bytes it was typed in. */
static int encode(struct editor *e, const wchar_t *wide, int n, struct line *ret, struct err *err)
{
    size_t need = (size_t)n * MB_CUR_MAX + 1, used = 0;
    mbstate_t state = {0};

    if (need > e->cap) {
        char *line = realloc(e->line, need);

        if (!line)
            return err_set(err, ENOMEM, "cannot hold the line");
        e->line = line;
        e->cap = need;
    }
    for (int i = 0; i < n; i++) {
        size_t bytes = wcrtomb(e->line + used, wide[i], &state);

        used += bytes == (size_t)-1 ? 0 : bytes;
    }
    e->line[used] = '\0';
    *ret = (struct line){e->line, used};
    return INPUT_LINE;
}

int editor_read(struct editor *e, int server, struct line *ret, struct err *err)
{
    const wchar_t *wide;
    int n = 0;

    e->server = server;
    e->outcome = INPUT_END; /* what an end typed as a key comes out as */
    begin(e);
    wide = el_wgets(e->el, &n);
    end(e);
    if (wide && n > 0)
        return encode(e, wide, n, ret, err);
    return e->outcome < 0 ? err_set(err, -e->outcome, "cannot read standard input") : e->outcome;
}

void editor_remember(struct editor *e)
{
    char *newline = strchr(e->line, '\n');

    if (newline) /* the history has lines without their ends */
        *newline = '\0';
    past_add(&e->past, e->line);
    if (newline)
        *newline = '\n';
}
