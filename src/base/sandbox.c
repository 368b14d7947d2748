/* sandbox.c -- see sandbox.h.
 *
 * SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "err.h"
#include "filter.h"
#include "landlock.h"

#include <stdio.h>
#include <string.h>

/* Notes that a part is not to be had, and why. */
static void lack(struct sandbox *s, const char *what, const char *why)
{
    size_t used = strlen(s->lacks);

    snprintf(s->lacks + used, sizeof s->lacks - used, "%sno %s (%s)", used ? ", " : "", what, why);
}

static void enter_landlock(struct sandbox *s, const struct sandbox_config *config)
{
    int r = landlock_enter(config->socket_dirs, config->n_socket_dirs);
    char words[128];

    if (r < 0)
        lack(s, "landlock", strerror_r(-r, words, sizeof words));
    else
        s->landlock = r;
}

static void enter_filter(struct sandbox *s, const struct sandbox_config *config)
{
    int r = filter_enter(config->n_socket_dirs > 0);
    char words[128];

    if (!filter_built())
        lack(s, "system call filter", "built without libseccomp");
    else if (r < 0)
        lack(s, "system call filter", strerror_r(-r, words, sizeof words));
    else
        s->filter = true;
}

int sandbox_enter(struct sandbox *ret, const struct sandbox_config *config, struct err *err)
{
    *ret = (struct sandbox){.filter = false};
    if (config->mode == SANDBOX_OFF)
        return 0;
    enter_landlock(ret, config); /* first, because the filter forbids it */
    enter_filter(ret, config);
    if (ret->lacks[0] && config->mode == SANDBOX_REQUIRE)
        return err_usage(err, "--sandbox require: %s", ret->lacks);
    return 0;
}
