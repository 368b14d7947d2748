/* confine.c -- see confine.h.
 *
 * SPDX-License-Identifier: MIT */
#include "confine.h"

#include "../base/log.h"

#include <stdio.h>
#include <unistd.h>

int confine(struct confined *ret, const struct confine_config *config, struct err *err)
{
    int r;

    *ret = (struct confined){.at_all = false};
    if (!config->user && config->sandbox.mode == SANDBOX_OFF)
        return 0;
    r = privilege_give_up(config->user, err);
    if (r < 0)
        return r;
    ret->at_all = true;
    ret->as_root = geteuid() == 0; /* to be asked now: the sandbox forbids it, */
    privilege_name(ret->user);     /* and this as well */
    return sandbox_enter(&ret->sandbox, &config->sandbox, err);
}

void confine_announce(const struct confined *confined)
{
    const struct sandbox *sandbox = &confined->sandbox;
    char landlock[32] = "";

    if (!confined->at_all)
        return;
    if (sandbox->lacks[0])
        log_event(LOG_WARNING, "sandbox-lacks", LOG_FIELDS({"what", sandbox->lacks, 0}),
                  "the sandbox is not whole: %s", sandbox->lacks);
    if (sandbox->landlock)
        snprintf(landlock, sizeof landlock, ", landlock %d", sandbox->landlock);
    log_event(LOG_INFO, "confined",
              LOG_FIELDS({"user", confined->user, 0}, {"filter", NULL, sandbox->filter},
                         {"landlock", NULL, sandbox->landlock}),
              "confined as %s%s: no capabilities%s%s", confined->user,
              confined->as_root ? " (--user would give that up)" : "",
              sandbox->filter ? ", system call filter" : "", landlock);
}
