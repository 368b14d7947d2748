/* addr.h -- one socket address, and how people write it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    };
    socklen_t len;
};

/* Room for "[v6 address%zone]:port". */
#define ADDR_TEXT_MAX 96

/* "127.0.0.1:7777" or "[fe80::1%eth0]:7777". An IPv4 client of a dual-stack socket, which the kernel
 * reports as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), is shown as the IPv4 address it is. Returns 'out'. */
const char *addr_text(char out[static ADDR_TEXT_MAX], const struct addr *addr);

/* Keeps open, until the process ends, what addr_text() needs to name a zone: for those who will be
 * confined. Without it a zone is shown by its number then. */
void addr_keep_zones(void);

uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);
bool addr_equal(const struct addr *a, const struct addr *b);

/* 127.0.0.0/8 or ::1, also as an IPv4 address in IPv6's clothes: what is sent there never leaves this machine. */
bool addr_is_loopback(const struct addr *addr);

/* Not valid without a zone: fe80::/10 with no interface named. */
bool addr_needs_zone(const struct addr *addr);

#endif
