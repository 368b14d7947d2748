/* callers.h -- those who connect to the path of --takeover, and the one who gets the listeners.
 *
 * A few at a time, each with a deadline: one that says nothing costs a descriptor for a second, and makes
 * room earlier when others come. One at a time is given the listeners; who asks meanwhile is told so. Its
 * own "serving" is what takes them, whatever happens to it before.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_CALLERS_H
#define SERVER_CALLERS_H

#include "../net/handover.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct doorkeeper;

#define CALLERS_MAX 8

struct caller {
    int fd;
    pid_t pid;
    bool trying; /* has our listeners, is about to serve */
    int64_t deadline_ns;
};

struct callers {
    int fd;                        /* where they connect */
    uid_t uid;                     /* whose calls are answered */
    const struct doorkeeper *door; /* whose listeners they ask for */
    struct caller list[CALLERS_MAX];
    size_t n;
    int64_t pause_ns;          /* accept and hear nobody until then */
    bool served[HANDOVER_MAX]; /* by the one who has taken the listeners */
};

/* Waits until somebody calls, speaks, or is out of time, or until 'event_fd' can be read, and does what is to
 * be done. Returns the caller who has taken the listeners, or NULL. */
struct caller *callers_attend(struct callers *all, int event_fd);

/* Is anybody about to serve? Who has hung up is not, though we may not have heard it yet. */
bool callers_trying(const struct callers *all);

void callers_close(struct callers *all);

#endif
