/* passed.h -- a listening socket that somebody else opened and passed to us.
 *
 * A service manager passes them at start (supervisor.h), a server that is being replaced passes its own
 * (handover.h). Nothing is taken on trust: what arrives must be a TCP socket that listens. The socket is
 * shared with whoever passed it, its queue too, so what changes it (passed_listen) changes it for both
 * and is left until we serve.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_PASSED_H
#define NET_PASSED_H

#include "addr.h"
#include "listener.h"

#include <stdbool.h>

struct err;

struct passed {
    int fd;           /* -1: closed, not wanted here */
    struct addr addr; /* where it listens */
    bool v6only;
    bool always; /* to be served whether an endpoint asks for it or not */
    bool asked;  /* an endpoint asked for it, */
    bool served; /* and it, or another descriptor of the same socket, is served */
};

/* Looks at a descriptor and makes it close-on-exec. 'name' is what to call it in a message. Returns 0,
 * or -errno when it is not what it should be; it stays open. */
int passed_check(struct passed *ret, int fd, const char *name, struct err *err);

/* Makes it listen as 'config' says; its backlog only if 'backlog' is set. Returns 0 or -errno. */
int passed_listen(const struct passed *p, const struct listener_config *config, bool backlog);

#endif
