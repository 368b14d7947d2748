/* endpoint.h -- where to listen or whom to call, as a user writes it.
 *
 * One grammar for all programs:
 *
 *     PORT              7777                every address (server), this machine (client)
 *     HOST PORT         localhost 7777      two operands
 *     HOST:PORT         127.0.0.1:7777
 *     [V6]:PORT         [::1]:7777
 *     tcp://HOST:PORT   tcp://[::1]:7777    tcp://:7777 is the bare port
 *
 * Digits alone are a port, except as the second half of HOST PORT; an operand that is a host without
 * a port takes the next operand as its port; two or more colons without brackets are an IPv6 address.
 * A port is 0 to 65535 in plain decimal digits. Nothing is cut to fit: what is too long is an error.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include "../base/err.h"
#include "addr.h"

#include <stddef.h>

/* A server may ask for port 0, and a bare port means every address. A client may not, and for it a
 * bare port means this machine; of exactly two operands the first is its host, whatever it looks
 * like (0 and 2130706433 are hosts to getaddrinfo(3)). */
enum endpoint_use { ENDPOINT_LISTEN, ENDPOINT_CONNECT };

struct endpoint {
    enum endpoint_use use;
    char host[256]; /* empty for a bare port */
    uint16_t port;
};

/* Reads the first endpoint of 'n' operands (at least one). Returns how many it took, 1 or 2, or
 * -EINVAL. */
int endpoint_parse(struct endpoint *ret, enum endpoint_use use, char **operands, int n,
                   struct err *err);

/* For a program that calls one server: reads the one endpoint that the operands are. Returns 0 or -EINVAL, also for none
 * and for one operand too many. */
int endpoint_parse_server(struct endpoint *ret, char **operands, int n, struct err *err);

/* How messages call a server: as the user did, in one word ("localhost:7777", "[::1]:7777"), fit for a message.
 * Returns 'out'. */
#define ENDPOINT_TEXT_MAX (ERR_QUOTE_MAX + 16)
const char *endpoint_text(char out[static ENDPOINT_TEXT_MAX], const struct endpoint *endpoint);

/* The addresses an endpoint stands for, in the order getaddrinfo(3) recommends (RFC 6724), without
 * repetitions. 'family' is AF_UNSPEC, AF_INET or AF_INET6. A bare port to listen on gives one: [::],
 * or 0.0.0.0 for AF_INET. Returns 0 and sets *ret (the caller frees it) and *ret_n, at least 1; or
 * -errno. May ask a name server, and block for as long as that takes. */
int endpoint_resolve(struct addr **ret, size_t *ret_n, const struct endpoint *endpoint, int family,
                     struct err *err);

#endif
