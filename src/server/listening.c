/* listening.c -- see listening.h.
 *
 * SPDX-License-Identifier: MIT */
#include "listening.h"

#include "../base/err.h"
#include "../base/log.h"
#include "../net/passed.h"
#include "../net/sock.h"
#include "server.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Descriptors of listening sockets, as they are opened. */
struct opened {
    int *fds;
    size_t n;
};

static int add_fd(struct opened *opened, int fd, struct err *err)
{
    int *more = reallocarray(opened->fds, opened->n + 1, sizeof *more);

    if (!more) {
        sock_close(fd);
        return err_set(err, ENOMEM, "cannot open another listener");
    }
    opened->fds = more;
    opened->fds[opened->n++] = fd;
    return 0;
}

/* --- what was passed to us ---------------------------------------------------------------------- */

static bool port_is_named(const struct server_config *config, uint16_t port)
{
    for (size_t i = 0; i < config->n_endpoints; i++)
        if (config->endpoints[i].port == port)
            return true;
    return false;
}

/* Another descriptor of a socket that is served: a manager and a predecessor may pass us the same. */
static bool has_twin(const struct server_config *config, const struct passed *p)
{
    for (size_t i = 0; i < config->n_passed; i++)
        if (config->passed[i].served && config->passed[i].fd != p->fd &&
            addr_equal(&config->passed[i].addr, &p->addr))
            return true;
    return false;
}

/* Is this the socket that an endpoint with 'addr' would open? */
static bool is_asked(const struct server_config *config, const struct passed *p,
                     const struct addr *addr)
{
    struct addr wanted = *addr;

    if (p->asked || (!p->served && has_twin(config, p)) ||
        wanted.sa.sa_family != p->addr.sa.sa_family)
        return false;
    if (wanted.sa.sa_family == AF_INET6 && p->v6only != config->listener.v6only)
        return false;
    if (addr_port(&wanted) == 0 && !port_is_named(config, addr_port(&p->addr)))
        addr_set_port(&wanted, addr_port(&p->addr));
    return addr_equal(&wanted, &p->addr);
}

static struct passed *find_passed(const struct server_config *config, const struct addr *addr)
{
    for (size_t i = 0; i < config->n_passed; i++)
        if (is_asked(config, &config->passed[i], addr))
            return &config->passed[i];
    return NULL;
}

static int serve_passed(struct opened *opened, struct passed *p, struct err *err)
{
    int r = add_fd(opened, p->fd, err);

    p->served = r == 0;
    return r;
}

/* Those that need no endpoint to ask for them. */
static int serve_always(struct opened *opened, const struct server_config *config, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < config->n_passed && r == 0; i++) {
        struct passed *p = &config->passed[i];

        if (p->always || (config->n_endpoints == 0 && !has_twin(config, p)))
            r = serve_passed(opened, p, err);
    }
    return r;
}

static void close_unserved(const struct server_config *config)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < config->n_passed; i++) {
        struct passed *p = &config->passed[i];

        if (p->served)
            continue;
        sock_close(p->fd);
        if (has_twin(config, p))
            p->served = true;
        else
            log_event(LOG_NOTICE, "closed", LOG_FIELDS({"address", addr_text(text, &p->addr), 0}),
                      "no longer listening on %s, which no endpoint asks for", text);
        p->fd = -1;
    }
}

int listening_adopt(const struct server_config *config, struct err *err)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < config->n_passed; i++) {
        const struct passed *p = &config->passed[i];
        int r = 0;

        if (p->served && p->fd != -1)
            r = passed_listen(p, &config->listener, config->backlog_given || !p->always);
        if (r < 0)
            return err_set(err, -r, "cannot listen on '%s'", addr_text(text, &p->addr));
    }
    return 0;
}

/* --- what we open ourselves --------------------------------------------------------------------- */

/* The socket that was passed for this address, or a new one. */
static int obtain(int *ret_fd, struct opened *opened, const struct server_config *config,
                  const struct addr *addr, struct err *err)
{
    struct passed *p = find_passed(config, addr);
    int r;

    if (p) {
        p->asked = true;
        *ret_fd = p->fd;
        return p->served ? 0 : serve_passed(opened, p, err);
    }
    r = listener_open(ret_fd, addr, &config->listener, err);
    return r < 0 ? r : add_fd(opened, *ret_fd, err);
}

/* A bare port is one [::] socket; on a machine without IPv6 it is 0.0.0.0. */
static int obtain_any(int *ret_fd, struct opened *opened, const struct server_config *config,
                      struct addr *addr, struct err *err)
{
    int r = obtain(ret_fd, opened, config, addr, err);

    if ((r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL) || config->family != AF_UNSPEC)
        return r;
    log_event(LOG_NOTICE, "no-ipv6", LOG_NO_FIELDS, "no IPv6 here: listening on IPv4 only");
    *addr = (struct addr){
        .in = {.sin_family = AF_INET, .sin_port = addr->in6.sin6_port},
        .len = sizeof addr->in,
    };
    return obtain(ret_fd, opened, config, addr, err);
}

/* One listener per address; where the kernel picks the port, it is the same for all of them. */
static int open_addresses(struct opened *opened, const struct server_config *config,
                          const struct endpoint *endpoint, struct addr *addrs, size_t n,
                          struct err *err)
{
    int fd, r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        struct addr bound;

        r = endpoint->host[0] ? obtain(&fd, opened, config, &addrs[i], err)
                              : obtain_any(&fd, opened, config, &addrs[i], err);
        if (r == 0 && endpoint->port == 0 && i + 1 < n && sock_local(&bound, fd) == 0)
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
        sock_close(fds[--n]);
    free(fds);
}

int listening_open(int **ret_fds, size_t *ret_n, const struct server_config *config,
                   struct err *err)
{
    struct opened opened = {NULL, 0};
    int r = serve_always(&opened, config, err);

    for (size_t i = 0; i < config->n_endpoints && r == 0; i++)
        r = open_endpoint(&opened, config, &config->endpoints[i], err);
    if (r < 0) {
        listening_release(opened.fds, opened.n);
        return r;
    }
    close_unserved(config);
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

/* What the kernel does not say is what it was asked for. */
static int backlog_in_force(const struct door_listener *l, int asked)
{
    struct backlog_gauge gauge = l->watched.gauge;
    struct backlog b;

    backlog_read(&gauge, &b);
    return b.limit == BACKLOG_UNKNOWN ? asked : (int)b.limit;
}

void listening_announce(const struct server *server)
{
    const struct doorkeeper *door = &server->door;
    const char *engine = io_engine_name(server->workers[0]->io);
    const char *why = server_passed_over(server);
    int asked = server->config.listener.backlog;
    char words[48];

    if (*why)
        log_event(LOG_INFO, "engine", LOG_FIELDS({"engine", engine, 0}, {"reason", why, 0}),
                  "%s; serving with %s", why, engine);
    for (size_t i = 0; i < door->n; i++) {
        const struct door_listener *l = &door->listeners[i];
        int backlog = backlog_in_force(l, asked);

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
