/* meari-server.c -- the echo server's main: options, limits, signals, run, sum up.
 *
 * The server itself is in server/; read io/io.h, server/worker.c and server/conn.c, in this order.
 *
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/process.h"
#include "io/io.h"
#include "server/server.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRAM "meari-server"

/* Descriptors that are not connections: standard ones, listeners, the log's, and two per worker. */
#define RESERVED_FDS 32
#define CLASSIC_CONCURRENCY 1000

enum { NOT_WRITTEN = 1, CANNOT_RUN = 2 }; /* exit codes */

enum { ENGINE_AUTO }; /* the first choice; the others follow io_engines() */

struct options {
    uint64_t backlog, concurrency, clients, workers, buffer, sndbuf, rcvbuf;
    int64_t idle_ns, lifetime_ns, drain_ns;
    uint64_t verbose;
    bool classic, quiet, v4, v6;
    int engine, log_format;
};

static const char *const log_formats[] = {"text", "json", NULL};
static const char *const classic_preset[] = {"engine", "classic", "concurrency", "1", "backlog",
                                             "5",      "clients", "5",           NULL};

static const char notes[] =
    "An ENDPOINT is PORT (every address, IPv4 and IPv6), HOST PORT, HOST:PORT,\n"
    "[V6]:PORT or tcp://HOST:PORT. With port 0 the kernel picks one; the log says\n"
    "which.\n"
    "Durations take ns us ms s m h (bare: seconds), counts k m g = 10^3 10^6 10^9,\n"
    "bytes k m g = 2^10 2^20 2^30. Each option is also read from the environment:\n"
    "--idle-timeout is MEARI_IDLE_TIMEOUT; the command line wins.\n"
    "SIGTERM or SIGINT drains and ends with 0; a second one ends at once. Exit code\n"
    "2: could not start.\n";

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
        used += (size_t)snprintf(out + used, size - used, " %s%s", *name, name[1] ? "" : ")");
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
         .help = "auto (the best that works here), epoll, or classic\n"
                 "(blocking calls)"},
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
        {0, "sndbuf", "BYTES", OPT_BYTES, &o->sndbuf, .min = 1, .max = INT32_MAX / 2,
         .help = "cap the kernel's send buffer per connection"},
        {0, "rcvbuf", "BYTES", OPT_BYTES, &o->rcvbuf, .min = 1, .max = INT32_MAX / 2,
         .help = "cap the kernel's receive buffer per connection"},
        {'4', "ipv4", NULL, OPT_SWITCH, &o->v4, .help = "IPv4 only"},
        {'6', "ipv6", NULL, OPT_SWITCH, &o->v6, .help = "IPv6 only"},
        {'q', "quiet", NULL, OPT_SWITCH, &o->quiet,
         .help = "log no clients; only what is listening and wrong"},
        {'v', "verbose", NULL, OPT_LEVEL, &o->verbose, .help = "log every client, in a storm too"},
        {0, "log-format", "FORMAT", OPT_CHOICE, &o->log_format, .choices = log_formats,
         .help = "text or json (one object per line)"},
    };
    char built[128];
    const struct opts opts = {
        .program = PROGRAM,
        .synopsis = "[options] ENDPOINT...",
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
        return err_usage(err, "which port? An ENDPOINT is missing (try --help)");
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

/* How many clients at once: as asked, but never more than there are descriptors for. */
static int settle_concurrency(struct server_config *config, const struct options *o,
                              struct err *err)
{
    bool classic = o->engine != ENGINE_AUTO && strcmp(engine_names()[o->engine], "classic") == 0;
    uint64_t limit = process_raise_nofile();
    uint64_t reserved = 16 + 2 * (uint64_t)config->workers;
    uint64_t most;

    if (reserved < RESERVED_FDS)
        reserved = RESERVED_FDS;
    if (limit <= reserved)
        return err_usage(err,
                         "the descriptor limit of %" PRIu64 " leaves none for clients: %" PRIu64
                         " are reserved (ulimit -n)",
                         limit, reserved);
    most = (limit - reserved) / (classic ? 2 : 1); /* a thread's engine has one of its own */
    config->concurrency = o->concurrency ? o->concurrency : classic ? CLASSIC_CONCURRENCY : most;
    if (config->concurrency > most) {
        if (o->concurrency)
            log_event(LOG_WARNING, "concurrency-clamped",
                      LOG_FIELDS({"asked", NULL, (int64_t)o->concurrency},
                                 {"concurrency", NULL, (int64_t)most}),
                      "a concurrency of %" PRIu64
                      " is more than the descriptor limit allows: %" PRIu64 " is in force",
                      o->concurrency, most);
        config->concurrency = most;
    }
    return 0;
}

static int configure(struct server_config *config, const struct options *o, struct err *err)
{
    if (o->v4 && o->v6)
        return err_usage(err, "--ipv4 and --ipv6 exclude each other");
    *config = (struct server_config){
        .engine = engine_names()[o->engine],
        .buf_size = (uint32_t)o->buffer,
        .workers = o->workers ? (unsigned)o->workers : process_cpus(),
        .clients = o->clients,
        .idle_ns = o->idle_ns,
        .lifetime_ns = o->lifetime_ns,
        .drain_ns = o->drain_ns,
        .verbose = o->verbose > 0,
        .family = o->v4   ? AF_INET
                  : o->v6 ? AF_INET6
                          : AF_UNSPEC,
        .listener = {.backlog = o->backlog == UINT64_MAX ? LISTENER_BACKLOG_MAX : (int)o->backlog,
                     .v6only = o->v6,
                     .sndbuf = o->sndbuf,
                     .rcvbuf = o->rcvbuf},
        .backlog_given = o->backlog != UINT64_MAX,
    };
    return settle_concurrency(config, o, err);
}

static struct server *serving;

/* The first signal drains; a second one does not wait. */
static void on_stop_signal(int signo)
{
    static volatile sig_atomic_t seen;

    if (seen)
        _exit(128 + signo);
    seen = 1;
    server_stop(serving);
}

static void catch_signals(struct server *server)
{
    serving = server;
    process_on_signal(SIGTERM, on_stop_signal);
    process_on_signal(SIGINT, on_stop_signal);
}

static void let_signals_go(void)
{
    static const int over[] = {SIGTERM, SIGINT, 0};

    process_ignore(over);
}

static int serve(const struct server_config *config, struct err *err)
{
    struct server *server;
    int r = server_create(&server, config, err);

    if (r < 0)
        return r;
    catch_signals(server);
    r = server_run(server, err);
    let_signals_go(); /* the server is about to be freed under their handler */
    server_sum_up(server);
    server_destroy(server);
    return r;
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
    };
    struct server_config config;
    struct endpoint *endpoints = NULL;
    struct err err;
    int operand = 0, r;

    process_ignore(ignored);
    r = process_guard_stdio(&err); /* before the log opens a descriptor of its own */
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
        r = read_endpoints(&endpoints, &config.n_endpoints, argv + operand, argc - operand, &err);
    config.endpoints = endpoints;
    if (r == 0)
        r = serve(&config, &err);
    free(endpoints);
    return r < 0 ? fail(CANNOT_RUN, &err) : 0;
}
