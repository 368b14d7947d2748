/* predecessor.c -- see predecessor.h.
 *
 * SPDX-License-Identifier: MIT */
#include "predecessor.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../net/handover.h"
#include "../net/socketfile.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_MS 20

/* What to call it in a message. */
static int complain(const struct predecessor *old, const char *path, struct err *err,
                    const char *what)
{
    char quoted[ERR_QUOTE_MAX];

    return err_usage(err, "process %d, which answers at '%s', %s", (int)old->pid,
                     err_quote(quoted, path), what);
}

/* Connects, as often as it takes while many others wait. Returns 1; 0 where nobody is there; or -errno. */
static int reach(struct predecessor *old, const char *path, int64_t deadline_ns, struct err *err)
{
    char quoted[ERR_QUOTE_MAX];
    uid_t uid;
    int r;

    while ((r = handover_connect(&old->fd, path)) == -EAGAIN && clock_now_ns() < deadline_ns)
        (void)poll(NULL, 0, RETRY_MS);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return 0;
    if (r < 0)
        return err_set(err, -r, "cannot connect to '%s'", err_quote(quoted, path));
    r = handover_peer(old->fd, &old->pid, &uid);
    if (r < 0)
        return err_set(err, -r, "cannot tell who answers at '%s'", err_quote(quoted, path));
    if (uid != geteuid())
        return complain(old, path, err, "belongs to another user");
    return 1;
}

/* Sends our word and waits for its. Returns as handover_receive(), -EAGAIN at the deadline. */
static int ask(struct predecessor *old, struct handover_message *answer, int fds[HANDOVER_MAX],
               int64_t deadline_ns)
{
    const struct handover_message hello = {.word = HANDOVER_HELLO};
    struct pollfd p = {.fd = old->fd, .events = POLLIN};
    int r = handover_send(old->fd, &hello, NULL);

    if (r < 0)
        return r;
    do {
        (void)poll(&p, 1, clock_timeout_ms(clock_now_ns(), deadline_ns));
        r = handover_receive(old->fd, answer, fds);
    } while (r == -EAGAIN && clock_now_ns() < deadline_ns);
    return r;
}

/* Looks at what was passed; then it is ours. */
static int take(struct predecessor *old, const int *fds, size_t n, struct err *err)
{
    char name[64];
    int r = 0;

    old->listeners = calloc(n, sizeof *old->listeners);
    if (!old->listeners)
        r = err_set(err, ENOMEM, "cannot take over %zu listeners", n);
    for (size_t i = 0; i < n && r == 0; i++) {
        snprintf(name, sizeof name, "listener %zu of process %d", i + 1, (int)old->pid);
        r = passed_check(&old->listeners[i], fds[i], name, err);
    }
    old->n = n;
    return r;
}

/* What it answered, in words, or its listeners. */
static int hear(struct predecessor *old, const char *path, int r,
                const struct handover_message *answer, const int *fds, struct err *err)
{
    if (r == -EAGAIN)
        return complain(old, path, err, "hands nothing over (it was given 5 s)");
    if (r == -EPROTONOSUPPORT)
        return complain(old, path, err, "speaks another version of the protocol");
    if (r < 0 && r != -EPROTO)
        return err_set(err, -r, "cannot take the listeners of process %d", (int)old->pid);
    if (r == 1 && answer->word == HANDOVER_BUSY)
        return complain(old, path, err, "is handing over to another process already");
    if (r != 1 || answer->word != HANDOVER_LISTENERS)
        return complain(old, path, err, "is no meari-server");
    return take(old, fds, answer->n, err);
}

static void hang_up(struct predecessor *old)
{
    if (old->fd != -1)
        handover_close(old->fd);
    old->fd = -1;
}

/* A server that is just being replaced, or ends, closes the connection without a word: then another one
 * may stand at the path by now, or nobody. */
int predecessor_ask(struct predecessor *ret, const char *path, struct err *err)
{
    int64_t deadline_ns = clock_now_ns() + PREDECESSOR_WAIT_NS;
    struct predecessor old = {.fd = -1};
    struct handover_message answer;
    int fds[HANDOVER_MAX];
    int r;

    for (;;) {
        r = socketfile_check(path, err);
        if (r == 0)
            r = reach(&old, path, deadline_ns, err);
        if (r <= 0)
            break;
        r = ask(&old, &answer, fds, deadline_ns);
        if ((r != 0 && r != -ECONNRESET && r != -EPIPE) || clock_now_ns() >= deadline_ns) {
            r = hear(&old, path, r, &answer, fds, err);
            break;
        }
        hang_up(&old);
        (void)poll(NULL, 0, RETRY_MS);
    }
    if (r < 0)
        predecessor_close(&old);
    else
        *ret = old;
    return r;
}

void predecessor_close(struct predecessor *old)
{
    hang_up(old);
    free(old->listeners);
    old->listeners = NULL;
    old->n = 0;
}
