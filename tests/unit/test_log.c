/* test_log.c -- the log says what happened, in lines that nobody can forge, and waits for nobody.
 *
 * Standard error is redirected to a pipe, a socket, a file or nothing, the log is started on it, and
 * what arrives is read back. Nothing here waits: readers do not block, and "the log did not block" is
 * shown by the test going on. What was dropped is accounted for to the line.
 *
 * SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define HEARD_MAX (1 << 20)

static int saved = -1; /* the real standard error */
static int ends[2];    /* what stands in for it: [0] to read, [1] to write */
static char heard[HEARD_MAX];

/* Starts the log on 'fd' as standard error; -1: a closed one. */
static void start(int fd, enum log_format format, enum log_level most)
{
    fflush(stderr);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    assert_true(saved != -1);
    if (fd == -1)
        close(STDERR_FILENO);
    else
        assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    log_init("echo-it", format, most);
}

/* Gives standard error back. The log stays where it is until the next start. */
static void stop(void)
{
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    saved = -1;
}

static void make_pipe(void)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void close_ends(void)
{
    close(ends[0]);
    close(ends[1]);
}

/* All that has arrived, as a string. */
static const char *hear(void)
{
    size_t used = 0;
    ssize_t n;

    while ((n = read(ends[0], heard + used, HEARD_MAX - 1 - used)) > 0)
        used += (size_t)n;
    heard[used] = '\0';
    return heard;
}

/* A log on a fresh pipe, for the simple cases. */
static void start_on_pipe(enum log_format format, enum log_level most)
{
    make_pipe();
    start(ends[1], format, most);
}

static const char *stop_and_hear(void)
{
    stop();
    hear();
    close_ends();
    return heard;
}

static json_t *stop_and_parse(void)
{
    json_error_t error;
    json_t *line;

    stop_and_hear();
    assert_ptr_equal(strchr(heard, '\n'), heard + strlen(heard) - 1); /* one line */
    line = json_loads(heard, JSON_REJECT_DUPLICATES, &error);
    if (!line)
        print_error("%s\n%s\n", error.text, heard);
    assert_non_null(line);
    return line;
}

static const char *string_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

TEST(text_line_is_the_sentence)
{
    start_on_pipe(LOG_TEXT, LOG_DEBUG);
    log_event(LOG_NOTICE, "listening", LOG_FIELDS({"port", NULL, 7}), "listening on %d", 7);
    log_event(LOG_INFO, "connected", LOG_NO_FIELDS, "client %d connected", 2);
    log_event(LOG_DEBUG, "detail", LOG_NO_FIELDS, "100%%");
    assert_string_equal(stop_and_hear(), "listening on 7\nclient 2 connected\n100%\n");
}

TEST(errors_and_warnings_carry_the_programs_name)
{
    start_on_pipe(LOG_TEXT, LOG_DEBUG);
    log_event(LOG_ERROR, "failed", LOG_NO_FIELDS, "cannot go on");
    log_event(LOG_WARNING, "clamped", LOG_NO_FIELDS, "not as asked");
    assert_string_equal(stop_and_hear(), "echo-it: cannot go on\necho-it: not as asked\n");
}

TEST(less_important_lines_are_left_out)
{
    start_on_pipe(LOG_TEXT, LOG_NOTICE);
    assert_true(log_wants(LOG_ERROR));
    assert_true(log_wants(LOG_NOTICE));
    assert_false(log_wants(LOG_INFO));
    assert_false(log_wants(LOG_DEBUG));
    log_event(LOG_INFO, "connected", LOG_NO_FIELDS, "not shown");
    log_event(LOG_NOTICE, "listening", LOG_NO_FIELDS, "shown");
    log_event(LOG_DEBUG, "detail", LOG_NO_FIELDS, "not shown");
    assert_string_equal(stop_and_hear(), "shown\n");
}

/* The clock that the log reads; time(2) may lag behind it by a tick. */
static time_t wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

TEST(json_line_has_time_level_event_fields_and_message)
{
    const char *time_text;
    time_t before = wall_clock(), logged;
    struct tm tm = {0};
    json_t *line;

    start_on_pipe(LOG_JSON, LOG_INFO);
    log_event(LOG_INFO, "left",
              LOG_FIELDS({"client", NULL, 2}, {"peer", "127.0.0.1:5", 0},
                         {"bytes", NULL, INT64_MAX}, {"low", NULL, INT64_MIN}),
              "client %d left", 2);
    line = stop_and_parse();
    time_text = string_of(line, "time");
    assert_int_equal(strlen(time_text), strlen("2024-02-29T12:34:56.789Z"));
    for (size_t i = 0; i < strlen(time_text); i++) {
        char form = "dddd-dd-ddTdd:dd:dd.dddZ"[i];

        assert_true(form == 'd' ? strchr("0123456789", time_text[i]) != NULL
                                : time_text[i] == form);
    }
    assert_non_null(strptime(time_text, "%Y-%m-%dT%H:%M:%S", &tm));
    logged = timegm(&tm);
    assert_true(logged >= before && logged <= wall_clock());
    assert_string_equal(string_of(line, "level"), "info");
    assert_string_equal(string_of(line, "event"), "left");
    assert_string_equal(string_of(line, "peer"), "127.0.0.1:5");
    assert_string_equal(string_of(line, "message"), "client 2 left");
    assert_int_equal(json_integer_value(json_object_get(line, "client")), 2);
    assert_int_equal(json_integer_value(json_object_get(line, "bytes")), INT64_MAX);
    assert_int_equal(json_integer_value(json_object_get(line, "low")), INT64_MIN);
    assert_int_equal(json_object_size(line), 8);
    json_decref(line);
}

TEST(json_levels_have_names)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        json_t *line;

        start_on_pipe(LOG_JSON, LOG_DEBUG);
        log_event((enum log_level)level, "x", LOG_NO_FIELDS, "y");
        line = stop_and_parse();
        assert_string_equal(string_of(line, "level"), names[level]);
        assert_string_equal(string_of(line, "message"), "y"); /* without the program's name */
        json_decref(line);
    }
}

TEST(text_line_cannot_be_forged)
{
    start_on_pipe(LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "name %s",
              "a\nlistening on 1\r\x1b[2J\t\x9b\xc2\x9b\xff\xe2\x80\xae \"\\");
    assert_string_equal(stop_and_hear(), "name a\\x0alistening on 1\\x0d\\x1b[2J\\x09\\x9b"
                                         "\\xc2\\x9b\\xff\\xe2\\x80\\xae \"\\\n");
}

TEST(json_line_cannot_be_forged)
{
    const char *hostile = "a\n\",\"level\":\"error\x1b[2J\xff\xed\xa0\x80\\ 메아리";
    json_t *line;

    start_on_pipe(LOG_JSON, LOG_INFO);
    log_event(LOG_INFO, "x", LOG_FIELDS({"name", hostile, 0}), "name %s", hostile);
    line = stop_and_parse();
    assert_string_equal(string_of(line, "name"),
                        "a\\x0a\",\"level\":\"error\\x1b[2J\\xff\\xed\\xa0\\x80\\ 메아리");
    assert_string_equal(string_of(line, "message"),
                        "name a\\x0a\",\"level\":\"error\\x1b[2J\\xff\\xed\\xa0\\x80\\ 메아리");
    assert_string_equal(string_of(line, "level"), "info");
    json_decref(line);
}

/* 'piece' repeated, more of it than any line takes. */
static const char *much_of(const char *piece)
{
    static char text[8192];
    size_t n = strlen(piece);

    for (size_t i = 0; i + n < sizeof text; i += n)
        strcpy(text + i, piece);
    return text;
}

TEST(long_sentence_is_cut_and_says_so)
{
    size_t n;

    start_on_pipe(LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "%s", much_of("a"));
    n = strlen(stop_and_hear());
    assert_true(n > 1000 && n < 1100);
    assert_string_equal(heard + n - 5, "a...\n");
    for (int shift = 0; shift < 3; shift++) { /* the cut comes at each place in a character */
        start_on_pipe(LOG_TEXT, LOG_INFO);
        log_event(LOG_INFO, "x", LOG_NO_FIELDS, "%.*s%s", shift, "ab", much_of("한"));
        stop_and_hear();
        assert_string_equal(heard + strlen(heard) - 7, "한...\n");
    }
    start_on_pipe(LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "%s", much_of("\x1b"));
    stop_and_hear();
    assert_string_equal(heard + strlen(heard) - 8, "\\x1b...\n");
}

/* Long fields may cost their place, but never the line. */
TEST(long_json_line_is_not_lost)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\x1b", "한", "\xff"};
    char sentence[8192];

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        json_t *line;

        strcpy(sentence, much_of(pieces[i]));
        start_on_pipe(LOG_JSON, LOG_INFO);
        log_event(LOG_INFO, "long",
                  LOG_FIELDS({"one", sentence, 0}, {"two", sentence, 0}, {"three", sentence, 0}),
                  "%s", sentence);
        line = stop_and_parse();
        assert_string_equal(string_of(line, "event"), "long");
        assert_true(strlen(string_of(line, "message")) > 1000);
        assert_true(strlen(heard) <= 4096); /* a pipe takes it whole */
        json_decref(line);
    }
}

/* One length after the other across the bound: the line is whole, with that field or without. */
TEST(json_line_at_its_bound_is_whole)
{
    char text[1024];
    size_t with = 0, without = 0;

    for (size_t n = 700; n < 1000; n++) {
        json_t *line;

        memset(text, 'a', n);
        text[n] = '\0';
        start_on_pipe(LOG_JSON, LOG_INFO);
        log_event(LOG_INFO, "x", LOG_FIELDS({"one", much_of("a"), 0}, {"two", text, 0}), "%s",
                  much_of("b"));
        line = stop_and_parse();
        assert_true(strlen(heard) <= 3072);
        if (json_object_get(line, "two"))
            with++;
        else
            without++;
        json_decref(line);
    }
    assert_true(with > 0);
    assert_true(without > 0);
}

/* How many lines like 'line' were heard; 'dropped' grows by what the other lines confess. Nothing
 * else may be among them, and none in pieces. */
static unsigned long count(const char *line, unsigned long *dropped)
{
    unsigned long lines = 0, more;
    char *at, *end;

    for (at = heard; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        if (strcmp(at, line) == 0) {
            lines++;
        } else if (sscanf(at, "echo-it: %lu log lines were dropped: nobody read them", &more) ==
                   1) {
            *dropped += more;
        } else {
            fail_msg("heard '%s'", at);
        }
    }
    assert_int_equal(*at, '\0');
    return lines;
}

#define LINE "a line of some length, because a pipe takes many short ones before it is full"

static void log_lines(int n)
{
    for (int i = 0; i < n; i++)
        log_event(LOG_INFO, "x", LOG_NO_FIELDS, LINE);
}

/* Fills whatever stands behind the log, drains it, fills it again. Every line is accounted for. */
static void overfill(void)
{
    unsigned long got = 0, dropped = 0;

    for (int round = 1; round <= 2; round++) {
        log_lines(20000);
        hear();
        got += count(LINE, &dropped);
        assert_true(got > 0);
        log_event(LOG_INFO, "x", LOG_NO_FIELDS, LINE); /* now there is room to confess */
        hear();
        got += count(LINE, &dropped);
        assert_true(dropped > 0);
        assert_int_equal(got + dropped, 20001 * round);
    }
}

/* Whatever becomes of standard error: nobody's flags and nobody's redirection matter. */
TEST(own_description_is_used_for_a_pipe)
{
    start_on_pipe(LOG_TEXT, LOG_INFO);
    stop();
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "to the pipe");
    assert_string_equal(hear(), "to the pipe\n");
    close_ends();
}

TEST(full_pipe_drops_lines_and_confesses)
{
    make_pipe();
    start(ends[1], LOG_TEXT, LOG_INFO);
    overfill();
    stop();
    /* and whoever shares the pipe finds it as it was */
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    close_ends();
}

/* No descriptor for an open file description of the log's own: poll(2) asks instead. */
TEST(full_pipe_that_cannot_be_opened_again_drops_lines_too)
{
    struct rlimit limit, none;

    make_pipe();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){3, limit.rlim_max};
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    log_init("echo-it", LOG_TEXT, LOG_INFO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    overfill();
    stop();
    close_ends();
}

static void make_sockets(int type)
{
    int small = 8192;

    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
}

TEST(full_socket_drops_lines_and_confesses)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        make_sockets(types[i]);
        start(ends[1], LOG_TEXT, LOG_INFO);
        overfill();
        stop();
        assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
        close_ends();
    }
}

TEST(dropped_lines_are_confessed_in_json_too)
{
    unsigned long got = 0, dropped = 0;
    char *at, *end;

    start_on_pipe(LOG_JSON, LOG_INFO);
    log_lines(5000);
    hear();
    for (at = heard; (end = strchr(at, '\n')); at = end + 1)
        got++;
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "back");
    hear();
    stop();
    close_ends();
    for (at = heard; (end = strchr(at, '\n')); at = end + 1) {
        json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);

        assert_non_null(line);
        if (strcmp(string_of(line, "event"), "log-dropped") == 0) {
            dropped += (unsigned long)json_integer_value(json_object_get(line, "lines"));
            assert_string_equal(string_of(line, "level"), "warning");
        }
        json_decref(line);
    }
    assert_true(dropped > 0);
    assert_int_equal(got + dropped, 5000);
}

static void *log_many(void *unused)
{
    (void)unused;
    log_lines(500);
    return NULL;
}

TEST(threads_neither_mix_nor_lose_lines)
{
    unsigned long got = 0, dropped = 0;
    pthread_t threads[4];

    start_on_pipe(LOG_TEXT, LOG_INFO);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    hear();
    got += count(LINE, &dropped);
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, LINE);
    hear();
    got += count(LINE, &dropped);
    stop();
    close_ends();
    assert_int_equal(got + dropped, 2001);
}

static void *read_to_the_end(void *count)
{
    char c;

    while (read(ends[0], &c, 1) == 1) /* slowly */
        *(int *)count += c == '\n';
    return NULL;
}

/* When nothing is served any more a reader has time. */
TEST(last_lines_wait_for_a_slow_reader)
{
    pthread_t reader;
    int lines = 0;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) != -1);
    start(ends[1], LOG_TEXT, LOG_INFO);
    for (int i = 0; i < 500; i++)
        log_event(LOG_INFO, "line", LOG_NO_FIELDS, "nobody reads this yet: line %d", i);
    assert_int_equal(pthread_create(&reader, NULL, read_to_the_end, &lines), 0);
    log_patiently();
    for (int i = 0; i < 200; i++)
        log_event(LOG_INFO, "line", LOG_NO_FIELDS, "the last words, number %d", i);
    stop();
    log_init("echo-it", LOG_TEXT, LOG_INFO); /* which closes the log's own end of the pipe */
    close(ends[1]);
    assert_int_equal(pthread_join(reader, NULL), 0);
    close(ends[0]);
    assert_in_range(lines, 202, 700); /* with the count of the others, and what had found room */
}

TEST(file_gets_every_line)
{
    unsigned long dropped = 0;
    FILE *file = tmpfile();

    assert_non_null(file);
    start(fileno(file), LOG_TEXT, LOG_INFO);
    log_lines(1000);
    stop();
    ends[0] = fileno(file);
    assert_int_equal(lseek(ends[0], 0, SEEK_SET), 0);
    hear();
    assert_int_equal(count(LINE, &dropped), 1000);
    assert_int_equal(dropped, 0);
    fclose(file);
}

TEST(closed_standard_error_is_harmless)
{
    unsigned long dropped = 0;

    start(-1, LOG_TEXT, LOG_INFO);
    log_lines(3);
    stop();
    start_on_pipe(LOG_TEXT, LOG_INFO); /* what was missed is not forgotten */
    log_lines(1);
    stop_and_hear();
    assert_int_equal(count(LINE, &dropped), 1);
    assert_int_equal(dropped, 3);
}

TEST(full_device_is_harmless)
{
    unsigned long dropped = 0;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(full != -1);
    start(full, LOG_TEXT, LOG_INFO);
    log_lines(3);
    stop();
    close(full);
    start_on_pipe(LOG_TEXT, LOG_INFO);
    log_lines(1);
    stop_and_hear();
    assert_int_equal(count(LINE, &dropped), 1);
    assert_int_equal(dropped, 3);
}

/* Programs ignore SIGPIPE, see process_ignore(); a socket must not even need that. */
TEST(reader_that_went_away_is_harmless)
{
    unsigned long dropped = 0;

    make_sockets(SOCK_STREAM);
    start(ends[1], LOG_TEXT, LOG_INFO);
    close(ends[0]);
    log_lines(2);
    stop();
    close(ends[1]);

    signal(SIGPIPE, SIG_IGN);
    start_on_pipe(LOG_TEXT, LOG_INFO);
    close(ends[0]);
    log_lines(2);
    stop();
    start(ends[1], LOG_TEXT, LOG_INFO); /* and nobody there from the beginning */
    log_lines(2);
    stop();
    close(ends[1]);
    signal(SIGPIPE, SIG_DFL);

    start_on_pipe(LOG_TEXT, LOG_INFO);
    log_lines(1);
    stop_and_hear();
    assert_int_equal(count(LINE, &dropped), 1);
    assert_int_equal(dropped, 6);
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A program starts its log early, to complain about its options, and again when it knows them. */
TEST(starting_again_holds_no_more_descriptors)
{
    int before;

    start_on_pipe(LOG_TEXT, LOG_INFO);
    before = open_descriptors();
    for (int i = 0; i < 10; i++)
        log_init("echo-it", LOG_JSON, LOG_NOTICE);
    assert_int_equal(open_descriptors(), before);
    log_init("echo-it", LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "still there");
    assert_string_equal(stop_and_hear(), "still there\n");
}

TEST(starting_again_follows_standard_error)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    start_on_pipe(LOG_TEXT, LOG_INFO);
    stop();
    start(fileno(file), LOG_TEXT, LOG_INFO); /* from a pipe to a file, which is not opened again */
    log_event(LOG_INFO, "x", LOG_NO_FIELDS, "to the file");
    stop();
    assert_string_equal(hear(), "");
    close_ends();
    ends[0] = fileno(file);
    assert_int_equal(lseek(ends[0], 0, SEEK_SET), 0);
    assert_string_equal(hear(), "to the file\n");
    fclose(file);
}

/* Else "--help" with a closed output would be printed into the log, and called a success. */
TEST(log_never_takes_the_place_of_input_or_output)
{
    int status = -1;
    pid_t child;

    make_pipe();
    fflush(stdout);
    child = fork();
    if (child == 0) {
        bool closed;

        dup2(ends[1], STDERR_FILENO);
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        log_init("echo-it", LOG_TEXT, LOG_INFO);
        closed = fcntl(STDIN_FILENO, F_GETFD) == -1 && fcntl(STDOUT_FILENO, F_GETFD) == -1;
        log_event(LOG_INFO, "x", LOG_NO_FIELDS, "still there");
        _exit(closed ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(hear(), "still there\n");
    close_ends();
}

/* A failed test must be able to say so. */
static int give_back(void **state __attribute__((unused)))
{
    if (saved != -1)
        stop();
    return 0;
}

#define LOG_TEST(f) cmocka_unit_test_teardown(f, give_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(text_line_is_the_sentence),
        LOG_TEST(errors_and_warnings_carry_the_programs_name),
        LOG_TEST(less_important_lines_are_left_out),
        LOG_TEST(json_line_has_time_level_event_fields_and_message),
        LOG_TEST(json_levels_have_names),
        LOG_TEST(text_line_cannot_be_forged),
        LOG_TEST(json_line_cannot_be_forged),
        LOG_TEST(long_sentence_is_cut_and_says_so),
        LOG_TEST(long_json_line_is_not_lost),
        LOG_TEST(json_line_at_its_bound_is_whole),
        LOG_TEST(own_description_is_used_for_a_pipe),
        LOG_TEST(full_pipe_drops_lines_and_confesses),
        LOG_TEST(full_pipe_that_cannot_be_opened_again_drops_lines_too),
        LOG_TEST(full_socket_drops_lines_and_confesses),
        LOG_TEST(dropped_lines_are_confessed_in_json_too),
        LOG_TEST(threads_neither_mix_nor_lose_lines),
        LOG_TEST(last_lines_wait_for_a_slow_reader),
        LOG_TEST(file_gets_every_line),
        LOG_TEST(closed_standard_error_is_harmless),
        LOG_TEST(full_device_is_harmless),
        LOG_TEST(reader_that_went_away_is_harmless),
        LOG_TEST(starting_again_holds_no_more_descriptors),
        LOG_TEST(starting_again_follows_standard_error),
        LOG_TEST(log_never_takes_the_place_of_input_or_output),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
