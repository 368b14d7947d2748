/* test_trace.c -- the words of a trace, for what a conversation of the programs seldom or never comes to.
 *
 * Lines are read back from a file that stands in for standard error. Where a state matters the socket is a real one.
 * What happens every day is in tests/e2e/test_trace.py.
 *
 * SPDX-License-Identifier: MIT */
#include "net/trace.h"

#include "base/log.h"
#include "net/addr.h"
#include "net/sock.h"
#include "net/trace_state.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static int heard_fd;    /* the file */
static int real_stderr; /* as it was */

static int start(void **state)
{
    const struct trace_config config = {.level = 2, .peer = "server"};

    (void)state;
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    heard_fd = memfd_create("heard", MFD_CLOEXEC);
    dup2(heard_fd, STDERR_FILENO);
    log_init("meari", LOG_TEXT, LOG_NOTICE);
    trace_enable(&config);
    return 0;
}

static int stop(void **state)
{
    const struct trace_config off = {.level = 0};

    (void)state;
    trace_enable(&off);
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(heard_fd);
    return 0;
}

/* What was told since the last time, with the number of 'fd' as F. */
static const char *told(int fd)
{
    static char text[4096], out[4096];
    char number[16];
    ssize_t n = pread(heard_fd, text, sizeof text - 1, 0);
    const char *at;

    assert_true(n >= 0);
    assert_int_equal(ftruncate(heard_fd, 0), 0);
    assert_int_equal(lseek(STDERR_FILENO, 0, SEEK_SET), 0);
    text[n] = '\0';
    snprintf(number, sizeof number, "(%d", fd);
    at = strstr(text, number);
    if (!at)
        return text;
    snprintf(out, sizeof out, "%.*s(F%s", (int)(at - text), text, at + strlen(number));
    return out;
}

/* A connection over loopback: [0] is the end that connected. */
static void make_connection(int ends[static 2])
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct addr addr = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                        .len = sizeof addr.in};

    assert_int_equal(bind(listener, &addr.sa, addr.len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(sock_local(&addr, listener), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[0], &addr.sa, addr.len), 0);
    ends[1] = accept(listener, NULL, NULL);
    assert_true(ends[1] != -1);
    close(listener);
}

/* --- failures ----------------------------------------------------------------------------------- */

TEST(every_error_has_its_name_and_errno_stays)
{
    const struct {
        int code;
        const char *line;
    } cases[] = {
        {EAGAIN, "recv(F) = EAGAIN           CLOSED       nothing has come yet\n"},
        {EINTR, "recv(F) = EINTR            CLOSED       a signal came first: once more\n"},
        {ECONNRESET, "recv(F) = ECONNRESET       CLOSED       reset by the server (RST)\n"},
        {EPIPE, "recv(F) = EPIPE            CLOSED       nothing can be sent any more\n"},
        {ETIMEDOUT, "recv(F) = ETIMEDOUT        CLOSED       Connection timed out\n"},
        {4000, "recv(F) = an unknown error CLOSED       Unknown error 4000\n"},
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    for (size_t i = 0; i < LENGTH(cases); i++) {
        errno = cases[i].code;
        trace_recv(fd, NULL, -1);
        assert_int_equal(errno, cases[i].code);
        assert_string_equal(told(fd), cases[i].line);
    }
    close(fd);
}

TEST(every_call_may_fail)
{
    const struct addr addr = {.in = {.sin_family = AF_INET}, .len = sizeof addr.in};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    errno = EMFILE;
    trace_socket(AF_INET6, -1);
    assert_string_equal(told(fd), "socket(AF_INET6) = EMFILE               Too many open files\n");
    errno = EADDRINUSE;
    trace_bind(fd, &addr, -1);
    assert_string_equal(told(fd),
                        "bind(F) = EADDRINUSE                    Address already in use\n");
    errno = EADDRINUSE;
    trace_listen(fd, 5, -1);
    assert_string_equal(told(fd),
                        "listen(F, 5) = EADDRINUSE               Address already in use\n");
    errno = EAGAIN;
    trace_accept(fd, -1);
    assert_string_equal(told(fd),
                        "accept4(F) = EAGAIN                     nobody waits in the queue\n");
    errno = ENETUNREACH;
    trace_connect(fd, &addr, -1);
    assert_string_equal(told(fd),
                        "connect(F) = ENETUNREACH                Network is unreachable\n");
    errno = ENOTCONN;
    trace_shutdown(fd, -1, 0);
    assert_string_equal(
        told(fd), "shutdown(F, SHUT_WR) = ENOTCONN         Transport endpoint is not connected\n");
    errno = EBADF;
    trace_close(fd, -1, 0);
    assert_string_equal(told(fd), "close(F) = EBADF                        Bad file descriptor\n");
    errno = EINTR;
    trace_wait("poll", -1, 0);
    assert_string_equal(told(fd),
                        "poll() = EINTR                          a signal came first: once more\n");
    close(fd);
}

TEST(a_ring_fails_without_errno)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    errno = 0;
    trace_cqe_recv(fd, NULL, -ENOBUFS);
    assert_string_equal(told(fd),
                        "cqe recv(F) = ENOBUFS      CLOSED       no buffer was free: once more\n");
    trace_cqe_recv(fd, NULL, -ECANCELED);
    assert_string_equal(told(fd), "cqe recv(F) = ECANCELED    CLOSED       ended, as we asked\n");
    trace_cqe_recv(fd, NULL, -EPERM); /* -1 as well */
    assert_string_equal(told(fd),
                        "cqe recv(F) = EPERM        CLOSED       Operation not permitted\n");
    trace_cqe_send(fd, "hello", 5, 2);
    assert_string_equal(
        told(fd), "cqe send(F) = 2 \"he\"       CLOSED       of 5: there was no room for more\n");
    assert_int_equal(errno, 0);
    errno = ETIME;
    trace_wait("io_uring_enter", -1, 0);
    assert_string_equal(told(fd), "io_uring_enter() = ETIME                nothing, so far\n");
    close(fd);
}

/* --- states ------------------------------------------------------------------------------------- */

TEST(every_state_has_its_name)
{
    const char *const names[] = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                 "FIN_WAIT_1", "FIN_WAIT_2",  "TIME_WAIT", "CLOSED",
                                 "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};

    for (size_t i = 0; i < LENGTH(names); i++) /* in the kernel's order */
        assert_string_equal(trace_state_name((int)i), names[i]);
    assert_int_equal(trace_state_of(-1), 0);
}

TEST(a_connect_that_succeeds_at_once)
{
    struct addr to;
    int ends[2], lone = socket(AF_INET, SOCK_STREAM, 0);

    make_connection(ends);
    assert_int_equal(sock_peer(&to, ends[0]), 0);
    trace_connect(ends[0], &to, 0);
    assert_non_null(
        strstr(told(ends[0]), "connect(F) = 0             ESTABLISHED  from 127.0.0.1:"));
    trace_so_error(lone, 0); /* it is gone again */
    assert_string_equal(told(lone), "SO_ERROR(F) = 0            CLOSED\n");
    close(ends[0]);
    close(ends[1]);
    close(lone);
}

/* As when the client reset the connection before it was accepted. */
TEST(a_client_that_is_gone)
{
    int lone = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);

    trace_accept(other, lone);
    assert_non_null(strstr(told(other), "CLOSED       client 1, gone already\n"));
    close(lone);
    close(other);
}

TEST(a_close_that_resets)
{
    int ends[2];

    make_connection(ends);
    assert_int_equal(send(ends[1], "x", 1, 0), 1);
    assert_int_equal(recv(ends[0], &(char){0}, 1, MSG_PEEK), 1); /* it has come */
    sock_close(ends[0]);
    assert_string_equal(
        told(ends[0]),
        "close(F) = 0               CLOSED       unread bytes: a reset (RST), no FIN\n");
    close(ends[1]);
}

/* One end after the other, from our side. */
TEST(the_way_of_who_ends_first)
{
    int ends[2];

    make_connection(ends);
    assert_int_equal(sock_shutdown(ends[0]), 0);
    assert_string_equal(
        told(ends[0]),
        "shutdown(F, SHUT_WR) = 0   FIN_WAIT_1   we have nothing more to say (FIN)\n");
    assert_int_equal(recv(ends[1], &(char){0}, 1, 0), 0);
    assert_int_equal(sock_shutdown(ends[1]), 0);
    assert_string_equal(
        told(ends[1]),
        "shutdown(F, SHUT_WR) = 0   LAST_ACK     we have nothing more to say (FIN)\n");
    assert_int_equal(recv(ends[0], &(char){0}, 1, 0), 0);
    trace_recv(ends[0], NULL, 0);
    assert_string_equal(
        told(ends[0]),
        "recv(F) = 0                TIME_WAIT    the server has nothing more to say (FIN)\n");
    sock_close(ends[0]);
    assert_string_equal(
        told(ends[0]),
        "close(F) = 0               TIME_WAIT    the kernel remembers it for a minute\n");
    close(ends[1]);
}

TEST(a_close_that_does_not_wait_for_the_other_end)
{
    int ends[2];

    make_connection(ends);
    trace_close(ends[0], 0, TCP_ESTABLISHED);
    assert_string_equal(told(ends[0]),
                        "close(F) = 0               FIN_WAIT_1   our FIN follows the last byte\n");
    trace_close(ends[0], 0, TCP_FIN_WAIT2);
    assert_string_equal(
        told(ends[0]),
        "close(F) = 0               FIN_WAIT_2   the kernel waits for their FIN, not we\n");
    trace_close(ends[0], 0, TCP_LISTEN);
    assert_string_equal(
        told(ends[0]),
        "close(F) = 0                            nobody is accepted here any more\n");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_error_has_its_name_and_errno_stays, start, stop),
        cmocka_unit_test_setup_teardown(every_call_may_fail, start, stop),
        cmocka_unit_test_setup_teardown(a_ring_fails_without_errno, start, stop),
        cmocka_unit_test_setup_teardown(every_state_has_its_name, start, stop),
        cmocka_unit_test_setup_teardown(a_connect_that_succeeds_at_once, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_is_gone, start, stop),
        cmocka_unit_test_setup_teardown(a_close_that_resets, start, stop),
        cmocka_unit_test_setup_teardown(the_way_of_who_ends_first, start, stop),
        cmocka_unit_test_setup_teardown(a_close_that_does_not_wait_for_the_other_end, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
