/* test_opts.c -- what a command line and an environment mean, and whom a mistake is blamed on.
 *
 * Every test reads one made-up program's table with an option of each kind; results land in one
 * struct 'got', reset before each. Mistakes are tables of a command line and the whole sentence that
 * must come out, so that the sentences are reviewed here as a user reads them.
 *
 * SPDX-License-Identifier: MIT */
#include "base/opts.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define ARGS_MAX 12

static struct {
    uint64_t backlog, clients, buffer, verbose;
    int64_t idle_ns;
    bool quiet, classic;
    int engine;
    const char *report;
    struct opt_texts words_with;
    /* and of the reading itself */
    int result, argc, operand;
    char words[ARGS_MAX][400];
    char *argv[ARGS_MAX + 1];
    struct err err;
} got;

static const char *const engines[] = {"auto", "epoll", "classic", NULL};
static const char *const preset[] = {"engine", "classic", "backlog", "5", "clients", "2", NULL};

static const struct opt table[] = {
    {'b', "backlog", "N", OPT_COUNT, &got.backlog, .max = 100000, .help = "how many may wait"},
    {0, "clients", "N", OPT_COUNT, &got.clients, .min = 1, .help = "end after so many"},
    {'s', "buffer", "BYTES", OPT_BYTES, &got.buffer, .min = 16, .max = 1 << 20,
     .help = "what one receive takes,\nin one piece"},
    {'t', "idle-timeout", "TIME", OPT_DURATION, &got.idle_ns, .min = 1000,
     .help = "end when quiet"},
    {'e', "engine", "NAME", OPT_CHOICE, &got.engine, .choices = engines, .help = "which one"},
    {0, "classic", NULL, OPT_SWITCH, &got.classic, .preset = preset, .help = "the first lesson"},
    {'q', "quiet", NULL, OPT_SWITCH, &got.quiet, .help = "say less"},
    {'v', "verbose", NULL, OPT_LEVEL, &got.verbose, .help = "say more"},
    {'r', "report", "[=FILE]", OPT_TEXT, &got.report, .help = "tell all"},
    {'w', "with", "WORD", OPT_TEXTS, &got.words_with, .help = "say this, too"},
};

static const struct opts opts = {
    .program = "echo-it",
    .synopsis = "[options] WORD...",
    .about = "Do nothing well.",
    .notes = "These are the notes.\n",
    .version = "1.2.3",
    .table = table,
    .n = LENGTH(table),
};

/* No MEARI_* variable is left; others stay, the test framework reads some. */
static void forget_variables(void)
{
    char **variable = environ;

    while (*variable) {
        char name[64];

        if (strncmp(*variable, "MEARI_", 6) != 0) {
            variable++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*variable, "="), *variable);
        unsetenv(name);
        variable = environ;
    }
}

static int reset(void **state __attribute__((unused)))
{
    memset(&got, 0, sizeof got);
    got.operand = -1;
    forget_variables();
    return 0;
}

/* Reads "echo-it" and the words, which end with NULL. They are copied, because argv is reordered. */
static int read_words(const char *const *words)
{
    strcpy(got.words[0], "echo-it");
    got.argv[0] = got.words[0];
    for (got.argc = 1; words[got.argc - 1]; got.argc++) {
        assert_true(got.argc < ARGS_MAX);
        assert_true(strlen(words[got.argc - 1]) < sizeof got.words[0]);
        strcpy(got.words[got.argc], words[got.argc - 1]);
        got.argv[got.argc] = got.words[got.argc];
    }
    got.argv[got.argc] = NULL;
    got.result = opts_read(&opts, got.argc, got.argv, &got.operand, &got.err);
    return got.result;
}

#define READ(...) read_words((const char *const[]){__VA_ARGS__, NULL})

struct mistake {
    const char *words[5];
    const char *text;
};

static void refuses(const struct mistake *mistakes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        reset(NULL);
        assert_int_equal(read_words(mistakes[i].words), -EINVAL);
        assert_string_equal(got.err.text, mistakes[i].text);
        assert_int_equal(got.err.code, EINVAL);
        assert_int_equal(got.operand, -1); /* left alone */
    }
}

/* The same from the environment: name, value, sentence. */
static void refuses_env(const char *const (*mistakes)[3], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        reset(NULL);
        setenv(mistakes[i][0], mistakes[i][1], 1);
        assert_int_equal(READ(NULL), -EINVAL);
        assert_string_equal(got.err.text, mistakes[i][2]);
    }
}

/* Runs in a child, whose standard output is 'fd' (-1: closed): what is printed stays out of the
 * test's own. Returns the result of opts_read(), whose sentence must be 'text' if there is one. */
static int read_elsewhere(int fd, const char *word, const char *text)
{
    int status = -1;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        if (fd == -1)
            close(STDOUT_FILENO);
        else
            dup2(fd, STDOUT_FILENO);
        READ(word);
        _exit(text && strcmp(got.err.text, text) != 0 ? 99 : abs(got.result));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char *printed(const char *word)
{
    static char text[4096];
    FILE *file = tmpfile();
    size_t n;

    assert_non_null(file);
    assert_int_equal(read_elsewhere(fileno(file), word, NULL), 1);
    rewind(file);
    n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

TEST(no_words_is_no_mistake)
{
    assert_int_equal(READ(NULL), 0);
    assert_int_equal(got.operand, 1);
    assert_int_equal(got.argc, 1);
}

TEST(long_names_take_their_value_apart_or_with_an_equals_sign)
{
    assert_int_equal(READ("--backlog", "10k", "--buffer=10k", "--idle-timeout", "200ms",
                          "--engine=epoll", "--quiet", "--verbose"),
                     0);
    assert_int_equal(got.backlog, 10000);
    assert_int_equal(got.buffer, 10240);
    assert_int_equal(got.idle_ns, 200000000);
    assert_int_equal(got.engine, 1);
    assert_true(got.quiet);
    assert_int_equal(got.verbose, 1);
    assert_false(got.classic);
}

TEST(letters_take_their_value_apart_or_at_once)
{
    assert_int_equal(READ("-b", "7", "-s64k", "-t1.5", "-e", "classic"), 0);
    assert_int_equal(got.backlog, 7);
    assert_int_equal(got.buffer, 65536);
    assert_int_equal(got.idle_ns, 1500000000);
    assert_int_equal(got.engine, 2);
}

TEST(letters_can_be_joined)
{
    assert_int_equal(READ("-qvv"), 0);
    assert_true(got.quiet);
    assert_int_equal(got.verbose, 2);
    reset(NULL);
    assert_int_equal(READ("-qvb", "5", "-vs64"), 0);
    assert_true(got.quiet);
    assert_int_equal(got.verbose, 2);
    assert_int_equal(got.backlog, 5);
    assert_int_equal(got.buffer, 64);
}

TEST(operands_may_stand_anywhere)
{
    assert_int_equal(READ("one", "-b", "5", "two", "--quiet", "-", "--clients=3", "three"), 0);
    assert_int_equal(got.argc - got.operand, 4);
    assert_string_equal(got.argv[got.operand], "one");
    assert_string_equal(got.argv[got.operand + 1], "two");
    assert_string_equal(got.argv[got.operand + 2], "-");
    assert_string_equal(got.argv[got.operand + 3], "three");
    assert_int_equal(got.backlog, 5);
    assert_int_equal(got.clients, 3);
    assert_true(got.quiet);
}

/* --report, --report=FILE, -rFILE; what stands apart is an operand. */
TEST(an_argument_in_brackets_may_be_left_out)
{
    assert_int_equal(READ("one"), 0);
    assert_null(got.report);
    assert_int_equal(READ("--report", "one"), 0);
    assert_string_equal(got.report, "-");
    assert_int_equal(got.argc - got.operand, 1);
    assert_string_equal(got.argv[got.operand], "one");
    assert_int_equal(READ("-r", "one", "-q"), 0);
    assert_string_equal(got.report, "-");
    assert_string_equal(got.argv[got.operand], "one");
    assert_int_equal(READ("--report=one"), 0);
    assert_string_equal(got.report, "one");
    assert_int_equal(got.argc, got.operand);
    assert_int_equal(READ("-rone"), 0);
    assert_string_equal(got.report, "one");
    assert_int_equal(READ("-qrone", "-v"), 0);
    assert_string_equal(got.report, "one");
    assert_int_equal(got.verbose, 1);
    assert_int_equal(READ("--report="), 0);
    assert_string_equal(got.report, "");
    assert_int_equal(READ("-vqr"), 0);
    assert_string_equal(got.report, "-");
    assert_int_equal(READ("--report", "--", "-q"), 0);
    assert_string_equal(got.argv[got.operand], "-q");
    setenv("MEARI_REPORT", "two", 1);
    assert_int_equal(READ(NULL), 0);
    assert_string_equal(got.report, "two");
    assert_int_equal(READ("--report"), 0);
    assert_string_equal(got.report, "-");
}

TEST(texts_may_be_given_many_times)
{
    char words[OPT_TEXTS_MAX + 1][8], program[] = "echo-it", *argv[OPT_TEXTS_MAX + 3] = {program};

    assert_int_equal(READ("one"), 0);
    assert_int_equal(got.words_with.n, 0);
    assert_int_equal(READ("--with", "a", "-wb", "one", "--with=c", "-w", "--with", "-w", ""), 0);
    assert_int_equal(got.words_with.n, 5);
    assert_string_equal(got.words_with.list[0], "a");
    assert_string_equal(got.words_with.list[1], "b");
    assert_string_equal(got.words_with.list[2], "c");
    assert_string_equal(got.words_with.list[3], "--with");
    assert_string_equal(got.words_with.list[4], "");
    assert_string_equal(got.argv[got.operand], "one");
    for (int more = 0; more <= 1; more++) {
        reset(NULL);
        for (int i = 0; i < OPT_TEXTS_MAX + more; i++) {
            snprintf(words[i], sizeof words[i], "-w%d", i);
            argv[i + 1] = words[i];
        }
        argv[OPT_TEXTS_MAX + more + 1] = NULL;
        assert_int_equal(opts_read(&opts, OPT_TEXTS_MAX + more + 1, argv, &got.operand, &got.err),
                         more ? -EINVAL : 0);
        assert_int_equal(got.words_with.n, OPT_TEXTS_MAX);
        assert_string_equal(got.words_with.list[OPT_TEXTS_MAX - 1], "63");
    }
    assert_string_equal(got.err.text, "--with: at most 64 of them");
}

/* One from the environment, and none of it when the command line has any. */
TEST(texts_come_from_one_place)
{
    setenv("MEARI_WITH", "env", 1);
    assert_int_equal(READ(NULL), 0);
    assert_int_equal(got.words_with.n, 1);
    assert_string_equal(got.words_with.list[0], "env");
    reset(NULL);
    setenv("MEARI_WITH", "env", 1);
    assert_int_equal(READ("-w", "line"), 0);
    assert_int_equal(got.words_with.n, 1);
    assert_string_equal(got.words_with.list[0], "line");
}

TEST(two_dashes_end_the_options)
{
    assert_int_equal(READ("one", "-q", "--", "-v", "--nonsense", "--"), 0);
    assert_true(got.quiet);
    assert_int_equal(got.verbose, 0);
    assert_int_equal(got.argc - got.operand, 4);
    assert_string_equal(got.argv[got.operand], "one");
    assert_string_equal(got.argv[got.operand + 1], "-v");
    assert_string_equal(got.argv[got.operand + 3], "--");
}

TEST(second_reading_starts_afresh)
{
    assert_int_equal(READ("-b", "5", "one", "two"), 0);
    assert_int_equal(READ("-qv", "--buffer", "16", "one"), 0);
    assert_int_equal(got.argc - got.operand, 1);
    assert_true(got.quiet);
    assert_int_equal(got.buffer, 16);
    assert_int_equal(READ("-qx"), -EINVAL); /* and one that stopped within a cluster */
    assert_int_equal(READ("-q", "one"), 0);
}

TEST(switches_may_be_repeated)
{
    assert_int_equal(READ("-q", "--quiet", "-qq", "--classic", "--classic", "-v", "--verbose"), 0);
    assert_true(got.quiet);
    assert_true(got.classic);
    assert_int_equal(got.verbose, 2);
}

TEST(ranges_include_their_ends)
{
    assert_int_equal(READ("-b", "0", "--clients", "1", "-s", "16", "-t", "1us"), 0);
    assert_int_equal(got.backlog, 0);
    assert_int_equal(got.clients, 1);
    assert_int_equal(got.buffer, 16);
    assert_int_equal(got.idle_ns, 1000);
    reset(NULL);
    assert_int_equal(READ("-b100k", "--clients", "18446744073709551615", "-s1m", "-t2562047h"), 0);
    assert_int_equal(got.backlog, 100000);
    assert_int_equal(got.clients, UINT64_MAX);
    assert_int_equal(got.buffer, 1 << 20);
}

TEST(values_are_checked_and_quoted)
{
    static const struct mistake mistakes[] = {
        {{"--backlog", "x"}, "--backlog: 'x' is not a whole number"},
        {{"--backlog="}, "--backlog: '' is not a whole number"},
        {{"--backlog", ""}, "--backlog: '' is not a whole number"},
        {{"-b", "-1"}, "--backlog: '-1' is not a whole number"},
        {{"-b=5"}, "--backlog: '=5' is not a whole number"},
        {{"-b", " 5"}, "--backlog: ' 5' is not a whole number"},
        {{"-b", "5\n"}, "--backlog: '5\\x0a' is not a whole number"},
        {{"-b", "\x1b[2J"}, "--backlog: '\\x1b[2J' is not a whole number"},
        {{"-b", "８０"}, "--backlog: '８０' is not a whole number"},
        {{"-b", "%s%n"}, "--backlog: '%s%n' is not a whole number"},
        {{"--backlog", "--quiet"}, "--backlog: '--quiet' is not a whole number"},
        {{"--backlog", "--"}, "--backlog: '--' is not a whole number"},
        {{"-b", "100001"}, "--backlog: '100001' is too large: at most 100000"},
        {{"-b", "99999999999999999999"},
         "--backlog: '99999999999999999999' is too large: at most 100000"},
        {{"-b", "18446744073709551616"},
         "--backlog: '18446744073709551616' is too large: at most 100000"},
        {{"--clients", "0"}, "--clients: '0' is too small: at least 1"},
        {{"-s", "15"}, "--buffer: '15' is too small: at least 16"},
        {{"-s", "1025k"}, "--buffer: '1025k' is too large: at most 1048576"},
        {{"-s", "64kb"}, "--buffer: '64kb' is not a number of bytes such as 4096, 64k or 1m"},
        {{"-t", "5m3s"}, "--idle-timeout: '5m3s' is not a duration such as 500ms, 10s or 5m"},
        {{"-t", "-1s"}, "--idle-timeout: '-1s' is not a duration such as 500ms, 10s or 5m"},
        {{"-t", "999ns"}, "--idle-timeout: '999ns' is too small: at least 1us"},
        {{"-t", "2562048h"}, "--idle-timeout: '2562048h' is too large"},
        {{"-e", "uring"}, "--engine: 'uring' is not one of auto, epoll, classic"},
        {{"-e", ""}, "--engine: '' is not one of auto, epoll, classic"},
        {{"-e", "epol"}, "--engine: 'epol' is not one of auto, epoll, classic"},
        {{"-e", "EPOLL"}, "--engine: 'EPOLL' is not one of auto, epoll, classic"},
        {{"one", "-q", "-b", "x"}, "--backlog: 'x' is not a whole number"},
    };

    refuses(mistakes, LENGTH(mistakes));
}

TEST(unknown_options_are_named)
{
    static const struct mistake mistakes[] = {
        {{"--nonsense"}, "unknown option '--nonsense' (try --help)"},
        {{"--nonsense=5"}, "unknown option '--nonsense=5' (try --help)"},
        {{"one", "--nonsense", "two"}, "unknown option '--nonsense' (try --help)"},
        {{"-x"}, "unknown option '-x' (try --help)"},
        {{"-qx"}, "unknown option '-x' (try --help)"},
        {{"-qvxb", "5"}, "unknown option '-x' (try --help)"},
        {{"-:"}, "unknown option '-:' (try --help)"},
        {{"-?"}, "unknown option '-?' (try --help)"},
        {{"-1"}, "unknown option '-1' (try --help)"},
        {{"-\x1b"}, "unknown option '-\\x1b' (try --help)"},
        {{"-\xff"}, "unknown option '-\\xff' (try --help)"},
        {{"--\x1b]0;x\a"}, "unknown option '--\\x1b]0;x\\x07' (try --help)"},
        {{"--한글"}, "unknown option '--한글' (try --help)"},
        {{"--="}, "unknown option '--=' (try --help)"},
        {{"--=5"}, "unknown option '--=5' (try --help)"},
        {{"---"}, "unknown option '---' (try --help)"},
        {{"--Quiet"}, "unknown option '--Quiet' (try --help)"},
        {{"--quiets"}, "unknown option '--quiets' (try --help)"},
        {{"-quiet"}, "unknown option '-u' (try --help)"},
        {{"--b", "5"}, "unknown option '--b' (try --help)"},
        {{"--nonsense", "--help"}, "unknown option '--nonsense' (try --help)"},
    };

    refuses(mistakes, LENGTH(mistakes));
}

/* As if the option were not there: naming the long form would invite scripts to rely on it. */
TEST(abbreviations_are_unknown)
{
    static const struct mistake mistakes[] = {
        {{"--back", "5"}, "unknown option '--back' (try --help)"},
        {{"--back=5"}, "unknown option '--back=5' (try --help)"},
        {{"--backlo", "5", "one"}, "unknown option '--backlo' (try --help)"},
        {{"--back"}, "unknown option '--back' (try --help)"},
        {{"--qui"}, "unknown option '--qui' (try --help)"},
        {{"--qui=1"}, "unknown option '--qui=1' (try --help)"},
        {{"--idle", "5"}, "unknown option '--idle' (try --help)"},
        {{"--cl"}, "unknown option '--cl' (try --help)"},   /* classic or clients */
        {{"--ver"}, "unknown option '--ver' (try --help)"}, /* verbose or version */
        {{"--vers"}, "unknown option '--vers' (try --help)"},
        {{"--hel"}, "unknown option '--hel' (try --help)"},
        {{"--hel=x"}, "unknown option '--hel=x' (try --help)"},
        {{"--h"}, "unknown option '--h' (try --help)"},
    };

    refuses(mistakes, LENGTH(mistakes));
}

TEST(values_cannot_be_missing_unwanted_or_twofold)
{
    static const struct mistake mistakes[] = {
        {{"--backlog"}, "option '--backlog' needs an argument (try --help)"},
        {{"one", "--backlog"}, "option '--backlog' needs an argument (try --help)"},
        {{"-b"}, "option '-b' needs an argument (try --help)"},
        {{"-qb"}, "option '-b' needs an argument (try --help)"},
        {{"-w"}, "option '-w' needs an argument (try --help)"},
        {{"--with"}, "option '--with' needs an argument (try --help)"},
        {{"-r", "--report=x"}, "option '--report' is given twice"},
        {{"--report", "-r"}, "option '--report' is given twice"},
        {{"--repor"}, "unknown option '--repor' (try --help)"},
        {{"--repor=x"}, "unknown option '--repor=x' (try --help)"},
        {{"--quiet=1"}, "option '--quiet' takes no argument"},
        {{"--quiet="}, "option '--quiet' takes no argument"},
        {{"--verbose=2"}, "option '--verbose' takes no argument"},
        {{"--help=x"}, "option '--help' takes no argument"},
        {{"-b", "5", "-b", "5"}, "option '--backlog' is given twice"},
        {{"--backlog=5", "-b5"}, "option '--backlog' is given twice"},
        {{"--engine", "epoll", "-e", "auto"}, "option '--engine' is given twice"},
        {{"-b5", "one", "--backlog", "x"}, "option '--backlog' is given twice"},
    };

    refuses(mistakes, LENGTH(mistakes));
}

TEST(long_words_are_cut_in_the_blame)
{
    char word[300], value[300];

    memset(word, '-', 2);
    memset(word + 2, 'x', sizeof word - 3);
    word[sizeof word - 1] = '\0';
    memset(value, '7', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    assert_int_equal(READ(word), -EINVAL);
    assert_true(strlen(got.err.text) < 250);
    assert_non_null(strstr(got.err.text, "xxx...' (try --help)"));
    assert_int_equal(READ("-b", value), -EINVAL);
    assert_non_null(strstr(got.err.text, "777...' is too large"));
}

TEST(environment_fills_what_was_not_given)
{
    setenv("MEARI_BACKLOG", "9", 1);
    setenv("MEARI_BUFFER", "2k", 1);
    setenv("MEARI_IDLE_TIMEOUT", "3s", 1);
    setenv("MEARI_ENGINE", "epoll", 1);
    setenv("MEARI_QUIET", "1", 1);
    setenv("MEARI_VERBOSE", "3", 1);
    assert_int_equal(READ("one"), 0);
    assert_int_equal(got.backlog, 9);
    assert_int_equal(got.buffer, 2048);
    assert_int_equal(got.idle_ns, INT64_C(3000000000));
    assert_int_equal(got.engine, 1);
    assert_true(got.quiet);
    assert_int_equal(got.verbose, 3);
}

TEST(command_line_beats_the_environment)
{
    setenv("MEARI_BACKLOG", "9", 1);
    setenv("MEARI_ENGINE", "epoll", 1);
    setenv("MEARI_VERBOSE", "3", 1);
    setenv("MEARI_QUIET", "0", 1);
    assert_int_equal(READ("-b", "7", "-e", "classic", "-vq"), 0);
    assert_int_equal(got.backlog, 7);
    assert_int_equal(got.engine, 2);
    assert_int_equal(got.verbose, 1);
    assert_true(got.quiet);
}

TEST(overruled_environment_is_not_judged)
{
    setenv("MEARI_BACKLOG", "nonsense", 1);
    assert_int_equal(READ("-b", "7"), 0);
    assert_int_equal(got.backlog, 7);
    assert_int_equal(READ("--classic"), 0); /* by a preset either */
    assert_int_equal(got.backlog, 5);
}

TEST(booleans_in_the_environment_are_1_or_0)
{
    setenv("MEARI_QUIET", "0", 1);
    setenv("MEARI_CLASSIC", "0", 1);
    assert_int_equal(READ("one"), 0);
    assert_false(got.quiet);
    assert_false(got.classic);
    assert_int_equal(got.backlog, 0);
}

TEST(mistakes_in_the_environment_are_blamed_on_the_variable)
{
    static const char *const mistakes[][3] = {
        {"MEARI_BACKLOG", "x", "MEARI_BACKLOG: 'x' is not a whole number"},
        {"MEARI_BACKLOG", "", "MEARI_BACKLOG: '' is not a whole number"},
        {"MEARI_BACKLOG", "100001", "MEARI_BACKLOG: '100001' is too large: at most 100000"},
        {"MEARI_CLIENTS", "0", "MEARI_CLIENTS: '0' is too small: at least 1"},
        {"MEARI_IDLE_TIMEOUT", "5x",
         "MEARI_IDLE_TIMEOUT: '5x' is not a duration such as 500ms, 10s or 5m"},
        {"MEARI_ENGINE", "\x1b", "MEARI_ENGINE: '\\x1b' is not one of auto, epoll, classic"},
        {"MEARI_VERBOSE", "very", "MEARI_VERBOSE: 'very' is not a whole number"},
        {"MEARI_QUIET", "yes", "MEARI_QUIET: 'yes' is not 1 or 0"},
        {"MEARI_QUIET", "true", "MEARI_QUIET: 'true' is not 1 or 0"},
        {"MEARI_QUIET", "2", "MEARI_QUIET: '2' is not 1 or 0"},
        {"MEARI_QUIET", "01", "MEARI_QUIET: '01' is not 1 or 0"},
        {"MEARI_QUIET", "", "MEARI_QUIET: '' is not 1 or 0"},
        {"MEARI_CLASSIC", "on", "MEARI_CLASSIC: 'on' is not 1 or 0"},
    };

    refuses_env(mistakes, LENGTH(mistakes));
}

/* Kubernetes sets MEARI_PORT and MEARI_SERVICE_HOST in every pod beside a service called "meari". */
TEST(unknown_variables_are_ignored)
{
    setenv("MEARI_PORT", "tcp://10.0.0.1:7777", 1);
    setenv("MEARI_SERVICE_HOST", "10.0.0.1", 1);
    setenv("MEARI_", "x", 1);
    setenv("MEARI_HELP", "1", 1);
    setenv("MEARI_backlog", "x", 1);
    setenv("meari_backlog", "x", 1);
    setenv("MEARI_IDLE-TIMEOUT", "x", 1);
    assert_int_equal(READ("one"), 0);
    assert_int_equal(got.backlog, 0);
}

static void holds_the_preset(void)
{
    assert_int_equal(got.result, 0);
    assert_true(got.classic);
    assert_int_equal(got.engine, 2);
    assert_int_equal(got.backlog, 5);
    assert_int_equal(got.clients, 2);
}

TEST(preset_sets_what_it_stands_for)
{
    READ("--classic");
    holds_the_preset();
    reset(NULL);
    READ("one", "--classic", "two");
    holds_the_preset();
    assert_int_equal(got.argc - got.operand, 2);
}

TEST(explicit_options_beat_the_preset_in_any_order)
{
    READ("--classic", "--backlog", "7");
    assert_int_equal(got.backlog, 7);
    assert_int_equal(got.engine, 2);
    assert_int_equal(got.clients, 2);
    reset(NULL);
    READ("-b7", "--clients=9", "--classic");
    assert_int_equal(got.backlog, 7);
    assert_int_equal(got.clients, 9);
    assert_int_equal(got.engine, 2);
}

TEST(preset_beats_the_environment)
{
    setenv("MEARI_BACKLOG", "9", 1);
    setenv("MEARI_ENGINE", "epoll", 1);
    READ("--classic");
    holds_the_preset();
}

TEST(preset_may_come_from_the_environment)
{
    setenv("MEARI_CLASSIC", "1", 1);
    READ("one");
    holds_the_preset();
    reset(NULL);
    setenv("MEARI_CLASSIC", "1", 1);
    assert_int_equal(READ("-b", "7"), 0);
    assert_int_equal(got.backlog, 7);
    assert_int_equal(got.engine, 2);
    reset(NULL);
    setenv("MEARI_CLASSIC", "1", 1);
    setenv("MEARI_BACKLOG", "9", 1);
    READ("one");
    assert_int_equal(got.backlog, 9);
    assert_int_equal(got.engine, 2);
}

TEST(help_lists_every_option_within_80_columns)
{
    const char *text = printed("--help"), *line, *end;

    assert_memory_equal(text, "usage: echo-it [options] WORD...\n\nDo nothing well.\n\n", 52);
    for (size_t i = 0; i < opts.n; i++) {
        const char *arg = table[i].arg ? table[i].arg : "";
        char entry[64];

        snprintf(entry, sizeof entry, "--%s%s%s ", table[i].name, *arg && *arg != '[' ? " " : "",
                 arg);
        assert_non_null(strstr(text, entry));
    }
    assert_non_null(strstr(text, "\n  -b, --backlog N           how many may wait\n"));
    assert_non_null(strstr(text, "\n      --clients N           end after so many\n"));
    assert_non_null(strstr(text, "one receive takes,\n                            in one piece\n"));
    assert_non_null(strstr(text, "\n  -r, --report[=FILE]       tell all\n"));
    assert_non_null(strstr(text, "\n  -w, --with WORD           say this, too\n"));
    assert_non_null(strstr(text, "\n  -h, --help                show this\n"));
    assert_non_null(strstr(text, "\n  -V, --version             "));
    assert_non_null(strstr(text, "\n\nThese are the notes.\n"));
    for (line = text; (end = strchr(line, '\n')); line = end + 1)
        assert_true(end - line <= 80);
    assert_int_equal(*line, '\0'); /* the last line is a whole one */
}

/* Two blanks before a name, and one at least between it and the help. */
TEST(long_names_have_a_line_of_their_own)
{
    static const struct opt long_table[] = {
        {'a', "name-that-fits-in", "N", OPT_COUNT, &got.backlog, .help = "beside"},
        {'b', "name-just-too-long", "N", OPT_COUNT, &got.backlog, .help = "below"},
    };
    struct opts long_opts = opts;
    char program[] = "x", word[] = "--help", text[4096], *argv[] = {program, word, NULL};
    int status = -1;
    FILE *file = tmpfile();
    pid_t child;

    long_opts.table = long_table;
    long_opts.n = LENGTH(long_table);
    assert_non_null(file);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        dup2(fileno(file), STDOUT_FILENO);
        _exit(opts_read(&long_opts, 2, argv, &got.operand, &got.err));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "\n  -a, --name-that-fits-in N beside\n"));
    assert_non_null(strstr(text, "\n  -b, --name-just-too-long N"));
    assert_non_null(strstr(text, "\n                            below\n"));
}

TEST(help_and_version_have_letters)
{
    char text[4096];

    strcpy(text, printed("--help"));
    assert_string_equal(printed("-h"), text);
    assert_string_equal(printed("-qh"), text);
    assert_string_equal(printed("--version"), "echo-it 1.2.3\n");
    assert_string_equal(printed("-V"), "echo-it 1.2.3\n");
    assert_string_equal(printed("-vV"), "echo-it 1.2.3\n");
}

TEST(help_does_not_mind_the_environment)
{
    setenv("MEARI_BACKLOG", "x", 1);
    assert_string_equal(printed("-V"), "echo-it 1.2.3\n");
}

TEST(help_that_nobody_can_read_is_a_failure)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(full != -1);
    assert_int_equal(
        read_elsewhere(full, "--help", "cannot write to standard output: No space left on device"),
        ENOSPC);
    assert_int_equal(
        read_elsewhere(-1, "--version", "cannot write to standard output: Bad file descriptor"),
        EBADF);
    close(full);
}

TEST(table_may_be_as_long_as_promised)
{
    static uint64_t values[OPTS_MAX];
    static char names[OPTS_MAX][24];
    struct opt many[OPTS_MAX];
    struct opts long_opts = opts;
    char program[] = "x", first[] = "--number-00=1", last[] = "--number-59", value[] = "60";
    char letter[] = "-l5", *argv[] = {program, first, last, value, letter, NULL};
    int operand = 0;

    for (int i = 0; i < OPTS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "number-%02d", i);
        many[i] = (struct opt){(char)('A' + i), names[i], "N", OPT_COUNT, &values[i], .help = ""};
    }
    many['V' - 'A'].letter = 0; /* --version's */
    many['h' - 'A'].letter = 0;
    for (int c = 'Z' + 1; c < 'a'; c++)
        many[c - 'A'].letter = 0;
    long_opts.table = many;
    long_opts.n = OPTS_MAX;
    assert_int_equal(opts_read(&long_opts, 5, argv, &operand, &got.err), 0);
    assert_int_equal(values[0], 1);
    assert_int_equal(values[OPTS_MAX - 1], 60);
    assert_int_equal(values['l' - 'A'], 5);
}

TEST(empty_argv_is_survived)
{
    char *argv[] = {NULL};

    assert_int_equal(opts_read(&opts, 0, argv, &got.operand, &got.err), 0);
    assert_true(got.operand >= 0);
}

#define OPTS_TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPTS_TEST(no_words_is_no_mistake),
        OPTS_TEST(long_names_take_their_value_apart_or_with_an_equals_sign),
        OPTS_TEST(letters_take_their_value_apart_or_at_once),
        OPTS_TEST(letters_can_be_joined),
        OPTS_TEST(operands_may_stand_anywhere),
        OPTS_TEST(an_argument_in_brackets_may_be_left_out),
        OPTS_TEST(texts_may_be_given_many_times),
        OPTS_TEST(texts_come_from_one_place),
        OPTS_TEST(two_dashes_end_the_options),
        OPTS_TEST(second_reading_starts_afresh),
        OPTS_TEST(switches_may_be_repeated),
        OPTS_TEST(ranges_include_their_ends),
        OPTS_TEST(values_are_checked_and_quoted),
        OPTS_TEST(unknown_options_are_named),
        OPTS_TEST(abbreviations_are_unknown),
        OPTS_TEST(values_cannot_be_missing_unwanted_or_twofold),
        OPTS_TEST(long_words_are_cut_in_the_blame),
        OPTS_TEST(environment_fills_what_was_not_given),
        OPTS_TEST(command_line_beats_the_environment),
        OPTS_TEST(overruled_environment_is_not_judged),
        OPTS_TEST(booleans_in_the_environment_are_1_or_0),
        OPTS_TEST(mistakes_in_the_environment_are_blamed_on_the_variable),
        OPTS_TEST(unknown_variables_are_ignored),
        OPTS_TEST(preset_sets_what_it_stands_for),
        OPTS_TEST(explicit_options_beat_the_preset_in_any_order),
        OPTS_TEST(preset_beats_the_environment),
        OPTS_TEST(preset_may_come_from_the_environment),
        OPTS_TEST(help_lists_every_option_within_80_columns),
        OPTS_TEST(long_names_have_a_line_of_their_own),
        OPTS_TEST(help_and_version_have_letters),
        OPTS_TEST(help_does_not_mind_the_environment),
        OPTS_TEST(help_that_nobody_can_read_is_a_failure),
        OPTS_TEST(table_may_be_as_long_as_promised),
        OPTS_TEST(empty_argv_is_survived),
    };

    return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
