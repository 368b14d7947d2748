/* dial.c -- see dial.h.
 *
 * SPDX-License-Identifier: MIT */
#include "dial.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "sock.h"
#include "trace.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* Waits for the outcome of a connect(2) in progress. Returns 0 or -errno. */
static int finish(int fd, int64_t deadline_ns)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int code = 0, n;

    do {
        n = poll(&p, 1, clock_timeout_ms(clock_now_ns(), deadline_ns));
        if (tracing())
            trace_wait("poll", n, n > 0 ? (unsigned)n : 0);
    } while (n == -1 && errno == EINTR);
    if (n == -1)
        return -errno;
    if (n == 0)
        return -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == -1)
        return -errno;
    if (tracing())
        trace_so_error(fd, code);
    return -code;
}

static int dial_one(int *ret_fd, const struct addr *addr, int64_t timeout_ns)
{
    int fd = sock_open(addr->sa.sa_family), r;

    if (fd < 0)
        return fd;
    r = sock_connect(fd, addr);
    if (r == -EINPROGRESS)
        r = finish(fd, clock_after(clock_now_ns(), timeout_ns));
    if (r == 0 && sock_reached_itself(fd, addr))
        r = -ECONNREFUSED;
    if (r < 0) {
        sock_close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int dial(int *ret_fd, struct addr *ret_addr, const struct addr *list, size_t n, const char *what,
         int64_t timeout_ns, struct err *err)
{
    /* as long as the whole sentence, so that reasons that do not fit are cut there, with a mark */
    char reasons[sizeof err->text] = "", text[ADDR_TEXT_MAX], words[128];
    size_t used = 0;
    int r = -EADDRNOTAVAIL;

    for (size_t i = 0; i < n; i++) {
        r = dial_one(ret_fd, &list[i], timeout_ns);
        if (r == 0) {
            *ret_addr = list[i];
            return 0;
        }
        used += (size_t)snprintf(reasons + used, sizeof reasons - used, "%s%s: %s", i ? "; " : "",
                                 addr_text(text, &list[i]), strerror_r(-r, words, sizeof words));
        if (used >= sizeof reasons)
            used = sizeof reasons - 1;
    }
    if (n > 1) {
        err_usage(err, "cannot connect to '%s': %s", what, reasons);
        err->code = -r;
        return r;
    }
    return err_set(err, -r, "cannot connect to '%s'", what);
}
