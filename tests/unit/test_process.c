/* test_process.c -- descriptors 0, 1 and 2, limits, CPUs and signals, settled before anything else.
 *
 * What a test changes is the process's own, so each runs in a child. The child's exit code says which
 * of its checks failed first: it may have no standard error to say it on.
 *
 * SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

/* In a child: ends it with the line that failed, as far as an exit code goes. */
#define CHECK(condition)               \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 255 + 1); \
    } while (0)

static void in_child(void (*run)(unsigned), unsigned argument)
{
    int status = -1;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        run(argument);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status))
        print_error("argument %u: the check on line %d (modulo 255) failed\n", argument,
                    WEXITSTATUS(status) - 1);
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* 'closed' has a bit for each of 0, 1 and 2. */
static void guard_with_closed(unsigned closed)
{
    struct stat before[3], after;
    struct err err;
    char c = 'x';
    int fd;

    for (fd = 0; fd <= 2; fd++)
        if (closed & 1u << fd)
            close(fd);
        else
            CHECK(fstat(fd, &before[fd]) == 0);
    CHECK(process_guard_stdio(&err) == 0);
    for (fd = 0; fd <= 2; fd++) {
        CHECK(fstat(fd, &after) == 0);
        if (!(closed & 1u << fd)) /* left as it was */
            CHECK(after.st_dev == before[fd].st_dev && after.st_ino == before[fd].st_ino);
        else if (fd == 0)
            CHECK(read(fd, &c, 1) == -1 && errno == EBADF);
        else
            CHECK(write(fd, &c, 1) == -1 && errno == EBADF);
    }
    CHECK(socket(AF_INET, SOCK_STREAM, 0) > 2);
}

TEST(sockets_never_become_standard_descriptors)
{
    for (unsigned closed = 0; closed < 8; closed++)
        in_child(guard_with_closed, closed);
}

static void guard_without_descriptors(unsigned unused)
{
    struct rlimit none = {0, 0};
    struct err err;

    (void)unused;
    close(STDOUT_FILENO);
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(process_guard_stdio(&err) == -EMFILE);
    CHECK(strcmp(err.text, "cannot open '/dev/null' in place of a closed descriptor 1: "
                           "Too many open files") == 0);
}

TEST(guard_that_fails_says_so)
{
    in_child(guard_without_descriptors, 0);
}

static void raise_from(unsigned soft)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = soft;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > 4096)
        limit.rlim_max = 4096;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(process_raise_nofile() == limit.rlim_max);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(limit.rlim_cur == limit.rlim_max);
    CHECK(process_raise_nofile() == limit.rlim_max); /* a second time changes nothing */
}

TEST(soft_descriptor_limit_becomes_the_hard_one)
{
    in_child(raise_from, 16);
    in_child(raise_from, 64);
}

static void count_cpus(unsigned unused)
{
    cpu_set_t all, one;
    size_t first = 0;

    (void)unused;
    CHECK(process_cpus() >= 1);
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CHECK(process_cpus() == (unsigned)CPU_COUNT(&all));
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(process_cpus() == 1);
}

TEST(cpus_are_those_that_may_be_used)
{
    in_child(count_cpus, 0);
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int signo)
{
    signals_seen += signo;
}

static void handle(unsigned unused)
{
    struct sigaction action;

    (void)unused;
    process_on_signal(SIGUSR1, on_signal);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(raise(SIGUSR1) == 0); /* stays installed */
    CHECK(signals_seen == 2 * SIGUSR1);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0);
    CHECK(action.sa_flags & SA_RESTART);
}

TEST(handler_stays_and_restarts_calls)
{
    in_child(handle, 0);
}

static void ignore(unsigned unused)
{
    static const int more[] = {SIGHUP, SIGUSR2, 0};
    int fds[2];

    (void)unused;
    process_ignore(more);
    CHECK(raise(SIGHUP) == 0);
    CHECK(raise(SIGUSR2) == 0);
    CHECK(pipe(fds) == 0);
    close(fds[0]);
    CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE);
}

TEST(ignored_signals_end_nothing)
{
    in_child(ignore, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_never_become_standard_descriptors),
        cmocka_unit_test(guard_that_fails_says_so),
        cmocka_unit_test(soft_descriptor_limit_becomes_the_hard_one),
        cmocka_unit_test(cpus_are_those_that_may_be_used),
        cmocka_unit_test(handler_stays_and_restarts_calls),
        cmocka_unit_test(ignored_signals_end_nothing),
    };

    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
