/* sandbox.h -- what the process may ask of the kernel once it serves.
 *
 * Two locks on the same door, by different makers: a seccomp filter (filter.h) looks at the numbers of
 * system calls, landlock (landlock.h) at what they would touch. They are for the day when a client
 * makes the program do what it was not written for. Both stay for good, for this thread and all that
 * it starts; so everything that they forbid is opened before.
 *
 * A build with sanitizers or coverage (INSTRUMENTED) goes through all of this with rules that let the
 * instruments work: it forbids next to nothing.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum sandbox_mode {
    SANDBOX_OFF,     /* nothing */
    SANDBOX_AUTO,    /* as much as there is here */
    SANDBOX_REQUIRE, /* all of it or an error */
};

struct sandbox_config {
    enum sandbox_mode mode;
    const char *const *socket_dirs; /* where files of Unix sockets may be moved and removed, */
    size_t n_socket_dirs;           /* so many; 0: nowhere, and no descriptor can be passed */
};

/* What is in force, and what is missing, for the log. */
struct sandbox {
    bool filter;
    int landlock;    /* its ABI, 0: not in force */
    char lacks[160]; /* "no landlock (Function not implemented)", or "" */
};

/* To be called with one thread, after privilege_give_up(). Returns 0 with *ret filled, or -errno. */
int sandbox_enter(struct sandbox *ret, const struct sandbox_config *config, struct err *err);

#endif
