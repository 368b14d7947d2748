/* meari-server.c -- the echo server's main: options, signals, run, sum up.
 *
 * The server itself is in server/; read io/io.h, server/worker.c and server/conn.c, in this order.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/filter.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/process.h"
#include "io/io.h"
#include "net/trace.h"
#include "server/confine.h"
#include "server/server.h"
#include "server/server_options.h"
#include "server/takeover.h"
#include "version.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "meari-server"

enum { NOT_WRITTEN = 1, BROKE = 1, CANNOT_RUN = 2 }; /* exit codes */

/* What --version says: the number, and what is built in. */
static const char *version(char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s (engines:", MEARI_VERSION);

    for (const char *const *name = io_engines(); *name && used < size; name++)
        used += (size_t)snprintf(out + used, size - used, " %s", *name);
    if (used < size)
        snprintf(out + used, size - used, "; %slibseccomp)", filter_built() ? "" : "no ");
    return out;
}

/* Puts what a predecessor passes, if there is one, behind what a service manager passed; the sandbox must let
 * us stand where it stands. */
static int take_over(struct server_config *config, struct confine_config *confines,
                     const char *path, struct err *err)
{
    static const char *dir;
    const struct predecessor *old;
    struct passed *more;
    int r;

    if (!path)
        return 0;
    r = takeover_create(&config->takeover, path, confines->user, err);
    if (r < 0)
        return r;
    dir = takeover_dir(config->takeover);
    confines->sandbox.socket_dirs = &dir;
    confines->sandbox.n_socket_dirs = 1;
    old = takeover_predecessor(config->takeover);
    if (old->n == 0)
        return 0;
    more = reallocarray(config->passed, config->n_passed + old->n, sizeof *more);
    if (!more)
        return err_set(err, ENOMEM, "cannot take over");
    memcpy(more + config->n_passed, old->listeners, old->n * sizeof *more);
    config->passed = more;
    config->n_passed += old->n;
    return 0;
}

/* From here on; nothing of the service was opened yet. */
static void begin_trace(const struct server_config *config, uint64_t level)
{
    bool classic = strcmp(config->engine, "classic") == 0;
    const struct trace_config trace = {
        .level = (unsigned)level,
        .peer = "client",
        .threads = classic ? config->concurrency > 1 : config->workers > 1,
    };

    trace_enable(&trace);
}

static int configure_confines(struct confine_config *config, struct identity *user,
                              const struct server_options *o, struct err *err)
{
    *config = (struct confine_config){.sandbox.mode = (enum sandbox_mode)o->sandbox};
    if (!o->user)
        return 0;
    config->user = user;
    return privilege_parse(user, o->user, err);
}

static struct server *serving;

/* The first signal drains; a second one does not wait. */
static void on_stop_signal(int signo)
{
    static volatile sig_atomic_t seen;

    if (seen) {
        log_leave();
        _exit(128 + signo);
    }
    seen = 1;
    server_stop(serving);
    server_interrupted(serving);
}

static void on_stats_signal(int signo)
{
    (void)signo;
    server_tell_stats(serving);
    server_interrupted(serving);
}

static void on_toggle_signal(int signo)
{
    (void)signo;
    server_toggle_accepting(serving);
    server_interrupted(serving);
}

/* Who was stopped had a signal pending. */
static void on_continue_signal(int signo)
{
    (void)signo;
    server_interrupted(serving);
}

static void catch_signals(struct server *server)
{
    serving = server;
    process_on_signal(SIGUSR1, on_stats_signal);
    process_on_signal(SIGUSR2, on_toggle_signal);
    process_on_signal(SIGCONT, on_continue_signal);
    process_on_signal(SIGTERM, on_stop_signal);
    process_on_signal(SIGINT, on_stop_signal);
}

static void let_signals_go(void)
{
    static const int over[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCONT, 0};

    process_ignore(over);
}

static int serve(const struct server_config *config, const struct confine_config *confines,
                 struct err *err)
{
    struct server *server;
    int r = server_create(&server, config, err);

    if (r < 0)
        return r;
    r = server_confine(server, confines, err);
    if (r < 0) {
        server_destroy(server);
        return r;
    }
    catch_signals(server);
    r = server_run(server, err);
    let_signals_go(); /* the server is about to be freed under their handler */
    if (r == 0 || r == -ESHUTDOWN) {
        log_patiently();
        server_sum_up(server);
    }
    server_destroy(server);
    return r;
}

/* A manager that cannot be reached is no reason not to serve. */
static void open_supervisor(struct supervisor *supervisor)
{
    struct err err;

    if (supervisor_open(supervisor, &err) < 0)
        log_event(LOG_WARNING, "notify-failed", LOG_NO_FIELDS, "%s", err.text);
}

static int fail(int code, const struct err *err)
{
    log_event(LOG_ERROR, "failed", LOG_NO_FIELDS, "%s", err->text);
    return code;
}

int main(int argc, char **argv)
{
    static const int ignored[] = {SIGHUP, SIGUSR1, SIGUSR2, 0};
    struct server_options o;
    struct server_config config = {.takeover = NULL};
    struct confine_config confines;
    struct identity user;
    struct endpoint *endpoints = NULL;
    struct passed *passed = NULL;
    struct supervisor supervisor;
    struct err err;
    char built[128];
    size_t n_passed = 0;
    int operand = 0, r;

    process_ignore(ignored);
    r = process_guard_stdio(&err); /* before the log opens a descriptor of its own */
    if (r == 0)
        r = supervisor_sockets(&passed, &n_passed, &err); /* likewise */
    log_init(PROGRAM, LOG_TEXT, LOG_INFO);
    if (r < 0)
        return fail(CANNOT_RUN, &err);
    server_options_init(&o);
    r = server_options_read(&o, PROGRAM, version(built, sizeof built), argc, argv, &operand, &err);
    if (r > 0)
        return 0;
    if (r < 0)
        return fail(r == -EINVAL ? CANNOT_RUN : NOT_WRITTEN, &err);
    log_init(PROGRAM, o.log_format == 1 ? LOG_JSON : LOG_TEXT,
             o.quiet     ? LOG_NOTICE
             : o.verbose ? LOG_DEBUG
                         : LOG_INFO);
    r = server_options_configure(&config, &o, &err);
    if (r == 0)
        r = configure_confines(&confines, &user, &o, &err);
    config.passed = passed;
    config.n_passed = n_passed;
    config.supervisor = &supervisor;
    if (r == 0)
        r = server_options_endpoints(&endpoints, &config.n_endpoints, argv + operand,
                                     argc - operand, &err);
    config.endpoints = endpoints;
    open_supervisor(&supervisor);
    if (r == 0)
        begin_trace(&config, o.trace);
    if (r == 0)
        r = take_over(&config, &confines, o.takeover, &err);
    if (r == 0 && config.n_endpoints + config.n_passed == 0)
        r = err_usage(&err, "which port? An ENDPOINT is missing (try --help)");
    if (r == 0)
        r = serve(&config, &confines, &err);
    takeover_destroy(config.takeover);
    supervisor_close(&supervisor);
    free(config.passed);
    free(endpoints);
    return r < 0 ? fail(r == -ESHUTDOWN ? BROKE : CANNOT_RUN, &err) : 0;
}
