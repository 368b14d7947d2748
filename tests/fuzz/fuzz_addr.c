/* fuzz_addr.c -- any address the kernel could name a peer by, as people write it, and back.
 *
 * The input is the bytes of a sockaddr. What comes out must read back as the same address through our
 * own grammar of endpoints and the C library's of numeric addresses.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/err.h"
#include "net/addr.h"
#include "net/endpoint.h"

#include <arpa/inet.h>

/* The IPv4 address, also of ::ffff:a.b.c.d, or NULL. */
static const void *v4_of(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return &a->in.sin_addr;
    return IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) ? &a->in6.sin6_addr.s6_addr[12] : NULL;
}

static void check_reads_back(const struct addr *a, const char *text)
{
    char *operand = copy_string(text, strlen(text)), *operands[] = {operand}, *zone;
    struct endpoint e;
    struct in6_addr v6;
    struct in_addr v4;
    struct err err;

    HOLDS(endpoint_parse(&e, ENDPOINT_LISTEN, operands, 1, &err) == 1);
    HOLDS(e.port == addr_port(a));
    zone = strchr(e.host, '%');
    if (zone)
        *zone = '\0';
    if (v4_of(a)) {
        HOLDS(inet_pton(AF_INET, e.host, &v4) == 1 && memcmp(&v4, v4_of(a), sizeof v4) == 0);
    } else {
        HOLDS(inet_pton(AF_INET6, e.host, &v6) == 1);
        HOLDS(memcmp(&v6, &a->in6.sin6_addr, sizeof v6) == 0);
        HOLDS(!zone == !a->in6.sin6_scope_id);
    }
    free(operand);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct addr a = {.len = sizeof a.storage}, other;
    char *out = malloc(ADDR_TEXT_MAX);

    HOLDS(out);
    memcpy(&a.storage, data, size < sizeof a.storage ? size : sizeof a.storage);
    HOLDS(addr_text(out, &a) == out && strlen(out) < ADDR_TEXT_MAX && is_clean(out));
    if (a.sa.sa_family == AF_INET || a.sa.sa_family == AF_INET6) {
        check_reads_back(&a, out);
        other = a;
        HOLDS(addr_equal(&other, &a));
        addr_set_port(&other, (uint16_t)(addr_port(&a) + 1));
        HOLDS(!addr_equal(&other, &a) && addr_port(&other) == (uint16_t)(addr_port(&a) + 1));
        HOLDS(addr_needs_zone(&other) == addr_needs_zone(&a));
    }
    free(out);
    return 0;
}
