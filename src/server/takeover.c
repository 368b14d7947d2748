/* takeover.c -- see takeover.h.
 *
 * SPDX-License-Identifier: MIT */
#include "takeover.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../net/handover.h"
#include "../net/socketfile.h"
#include "callers.h"
#include "crew.h"
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define YOURS_MS 5000             /* after "serving": then we mention that we wait */
#define RETRY_MS 100              /* without memory to speak: how soon to try again */
#define REPLACE_NS (2 * NS_PER_S) /* from "yours" until the successor stands at the path */

enum command { COMMAND_WAIT, COMMAND_GO, COMMAND_STOP };

struct takeover {
    const char *path;
    char dir[SOCKETFILE_PATH_MAX + 1];
    const struct identity *user;
    struct predecessor old;
    struct socketfile place;
    struct server *server;
    int event_fd; /* 'command' has changed */
    atomic_int command;
    bool started; /* 'thread' is to be joined */
    pthread_t thread;
    atomic_bool failed;
    struct callers callers; /* the thread's own */
};

static bool is_stopped(struct takeover *t)
{
    return atomic_load(&t->command) == COMMAND_STOP;
}

/* --- taking over -------------------------------------------------------------------------------- */

/* Returns whether it goes on. */
static bool wait_for_go(struct takeover *t)
{
    struct pollfd p = {.fd = t->event_fd, .events = POLLIN};
    uint64_t count;

    do {
        (void)poll(&p, 1, -1);
    } while (atomic_load(&t->command) == COMMAND_WAIT);
    return read(t->event_fd, &count, sizeof count) > 0 && !is_stopped(t);
}

/* Is the predecessor's i-th listener served here? Its listeners are the last of those passed to us. */
static bool is_served(const struct takeover *t, size_t i)
{
    const struct server_config *config = &t->server->config;

    return config->passed[config->n_passed - t->old.n + i].served;
}

static bool too_late(struct takeover *t)
{
    log_event(LOG_WARNING, "takeover-late", LOG_FIELDS({"pid", NULL, t->old.pid}),
              "process %d has given up waiting and goes on serving", (int)t->old.pid);
    atomic_store(&t->failed, true);
    server_stop(t->server);
    return false;
}

/* Tells the predecessor that we serve. Returns whether the service is ours: it says so, or is gone. While
 * it is silent both serve, and neither must end by itself: it may have said "yours" already. */
static bool say_serving(struct takeover *t)
{
    struct pollfd polls[] = {{.fd = t->event_fd, .events = POLLIN},
                             {.fd = t->old.fd, .events = POLLIN}};
    struct handover_message serving = {.word = HANDOVER_SERVING, .n = t->old.n}, m;
    const struct handover_message *due = &serving;
    int timeout_ms = YOURS_MS, r;

    for (size_t i = 0; i < serving.n; i++)
        serving.served[i] = is_served(t, i);
    for (;;) {
        /* one who has hung up may have left a last word */
        if (due && handover_send(t->old.fd, due, NULL) != -ENOMEM)
            due = NULL;
        if (poll(polls, 2, due ? RETRY_MS : timeout_ms) == 0 && !due) {
            log_event(LOG_WARNING, "takeover-waits", LOG_FIELDS({"pid", NULL, t->old.pid}),
                      "process %d does not answer: serving beside it", (int)t->old.pid);
            timeout_ms = -1;
        }
        if (is_stopped(t))
            return false;
        r = handover_receive(t->old.fd, &m, NULL);
        if (r == 1 && m.word == HANDOVER_LATE)
            return too_late(t);
        /* a reset: it closed before it read what we said, and what it said itself comes next */
        if (r != -EAGAIN && r != -ECONNRESET && r != -ENOMEM)
            return true;
    }
}

static void log_taken(const struct takeover *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->old.n; i++)
        n += is_served(t, i);
    log_event(LOG_NOTICE, "took-over",
              LOG_FIELDS({"listeners", NULL, (int64_t)n}, {"pid", NULL, t->old.pid}),
              "took over %zu listener%s from process %d", n, n == 1 ? "" : "s", (int)t->old.pid);
}

/* Takes the predecessor's place, if there is one, at the path. Returns whether we stand there. */
static bool take_place(struct takeover *t)
{
    char words[128], quoted[ERR_QUOTE_MAX];
    int r;

    if (t->old.fd != -1 && !say_serving(t))
        return false;
    r = socketfile_publish(&t->place);
    if (r < 0)
        log_event(LOG_WARNING, "takeover-failed", LOG_FIELDS({"errno", NULL, -r}),
                  "nobody can take over from this process: cannot stand at '%s': %s",
                  err_quote(quoted, t->path), strerror_r(-r, words, sizeof words));
    if (t->old.fd != -1)
        log_taken(t);
    predecessor_close(&t->old); /* from here on it may close what stood at the path */
    if (r == 0)
        log_event(LOG_INFO, "takeover-offered", LOG_FIELDS({"path", t->path, 0}),
                  "another process can take over at '%s'", err_quote(quoted, t->path));
    return r == 0;
}

/* --- handing over -------------------------------------------------------------------------------- */

/* The successor renames its socket over ours and hangs up. Until then ours stays open, so that whoever
 * connects to the path waits in its queue, sees it closed, and tries again: nobody is refused there. */
static void wait_for_replacement(struct takeover *t, const struct caller *successor)
{
    struct pollfd polls[] = {{.fd = t->event_fd, .events = POLLIN},
                             {.fd = successor->fd, .events = POLLIN}};
    int64_t deadline_ns = clock_now_ns() + REPLACE_NS;
    struct handover_message m;

    while (!is_stopped(t) && clock_now_ns() < deadline_ns) {
        (void)poll(polls, 2, clock_timeout_ms(clock_now_ns(), deadline_ns));
        if (handover_receive(successor->fd, &m, NULL) != -EAGAIN)
            break;
    }
}

static void *takeover_main(void *arg)
{
    struct takeover *t = arg;
    struct caller *successor = NULL;
    bool leave;

    if (wait_for_go(t) && take_place(t)) {
        t->callers.fd = t->place.fd;
        while (!successor && !is_stopped(t))
            successor = callers_attend(&t->callers, t->event_fd);
    }
    /* Whoever is about to replace us puts its socket where ours is. To look whether that is still ours, and
     * then remove it, would be a race with it. */
    leave = callers_trying(&t->callers);
    if (successor) {
        server_hand_over(t->server, successor->pid, t->callers.served);
        wait_for_replacement(t, successor);
    }
    socketfile_close(&t->place, leave);
    callers_close(&t->callers);
    return NULL;
}

/* --- for the server ----------------------------------------------------------------------------- */

int takeover_create(struct takeover **ret, const char *path, const struct identity *user,
                    struct err *err)
{
    struct takeover *t = calloc(1, sizeof *t);
    int r;

    if (!t)
        return err_set(err, ENOMEM, "cannot take over");
    t->path = path;
    t->user = user;
    t->callers.uid = geteuid(); /* ours at start, whoever we become */
    t->place.fd = t->old.fd = t->event_fd = -1;
    r = predecessor_ask(&t->old, path, err);
    if (r < 0) {
        free(t);
        return r;
    }
    socketfile_dir(t->dir, path);
    *ret = t;
    return 0;
}

const char *takeover_dir(const struct takeover *t)
{
    return t->dir;
}

const struct predecessor *takeover_predecessor(const struct takeover *t)
{
    return &t->old;
}

int takeover_prepare(struct takeover *t, struct err *err)
{
    t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->event_fd == -1)
        return err_set(err, errno, "cannot prepare a takeover: eventfd");
    return socketfile_open(&t->place, t->path, t->user, err);
}

int takeover_start(struct takeover *t, struct server *server, struct err *err)
{
    int r;

    if (server->door.n > HANDOVER_MAX)
        return err_usage(err, "--takeover can hand over %d listeners, not %zu", HANDOVER_MAX,
                         server->door.n);
    t->server = server;
    t->callers.door = &server->door;
    r = crew_thread(&t->thread, takeover_main, t);
    if (r < 0)
        return err_set(err, -r, "cannot start the takeover's thread");
    t->started = true;
    return 0;
}

static void command(struct takeover *t, enum command what)
{
    ssize_t n;

    atomic_store(&t->command, (int)what);
    n = write(t->event_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)n; /* cannot fail: nobody writes to it more than twice */
}

void takeover_go(struct takeover *t)
{
    command(t, COMMAND_GO);
}

static void join(struct takeover *t)
{
    pthread_join(t->thread, NULL);
    t->started = false;
}

bool takeover_stop(struct takeover *t)
{
    if (!t || !t->started || atomic_load(&t->server->handed_over))
        return false;
    command(t, COMMAND_STOP);
    join(t);
    return !atomic_load(&t->server->handed_over);
}

void takeover_finish(struct takeover *t)
{
    (void)takeover_stop(t);
    if (t && t->started)
        join(t);
}

bool takeover_failed(const struct takeover *t)
{
    return t && atomic_load(&t->failed);
}

void takeover_destroy(struct takeover *t)
{
    if (!t)
        return;
    predecessor_close(&t->old);
    socketfile_close(&t->place, false);
    if (t->event_fd != -1)
        close(t->event_fd);
    free(t);
}
