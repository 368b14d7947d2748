/* test_endpoint.c -- the grammar of endpoints, and what addresses they stand for.
 *
 * The grammar is in tables: the words, how many of them are taken, and what they mean; or the whole
 * sentence that refuses them. Resolving uses numeric addresses and the loopback interface only. What
 * a name server would have to say (several addresses, the same one twice) comes from this file's own
 * getaddrinfo(3), which the linker finds before the C library's: it answers for one name, and asks
 * the real one for all others.
 *
 * SPDX-License-Identifier: MIT */
#include "net/endpoint.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define WORDS_MAX 6

/* What the name "several" means, from a list of numeric addresses ended by NULL. */
static const char *const *several;

/* The lists are joined at their ends, which freeaddrinfo(3) does not mind. */
typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    getaddrinfo_fn *ask = (getaddrinfo_fn *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo **last = ret;

    if (!several || strcmp(node, "several") != 0)
        return ask(node, service, hints, ret);
    for (size_t i = 0; several[i]; i++) {
        assert_int_equal(ask(several[i], service, hints, last), 0);
        while (*last)
            last = &(*last)->ai_next;
    }
    return 0;
}

static struct endpoint endpoint;
static struct err err;

static int parse(enum endpoint_use use, const char *const *words)
{
    char copies[WORDS_MAX][400], *operands[WORDS_MAX];
    int n = 0;

    for (; words[n]; n++) {
        assert_true(n < WORDS_MAX && strlen(words[n]) < sizeof copies[0]);
        operands[n] = strcpy(copies[n], words[n]);
    }
    return endpoint_parse(&endpoint, use, operands, n, &err);
}

struct meaning {
    const char *words[4];
    int took;
    const char *host;
    uint16_t port;
};

static void means(enum endpoint_use use, const struct meaning *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int took;

        memset(&endpoint, 0xa5, sizeof endpoint);
        took = parse(use, table[i].words);
        if (took != table[i].took)
            print_error("'%s' gave %d: %s\n", table[i].words[0], took, took < 0 ? err.text : "");
        assert_int_equal(took, table[i].took);
        assert_string_equal(endpoint.host, table[i].host);
        assert_int_equal(endpoint.port, table[i].port);
        assert_int_equal(endpoint.use, use);
    }
}

struct mistake {
    const char *words[4];
    const char *text;
};

static void refuses(enum endpoint_use use, const struct mistake *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        strcpy(endpoint.host, "untouched");
        assert_int_equal(parse(use, table[i].words), -EINVAL);
        assert_string_equal(err.text, table[i].text);
        assert_string_equal(endpoint.host, "untouched");
    }
}

#define BOTH(what, table)                             \
    do {                                              \
        what(ENDPOINT_LISTEN, table, LENGTH(table));  \
        what(ENDPOINT_CONNECT, table, LENGTH(table)); \
    } while (0)

TEST(digits_alone_are_a_port)
{
    static const struct meaning table[] = {
        {{"7777"}, 1, "", 7777},
        {{"1"}, 1, "", 1},
        {{"65535"}, 1, "", 65535},
        {{"007"}, 1, "", 7}, /* decimal, not octal */
        {{"0000000000000000000080"}, 1, "", 80},
        {{"tcp://:7777"}, 1, "", 7777},
        {{":7777"}, 1, "", 7777},
    };

    BOTH(means, table);
}

TEST(host_and_port_are_two_operands_or_one)
{
    static const struct meaning table[] = {
        {{"localhost", "7777"}, 2, "localhost", 7777},
        {{"127.0.0.1", "7777"}, 2, "127.0.0.1", 7777},
        {{"::1", "7777"}, 2, "::1", 7777},
        {{"::", "7777"}, 2, "::", 7777},
        {{"fe80::1%eth0", "7"}, 2, "fe80::1%eth0", 7},
        {{"::ffff:127.0.0.1", "7"}, 2, "::ffff:127.0.0.1", 7},
        {{"localhost:7777"}, 1, "localhost", 7777},
        {{"127.0.0.1:7777"}, 1, "127.0.0.1", 7777},
        {{"127.1:7777"}, 1, "127.1", 7777},
        {{"0:7777"}, 1, "0", 7777},
        {{"2130706433:80"}, 1, "2130706433", 80},
        {{"example.org.:80"}, 1, "example.org.", 80},
        {{"0x7f000001", "80"}, 2, "0x7f000001", 80},
        {{"[::1]:7777"}, 1, "::1", 7777},
        {{"[::]:7777"}, 1, "::", 7777},
        {{"[fe80::1%eth0]:7777"}, 1, "fe80::1%eth0", 7777},
        {{"[::ffff:1.2.3.4]:65535"}, 1, "::ffff:1.2.3.4", 65535},
        {{"tcp://localhost:7777"}, 1, "localhost", 7777},
        {{"tcp://127.0.0.1:7777"}, 1, "127.0.0.1", 7777},
        {{"tcp://[::1]:7777"}, 1, "::1", 7777},
        {{"메아리.example:7"}, 1, "메아리.example", 7},
        {{"-:7"}, 1, "-", 7},
    };

    BOTH(means, table);
}

TEST(only_a_host_without_port_takes_the_next_operand)
{
    static const struct meaning table[] = {
        {{"7777", "8888", "9999"}, 1, "", 7777},
        {{"localhost:7", "8"}, 1, "localhost", 7},
        {{"[::1]:7", "8"}, 1, "::1", 7},
        {{"[::1]", "80"}, 2, "::1", 80},
        {{"tcp://localhost:7", "8"}, 1, "localhost", 7},
        {{"localhost", "7", "8"}, 2, "localhost", 7},
        {{"::1", "7", "localhost"}, 2, "::1", 7},
        {{"::1:7777", "8"}, 2, "::1:7777", 8}, /* without brackets all of it is the address */
    };

    BOTH(means, table);
}

TEST(several_endpoints_stand_in_a_row)
{
    static const struct {
        const char *host;
        uint16_t port;
    } expected[] = {{"", 1}, {"localhost", 2}, {"::1", 3}, {"127.0.0.1", 4}, {"", 5}};
    char words[][24] = {"1", "localhost", "2", "[::1]:3", "127.0.0.1", "4", "tcp://:5"};
    char *operands[LENGTH(words)];
    int left = (int)LENGTH(words), at = 0;

    for (size_t i = 0; i < LENGTH(words); i++)
        operands[i] = words[i];
    for (size_t i = 0; i < LENGTH(expected); i++) {
        int took = endpoint_parse(&endpoint, ENDPOINT_LISTEN, operands + at, left, &err);

        assert_true(took == 1 || took == 2);
        assert_string_equal(endpoint.host, expected[i].host);
        assert_int_equal(endpoint.port, expected[i].port);
        at += took;
        left -= took;
    }
    assert_int_equal(left, 0);
}

TEST(server_may_ask_for_port_0)
{
    static const struct meaning table[] = {
        {{"0"}, 1, "", 0},
        {{"000"}, 1, "", 0},
        {{"localhost", "0"}, 2, "localhost", 0},
        {{"127.0.0.1:0"}, 1, "127.0.0.1", 0},
        {{"[::1]:0"}, 1, "::1", 0},
    };
    static const struct mistake mistakes[] = {
        {{"0"}, "port 0 is not valid: nobody can be reached there"},
        {{"000"}, "port 0 is not valid: nobody can be reached there"},
        {{"localhost", "0"}, "port 0 is not valid: nobody can be reached there"},
        {{"0", "0"}, "port 0 is not valid: nobody can be reached there"},
        {{"127.0.0.1:0"}, "port 0 is not valid: nobody can be reached there"},
        {{"[::1]:0"}, "port 0 is not valid: nobody can be reached there"},
        {{"tcp://:0"}, "port 0 is not valid: nobody can be reached there"},
    };

    means(ENDPOINT_LISTEN, table, LENGTH(table));
    refuses(ENDPOINT_CONNECT, mistakes, LENGTH(mistakes));
}

TEST(first_of_a_clients_two_operands_is_its_host)
{
    static const struct meaning client[] = {
        {{"0", "7777"}, 2, "0", 7777},
        {{"2130706433", "7777"}, 2, "2130706433", 7777},
        {{"99999", "7777"}, 2, "99999", 7777},
        {{"7777", "8888", "9999"}, 1, "", 7777}, /* three are too many anyway */
    };
    static const struct meaning server[] = {
        {{"0", "7777"}, 1, "", 0},
        {{"8888", "7777"}, 1, "", 8888},
    };

    means(ENDPOINT_CONNECT, client, LENGTH(client));
    means(ENDPOINT_LISTEN, server, LENGTH(server));
}

TEST(ports_are_plain_digits_in_range)
{
    static const struct mistake table[] = {
        {{"65536"}, "port out of range: it must be from 0 to 65535, not '65536'"},
        {{"65616"}, "port out of range: it must be from 0 to 65535, not '65616'"}, /* 80 mod 2^16 */
        {{"655350"}, "port out of range: it must be from 0 to 65535, not '655350'"},
        {{"99999999999999999999"},
         "port out of range: it must be from 0 to 65535, not '99999999999999999999'"},
        {{"18446744073709551616"},
         "port out of range: it must be from 0 to 65535, not '18446744073709551616'"},
        {{"localhost", "65536"}, "port out of range: it must be from 0 to 65535, not '65536'"},
        {{"localhost:65536"}, "port out of range: it must be from 0 to 65535, not '65536'"},
        {{"[::1]:65536"}, "port out of range: it must be from 0 to 65535, not '65536'"},
        {{"tcp://:65536"}, "port out of range: it must be from 0 to 65535, not '65536'"},
        {{"h", "80x"}, "'80x' is not a port: a number from 0 to 65535"},
        {{"h", "0x50"}, "'0x50' is not a port: a number from 0 to 65535"},
        {{"h", "1e3"}, "'1e3' is not a port: a number from 0 to 65535"},
        {{"h", " 80"}, "' 80' is not a port: a number from 0 to 65535"},
        {{"h", "80 "}, "'80 ' is not a port: a number from 0 to 65535"},
        {{"h", "+80"}, "'+80' is not a port: a number from 0 to 65535"},
        {{"h", "-1"}, "'-1' is not a port: a number from 0 to 65535"},
        {{"h", "80.0"}, "'80.0' is not a port: a number from 0 to 65535"},
        {{"h", "８０"}, "'８０' is not a port: a number from 0 to 65535"},
        {{"h", "http"}, "'http' is not a port: a number from 0 to 65535"},
        {{"h", "80\n"}, "'80\\x0a' is not a port: a number from 0 to 65535"},
        {{"h", "\x1b[2J"}, "'\\x1b[2J' is not a port: a number from 0 to 65535"},
        {{"h", ""}, "'' is not a port: a number from 0 to 65535"},
        {{"h:80x"}, "'80x' is not a port: a number from 0 to 65535"},
        {{"h:+80"}, "'+80' is not a port: a number from 0 to 65535"},
        {{"h: 80"}, "' 80' is not a port: a number from 0 to 65535"},
        {{"h:"}, "'' is not a port: a number from 0 to 65535"},
        {{":"}, "'' is not a port: a number from 0 to 65535"},
        {{"[::1]:"}, "'' is not a port: a number from 0 to 65535"},
        {{"[::1]:x"}, "'x' is not a port: a number from 0 to 65535"},
        {{"[::1]::7"}, "':7' is not a port: a number from 0 to 65535"},
        {{"tcp://h:80/"}, "'80/' is not a port: a number from 0 to 65535"},
        {{"tcp://h:"}, "'' is not a port: a number from 0 to 65535"},
    };

    BOTH(refuses, table);
}

TEST(host_alone_lacks_its_port)
{
    static const struct mistake table[] = {
        {{"localhost"},
         "'localhost' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT"},
        {{"80x"}, "'80x' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT"},
        {{" 80"}, "' 80' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT"},
        {{"+80"}, "'+80' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT"},
        {{"８０"},
         "'８０' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT"},
        {{"\x1b[2J"},
         "'\\x1b[2J' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT"},
        {{"::1"}, "'::1' is an IPv6 address without a port: write [V6]:PORT"},
        {{"::1:7777"}, "'::1:7777' is an IPv6 address without a port: write [V6]:PORT"},
    };

    BOTH(refuses, table);
}

TEST(empty_operand_is_named)
{
    static const struct mistake table[] = {
        {{""}, "the endpoint is empty"},
        {{"", "80"}, "the endpoint is empty"},
        {{"tcp://"}, "the endpoint is empty"},
    };

    BOTH(refuses, table);
}

TEST(brackets_hold_an_ipv6_address)
{
    static const struct mistake table[] = {
        {{"["}, "'[' is not of the form [V6]:PORT"},
        {{"[]"}, "'' is not an IPv6 address"},
        {{"[::1"}, "'[::1' is not of the form [V6]:PORT"},
        {{"[::1]"}, "'[::1]' is an IPv6 address without a port: write [V6]:PORT"},
        {{"[::1]80"}, "'[::1]80' is not of the form [V6]:PORT"},
        {{"[::1] :80"}, "'[::1] :80' is not of the form [V6]:PORT"},
        {{"[[::1]]:80"}, "'[[::1]]:80' is not of the form [V6]:PORT"},
        {{"[]:80"}, "'' is not an IPv6 address"},
        {{"[[::1]:80"}, "'[::1' is not an IPv6 address"},
        {{"[127.0.0.1]:80"}, "'127.0.0.1' is not an IPv6 address"},
        {{"[localhost]:80"}, "'localhost' is not an IPv6 address"},
        {{"[::1::2]:80"}, "'::1::2' is not an IPv6 address"},
        {{"[ ::1]:80"}, "' ::1' is not an IPv6 address"},
        {{"[12345::]:80"}, "'12345::' is not an IPv6 address"},
        {{"[%lo]:80"}, "'%lo' is not an IPv6 address"},
        {{"[\x1b%\n]:80"}, "'\\x1b%\\x0a' is not an IPv6 address"},
        {{"tcp://[::1]"}, "'' is not a port: a number from 0 to 65535"},
    };

    BOTH(refuses, table);
}

TEST(only_tcp_is_a_scheme)
{
    static const struct mistake table[] = {
        {{"udp://h:80"}, "the scheme of 'udp://h:80' is not supported: only tcp:// is"},
        {{"http://h:80"}, "the scheme of 'http://h:80' is not supported: only tcp:// is"},
        {{"tls://h:80"}, "the scheme of 'tls://h:80' is not supported: only tcp:// is"},
        {{"unix:///x"}, "the scheme of 'unix:///x' is not supported: only tcp:// is"},
        {{"tcps://h:80"}, "the scheme of 'tcps://h:80' is not supported: only tcp:// is"},
        {{"://h:80"}, "the scheme of '://h:80' is not supported: only tcp:// is"},
        {{"xtcp://h:80"}, "the scheme of 'xtcp://h:80' is not supported: only tcp:// is"},
        {{"\x1b]://h"}, "the scheme of '\\x1b]://h' is not supported: only tcp:// is"},
    };
    static const struct mistake incomplete[] = {
        {{"tcp://localhost"}, "'' is not a port: a number from 0 to 65535"},
        {{"tcp://localhost", "80"}, "'' is not a port: a number from 0 to 65535"},
        {{"tcp://tcp://:80"}, "'' is not a port: a number from 0 to 65535"},
    };

    BOTH(refuses, table);
    BOTH(refuses, incomplete);
}

/* A cut name could be somebody else's. */
TEST(host_of_256_bytes_is_too_long_not_cut)
{
    char host[300], one[310], tcp[320];

    memset(host, 'h', 255);
    host[255] = '\0';
    snprintf(one, sizeof one, "%s:80", host);
    assert_int_equal(parse(ENDPOINT_LISTEN, (const char *[]){host, "80", NULL}), 2);
    assert_string_equal(endpoint.host, host);
    assert_int_equal(parse(ENDPOINT_LISTEN, (const char *[]){one, NULL}), 1);
    assert_string_equal(endpoint.host, host);
    snprintf(tcp, sizeof tcp, "tcp://%s", one);
    assert_int_equal(parse(ENDPOINT_CONNECT, (const char *[]){tcp, NULL}), 1);
    assert_string_equal(endpoint.host, host);

    strcpy(host + 255, "h");
    snprintf(one, sizeof one, "%s:80", host);
    snprintf(tcp, sizeof tcp, "[%s]:80", host);
    assert_int_equal(parse(ENDPOINT_LISTEN, (const char *[]){host, "80", NULL}), -EINVAL);
    assert_memory_equal(err.text, "host name too long, 255 bytes at the most: 'hhhh", 48);
    assert_int_equal(parse(ENDPOINT_LISTEN, (const char *[]){one, NULL}), -EINVAL);
    assert_memory_equal(err.text, "host name too long, 255 bytes at the most: 'hhhh", 48);
    assert_int_equal(parse(ENDPOINT_CONNECT, (const char *[]){tcp, NULL}), -EINVAL);
    assert_memory_equal(err.text, "host name too long, 255 bytes at the most: 'hhhh", 48);

    memset(host, '7',
           256); /* also where the first of two is a host although it looks like a port */
    assert_int_equal(parse(ENDPOINT_CONNECT, (const char *[]){host, "80", NULL}), -EINVAL);
    assert_memory_equal(err.text, "host name too long, 255 bytes at the most: '7777", 48);
}

/* The addresses of a host as text, joined with blanks; or the sentence that says why there are none. */
static const char *resolved(enum endpoint_use use, const char *host, int family)
{
    static char out[1024];
    struct endpoint e = {.use = use, .port = 80};
    struct addr *list = NULL;
    size_t n = 0, used = 0;
    int r;

    strcpy(e.host, host);
    r = endpoint_resolve(&list, &n, &e, family, &err);
    if (r < 0) {
        assert_null(list);
        assert_int_equal(n, 0);
        assert_int_equal(r, -err.code);
        return err.text;
    }
    assert_true(n >= 1);
    for (size_t i = 0; i < n; i++) {
        char text[ADDR_TEXT_MAX];

        used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i ? " " : "",
                                 addr_text(text, &list[i]));
        assert_true(used < sizeof out);
    }
    free(list);
    return out;
}

TEST(numeric_hosts_need_no_name_server)
{
    assert_string_equal(resolved(ENDPOINT_CONNECT, "127.0.0.1", AF_UNSPEC), "127.0.0.1:80");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "0.0.0.0", AF_UNSPEC), "0.0.0.0:80");
    assert_string_equal(resolved(ENDPOINT_CONNECT, "::1", AF_UNSPEC), "[::1]:80");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "::", AF_INET6), "[::]:80");
    assert_string_equal(resolved(ENDPOINT_CONNECT, "::ffff:1.2.3.4", AF_UNSPEC), "1.2.3.4:80");
}

/* As inet_aton(3) reads them: odd, but shown for what they are. */
TEST(old_forms_of_ipv4_are_shown_in_full)
{
    assert_string_equal(resolved(ENDPOINT_CONNECT, "127.1", AF_UNSPEC), "127.0.0.1:80");
    assert_string_equal(resolved(ENDPOINT_CONNECT, "0", AF_UNSPEC), "0.0.0.0:80");
    assert_string_equal(resolved(ENDPOINT_CONNECT, "2130706433", AF_UNSPEC), "127.0.0.1:80");
    assert_string_equal(resolved(ENDPOINT_CONNECT, "0x7f000001", AF_UNSPEC), "127.0.0.1:80");
}

TEST(bare_port_is_every_address_or_this_machine)
{
    const char *text;

    assert_string_equal(resolved(ENDPOINT_LISTEN, "", AF_UNSPEC), "[::]:80");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "", AF_INET6), "[::]:80");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "", AF_INET), "0.0.0.0:80");
    assert_string_equal(resolved(ENDPOINT_CONNECT, "", AF_INET), "127.0.0.1:80");
    text = resolved(ENDPOINT_CONNECT, "", AF_UNSPEC); /* ::1 too, where there is IPv6 */
    assert_non_null(strstr(text, "127.0.0.1:80"));
}

TEST(family_can_be_restricted)
{
    several = (const char *[]){"::1", "127.0.0.1", NULL};
    assert_string_equal(resolved(ENDPOINT_CONNECT, "several", AF_UNSPEC), "[::1]:80 127.0.0.1:80");
    several = NULL;
    assert_string_equal(resolved(ENDPOINT_CONNECT, "127.0.0.1", AF_INET), "127.0.0.1:80");
    assert_memory_equal(resolved(ENDPOINT_CONNECT, "127.0.0.1", AF_INET6),
                        "cannot resolve '127.0.0.1': ", 28);
    assert_memory_equal(resolved(ENDPOINT_LISTEN, "::1", AF_INET), "cannot resolve '::1': ", 22);
}

TEST(same_address_comes_once)
{
    several = (const char *[]){"127.0.0.1", "::1", "127.0.0.1", "127.1", "::1", "127.0.0.2", NULL};
    assert_string_equal(resolved(ENDPOINT_CONNECT, "several", AF_UNSPEC),
                        "127.0.0.1:80 [::1]:80 127.0.0.2:80");
    several = NULL;
}

TEST(link_local_address_needs_a_zone)
{
    char zone[IF_NAMESIZE] = "lo", text[64];

    assert_string_equal(resolved(ENDPOINT_CONNECT, "fe80::1", AF_UNSPEC),
                        "the link-local address 'fe80::1' needs a zone, such as fe80::1%eth0");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "febf::1", AF_INET6),
                        "the link-local address 'febf::1' needs a zone, such as fe80::1%eth0");
    assert_true(if_nametoindex(zone) > 0);
    assert_string_equal(resolved(ENDPOINT_CONNECT, "fe80::1%lo", AF_UNSPEC), "[fe80::1%lo]:80");
    snprintf(text, sizeof text, "fe80::1%%%u", if_nametoindex("lo"));
    assert_string_equal(resolved(ENDPOINT_CONNECT, text, AF_UNSPEC), "[fe80::1%lo]:80");
}

/* One unusable address of several does not make the name unusable. */
TEST(link_local_address_among_others_is_left_out)
{
    several = (const char *[]){"fe80::1", "::1", "fe80::2", NULL};
    assert_string_equal(resolved(ENDPOINT_CONNECT, "several", AF_UNSPEC), "[::1]:80");
    several = (const char *[]){"::1", "fe80::2", NULL};
    assert_string_equal(resolved(ENDPOINT_CONNECT, "several", AF_UNSPEC), "[::1]:80");
    several = NULL;
}

TEST(unknown_zone_is_named)
{
    assert_string_equal(resolved(ENDPOINT_CONNECT, "fe80::1%nope", AF_UNSPEC),
                        "there is no network interface 'nope' for 'fe80::1%nope'");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "fe80::1%", AF_UNSPEC),
                        "there is no network interface '' for 'fe80::1%'");
    assert_string_equal(resolved(ENDPOINT_LISTEN, "fe80::1%\x1b[2J", AF_UNSPEC),
                        "there is no network interface '\\x1b[2J' for 'fe80::1%\\x1b[2J'");
    /* one that there is is not to blame */
    assert_memory_equal(resolved(ENDPOINT_CONNECT, "a..b%lo", AF_UNSPEC),
                        "cannot resolve 'a..b%lo': ", 26);
}

/* All of them wrong before a name server is asked. */
TEST(unresolvable_host_is_named)
{
    char label[80];

    assert_memory_equal(resolved(ENDPOINT_CONNECT, "a..b", AF_UNSPEC),
                        "cannot resolve 'a..b': ", 23);
    assert_memory_equal(resolved(ENDPOINT_CONNECT, "1::2::3..", AF_UNSPEC),
                        "cannot resolve '1::2::3..': ", 28);
    assert_memory_equal(resolved(ENDPOINT_CONNECT, "\x1b[2J..x", AF_UNSPEC),
                        "cannot resolve '\\x1b[2J..x': ", 29);
    memset(label, 'a', 64);
    label[64] = '\0';
    assert_memory_equal(resolved(ENDPOINT_CONNECT, label, AF_UNSPEC), "cannot resolve 'aaaaa", 21);
    assert_true(strlen(err.text) > 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_alone_are_a_port),
        cmocka_unit_test(host_and_port_are_two_operands_or_one),
        cmocka_unit_test(only_a_host_without_port_takes_the_next_operand),
        cmocka_unit_test(several_endpoints_stand_in_a_row),
        cmocka_unit_test(server_may_ask_for_port_0),
        cmocka_unit_test(first_of_a_clients_two_operands_is_its_host),
        cmocka_unit_test(ports_are_plain_digits_in_range),
        cmocka_unit_test(host_alone_lacks_its_port),
        cmocka_unit_test(empty_operand_is_named),
        cmocka_unit_test(brackets_hold_an_ipv6_address),
        cmocka_unit_test(only_tcp_is_a_scheme),
        cmocka_unit_test(host_of_256_bytes_is_too_long_not_cut),
        cmocka_unit_test(numeric_hosts_need_no_name_server),
        cmocka_unit_test(old_forms_of_ipv4_are_shown_in_full),
        cmocka_unit_test(bare_port_is_every_address_or_this_machine),
        cmocka_unit_test(family_can_be_restricted),
        cmocka_unit_test(same_address_comes_once),
        cmocka_unit_test(link_local_address_needs_a_zone),
        cmocka_unit_test(link_local_address_among_others_is_left_out),
        cmocka_unit_test(unknown_zone_is_named),
        cmocka_unit_test(unresolvable_host_is_named),
    };

    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
