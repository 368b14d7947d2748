/* listener.c -- see listener.h.
 *
 * SPDX-License-Identifier: MIT */
#include "listener.h"

#include "../base/err.h"
#include "sock.h"
#include "trace.h"
#include "tune.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int bind_to(int fd, const struct addr *addr)
{
    int r = bind(fd, &addr->sa, addr->len);

    if (tracing())
        trace_bind(fd, addr, r);
    return r;
}

/* What a user can do about a refused bind. */
static int bind_error(const struct addr *addr, int code, struct err *err)
{
    char text[ADDR_TEXT_MAX];

    addr_text(text, addr);
    if (code == EACCES)
        return err_set(err, code,
                       "cannot bind to '%s' (ports below 1024 want CAP_NET_BIND_SERVICE; "
                       "use another or net.ipv4.ip_unprivileged_port_start)",
                       text);
    return err_set(err, code, "cannot bind to '%s'", text);
}

int listener_open(int *ret_fd, const struct addr *addr, const struct listener_config *config,
                  struct err *err)
{
    char text[ADDR_TEXT_MAX];
    int fd, r;

    addr_text(text, addr);
    fd = sock_open(addr->sa.sa_family);
    if (fd < 0)
        return err_set(err, -fd, "cannot create a socket for '%s'", text);
    r = sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = tune_listener(fd, config);
    if (r == 0 && addr->sa.sa_family == AF_INET6)
        r = sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, config->v6only);
    if (r < 0) {
        err_set(err, -r, "cannot set socket options for '%s'", text);
        goto fail;
    }
    if (bind_to(fd, addr) == -1) {
        r = bind_error(addr, errno, err);
        goto fail;
    }
    r = sock_listen(fd, config->backlog);
    if (r < 0) {
        err_set(err, -r, "cannot listen on '%s'", text);
        goto fail;
    }
    *ret_fd = fd;
    return 0;
fail:
    close(fd);
    return r;
}

bool listener_listens(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
           info.tcpi_state == TCP_LISTEN;
}
