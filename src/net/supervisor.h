/* supervisor.h -- the service manager that started us: the sockets it passes, and what it wants to hear.
 *
 * systemd, and others that speak the same two protocols, may open a service's sockets and pass them as
 * descriptors 3, 4, ... (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; sd_listen_fds(3)), and may listen on a
 * socket for how it fares (NOTIFY_SOCKET; sd_notify(3)). Both are small and stable, and docs/design.md
 * says why we speak them without libsystemd.
 *
 * Neither is ever required: without the variables nothing here does anything. They are taken out of the
 * environment, since they are meant for this process only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SUPERVISOR_H
#define NET_SUPERVISOR_H

#include "passed.h"

#include <stddef.h>

struct err;

struct supervisor {
    int notify_fd; /* -1: nobody listens */
};

/* The sockets that were passed to this process, each marked to be served always. Returns 0 and sets *ret
 * (the caller frees it; NULL when there are none) and *ret_n; or -errno, with 'err' naming the
 * variable or the descriptor that is wrong. Call it before anything else opens descriptors. */
int supervisor_sockets(struct passed **ret, size_t *ret_n, struct err *err);

/* Connects to whoever wants to hear, if anybody. Returns 0, or -errno when the address is of no use; then
 * nothing will be told, and that is no reason not to serve. */
int supervisor_open(struct supervisor *s, struct err *err);
void supervisor_close(struct supervisor *s);

/* Sends assignments, "READY=1\nSTATUS=...", one per line. Any thread may. A manager that takes nothing for
 * a second does not hear of it. NULL is fine. */
void supervisor_tell(const struct supervisor *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
