/* test_status.c -- the line that stays below the log on a terminal, also where the terminal is full.
 *
 * Standard error is a pseudo-terminal, and a small screen that knows as much as this needs shows what arrives there:
 * rows, the cursor going back to the first column, and what clears the rest of a row.
 *
 * SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define COLUMNS 600
#define LINE "one of many lines"
#define PATIENCE_MS 20000

static int saved;    /* the real standard error */
static int terminal; /* the side of whoever looks at it */

static struct {
    char row[COLUMNS * 2]; /* where the cursor is */
    size_t at;
    bool escape;             /* in the middle of a sequence */
    unsigned long got;       /* whole lines above, */
    unsigned long dropped;   /* what others of them confess, */
    unsigned long others;    /* and what else stands there, */
    bool mixed;              /* with a line in it, */
    char other[COLUMNS * 2]; /* the latest of those */
} screen;

static void note_other(void)
{
    screen.others++;
    screen.mixed = screen.mixed || strstr(screen.row, LINE);
    strcpy(screen.other, screen.row);
}

static bool begins_like(const char *row, const char *whole)
{
    return strncmp(row, whole, strlen(row)) == 0;
}

/* A row has its end. What was torn is a beginning. */
static void end_row(void)
{
    static const char confession[] = "echo-it: ";
    unsigned long n;

    if (strcmp(screen.row, LINE) == 0)
        screen.got++;
    else if (sscanf(screen.row, "echo-it: %lu log line", &n) == 1 &&
             strstr(screen.row, "nobody read") && strchr("tm", screen.row[strlen(screen.row) - 1]))
        screen.dropped += n;
    else if (!begins_like(screen.row, LINE) && !begins_like(screen.row, confession) &&
             strncmp(screen.row, confession, sizeof confession - 1) != 0)
        note_other();
    memset(screen.row, 0, sizeof screen.row);
}

static void show(char c)
{
    if (c == '\r') {
        screen.at = 0;
    } else if (c == '\n') {
        end_row();
    } else if (c == '\033') {
        screen.escape = true;
    } else if (screen.escape) {
        if (c == 'K')
            memset(screen.row + screen.at, 0, sizeof screen.row - screen.at);
        screen.escape = c == '[';
    } else {
        assert_true(screen.at < sizeof screen.row - 1);
        screen.row[screen.at++] = c;
    }
}

/* Looks at what is there within so long. */
static void look(int ms)
{
    struct pollfd p = {.fd = terminal, .events = POLLIN};
    char some[4096];
    ssize_t n;

    while (poll(&p, 1, ms) == 1 && (n = read(terminal, some, sizeof some)) > 0)
        for (ssize_t i = 0; i < n; i++)
            show(some[i]);
}

static void look_until_row_is(const char *row)
{
    for (int waited = 0; strcmp(screen.row, row) != 0; waited += 10) {
        if (waited >= PATIENCE_MS)
            fail_msg("not '%s' but '%s'", row, screen.row);
        look(10);
    }
}

static void begin(void)
{
    struct winsize size = {.ws_row = 24, .ws_col = COLUMNS};
    int theirs;

    memset(&screen, 0, sizeof screen);
    setenv("TERM", "xterm", 1);
    terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal != -1);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    theirs = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(theirs != -1);
    assert_int_equal(ioctl(theirs, TIOCSWINSZ, &size), 0);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(dup2(theirs, STDERR_FILENO), STDERR_FILENO);
    close(theirs);
    log_init("echo-it", LOG_TEXT, LOG_INFO);
}

static int end(void **state __attribute__((unused)))
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(terminal);
    log_init("echo-it", LOG_TEXT, LOG_INFO);
    return 0;
}

static void log_line(void)
{
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, LINE);
}

/* So many characters, each as dear to the terminal as any. */
static const char *status(size_t n)
{
    static char text[COLUMNS];

    memset(text, '=', n);
    text[n] = '\0';
    return text;
}

TEST(it_stays_below_the_lines_until_it_is_taken_away)
{
    begin();
    assert_true(log_status("first"));
    look_until_row_is("first");
    log_line();
    assert_true(log_status("second"));
    look_until_row_is("second");
    assert_int_equal(screen.got, 1);
    assert_true(log_status(NULL));
    look_until_row_is("");
    log_line();
    while (screen.got < 2)
        look(10);
    assert_int_equal(screen.others, 0);
}

TEST(it_cannot_act_on_the_terminal)
{
    begin();
    assert_true(log_status("fe80::1%\033[2J\r"));
    look_until_row_is("fe80::1%\\x1b[2J\\x0d");
}

/* Nobody looks at the terminal until it is full; then somebody does. Each line was either shown or counted. */
static void overfill(size_t length)
{
    unsigned long logged = 0;

    begin();
    for (; logged < 2000; logged++) {
        assert_true(log_status(status(length + logged % 7)));
        log_line();
    }
    for (int waited = 0; screen.got + screen.dropped < logged; waited += 10) {
        assert_true(waited < PATIENCE_MS);
        look(10);
        log_line(); /* it may be the first for which there is room to confess */
        logged++;
        look(0);
    }
    assert_int_equal(screen.got + screen.dropped, logged);
    assert_true(screen.dropped > 0);
    if (screen.others)
        fail_msg("%lu rows such as '%s'", screen.others, screen.other);
}

TEST(a_full_terminal_loses_lines_and_says_how_many)
{
    for (size_t length = 1; length < 500; length += 23) {
        overfill(length);
        end(NULL);
    }
    begin();
}

TEST(a_status_that_could_not_be_taken_away_has_a_row_of_its_own)
{
    begin();
    for (int i = 0; i < 2000; i++)
        log_status(status(100));
    log_status(NULL);
    look(100);
    while (screen.got == 0) {
        log_line();
        look(10);
    }
    assert_false(screen.mixed);
}

#define STATUS_TEST(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATUS_TEST(it_stays_below_the_lines_until_it_is_taken_away),
        STATUS_TEST(it_cannot_act_on_the_terminal),
        STATUS_TEST(a_full_terminal_loses_lines_and_says_how_many),
        STATUS_TEST(a_status_that_could_not_be_taken_away_has_a_row_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
