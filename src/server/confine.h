/* confine.h -- the last step before strangers are served: lay down what serving does not need.
 *
 * Listeners, log, engines and names are open by now. What is left to do wants no privilege, no file
 * and no new socket, so all of that is given up for good: see base/privilege.h and base/sandbox.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_CONFINE_H
#define SERVER_CONFINE_H

#include "../base/privilege.h"
#include "../base/sandbox.h"

struct confine_config {
    const struct identity *user; /* whom to become; NULL: nobody else */
    struct sandbox_config sandbox;
};

/* What is in force. */
struct confined {
    bool at_all;
    bool as_root;
    char user[PRIVILEGE_NAME_MAX];
    struct sandbox sandbox;
};

/* Before any thread is started. Returns 0 with *ret filled; or -errno, and nobody may be served. */
int confine(struct confined *ret, const struct confine_config *config, struct err *err);

/* Logs a line that says what is in force, and a warning about what this kernel lacks. */
void confine_announce(const struct confined *confined);

#endif
