/* endpoint.c -- see endpoint.h.
 *
 * SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include "../base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static int parse_port(struct endpoint *e, const char *text, struct err *err)
{
    char quote[ERR_QUOTE_MAX];
    unsigned long port = 0;

    err_quote(quote, text);
    if (!all_digits(text))
        return err_usage(err, "'%s' is not a port: a number from 0 to 65535", quote);
    for (; *text && port <= 65535; text++)
        port = port * 10 + (unsigned long)(*text - '0');
    if (port > 65535)
        return err_usage(err, "port out of range: it must be from 0 to 65535, not '%s'", quote);
    if (port == 0 && e->use == ENDPOINT_CONNECT)
        return err_usage(err, "port 0 is not valid: nobody can be reached there");
    e->port = (uint16_t)port;
    return 0;
}

static int set_host(struct endpoint *e, const char *text, size_t n, struct err *err)
{
    char quote[ERR_QUOTE_MAX];

    if (n >= sizeof e->host)
        return err_usage(err, "host name too long, 255 bytes at the most: '%s'",
                         err_quote(quote, text));
    memcpy(e->host, text, n);
    e->host[n] = '\0';
    return 0;
}

/* "[V6]:PORT" or "[V6]": 'text' begins with the bracket. Returns as parse_one(). */
static int parse_brackets(struct endpoint *e, const char *text, struct err *err)
{
    const char *end = strchr(text, ']');
    char quote[ERR_QUOTE_MAX];
    struct in6_addr v6;
    char *zone;
    bool valid;
    int r;

    if (!end || (end[1] != ':' && end[1] != '\0'))
        return err_usage(err, "'%s' is not of the form [V6]:PORT", err_quote(quote, text));
    r = set_host(e, text + 1, (size_t)(end - text - 1), err);
    if (r < 0)
        return r;
    zone = strchr(e->host, '%');
    if (zone)
        *zone = '\0';
    valid = inet_pton(AF_INET6, e->host, &v6) == 1;
    if (zone)
        *zone = '%';
    if (!valid)
        return err_usage(err, "'%s' is not an IPv6 address", err_quote(quote, e->host));
    return end[1] == '\0' ? 1 : parse_port(e, end + 2, err);
}

/* How many colons, and where the last one is. */
static size_t colons(const char *text, const char **ret_last)
{
    size_t n = 0;

    for (; *text; text++)
        if (*text == ':') {
            *ret_last = text;
            n++;
        }
    return n;
}

/* Steps over "tcp://". Returns whether there was one; a scheme that is not ours to speak fails. */
static int skip_scheme(const char **text, struct err *err)
{
    char quote[ERR_QUOTE_MAX];
    const char *end = strstr(*text, "://");

    if (!end)
        return 0;
    if (end - *text != 3 || memcmp(*text, "tcp", 3) != 0)
        return err_usage(err, "the scheme of '%s' is not supported: only tcp:// is",
                         err_quote(quote, *text));
    *text = end + 3;
    return 1;
}

/* HOST:PORT, HOST or PORT in one operand. Returns 0; 1 when the port is still missing; or -EINVAL. */
static int parse_one(struct endpoint *e, const char *text, struct err *err)
{
    const char *colon = NULL;
    int scheme, r;
    size_t n;

    scheme = skip_scheme(&text, err);
    if (scheme < 0)
        return scheme;
    if (*text == '\0')
        return err_usage(err, "the endpoint is empty");
    if (*text == '[') {
        r = parse_brackets(e, text, err);
        return r == 1 && scheme ? parse_port(e, "", err) : r;
    }
    n = colons(text, &colon);
    if (n == 0 && all_digits(text))
        return parse_port(e, text, err);
    if (n == 1) {
        r = set_host(e, text, (size_t)(colon - text), err);
        return r < 0 ? r : parse_port(e, colon + 1, err);
    }
    r = set_host(e, text, strlen(text), err);
    return r < 0 ? r : scheme ? parse_port(e, "", err) : 1;
}

int endpoint_parse(struct endpoint *ret, enum endpoint_use use, char **operands, int n,
                   struct err *err)
{
    struct endpoint e = {.use = use};
    char quote[ERR_QUOTE_MAX];
    int r;

    if (use == ENDPOINT_CONNECT && n == 2 && all_digits(operands[0]))
        r = set_host(&e, operands[0], strlen(operands[0]), err) < 0 ? -EINVAL : 1;
    else
        r = parse_one(&e, operands[0], err);
    if (r == 1 && n < 2 && strchr(e.host, ':'))
        return err_usage(err, "'%s' is an IPv6 address without a port: write [V6]:PORT",
                         err_quote(quote, operands[0]));
    if (r == 1 && n < 2)
        return err_usage(
            err, "'%s' is not a port, and as a host it lacks one: write HOST PORT or HOST:PORT",
            err_quote(quote, operands[0]));
    if (r == 1) {
        r = parse_port(&e, operands[1], err);
        if (r == 0)
            r = 1;
    }
    if (r < 0)
        return r;
    *ret = e;
    return r + 1;
}

int endpoint_parse_server(struct endpoint *ret, char **operands, int n, struct err *err)
{
    char quote[ERR_QUOTE_MAX];
    int took;

    if (n == 0)
        return err_usage(err, "which server? HOST PORT is missing (try --help)");
    took = endpoint_parse(ret, ENDPOINT_CONNECT, operands, n, err);
    if (took < 0)
        return took;
    if (took < n)
        return err_usage(err, "'%s' is one operand too many (try --help)",
                         err_quote(quote, operands[took]));
    return 0;
}

const char *endpoint_text(char out[static ENDPOINT_TEXT_MAX], const struct endpoint *endpoint)
{
    char quote[ERR_QUOTE_MAX];
    const char *host = err_quote(quote, endpoint->host[0] ? endpoint->host : "localhost");

    snprintf(out, ENDPOINT_TEXT_MAX, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, endpoint->port);
    return out;
}

static const char *host_to_ask(const struct endpoint *e, int family)
{
    if (e->host[0])
        return e->host;
    if (e->use == ENDPOINT_CONNECT)
        return "localhost";
    return family == AF_INET ? "0.0.0.0" : "::";
}

/* getaddrinfo(3) knows no better word for a wrong zone than "Name or service not known". */
static int resolve_error(const char *host, int code, struct err *err)
{
    char quote[ERR_QUOTE_MAX], zone_quote[ERR_QUOTE_MAX];
    const char *zone = strchr(host, '%');

    if (zone && if_nametoindex(zone + 1) == 0)
        return err_usage(err, "there is no network interface '%s' for '%s'",
                         err_quote(zone_quote, zone + 1), err_quote(quote, host));
    if (code == EAI_SYSTEM)
        return err_set(err, errno, "cannot resolve '%s'", err_quote(quote, host));
    return err_usage(err, "cannot resolve '%s': %s", err_quote(quote, host), gai_strerror(code));
}

/* Appends what can be used and is not there yet. */
static void add(struct addr *list, size_t *n, const struct addrinfo *info, uint16_t port)
{
    struct addr *a = &list[*n];

    memset(a, 0, sizeof *a);
    memcpy(&a->storage, info->ai_addr, info->ai_addrlen);
    a->len = info->ai_addrlen;
    addr_set_port(a, port);
    if (addr_needs_zone(a))
        return;
    for (size_t i = 0; i < *n; i++)
        if (addr_equal(&list[i], a))
            return;
    ++*n;
}

int endpoint_resolve(struct addr **ret, size_t *ret_n, const struct endpoint *endpoint, int family,
                     struct err *err)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL, *info;
    char quote[ERR_QUOTE_MAX];
    const char *host = host_to_ask(endpoint, family);
    struct addr *list;
    size_t n = 0;
    int r;

    r = getaddrinfo(host, NULL, &hints, &found);
    if (r != 0)
        return resolve_error(host, r, err);
    for (info = found; info; info = info->ai_next)
        n++;
    list = calloc(n, sizeof *list);
    if (!list) {
        freeaddrinfo(found);
        return err_set(err, ENOMEM, "cannot resolve '%s'", err_quote(quote, host));
    }
    n = 0;
    for (info = found; info; info = info->ai_next)
        add(list, &n, info, endpoint->port);
    freeaddrinfo(found);
    if (n == 0) { /* there was nothing else */
        free(list);
        return err_usage(err, "the link-local address '%s' needs a zone, such as fe80::1%%eth0",
                         err_quote(quote, host));
    }
    *ret = list;
    *ret_n = n;
    return 0;
}
