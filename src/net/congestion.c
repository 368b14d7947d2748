/* congestion.c -- see congestion.h.
 *
 * SPDX-License-Identifier: MIT */
#include "congestion.h"

#include "../base/err.h"
#include "sock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define AVAILABLE "/proc/sys/net/ipv4/tcp_available_congestion_control"
#define ALLOWED "/proc/sys/net/ipv4/tcp_allowed_congestion_control"

/* The names in one of those files, after 'before' and in parentheses; "" where it cannot be read. */
static const char *list(char *out, size_t size, const char *before, const char *path)
{
    FILE *file = fopen(path, "re");
    char names[256] = "";

    out[0] = '\0';
    if (!file)
        return out;
    if (fgets(names, sizeof names, file)) {
        names[strcspn(names, "\n")] = '\0';
        snprintf(out, size, " (%s: %s)", before, names);
    }
    fclose(file);
    return out;
}

static int refuse(const char *name, int code, struct err *err)
{
    char quote[ERR_QUOTE_MAX], names[320];

    err_quote(quote, name);
    switch (code) {
    case ENOENT:
        return err_usage(err, "--congestion: '%s' is unknown to this kernel%s", quote,
                         list(names, sizeof names, "available", AVAILABLE));
    case EPERM:
        return err_usage(err, "--congestion: '%s' takes CAP_NET_ADMIN%s", quote,
                         list(names, sizeof names, "allowed without", ALLOWED));
    default:
        return err_set(err, code, "--congestion: cannot use '%s'", quote);
    }
}

int congestion_check(const char *name, struct err *err)
{
    int fd, r;

    if (!name)
        return 0;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 && errno == EAFNOSUPPORT)
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return err_set(err, errno, "--congestion: cannot create a socket to try it on");
    r = sock_set_congestion(fd, name);
    sock_close(fd);
    return r < 0 ? refuse(name, -r, err) : 0;
}
