/* test_past.c -- lines typed before come back the next time, whatever happened to their file.
 *
 * Each test has a home of its own, an empty folder; the file is looked at as the next start would find it.
 *
 * SPDX-License-Identifier: MIT */
#include "client/past.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define DEFAULT_FOLDER "/.local/state/meari"

static char home[64], path[128];

static int make_home(void **state __attribute__((unused)))
{
    snprintf(home, sizeof home, "/tmp/meari-test-past.XXXXXX");
    if (!mkdtemp(home) || setenv("HOME", home, 1) == -1 || unsetenv("XDG_STATE_HOME") == -1)
        return -1;
    snprintf(path, sizeof path, "%s" DEFAULT_FOLDER "/history", home);
    return 0;
}

static int remove_home(void **state __attribute__((unused)))
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", home);
    return system(command);
}

static void make_folder(void)
{
    char command[160];

    snprintf(command, sizeof command, "mkdir -p '%s" DEFAULT_FOLDER "'", home);
    assert_int_equal(system(command), 0);
}

static void write_file(const char *text)
{
    FILE *file;

    make_folder();
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *read_file(void)
{
    static char text[64 << 10];
    FILE *file = fopen(path, "re");
    size_t n;

    if (!file)
        return NULL;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    return text;
}

/* Adds one line in a run of its own. */
static void run_and_add(const char *line)
{
    struct past p;

    past_init(&p);
    past_add(&p, line);
    past_done(&p);
}

/* What is remembered, the newest first, each with a '|' behind. */
static const char *remembered(const struct past *p)
{
    static char text[64 << 10];
    size_t used = 0;
    HistEvent event;
    int r;

    text[0] = '\0';
    for (r = history(p->history, &event, H_FIRST); r >= 0; r = history(p->history, &event, H_NEXT))
        used += (size_t)snprintf(text + used, sizeof text - used, "%s|", event.str);
    return text;
}

static const char *remembered_next_time(void)
{
    const char *text;
    struct past p;

    past_init(&p);
    text = remembered(&p);
    past_done(&p);
    return text;
}

TEST(a_line_is_in_the_file_as_soon_as_it_is_entered)
{
    struct past p;

    past_init(&p);
    assert_null(read_file());
    past_add(&p, "hello");
    assert_string_equal(read_file(), "hello\n");
    past_add(&p, "world");
    assert_string_equal(read_file(), "hello\nworld\n");
    past_done(&p);
    assert_string_equal(remembered_next_time(), "world|hello|");
}

TEST(file_and_folder_are_the_owners_alone)
{
    char folder[128];
    struct stat st;

    run_and_add("secret");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(folder, sizeof folder, "%s" DEFAULT_FOLDER, home);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

TEST(the_state_folder_is_where_the_environment_says)
{
    char elsewhere[96];

    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", home);
    setenv("XDG_STATE_HOME", elsewhere, 1);
    run_and_add("there");
    assert_null(read_file());
    snprintf(path, sizeof path, "%s/elsewhere/meari/history", home);
    assert_string_equal(read_file(), "there\n");
}

/* "If an implementation encounters a relative path ... it should ... ignore it." */
TEST(a_relative_state_folder_is_ignored)
{
    setenv("XDG_STATE_HOME", "elsewhere", 1);
    run_and_add("here");
    assert_string_equal(read_file(), "here\n");
}

TEST(without_a_home_lines_are_remembered_for_this_run)
{
    struct past p;

    unsetenv("HOME");
    past_init(&p);
    assert_null(p.path);
    past_add(&p, "hello");
    assert_string_equal(remembered(&p), "hello|");
    past_done(&p);
    assert_null(read_file());
}

TEST(what_is_no_line_to_remember)
{
    char *longest = malloc(PAST_LINE_MAX + 2);
    struct past p;

    assert_non_null(longest);
    memset(longest, 'x', PAST_LINE_MAX + 1);
    longest[PAST_LINE_MAX + 1] = '\0';
    past_init(&p);
    past_add(&p, "");
    past_add(&p, "two\nlines");
    past_add(&p, longest);
    assert_string_equal(remembered(&p), "");
    longest[PAST_LINE_MAX] = '\0';
    past_add(&p, longest);
    assert_int_equal(strlen(remembered(&p)), PAST_LINE_MAX + 1);
    past_done(&p);
    free(longest);
}

TEST(a_line_entered_twice_running_counts_once)
{
    struct past p;

    past_init(&p);
    past_add(&p, "again");
    past_add(&p, "again");
    past_add(&p, "other");
    past_add(&p, "again");
    assert_string_equal(remembered(&p), "again|other|again|");
    past_done(&p);
    assert_string_equal(read_file(), "again\nother\nagain\n");
}

/* As a full disk, a crash or an editor leaves it. */
TEST(a_last_line_without_its_end_stays_a_line_of_its_own)
{
    write_file("whole\nto");
    run_and_add("next");
    assert_string_equal(read_file(), "whole\nto\nnext\n");
    assert_string_equal(remembered_next_time(), "next|to|whole|");
}

static void write_many(int n)
{
    FILE *file;

    write_file("");
    file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < n; i++)
        fprintf(file, "line %d\n", i);
    fclose(file);
}

static int count_lines(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

TEST(a_long_file_is_cut_back_at_the_next_start)
{
    struct past p;

    write_many(PAST_MAX + 7);
    past_init(&p);
    assert_int_equal(count_lines(read_file()), PAST_MAX);
    assert_int_equal(strncmp(read_file(), "line 7\n", 7), 0);
    past_done(&p);
}

/* Two clients add to one file; the one that ends last cuts it back, and keeps the other's lines. */
TEST(lines_of_another_client_survive_the_cut)
{
    struct past first, second;

    write_many(PAST_MAX);
    past_init(&first);
    past_init(&second);
    past_add(&first, "from the first");
    past_add(&second, "from the second");
    past_done(&second);
    past_done(&first);
    assert_int_equal(count_lines(read_file()), PAST_MAX);
    assert_non_null(strstr(read_file(), "from the first\nfrom the second\n"));
}

TEST(a_file_that_cannot_be_kept_costs_nothing_else)
{
    struct past p;

    make_folder();
    assert_int_equal(mkdir(path, 0700), 0); /* in its place */
    past_init(&p);
    past_add(&p, "hello");
    assert_string_equal(remembered(&p), "hello|");
    past_done(&p);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_line_is_in_the_file_as_soon_as_it_is_entered),
        EACH(file_and_folder_are_the_owners_alone),
        EACH(the_state_folder_is_where_the_environment_says),
        EACH(a_relative_state_folder_is_ignored),
        EACH(without_a_home_lines_are_remembered_for_this_run),
        EACH(what_is_no_line_to_remember),
        EACH(a_line_entered_twice_running_counts_once),
        EACH(a_last_line_without_its_end_stays_a_line_of_its_own),
        EACH(a_long_file_is_cut_back_at_the_next_start),
        EACH(lines_of_another_client_survive_the_cut),
        EACH(a_file_that_cannot_be_kept_costs_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
