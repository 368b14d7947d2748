/* test_backlog.c -- what is read of a listener, asked of the real kernel on loopback; and the file with the counters of
 * the network, as it is and as it might be.
 *
 * A kernel that refuses an answer cannot be had, so getsockopt(2) is this file's own: it passes the call on, except
 * when told to refuse or to make one up.
 *
 * SPDX-License-Identifier: MIT */
#include "net/backlog.h"

#include "base/err.h"
#include "net/addr.h"
#include "net/listener.h"
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

static int refused;         /* the option whose answer is refused; 0: none */
static socklen_t shortened; /* what the answer has at most, in bytes; 0: all of it */
static uint32_t made_up;    /* added to the kernel's counter of drops */

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
    if (option == refused) {
        errno = EPERM;
        return -1;
    }
    if (syscall(SYS_getsockopt, fd, level, option, value, len) == -1)
        return -1;
    if (level == SOL_SOCKET && option == SO_MEMINFO) {
        ((uint32_t *)value)[SK_MEMINFO_DROPS] += made_up;
        if (shortened)
            *len = shortened;
    }
    return 0;
}

static int listener(int backlog, struct addr *ret)
{
    struct addr addr = {.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}},
                        .len = sizeof(struct sockaddr_in)};
    struct listener_config config = {.backlog = backlog};
    struct err err;
    int fd;

    assert_int_equal(listener_open(&fd, &addr, &config, &err), 0);
    assert_int_equal(sock_local(ret, fd), 0);
    return fd;
}

/* A connect that is not waited for. */
static int call(const struct addr *to)
{
    int fd = sock_create(AF_INET, NULL);

    assert_true(fd >= 0);
    (void)sock_connect(fd, to);
    return fd;
}

static void says(struct backlog_gauge *gauge, int64_t waiting, int64_t limit, bool full)
{
    struct backlog b;

    backlog_read(gauge, &b);
    assert_int_equal(b.waiting, waiting);
    assert_int_equal(b.limit, limit);
    assert_int_equal(backlog_full(&b), full);
}

TEST(a_queue_fills_beyond_its_limit_and_drops)
{
    struct backlog_gauge gauge;
    struct backlog b;
    struct addr addr;
    int fd = listener(1, &addr), clients[4];

    backlog_begin(&gauge, fd);
    says(&gauge, 0, 1, false);
    clients[0] = call(&addr);
    says(&gauge, 1, 1, false);
    clients[1] = call(&addr);
    says(&gauge, 2, 1, true);
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, 0);
    clients[2] = call(&addr);
    clients[3] = call(&addr);
    backlog_read(&gauge, &b);
    assert_true(b.dropped >= 2);
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    close(fd);
}

TEST(what_was_dropped_before_is_not_counted)
{
    struct backlog_gauge gauge;
    struct backlog b;
    struct addr addr;
    int fd = listener(0, &addr), clients[] = {call(&addr), call(&addr)};

    close(clients[1]); /* so that its SYN is not sent again */
    backlog_begin(&gauge, fd);
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, 0);
    clients[1] = call(&addr);
    backlog_read(&gauge, &b);
    assert_true(b.dropped >= 1);
    close(clients[0]);
    close(clients[1]);
    close(fd);
}

TEST(the_limit_is_the_one_in_force)
{
    struct backlog_gauge gauge;
    struct addr addr;
    int64_t most = backlog_somaxconn();
    int fd = listener(LISTENER_BACKLOG_MAX, &addr);

    assert_true(most > 0);
    backlog_begin(&gauge, fd);
    says(&gauge, 0, most, false);
    assert_int_equal(listen(fd, 3), 0); /* may change while it lives */
    says(&gauge, 0, 3, false);
    close(fd);
}

TEST(a_counter_of_32_bits_wraps_around)
{
    struct backlog_gauge gauge;
    struct backlog b;
    struct addr addr;
    int fd = listener(5, &addr);

    made_up = UINT32_MAX - 1;
    backlog_begin(&gauge, fd);
    made_up = 3;
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, 5);
    made_up = 2; /* almost all the way round again */
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, 5 + (int64_t)UINT32_MAX);
    made_up = 0;
    close(fd);
}

TEST(what_the_kernel_does_not_say_is_unknown)
{
    struct backlog_gauge gauge;
    struct backlog b;
    struct addr addr;
    int fd = listener(5, &addr);

    refused = SO_MEMINFO;
    backlog_begin(&gauge, fd);
    says(&gauge, 0, 5, false);
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, BACKLOG_UNKNOWN);
    refused = 0;
    backlog_read(&gauge, &b); /* there is nothing that it could be compared with */
    assert_int_equal(b.dropped, BACKLOG_UNKNOWN);
    shortened = SK_MEMINFO_DROPS * sizeof(uint32_t); /* before Linux 4.12 had that number */
    backlog_begin(&gauge, fd);
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, BACKLOG_UNKNOWN);
    shortened = 0;
    refused = TCP_INFO;
    says(&gauge, BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, false);
    refused = 0;
    close(fd);
}

TEST(of_a_connection_there_is_no_backlog)
{
    struct backlog_gauge gauge;
    struct addr addr;
    int fd = listener(5, &addr), client = call(&addr);

    backlog_begin(&gauge, client);
    says(&gauge, BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, false);
    close(client);
    close(fd);
}

TEST(of_a_closed_one_the_drops_remain)
{
    struct backlog_gauge gauge;
    struct backlog b;
    struct addr addr;
    int fd = listener(0, &addr), clients[] = {call(&addr), -1};
    int64_t dropped;

    backlog_begin(&gauge, fd);
    clients[1] = call(&addr);
    backlog_read(&gauge, &b);
    dropped = b.dropped;
    assert_true(dropped >= 1);
    backlog_end(&gauge);
    close(fd);
    says(&gauge, BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, false);
    backlog_read(&gauge, &b);
    assert_int_equal(b.dropped, dropped);
    close(clients[0]);
    close(clients[1]);
}

/* --- the network -------------------------------------------------------------------------------- */

static void parses(const char *text, int64_t overflows, int64_t drops, int64_t cookies,
                   int64_t syns)
{
    struct backlog_network n;

    backlog_parse_network(text, &n);
    assert_int_equal(n.listen_overflows, overflows);
    assert_int_equal(n.listen_drops, drops);
    assert_int_equal(n.cookies, cookies);
    assert_int_equal(n.syn_queue_drops, syns);
}

TEST(counters_are_found_by_name)
{
    parses(
        "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDoCookies TCPReqQFullDrop\n"
        "TcpExt: 9 1 2 3 18446744073709551\n"
        "IpExt: InNoRoutes ListenDrops\nIpExt: 7 8\n",
        1, 2, 3, 18446744073709551);
    parses("IpExt: ListenDrops\nIpExt: 8\nMPTcpExt: ListenDrops\nMPTcpExt: 8\n"
           "TcpExt: TCPReqQFullDrop ListenDropsToo XListenDrops ListenDrops\nTcpExt: 4 5 6 7\n",
           -1, 7, -1, 4);
}

TEST(what_is_not_there_is_unknown)
{
    static const char *const texts[] = {
        "",
        "\n",
        "TcpExt:",
        "TcpExt:\nTcpExt:\n",
        "TcpExt: ListenDrops",
        "TcpExt: ListenDrops\n",
        "TcpExt: ListenDrops\nIpExt: 5\n",
        "TcpExt: ListenDrops\nTcpExt: five\n",
        "TcpExt: ListenDrops\nTcpExt: 5x\n",
        "TcpExt: ListenDrops\nTcpExt: -5\n",
        "TcpExt: Other ListenDrops\nTcpExt: 5\n",
        " TcpExt: ListenDrops\n TcpExt: 5\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        parses(texts[i], -1, -1, -1, -1);
    parses("TcpExt: ListenDrops\nTcpExt: 5", -1, 5, -1, -1);
}

TEST(the_real_file_has_all_four)
{
    struct backlog_network before, after;
    int fd = backlog_open_network();

    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    backlog_read_network(fd, &before);
    assert_true(before.listen_overflows >= 0 && before.listen_drops >= 0);
    assert_true(before.cookies >= 0 && before.syn_queue_drops >= 0);
    backlog_read_network(fd, &after); /* anew, from its beginning */
    assert_true(after.listen_drops >= before.listen_drops);
    close(fd);
}

TEST(without_the_file_all_is_unknown)
{
    struct backlog_network n;
    int fds[2], missing[] = {-ENOENT, 9999};

    for (int i = 0; i < 2; i++) {
        backlog_read_network(missing[i], &n);
        assert_int_equal(n.listen_drops, BACKLOG_UNKNOWN);
    }
    assert_int_equal(pipe(fds), 0); /* one that cannot be read again */
    backlog_read_network(fds[0], &n);
    assert_int_equal(n.listen_drops, BACKLOG_UNKNOWN);
    close(fds[0]);
    close(fds[1]);
}

/* A number that is cut off is another number. */
TEST(a_file_that_is_longer_than_we_read_is_unknown)
{
    struct backlog_network n;
    FILE *file = tmpfile();

    assert_non_null(file);
    fprintf(file, "TcpExt: ListenDrops\nTcpExt: ");
    for (int i = 0; i < 40000; i++)
        fputc('0', file);
    fprintf(file, "7\n");
    assert_int_equal(fflush(file), 0);
    backlog_read_network(fileno(file), &n);
    assert_int_equal(n.listen_drops, BACKLOG_UNKNOWN);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_fills_beyond_its_limit_and_drops),
        cmocka_unit_test(what_was_dropped_before_is_not_counted),
        cmocka_unit_test(the_limit_is_the_one_in_force),
        cmocka_unit_test(a_counter_of_32_bits_wraps_around),
        cmocka_unit_test(what_the_kernel_does_not_say_is_unknown),
        cmocka_unit_test(of_a_connection_there_is_no_backlog),
        cmocka_unit_test(of_a_closed_one_the_drops_remain),
        cmocka_unit_test(counters_are_found_by_name),
        cmocka_unit_test(what_is_not_there_is_unknown),
        cmocka_unit_test(the_real_file_has_all_four),
        cmocka_unit_test(without_the_file_all_is_unknown),
        cmocka_unit_test(a_file_that_is_longer_than_we_read_is_unknown),
    };

    return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
