/* test_listener.c -- what a listener promises, asked of the real kernel on the loopback interface.
 *
 * Ports are the kernel's choice. One refusal cannot be provoked everywhere (a port that takes a
 * privilege), so bind(2) is this file's own: it passes the call on, except when told to refuse; and so is
 * listen(2), which fails only in a race.
 *
 * SPDX-License-Identifier: MIT */
#include "net/listener.h"

#include "base/err.h"
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
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

static bool refuse_bind, refuse_listen;

int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    if (refuse_bind) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_bind, fd, addr.__sockaddr__, len);
}

int listen(int fd, int backlog)
{
    if (refuse_listen) {
        errno = EADDRINUSE;
        return -1;
    }
    return (int)syscall(SYS_listen, fd, backlog);
}

static struct addr loopback(void)
{
    return (struct addr){.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}},
                         .len = sizeof(struct sockaddr_in)};
}

static struct addr any_v6(void)
{
    return (struct addr){.in6 = {.sin6_family = AF_INET6}, .len = sizeof(struct sockaddr_in6)};
}

/* Opens one that works and sets *addr to where it is. */
static int open_listener(struct addr *addr, const struct listener_config *config)
{
    struct err err = {0};
    int fd = -1, r = listener_open(&fd, addr, config, &err);

    if (r != 0)
        print_error("%s\n", err.text);
    assert_int_equal(r, 0);
    assert_true(fd >= 0);
    assert_int_equal(sock_local(addr, fd), 0);
    return fd;
}

/* Returns the accepted end and sets *ret_client. */
static int connect_to(int listener, const struct addr *addr, int *ret_client)
{
    int client = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), served;
    struct pollfd p = {.fd = listener, .events = POLLIN};

    assert_true(client != -1);
    assert_int_equal(connect(client, &addr->sa, addr->len), 0);
    assert_int_equal(poll(&p, 1, 10000), 1);
    served = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(served != -1);
    *ret_client = client;
    return served;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int file_number(const char *path)
{
    FILE *in = fopen(path, "r");
    int value = -1;

    if (!in)
        return -1;
    if (fscanf(in, "%d", &value) != 1)
        value = -1;
    fclose(in);
    return value;
}

TEST(listener_neither_blocks_nor_is_inherited)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5});

    assert_true(addr_port(&addr) > 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(accept4(fd, NULL, NULL, 0), -1);
    assert_int_equal(errno, EAGAIN);
    close(fd);
}

TEST(connections_inherit_their_options)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5}), client;
    int served = connect_to(fd, &addr, &client);

    assert_true(option(served, IPPROTO_TCP, TCP_NODELAY));
    assert_true(option(served, SOL_SOCKET, SO_OOBINLINE));
    assert_true(option(served, SOL_SOCKET, SO_KEEPALIVE));
    assert_false(option(fd, SOL_SOCKET, SO_REUSEPORT));
    close(client);
    close(served);
    close(fd);
}

TEST(urgent_byte_comes_in_its_place)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5}), client;
    int served = connect_to(fd, &addr, &client);
    char got[8] = "";
    size_t n = 0;

    assert_int_equal(send(client, "ab", 2, 0), 2);
    assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
    assert_int_equal(send(client, "cd", 2, 0), 2);
    while (n < 5) { /* a receive stops at the mark */
        ssize_t r = recv(served, got + n, sizeof got - n, 0);

        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_string_equal(got, "ab!cd");
    close(client);
    close(served);
    close(fd);
}

/* The kernel doubles what it is asked for, see sock.h. */
TEST(connections_inherit_the_asked_buffers)
{
    struct addr addr = loopback();
    int fd = open_listener(
        &addr, &(struct listener_config){.backlog = 5, .sndbuf = 16384, .rcvbuf = 32768});
    int client, served = connect_to(fd, &addr, &client);

    assert_int_equal(option(served, SOL_SOCKET, SO_SNDBUF), 2 * 16384);
    assert_int_equal(option(served, SOL_SOCKET, SO_RCVBUF), 2 * 32768);
    close(client);
    close(served);
    close(fd);
}

/* More than an int takes is as much as the kernel allows, not a negative number. */
TEST(huge_buffers_are_clamped)
{
    struct addr addr = loopback();
    int fd = open_listener(
        &addr,
        &(struct listener_config){.backlog = 5, .sndbuf = UINT64_MAX, .rcvbuf = UINT64_C(1) << 32});

    assert_true(option(fd, SOL_SOCKET, SO_SNDBUF) >= 65536);
    assert_true(option(fd, SOL_SOCKET, SO_RCVBUF) >= 65536);
    close(fd);
}

TEST(second_listener_on_an_address_fails)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5}), other = 4711;
    char sentence[128];
    struct err err;

    assert_int_equal(listener_open(&other, &addr, &(struct listener_config){.backlog = 5}, &err),
                     -EADDRINUSE);
    assert_int_equal(other, 4711);
    snprintf(sentence, sizeof sentence, "cannot bind to '127.0.0.1:%u': Address already in use",
             addr_port(&addr));
    assert_string_equal(err.text, sentence);
    close(fd);
}

/* The accepted end is closed first, and its port lingers in TIME_WAIT. */
TEST(address_can_be_listened_on_again_at_once)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5}), client;
    int served = connect_to(fd, &addr, &client);

    close(served);
    close(fd);
    fd = open_listener(&addr, &(struct listener_config){.backlog = 5});
    close(client);
    close(fd);
}

TEST(foreign_address_is_refused)
{
    struct addr addr = loopback();
    struct err err;
    int fd = 4711;

    if (file_number("/proc/sys/net/ipv4/ip_nonlocal_bind") == 1)
        skip();
    assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &addr.in.sin_addr), 1);
    assert_int_equal(listener_open(&fd, &addr, &(struct listener_config){.backlog = 5}, &err),
                     -EADDRNOTAVAIL);
    assert_string_equal(err.text, "cannot bind to '192.0.2.1:0': Cannot assign requested address");
    assert_int_equal(fd, 4711);
}

TEST(refused_privileged_port_says_what_to_do)
{
    struct addr addr = loopback();
    struct err err;
    int fd = 4711, r;

    addr_set_port(&addr, 80);
    refuse_bind = true;
    r = listener_open(&fd, &addr, &(struct listener_config){.backlog = 5}, &err);
    refuse_bind = false;
    assert_int_equal(r, -EACCES);
    assert_string_equal(err.text, "cannot bind to '127.0.0.1:80' (ports below 1024 want "
                                  "CAP_NET_BIND_SERVICE; use another or "
                                  "net.ipv4.ip_unprivileged_port_start): Permission denied");
    assert_int_equal(fd, 4711);
}

TEST(refused_listening_is_said_and_leaves_nothing_open)
{
    struct addr addr = loopback();
    struct err err;
    int fd = 4711, r, next = dup(STDOUT_FILENO);

    close(next);
    refuse_listen = true;
    r = listener_open(&fd, &addr, &(struct listener_config){.backlog = 5}, &err);
    refuse_listen = false;
    assert_int_equal(r, -EADDRINUSE);
    assert_string_equal(err.text, "cannot listen on '127.0.0.1:0': Address already in use");
    assert_int_equal(fd, 4711);
    fd = dup(STDOUT_FILENO);
    assert_int_equal(fd, next); /* the lowest free descriptor is the same as before */
    close(fd);
}

TEST(unknown_family_is_refused)
{
    struct addr addr = {.sa = {.sa_family = 255}, .len = sizeof(struct sockaddr)};
    struct err err;
    int fd = 4711;

    assert_int_equal(listener_open(&fd, &addr, &(struct listener_config){.backlog = 5}, &err),
                     -EAFNOSUPPORT);
    assert_memory_equal(err.text, "cannot create a socket for 'an unknown address': ", 49);
    assert_int_equal(fd, 4711);
}

static bool have_v6(void)
{
    struct addr addr = any_v6();
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool have = fd != -1 && bind(fd, &addr.sa, addr.len) == 0;

    if (fd != -1)
        close(fd);
    return have;
}

TEST(v6_listener_serves_ipv4_unless_told_otherwise)
{
    struct addr addr = any_v6(), v4 = loopback(), peer;
    int fd, client, served;
    char text[ADDR_TEXT_MAX];

    if (!have_v6())
        skip();
    fd = open_listener(&addr, &(struct listener_config){.backlog = 5});
    addr_set_port(&v4, addr_port(&addr));
    served = connect_to(fd, &v4, &client);
    assert_int_equal(sock_peer(&peer, served), 0);
    assert_memory_equal(addr_text(text, &peer), "127.0.0.1:", 10);
    close(client);
    close(served);
    close(fd);

    addr = any_v6();
    fd = open_listener(&addr, &(struct listener_config){.backlog = 5, .v6only = true});
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    close(fd);
}

TEST(blocking_can_be_switched)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5});

    assert_int_equal(sock_set_blocking(fd, true), 0);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(sock_set_blocking(fd, true), 0);
    assert_int_equal(sock_set_blocking(fd, false), 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    assert_int_equal(sock_set_blocking(-1, true), -EBADF);
    assert_int_equal(sock_set(-1, SOL_SOCKET, SO_KEEPALIVE, 1), -EBADF);
    assert_int_equal(sock_set_buffers(-1, 0, 0), 0); /* nothing to set */
    assert_int_equal(sock_set_buffers(-1, 1, 0), -EBADF);
    assert_int_equal(sock_set_buffers(-1, 0, 1), -EBADF);
}

/* Not even the one that every kernel has. */
TEST(congestion_control_has_its_whole_name)
{
    struct addr addr = loopback();
    int fd = open_listener(&addr, &(struct listener_config){.backlog = 5, .congestion = "reno"});
    char name[SOCK_CONGESTION_MAX];
    struct err err;

    sock_congestion(name, fd);
    assert_string_equal(name, "reno");
    assert_int_equal(sock_set_congestion(fd, ""), -ENOENT);
    assert_int_equal(sock_set_congestion(fd, "ren"), -ENOENT);
    assert_int_equal(sock_set_congestion(fd, "reno-and-much-more"), -ENOENT);
    sock_congestion(name, fd);
    assert_string_equal(name, "reno");
    close(fd);
    assert_int_equal(sock_set_congestion(-1, "reno"), -EBADF);
    addr = loopback();
    assert_int_equal(listener_open(&fd, &addr,
                                   &(struct listener_config){.backlog = 5, .congestion = "no-such"},
                                   &err),
                     -ENOENT);
    assert_memory_equal(err.text, "cannot set socket options for '127.0.0.1:0'", 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listener_neither_blocks_nor_is_inherited),
        cmocka_unit_test(connections_inherit_their_options),
        cmocka_unit_test(urgent_byte_comes_in_its_place),
        cmocka_unit_test(connections_inherit_the_asked_buffers),
        cmocka_unit_test(huge_buffers_are_clamped),
        cmocka_unit_test(second_listener_on_an_address_fails),
        cmocka_unit_test(address_can_be_listened_on_again_at_once),
        cmocka_unit_test(foreign_address_is_refused),
        cmocka_unit_test(refused_privileged_port_says_what_to_do),
        cmocka_unit_test(refused_listening_is_said_and_leaves_nothing_open),
        cmocka_unit_test(unknown_family_is_refused),
        cmocka_unit_test(v6_listener_serves_ipv4_unless_told_otherwise),
        cmocka_unit_test(blocking_can_be_switched),
        cmocka_unit_test(congestion_control_has_its_whole_name),
    };

    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
