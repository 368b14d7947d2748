/* fuzz_endpoint.c -- the grammar of endpoints, against the same grammar in regular expressions.
 *
 * The first line is "listen" or "connect" (its first letter counts), the others are the operands. The
 * grammar of endpoint.h is written a second time below, as patterns; both must agree on what is an
 * endpoint, how many operands it took, and which host and port it names.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/err.h"
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <regex.h>

#define OPERANDS_MAX 4

/* Does all of 'text' match? Its groups go to 'groups', which has room for 3. */
static bool matches(const char *pattern, const char *text, regmatch_t *groups)
{
    static struct {
        const char *pattern;
        regex_t compiled;
    } known[8];
    size_t i = 0;

    while (known[i].pattern && known[i].pattern != pattern)
        i++;
    if (!known[i].pattern) {
        HOLDS(regcomp(&known[i].compiled, pattern, REG_EXTENDED) == 0);
        known[i].pattern = pattern;
    }
    return regexec(&known[i].compiled, text, 3, groups, 0) == 0;
}

/* In the order they are tried. Group 1 is the host, group 2 the port. */
static const char schemes[] = "^([^:]*)://";
static const char digits[] = "^[0-9]+$";
static const char bracketed[] = "^\\[([^]]*)\\]:([0-9]+)$";
static const char lone_bracketed[] = "^\\[([^]]*)\\]$";
static const char pair[] = "^([^:]*):([0-9]+)$";
static const char lone_host[] = "^([^:]+|[^:]*:[^:]*:.*)$";

static bool set(struct endpoint *e, const char *text, regmatch_t host, const char *port)
{
    size_t n = (size_t)(host.rm_eo - host.rm_so);
    regmatch_t groups[3];

    if (n >= sizeof e->host || !matches(digits, port, groups))
        return false;
    port += strspn(port, "0");
    if (strlen(port) > 5 || atoi(port) > 65535 || (atoi(port) == 0 && e->use == ENDPOINT_CONNECT))
        return false;
    memcpy(e->host, text + host.rm_so, n);
    e->host[n] = '\0';
    e->port = (uint16_t)atoi(port);
    return true;
}

static bool is_v6(const char *text, regmatch_t host)
{
    char *address = copy_string(text + host.rm_so, (size_t)(host.rm_eo - host.rm_so));
    struct in6_addr v6;
    bool valid;

    address[strcspn(address, "%")] = '\0';
    valid = inet_pton(AF_INET6, address, &v6) == 1;
    free(address);
    return valid;
}

/* How many operands the first endpoint takes, by the book; 0: it is none. */
static int expect(struct endpoint *e, char **operands, int n)
{
    const char *text = operands[0];
    regmatch_t g[3], nothing = {0, 0};
    bool scheme = false;

    if (e->use == ENDPOINT_CONNECT && n == 2 && matches(digits, text, g))
        return set(e, text, g[0], operands[1]) ? 2 : 0;
    if (strstr(text, "://")) {
        if (!matches(schemes, text, g) || strncmp(text, "tcp://", 6) != 0)
            return 0;
        scheme = true;
        text += 6;
    }
    if (!scheme && n > 1 && matches(lone_bracketed, text, g))
        return is_v6(text, g[1]) && set(e, text, g[1], operands[1]) ? 2 : 0;
    if (*text == '[')
        return matches(bracketed, text, g) && is_v6(text, g[1]) &&
               set(e, text, g[1], text + g[2].rm_so);
    if (matches(digits, text, g))
        return set(e, text, nothing, text);
    if (matches(pair, text, g))
        return set(e, text, g[1], text + g[2].rm_so);
    if (!scheme && n > 1 && matches(lone_host, text, g))
        return set(e, text, g[1], operands[1]) ? 2 : 0;
    return 0;
}

/* The endpoint written in full means the same again. */
static void check_round_trip(const struct endpoint *e)
{
    char text[sizeof e->host + 16], *operand, *operands[1];
    struct endpoint again;
    struct err err;

    if (strchr(e->host, '[') || strchr(e->host, ']') || strstr(e->host, "://"))
        return; /* no host has such a name, and in full it would read as something else */
    snprintf(text, sizeof text, strchr(e->host, ':') ? "[%s]:%u" : "tcp://%s:%u", e->host, e->port);
    operands[0] = operand = copy_string(text, strlen(text));
    if (endpoint_parse(&again, e->use, operands, 1, &err) == 1) {
        HOLDS(strcmp(again.host, e->host) == 0 && again.port == e->port && again.use == e->use);
    } else {
        HOLDS(text[0] ==
              '['); /* a host with colons that is no IPv6 address: for getaddrinfo to say */
    }
    free(operand);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    char *first = take_line(&in), *operands[OPERANDS_MAX];
    struct endpoint e, wanted = {.use = ENDPOINT_LISTEN};
    struct err err = {.code = 0};
    int n = 0, took;

    if (first && *first == 'c')
        wanted.use = ENDPOINT_CONNECT;
    free(first);
    while (n < OPERANDS_MAX && (operands[n] = take_line(&in)))
        n++;
    if (n == 0)
        return 0;
    took = endpoint_parse(&e, wanted.use, operands, n, &err);
    if (took > 0) {
        HOLDS(took == expect(&wanted, operands, n));
        HOLDS(e.use == wanted.use && e.port == wanted.port && strcmp(e.host, wanted.host) == 0);
        check_round_trip(&e);
    } else {
        HOLDS(took == -EINVAL && err.code == EINVAL && expect(&wanted, operands, n) == 0);
        HOLDS(*err.text && is_clean(err.text));
    }
    while (n > 0)
        free(operands[--n]);
    return 0;
}
