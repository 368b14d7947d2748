/* passed.c -- see passed.h.
 *
 * SPDX-License-Identifier: MIT */
#include "passed.h"

#include "../base/err.h"
#include "sock.h"
#include "tune.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int get(int fd, int level, int option, int *ret)
{
    socklen_t len = sizeof *ret;

    return getsockopt(fd, level, option, ret, &len) == -1 ? -errno : 0;
}

/* We serve streams of TCP, over IPv4 or IPv6. */
static int check_kind(int fd, const char *name, struct err *err)
{
    int family, protocol, listens;
    int r = get(fd, SOL_SOCKET, SO_DOMAIN, &family);

    if (r == 0)
        r = get(fd, SOL_SOCKET, SO_PROTOCOL, &protocol);
    if (r == 0)
        r = get(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    if (r < 0)
        return err_set(err, -r, "%s cannot be served", name);
    if (family != AF_INET && family != AF_INET6)
        return err_usage(err, "%s cannot be served: it is not a socket of IPv4 or IPv6", name);
    if (protocol != IPPROTO_TCP)
        return err_usage(err, "%s cannot be served: it is not a TCP socket%s", name,
                         protocol == IPPROTO_UDP ? ", but UDP" : "");
    if (!listens)
        return err_usage(err, "%s cannot be served: it does not listen", name);
    return 0;
}

int passed_check(struct passed *ret, int fd, const char *name, struct err *err)
{
    struct passed p = {.fd = fd};
    int v6only = 0, r;

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
        return err_set(err, errno, "%s cannot be served", name);
    r = check_kind(fd, name, err);
    if (r < 0)
        return r;
    r = sock_local(&p.addr, fd);
    if (r < 0)
        return err_set(err, -r, "%s has no address", name);
    if (p.addr.sa.sa_family == AF_INET6)
        (void)get(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only);
    p.v6only = v6only;
    *ret = p;
    return 0;
}

int passed_listen(const struct passed *p, const struct listener_config *config, bool backlog)
{
    int r = sock_set_blocking(p->fd, false);

    if (r == 0)
        r = tune_listener(p->fd, config);
    return r == 0 && backlog ? sock_listen(p->fd, config->backlog) : r;
}
