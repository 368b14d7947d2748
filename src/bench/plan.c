/* plan.c -- see plan.h.
 *
 * SPDX-License-Identifier: MIT */
#include "plan.h"

#include "../net/sock.h"

bool plan_on_loopback(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_addrs; i++)
        if (!addr_is_loopback(&plan->addrs[i]))
            return false;
    return true;
}

int plan_socket(const struct plan *plan, const struct addr *to, uint64_t number)
{
    const struct addr *from = plan->n_binds ? &plan->binds[number % plan->n_binds] : NULL;
    int fd = sock_create(to->sa.sa_family, from), r;

    if (fd < 0)
        return fd;
    (void)sock_set_buffers(fd, plan->sndbuf, plan->rcvbuf);
    r = plan->congestion ? sock_set_congestion(fd, plan->congestion) : 0;
    if (r == 0)
        return fd;
    sock_close(fd);
    return r;
}
