/* test_addr.c -- how an address is written, compared, and asked of a socket.
 *
 * SPDX-License-Identifier: MIT */
#include "net/addr.h"
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* From its numeric form; the family is told by the colons. */
static struct addr addr_of(const char *host, uint16_t port, unsigned zone)
{
    struct addr addr = {0};

    if (strchr(host, ':')) {
        addr.in6.sin6_family = AF_INET6;
        addr.in6.sin6_scope_id = zone;
        addr.len = sizeof addr.in6;
        assert_int_equal(inet_pton(AF_INET6, host, &addr.in6.sin6_addr), 1);
    } else {
        addr.in.sin_family = AF_INET;
        addr.len = sizeof addr.in;
        assert_int_equal(inet_pton(AF_INET, host, &addr.in.sin_addr), 1);
    }
    addr_set_port(&addr, port);
    return addr;
}

TEST(addresses_have_one_text_form)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *text;
    } table[] = {
        {"127.0.0.1", 7777, "127.0.0.1:7777"},
        {"0.0.0.0", 0, "0.0.0.0:0"},
        {"255.255.255.255", 65535, "255.255.255.255:65535"},
        {"::1", 7777, "[::1]:7777"},
        {"::", 0, "[::]:0"},
        {"2001:db8:0:0:1::1", 80, "[2001:db8::1:0:0:1]:80"},
        {"fe80::1", 80, "[fe80::1]:80"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {"::ffff:192.0.2.1", 443, "192.0.2.1:443"}, /* a client of a dual-stack socket */
        {"::ffff:0.0.0.0", 1, "0.0.0.0:1"},
        {"::fffe:192.0.2.1", 443, "[::fffe:c000:201]:443"}, /* only one prefix means that */
    };
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < LENGTH(table); i++) {
        struct addr addr = addr_of(table[i].host, table[i].port, 0);

        assert_ptr_equal(addr_text(text, &addr), text);
        assert_string_equal(text, table[i].text);
        assert_int_equal(addr_port(&addr), table[i].port);
    }
}

TEST(zone_is_shown_by_its_name_or_number)
{
    char text[ADDR_TEXT_MAX], longest[] = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    struct addr addr = addr_of("fe80::1", 7, if_nametoindex("lo"));

    assert_string_equal(addr_text(text, &addr), "[fe80::1%lo]:7");
    addr = addr_of("fe80::1", 7, 4000000000); /* an interface that is gone */
    assert_string_equal(addr_text(text, &addr), "[fe80::1%4000000000]:7");
    addr = addr_of(longest, 65535, UINT32_MAX);
    assert_string_equal(addr_text(text, &addr),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

TEST(other_families_are_not_misread)
{
    char text[ADDR_TEXT_MAX];
    struct addr addr = {0};

    assert_string_equal(addr_text(text, &addr), "an unknown address");
    addr.sa.sa_family = AF_UNIX;
    assert_string_equal(addr_text(text, &addr), "an unknown address");
}

TEST(port_is_set_in_either_family)
{
    struct addr v4 = addr_of("127.0.0.1", 1, 0), v6 = addr_of("::1", 1, 0);

    addr_set_port(&v4, 258);
    addr_set_port(&v6, 258);
    assert_int_equal(addr_port(&v4), 258);
    assert_int_equal(addr_port(&v6), 258);
    assert_int_equal(v4.in.sin_port, htons(258));
    assert_int_equal(v6.in6.sin6_port, htons(258));
}

TEST(equal_means_address_port_and_zone)
{
    struct addr a = addr_of("fe80::1", 7, 1), b = a;

    assert_true(addr_equal(&a, &b));
    addr_set_port(&b, 8);
    assert_false(addr_equal(&a, &b));
    b = addr_of("fe80::1", 7, 2);
    assert_false(addr_equal(&a, &b));
    b = addr_of("fe80::2", 7, 1);
    assert_false(addr_equal(&a, &b));
    a = addr_of("127.0.0.1", 7, 0);
    b = addr_of("::ffff:127.0.0.1", 7, 0);
    assert_false(addr_equal(&a, &b));
}

TEST(link_local_without_zone_needs_one)
{
    static const struct {
        const char *host;
        unsigned zone;
        bool needs;
    } table[] = {
        {"fe80::1", 0, true},  {"febf::1", 0, true},      {"fe80::1", 1, false},
        {"fe7f::1", 0, false}, {"fec0::1", 0, false},     {"::1", 0, false},
        {"ff02::1", 0, false}, {"169.254.1.1", 0, false}, {"::ffff:169.254.1.1", 0, false},
    };

    for (size_t i = 0; i < LENGTH(table); i++) {
        struct addr addr = addr_of(table[i].host, 7, table[i].zone);

        assert_int_equal(addr_needs_zone(&addr), table[i].needs);
    }
}

TEST(loopback_is_known_in_every_form)
{
    static const char *const here[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const elsewhere[] = {"0.0.0.0", "128.0.0.1",       "10.127.0.1", "::", "::2",
                                            "fe80::1", "::ffff:10.0.0.1", "::127.0.0.1"};
    struct addr unknown = {.sa = {.sa_family = AF_UNIX}};

    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        struct addr addr = addr_of(here[i], 7777, 0);

        if (!addr_is_loopback(&addr))
            fail_msg("%s", here[i]);
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct addr addr = addr_of(elsewhere[i], 7777, 0);

        if (addr_is_loopback(&addr))
            fail_msg("%s", elsewhere[i]);
    }
    assert_false(addr_is_loopback(&unknown));
}

TEST(socket_tells_where_it_is_bound)
{
    struct addr addr = addr_of("127.0.0.1", 0, 0), bound;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd != -1);
    assert_int_equal(bind(fd, &addr.sa, addr.len), 0);
    memset(&bound, 0xa5, sizeof bound);
    assert_int_equal(sock_local(&bound, fd), 0);
    assert_int_equal(bound.len, addr.len);
    assert_true(addr_port(&bound) > 0);
    addr_set_port(&addr, addr_port(&bound));
    assert_true(addr_equal(&bound, &addr));
    assert_int_equal(sock_peer(&bound, fd), -ENOTCONN);
    close(fd);
}

TEST(what_is_no_socket_is_an_error)
{
    struct addr addr;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(sock_local(&addr, fds[0]), -ENOTSOCK);
    assert_int_equal(sock_peer(&addr, fds[0]), -ENOTSOCK);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(sock_local(&addr, -1), -EBADF);
}

/* Its address is a path: nothing of it may be read as a port or number. */
TEST(unix_socket_is_an_unknown_address)
{
    char text[ADDR_TEXT_MAX];
    struct addr addr;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(sock_peer(&addr, fds[0]), 0);
    assert_string_equal(addr_text(text, &addr), "an unknown address");
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_one_text_form),
        cmocka_unit_test(zone_is_shown_by_its_name_or_number),
        cmocka_unit_test(other_families_are_not_misread),
        cmocka_unit_test(port_is_set_in_either_family),
        cmocka_unit_test(equal_means_address_port_and_zone),
        cmocka_unit_test(link_local_without_zone_needs_one),
        cmocka_unit_test(loopback_is_known_in_every_form),
        cmocka_unit_test(socket_tells_where_it_is_bound),
        cmocka_unit_test(what_is_no_socket_is_an_error),
        cmocka_unit_test(unix_socket_is_an_unknown_address),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
