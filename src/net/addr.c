/* addr.c -- see addr.h.
 *
 * SPDX-License-Identifier: MIT */
#include "addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* What is asked for the names of interfaces; -1: if_indextoname(3) opens a socket each time. */
static int zones_fd = -1;

void addr_keep_zones(void)
{
    if (zones_fd == -1)
        zones_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* can send to nobody */
}

/* The interface's name, or its number where it has none any more. */
static void zone_text(char out[static IF_NAMESIZE], uint32_t zone)
{
    struct ifreq request = {.ifr_ifindex = (int)zone};

    if (zones_fd != -1 && ioctl(zones_fd, SIOCGIFNAME, &request) == 0)
        snprintf(out, IF_NAMESIZE, "%s", request.ifr_name);
    else if (zones_fd != -1 || !if_indextoname(zone, out))
        snprintf(out, IF_NAMESIZE, "%u", zone);
}

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
        zone_text(zone, sa->sin6_scope_id);
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

bool addr_is_loopback(const struct addr *addr)
{
    const struct in6_addr *v6 = &addr->in6.sin6_addr;

    if (addr->sa.sa_family == AF_INET)
        return ntohl(addr->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return addr->sa.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(v6) ||
            (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET));
}

bool addr_needs_zone(const struct addr *addr)
{
    return addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->in6.sin6_addr) &&
           addr->in6.sin6_scope_id == 0;
}
