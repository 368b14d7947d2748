/* test_supervisor.c -- the variables of a service manager are taken out of the environment, whatever comes
 * of them, and a descriptor that was taken is close-on-exec. What they mean is tested with real
 * servers, in tests/e2e/test_supervisor.py.
 *
 * SPDX-License-Identifier: MIT */
#include "net/supervisor.h"

#include "base/err.h"
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

static void set_variables(const char *fds)
{
    char pid[16];

    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", fds, 1);
    setenv("LISTEN_FDNAMES", "echo", 1);
}

static void assert_taken_out(void)
{
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
}

/* Descriptor 3 becomes a listening socket for the time of a test; who had it gets it back. */
static int saved;

static void listen_at_3(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(listen(fd, 1), 0);
    saved = fcntl(3, F_DUPFD_CLOEXEC, 100);
    if (fd != 3) {
        assert_int_equal(dup2(fd, 3), 3);
        close(fd);
    }
}

static void give_3_back(void)
{
    close(3);
    if (saved != -1) {
        dup2(saved, 3);
        close(saved);
    }
}

TEST(a_socket_is_taken)
{
    struct passed *list;
    struct err err;
    size_t n;

    listen_at_3();
    set_variables("1");
    assert_int_equal(supervisor_sockets(&list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(list[0].fd, 3);
    assert_true(list[0].always);
    assert_true(addr_port(&list[0].addr) != 0);
    assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
    assert_taken_out();
    free(list);
    give_3_back();
}

TEST(a_mistake_is_taken_out_too)
{
    struct passed *list = NULL;
    struct err err;
    size_t n;

    set_variables("none");
    assert_int_equal(supervisor_sockets(&list, &n, &err), -EINVAL);
    assert_null(list);
    assert_taken_out();
}

TEST(what_is_for_another_process_is_taken_out_too)
{
    struct passed *list;
    struct err err;
    size_t n;

    set_variables("1");
    setenv("LISTEN_PID", "1", 1);
    assert_int_equal(supervisor_sockets(&list, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_null(list);
    assert_taken_out();
}

TEST(nobody_to_tell)
{
    struct supervisor s;
    struct err err;

    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(supervisor_open(&s, &err), 0);
    supervisor_tell(&s, "READY=1");
    supervisor_tell(NULL, "READY=1");
    supervisor_close(&s);

    setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
    assert_int_equal(supervisor_open(&s, &err), -EAFNOSUPPORT);
    assert_null(getenv("NOTIFY_SOCKET"));
    supervisor_tell(&s, "READY=1");
    supervisor_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_is_taken),
        cmocka_unit_test(a_mistake_is_taken_out_too),
        cmocka_unit_test(what_is_for_another_process_is_taken_out_too),
        cmocka_unit_test(nobody_to_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
