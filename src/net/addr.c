/* addr.c -- see addr.h.
 *
 * SPDX-License-Identifier: MIT */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const char *text_v6(char out[static ADDR_TEXT_MAX], const struct sockaddr_in6 *sa)
{
    char host[INET6_ADDRSTRLEN] = "?", zone[IF_NAMESIZE] = "";
    const char *percent = "";

    if (IN6_IS_ADDR_V4MAPPED(&sa->sin6_addr)) {
        inet_ntop(AF_INET, &sa->sin6_addr.s6_addr[12], host, sizeof host);
        snprintf(out, ADDR_TEXT_MAX, "%s:%u", host, ntohs(sa->sin6_port));
        return out;
    }
    inet_ntop(AF_INET6, &sa->sin6_addr, host, sizeof host);
    if (sa->sin6_scope_id) {
        percent = "%";
        if (!if_indextoname(sa->sin6_scope_id, zone))
            snprintf(zone, sizeof zone, "%u", sa->sin6_scope_id);
    }
    snprintf(out, ADDR_TEXT_MAX, "[%s%s%s]:%u", host, percent, zone, ntohs(sa->sin6_port));
    return out;
}

const char *addr_text(char out[static ADDR_TEXT_MAX], const struct addr *addr)
{
    char host[INET_ADDRSTRLEN] = "?";

    if (addr->sa.sa_family == AF_INET6)
        return text_v6(out, &addr->in6);
    if (addr->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &addr->in.sin_addr, host, sizeof host);
        snprintf(out, ADDR_TEXT_MAX, "%s:%u", host, ntohs(addr->in.sin_port));
    } else {
        snprintf(out, ADDR_TEXT_MAX, "an unknown address");
    }
    return out;
}

uint16_t addr_port(const struct addr *addr)
{
    return ntohs(addr->sa.sa_family == AF_INET6 ? addr->in6.sin6_port : addr->in.sin_port);
}

void addr_set_port(struct addr *addr, uint16_t port)
{
    if (addr->sa.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
    else
        addr->in.sin_port = htons(port);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->len == b->len && memcmp(&a->storage, &b->storage, a->len) == 0;
}

bool addr_needs_zone(const struct addr *addr)
{
    return addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->in6.sin6_addr) &&
           addr->in6.sin6_scope_id == 0;
}

int addr_of_socket(struct addr *ret, int fd)
{
    ret->len = sizeof ret->storage;
    return getsockname(fd, &ret->sa, &ret->len) == -1 ? -errno : 0;
}

int addr_of_peer(struct addr *ret, int fd)
{
    ret->len = sizeof ret->storage;
    return getpeername(fd, &ret->sa, &ret->len) == -1 ? -errno : 0;
}
