/* listening.c -- see listening.h.
 *
 * SPDX-License-Identifier: MIT */
#include "listening.h"

#include "../base/err.h"
#include "../base/log.h"
#include "server.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Descriptors of listening sockets, as they are opened. */
struct opened {
    int *fds;
    size_t n;
};

static int add_fd(struct opened *opened, int fd, struct err *err)
{
    int *more = reallocarray(opened->fds, opened->n + 1, sizeof *more);

    if (!more) {
        close(fd);
        return err_set(err, ENOMEM, "cannot open another listener");
    }
    opened->fds = more;
    opened->fds[opened->n++] = fd;
    return 0;
}

/* A bare port is one [::] socket; on a machine without IPv6 it is 0.0.0.0. */
static int open_any(int *ret_fd, const struct server_config *config, struct addr *addr,
                    struct err *err)
{
    int r = listener_open(ret_fd, addr, &config->listener, err);

    if ((r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL) || config->family != AF_UNSPEC)
        return r;
    log_event(LOG_NOTICE, "no-ipv6", LOG_NO_FIELDS, "no IPv6 here: listening on IPv4 only");
    *addr = (struct addr){
        .in = {.sin_family = AF_INET, .sin_port = addr->in6.sin6_port},
        .len = sizeof addr->in,
    };
    return listener_open(ret_fd, addr, &config->listener, err);
}

/* One listener per address; where the kernel picks the port, it is the same for all of them. */
static int open_addresses(struct opened *opened, const struct server_config *config,
                          const struct endpoint *endpoint, struct addr *addrs, size_t n,
                          struct err *err)
{
    int fd, r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        struct addr bound;

        r = endpoint->host[0] ? listener_open(&fd, &addrs[i], &config->listener, err)
                              : open_any(&fd, config, &addrs[i], err);
        if (r == 0)
            r = add_fd(opened, fd, err);
        if (r == 0 && endpoint->port == 0 && i + 1 < n && addr_of_socket(&bound, fd) == 0)
            addr_set_port(&addrs[i + 1], addr_port(&bound));
    }
    return r;
}

static int open_endpoint(struct opened *opened, const struct server_config *config,
                         const struct endpoint *endpoint, struct err *err)
{
    struct addr *addrs;
    size_t n;
    int r = endpoint_resolve(&addrs, &n, endpoint, config->family, err);

    if (r < 0)
        return r;
    r = open_addresses(opened, config, endpoint, addrs, n, err);
    free(addrs);
    return r;
}

void listening_release(int *fds, size_t n)
{
    while (n > 0)
        close(fds[--n]);
    free(fds);
}

int listening_open(int **ret_fds, size_t *ret_n, const struct server_config *config,
                   struct err *err)
{
    struct opened opened = {NULL, 0};
    int r = 0;

    for (size_t i = 0; i < config->n_endpoints && r == 0; i++)
        r = open_endpoint(&opened, config, &config->endpoints[i], err);
    if (r < 0) {
        listening_release(opened.fds, opened.n);
        return r;
    }
    *ret_fds = opened.fds;
    *ret_n = opened.n;
    return 0;
}

/* How clients are served, in words. */
static const char *service(const struct server *server, char *out, size_t size)
{
    if (!io_thread_per_client(server->workers[0]->io))
        snprintf(out, size, "%u worker%s", server->n_workers, server->n_workers == 1 ? "" : "s");
    else if (server->config.concurrency == 1)
        snprintf(out, size, "one client at a time");
    else
        snprintf(out, size, "a thread per client");
    return out;
}

void listening_announce(const struct server *server)
{
    const struct doorkeeper *door = &server->door;
    const char *engine = io_engine_name(server->workers[0]->io);
    int asked = server->config.listener.backlog;
    char words[48];

    for (size_t i = 0; i < door->n; i++) {
        const struct door_listener *l = &door->listeners[i];
        int backlog = listener_backlog(l->sock.fd);

        if (backlog < 0)
            backlog = asked;
        if (server->config.backlog_given && backlog < asked)
            log_event(LOG_WARNING, "backlog-clamped",
                      LOG_FIELDS({"asked", NULL, asked}, {"backlog", NULL, backlog}),
                      "a backlog of %d is more than net.core.somaxconn allows: %d is in force",
                      asked, backlog);
        log_event(LOG_NOTICE, "listening",
                  LOG_FIELDS({"address", l->text, 0}, {"backlog", NULL, backlog},
                             {"engine", engine, 0}, {"workers", NULL, server->n_workers}),
                  "listening on %s, backlog %d, engine %s, %s", l->text, backlog, engine,
                  service(server, words, sizeof words));
    }
}
