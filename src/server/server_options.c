/* server_options.c -- see server_options.h.
 *
 * SPDX-License-Identifier: MIT */
#include "server_options.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/opts.h"
#include "../base/sandbox.h"
#include "../io/io.h"
#include "../net/congestion.h"
#include "limits.h"
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define STATS_MIN_NS (10 * NS_PER_MS)
#define ACCEPT_DELAY_MAX_NS (3600 * NS_PER_S)

void server_options_init(struct server_options *o)
{
    *o = (struct server_options){
        .backlog = UINT64_MAX,
        .buffer = IO_BUF_SIZE,
        .idle_ns = NEVER,
        .lifetime_ns = NEVER,
        .drain_ns = 10 * NS_PER_S,
        .stats_ns = NEVER,
        .sandbox = SANDBOX_AUTO,
    };
}

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

int server_options_read(struct server_options *o, const char *program, const char *version,
                        int argc, char **argv, int *ret_operand, struct err *err)
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
        {0, "engine", "NAME", OPT_CHOICE, &o->engine, .choices = io_engine_choices(false),
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
    const struct opts opts = {
        .program = program,
        .synopsis = "[options] [ENDPOINT...]",
        .about = "Send back, byte for byte, whatever a client sends.",
        .notes = notes,
        .version = version,
        .table = table,
        .n = sizeof table / sizeof *table,
    };

    return opts_read(&opts, argc, argv, ret_operand, err);
}

int server_options_endpoints(struct endpoint **ret, size_t *ret_n, char **operands, int n,
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

int server_options_configure(struct server_config *config, const struct server_options *o,
                             struct err *err)
{
    int r = congestion_check(o->congestion, err);

    if (r < 0)
        return r;
    if (o->v4 && o->v6)
        return err_usage(err, "--ipv4 and --ipv6 exclude each other");
    *config = (struct server_config){
        .engine = io_engine_choices(false)[o->engine],
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
