/* meari-server.c -- the echo server's main: options, limits, signals, run, sum up.
 *
 * The server itself is in server/; read io/io.h, server/worker.c and server/conn.c, in this order.
 *
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/err.h"
#include "base/filter.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/privilege.h"
#include "base/process.h"
#include "io/io.h"
#include "net/congestion.h"
#include "net/trace.h"
#include "server/confine.h"
#include "server/limits.h"
#include "server/server.h"
#include "server/takeover.h"
#include "version.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRAM "meari-server"

#define STATS_MIN_NS (10 * NS_PER_MS)
#define ACCEPT_DELAY_MAX_NS (3600 * NS_PER_S)

enum { NOT_WRITTEN = 1, BROKE = 1, CANNOT_RUN = 2 }; /* exit codes */

struct options {
    uint64_t backlog, concurrency, clients, workers, buffer, memory, sndbuf, rcvbuf;
    int64_t idle_ns, lifetime_ns, drain_ns, spin_ns, stats_ns, accept_delay_ns;
    uint64_t verbose, trace;
    bool classic, accept_pause, quiet, v4, v6;
    int engine, log_format, sandbox;
    const char *congestion, *user, *takeover;
};

static const char *const log_formats[] = {"text", "json", NULL};
static const char *const sandbox_modes[] = {"off", "auto", "require", NULL}; /* enum sandbox_mode */
static const char *const classic_preset[] = {"engine", "classic", "concurrency", "1", "backlog",
                                             "5",      "clients", "5",           NULL};

static const char notes[] =
    "An ENDPOINT is PORT (every address, IPv4 and IPv6), HOST PORT, HOST:PORT,\n"
    "[V6]:PORT or tcp://HOST:PORT. With port 0 the kernel picks one; the log says\n"
    "which. None is needed where a service manager passes sockets (LISTEN_FDS).\n"
    "Durations take ns us ms s m h (bare: seconds), counts k m g = 10^3 10^6 10^9,\n"
    "bytes k m g = 2^10 2^20 2^30. Each option is also read from the environment:\n"
    "--idle-timeout is MEARI_IDLE_TIMEOUT; the command line wins.\n"
    "SIGTERM or SIGINT drains and ends with 0; a second one ends at once. SIGUSR1\n"
    "logs what --stats shows, SIGUSR2 pauses and resumes accepting. Exit code 2:\n"
    "could not start.\n";

#define ENGINES_MAX 8

/* The names --engine takes: "auto" and those built in. */
static const char *const *engine_names(void)
{
    static const char *names[ENGINES_MAX + 2] = {"auto"};
    const char *const *built = io_engines();

    for (size_t i = 0; built[i] && i < ENGINES_MAX; i++)
        names[i + 1] = built[i];
    return names;
}

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

static int read_options(struct options *o, int argc, char **argv, int *ret_operand, struct err *err)
{
    const struct opt table[] = {
        {'b', "backlog", "N", OPT_COUNT, &o->backlog, .max = INT32_MAX,
         .help = "clients that may wait to be accepted (default:\n"
                 "net.core.somaxconn)"},
        {0, "concurrency", "N", OPT_COUNT, &o->concurrency, .min = 1, .max = UINT32_MAX,
         .help = "clients served at once; others wait in the backlog\n"
                 "(default: the descriptor limit - 32; classic: 1000)"},
        {0, "clients", "N", OPT_COUNT, &o->clients, .min = 1, .max = INT64_MAX,
         .help = "end after N clients were served"},
        {'w', "workers", "N", OPT_COUNT, &o->workers, .min = 1, .max = 1024,
         .help = "threads that serve (default: usable CPUs); the\n"
                 "classic engine has one per client instead"},
        {0, "engine", "NAME", OPT_CHOICE, &o->engine, .choices = engine_names(),
         .help = "auto (the first that works here), io_uring, epoll, or\n"
                 "classic (blocking calls)"},
        {0, "spin", "TIME", OPT_DURATION, &o->spin_ns, .max = IO_SPIN_MAX_NS,
         .help = "poll for so long before sleeping, while clients talk\n"
                 "(default: 0; at most 10ms): quicker, at the price of\n"
                 "a CPU"},
        {0, "classic", NULL, OPT_SWITCH, &o->classic, .preset = classic_preset,
         .help = "the server of the first lesson: --engine classic\n"
                 "--concurrency 1 --backlog 5 --clients 5"},
        {0, "idle-timeout", "TIME", OPT_DURATION, &o->idle_ns, .min = 1,
         .help = "end a connection when no byte moved for so long"},
        {0, "max-lifetime", "TIME", OPT_DURATION, &o->lifetime_ns, .min = 1,
         .help = "end a connection that is this old"},
        {0, "drain", "TIME", OPT_DURATION, &o->drain_ns,
         .help = "after SIGTERM, let busy connections go on for so\n"
                 "long (default: 10s)"},
        {0, "buffer", "BYTES", OPT_BYTES, &o->buffer, .min = 1, .max = 64 << 20,
         .help = "what one receive takes, and what a client that\n"
                 "does not read can hold of ours (default: 64k)"},
        {0, "memory", "BYTES", OPT_BYTES, &o->memory, .min = 64 << 10, .max = INT64_MAX,
         .help = "what all buffers may take together; above half of it\n"
                 "they are small, at the end of it clients wait\n"
                 "(default: half of what this process may use)"},
        {0, "sndbuf", "BYTES", OPT_BYTES, &o->sndbuf, .min = 1, .max = INT32_MAX / 2,
         .help = "cap the kernel's send buffer per connection"},
        {0, "rcvbuf", "BYTES", OPT_BYTES, &o->rcvbuf, .min = 1, .max = INT32_MAX / 2,
         .help = "cap the kernel's receive buffer per connection"},
        {0, "congestion", "NAME", OPT_TEXT, &o->congestion,
         .help = "congestion control of the connections, such as cubic\n"
                 "or bbr (default: net.ipv4.tcp_congestion_control)"},
        {0, "takeover", "PATH", OPT_TEXT, &o->takeover,
         .help = "take the listeners from the server that answers at\n"
                 "this Unix socket, and offer them there in turn"},
        {0, "user", "USER[:GROUP]", OPT_TEXT, &o->user,
         .help = "when everything is open, become this user for good"},
        {0, "sandbox", "MODE", OPT_CHOICE, &o->sandbox, .choices = sandbox_modes,
         .help = "off, auto (as much as this kernel can) or require:\n"
                 "forbid all that serving does not need (default: auto)"},
        {0, "stats", "TIME", OPT_DURATION, &o->stats_ns, .min = STATS_MIN_NS,
         .help = "log so often: clients, reads and bytes a second, who\n"
                 "waits, SYNs dropped; on a terminal in place"},
        {0, "accept-delay", "TIME", OPT_DURATION, &o->accept_delay_ns, .max = ACCEPT_DELAY_MAX_NS,
         .help = "rest for so long before each accept, to watch the\n"
                 "backlog fill"},
        {0, "accept-pause", NULL, OPT_SWITCH, &o->accept_pause,
         .help = "accept nobody until SIGUSR2 comes"},
        {'4', "ipv4", NULL, OPT_SWITCH, &o->v4, .help = "IPv4 only"},
        {'6', "ipv6", NULL, OPT_SWITCH, &o->v6, .help = "IPv6 only"},
        {'q', "quiet", NULL, OPT_SWITCH, &o->quiet,
         .help = "log no clients; only what is listening and wrong"},
        {'v', "verbose", NULL, OPT_LEVEL, &o->verbose, .help = "log every client, in a storm too"},
        {0, "trace", NULL, OPT_LEVEL, &o->trace,
         .help = "log each system call of the lesson as it is made, and\n"
                 "what it means; twice: waits, too"},
        {0, "log-format", "FORMAT", OPT_CHOICE, &o->log_format, .choices = log_formats,
         .help = "text or json (one object per line)"},
    };
    char built[128];
    const struct opts opts = {
        .program = PROGRAM,
        .synopsis = "[options] [ENDPOINT...]",
        .about = "Send back, byte for byte, whatever a client sends.",
        .notes = notes,
        .version = version(built, sizeof built),
        .table = table,
        .n = sizeof table / sizeof *table,
    };

    return opts_read(&opts, argc, argv, ret_operand, err);
}

static int read_endpoints(struct endpoint **ret, size_t *ret_n, char **operands, int n,
                          struct err *err)
{
    struct endpoint *list;
    size_t used = 0;

    if (n == 0)
        return 0;
    list = calloc((size_t)n, sizeof *list);
    if (!list)
        return err_set(err, ENOMEM, "cannot read the endpoints");
    while (n > 0) {
        int took = endpoint_parse(&list[used], ENDPOINT_LISTEN, operands, n, err);

        if (took < 0) {
            free(list);
            return took;
        }
        used++;
        operands += took;
        n -= took;
    }
    *ret = list;
    *ret_n = used;
    return 0;
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

static int configure(struct server_config *config, const struct options *o, struct err *err)
{
    int r = congestion_check(o->congestion, err);

    if (r < 0)
        return r;
    if (o->v4 && o->v6)
        return err_usage(err, "--ipv4 and --ipv6 exclude each other");
    *config = (struct server_config){
        .engine = engine_names()[o->engine],
        .spin_ns = o->spin_ns,
        .buf_size = (uint32_t)o->buffer,
        .memory = o->memory,
        .workers = (unsigned)o->workers,
        .concurrency = o->concurrency,
        .clients = o->clients,
        .idle_ns = o->idle_ns,
        .lifetime_ns = o->lifetime_ns,
        .drain_ns = o->drain_ns,
        .stats_ns = o->stats_ns,
        .accept_delay_ns = o->accept_delay_ns,
        .accept_pause = o->accept_pause,
        .verbose = o->verbose > 0,
        .family = o->v4   ? AF_INET
                  : o->v6 ? AF_INET6
                          : AF_UNSPEC,
        .listener = {.backlog = o->backlog == UINT64_MAX ? LISTENER_BACKLOG_MAX : (int)o->backlog,
                     .v6only = o->v6,
                     .sndbuf = o->sndbuf,
                     .rcvbuf = o->rcvbuf,
                     .congestion = o->congestion},
        .backlog_given = o->backlog != UINT64_MAX,
    };
    return limits_settle(config, err);
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
                              const struct options *o, struct err *err)
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
}

static void on_stats_signal(int signo)
{
    (void)signo;
    server_tell_stats(serving);
}

static void on_toggle_signal(int signo)
{
    (void)signo;
    server_toggle_accepting(serving);
}

static void catch_signals(struct server *server)
{
    serving = server;
    process_on_signal(SIGUSR1, on_stats_signal);
    process_on_signal(SIGUSR2, on_toggle_signal);
    process_on_signal(SIGTERM, on_stop_signal);
    process_on_signal(SIGINT, on_stop_signal);
}

static void let_signals_go(void)
{
    static const int over[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, 0};

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
    struct options o = {
        .backlog = UINT64_MAX,
        .buffer = IO_BUF_SIZE,
        .idle_ns = NEVER,
        .lifetime_ns = NEVER,
        .drain_ns = 10 * NS_PER_S,
        .stats_ns = NEVER,
        .sandbox = SANDBOX_AUTO,
    };
    struct server_config config = {.takeover = NULL};
    struct confine_config confines;
    struct identity user;
    struct endpoint *endpoints = NULL;
    struct passed *passed = NULL;
    struct supervisor supervisor;
    struct err err;
    size_t n_passed = 0;
    int operand = 0, r;

    process_ignore(ignored);
    r = process_guard_stdio(&err); /* before the log opens a descriptor of its own */
    if (r == 0)
        r = supervisor_sockets(&passed, &n_passed, &err); /* likewise */
    log_init(PROGRAM, LOG_TEXT, LOG_INFO);
    if (r < 0)
        return fail(CANNOT_RUN, &err);
    r = read_options(&o, argc, argv, &operand, &err);
    if (r > 0)
        return 0;
    if (r < 0)
        return fail(r == -EINVAL ? CANNOT_RUN : NOT_WRITTEN, &err);
    log_init(PROGRAM, o.log_format == 1 ? LOG_JSON : LOG_TEXT,
             o.quiet     ? LOG_NOTICE
             : o.verbose ? LOG_DEBUG
                         : LOG_INFO);
    r = configure(&config, &o, &err);
    if (r == 0)
        r = configure_confines(&confines, &user, &o, &err);
    config.passed = passed;
    config.n_passed = n_passed;
    config.supervisor = &supervisor;
    if (r == 0)
        r = read_endpoints(&endpoints, &config.n_endpoints, argv + operand, argc - operand, &err);
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
