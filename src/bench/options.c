/* options.c -- see options.h.
 *
 * SPDX-License-Identifier: MIT */
#include "options.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/moment.h"
#include "../base/process.h"
#include "../base/units.h"
#include "../io/io.h"
#include "../net/congestion.h"
#include "../net/endpoint.h"
#include "../net/sock.h"
#include "environment.h"
#include "percentiles.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Descriptors that are not connections: standard ones, outputs, and three per thread. */
#define RESERVED_FDS 24

/* Linux gives no process a higher number, and clock_getcpuclockid(3) takes one far above for another's. */
#define PID_MOST 4194304

#define SEARCH_DURATION_NS (2 * NS_PER_S) /* of a trial */
#define SEARCH_OMIT_NS (200 * NS_PER_MS)

void options_init(struct options *o)
{
    *o = (struct options){
        .connections = 50,
        .threads = 1,
        .depth = 1,
        .size = "64",
        .timeout_ns = 2 * NS_PER_S,
        .connect_timeout_ns = 10 * NS_PER_S,
        .seed = (uint64_t)clock_real_ns() % 1000000000,
        .percentiles = PERCENTILES_DEFAULT,
    };
}

static const char *const arrivals[] = {"constant", "poisson", NULL}; /* enum arrival */

static const char notes[] =
    "The server is HOST PORT, HOST:PORT, [V6]:PORT, tcp://HOST:PORT, or PORT (this\n"
    "machine): any server that sends back what it gets. Durations take ns us ms s m h\n"
    "(bare: seconds), counts and rates k m g = 10^3 10^6 10^9, bytes k m g = 2^10 2^20\n"
    "2^30. Each option is also read from the environment: --connect-timeout is\n"
    "MEARI_CONNECT_TIMEOUT; the command line wins.\n"
    "Exit code 0: every byte came back and every threshold held; 1: an echo was wrong\n"
    "or lost, a connection failed, or a threshold was missed; 2: could not run; 130:\n"
    "interrupted.\n";

int options_read(struct options *o, const char *program, const char *version, int argc, char **argv,
                 int *ret_operand, struct err *err)
{
    const struct opt table[] = {
        {'c', "connections", "N", OPT_COUNT, &o->connections, .max = 10000000,
         .help = "connections that send (default: 50)"},
        {'t', "threads", "N", OPT_COUNT, &o->threads, .min = 1, .max = 1024,
         .help = "threads that drive them (default: 1)"},
        {'d', "duration", "TIME", OPT_DURATION, &o->duration_ns, .min = 1,
         .help = "how long to measure (default: 10s)"},
        {'n', "count", "N", OPT_COUNT, &o->count, .min = 1,
         .help = "measure so many messages, however long it takes"},
        {'s', "size", "SIZES", OPT_TEXT, &o->size,
         .help = "bytes of a message: N, MIN:MAX or a list 64,512,1400\n"
                 "(default: 64)"},
        {0, "depth", "N", OPT_COUNT, &o->depth, .min = 1, .max = 65536,
         .help = "messages in flight per connection, at the most\n"
                 "(default: 1)"},
        {'R', "rate", "RATE", OPT_TEXT, &o->rate,
         .help = "open loop: so many messages a second in all, on a\n"
                 "schedule that waits for nobody"},
        {0, "arrival", "KIND", OPT_CHOICE, &o->arrival, .choices = arrivals,
         .help = "of that schedule: constant or poisson (default:\n"
                 "constant)"},
        {0, "crr", NULL, OPT_SWITCH, &o->crr, .help = "connect, one message, close, again"},
        {0, "connect-rate", "RATE", OPT_TEXT, &o->connect_rate,
         .help = "open so many connections a second (default: as fast\n"
                 "as they are accepted)"},
        {0, "idle", "N", OPT_COUNT, &o->idle, .max = 10000000,
         .help = "hold N silent connections beside, and see at the end\n"
                 "whether each still echoes"},
        {'B', "bind", "ADDRESS", OPT_TEXTS, &o->binds,
         .help = "call from this address; several are used in turn"},
        {0, "timeout", "TIME", OPT_DURATION, &o->timeout_ns, .min = 1,
         .help = "at the end, wait so long for what is in flight\n"
                 "(default: 2s)"},
        {0, "connect-timeout", "TIME", OPT_DURATION, &o->connect_timeout_ns, .min = 1,
         .help = "give up a connection that is not made by then\n"
                 "(default: 10s)"},
        {'O', "omit", "TIME", OPT_DURATION, &o->omit_ns,
         .help = "warm up for so long first; not counted"},
        {'i', "interval", "TIME", OPT_DURATION, &o->interval_ns, .min = 10000000,
         .help = "tell so often how it goes (default: 1s, on a\n"
                 "terminal)"},
        {'J', "json", "[=FILE]", OPT_TEXT, &o->json,
         .help = "the result as JSON, to standard output or FILE"},
        {0, "csv", "[=FILE]", OPT_TEXT, &o->csv,
         .help = "the result as a row of CSV; a FILE that is there gets\n"
                 "one more"},
        {0, "percentiles", "LIST", OPT_TEXT, &o->percentiles,
         .help = "to report (default: " PERCENTILES_DEFAULT ")"},
        {0, "html", "FILE", OPT_TEXT, &o->html,
         .help = "the result as one self-contained page with plots"},
        {0, "hdr-log", "FILE", OPT_TEXT, &o->hdr_log,
         .help = "the histogram of each interval, in HdrHistogram's\n"
                 "log format"},
        {0, "fail-if", "CONDITION", OPT_TEXTS, &o->fail_if,
         .help = "exit 1 if this is so: 'p99>5ms', 'rate<10k', ..."},
        {0, "find-max", "CONDITION", OPT_TEXT, &o->find_max,
         .help = "search the highest rate at which this holds, in\n"
                 "trials as long as --duration: 'p99<1ms'"},
        {0, "backlog-probe", NULL, OPT_SWITCH, &o->backlog_probe,
         .help = "no load: find what the server serves at a time, and how\n"
                 "many its queue admits; takes at most --connections"},
        {0, "yes", NULL, OPT_SWITCH, &o->yes,
         .help = "probe a server that is not on this machine, too"},
        {0, "start-at", "TIME", OPT_TEXT, &o->start_at,
         .help = "begin at this second: 18:30:00, 2026-11-24T18:30:00Z\n"
                 "or seconds since 1970"},
        {0, "pid", "PID", OPT_COUNT, &o->pid, .min = 1, .max = PID_MOST,
         .help = "the server's process: report its CPU time, too"},
        {0, "seed", "N", OPT_COUNT, &o->seed,
         .help = "repeat the bytes, sizes and arrivals of another run"},
        {0, "engine", "NAME", OPT_CHOICE, &o->engine, .choices = io_engine_choices(true),
         .help = "auto (the best that works here), io_uring or epoll"},
        {0, "spin", "TIME", OPT_DURATION, &o->spin_ns, .max = IO_SPIN_MAX_NS,
         .help = "poll for so long before sleeping, while echoes come\n"
                 "(default: 0; at most 10ms): takes a CPU per thread"},
        {0, "sndbuf", "BYTES", OPT_BYTES, &o->sndbuf, .min = 1, .max = INT32_MAX / 2,
         .help = "cap the kernel's send buffer per connection"},
        {0, "rcvbuf", "BYTES", OPT_BYTES, &o->rcvbuf, .min = 1, .max = INT32_MAX / 2,
         .help = "cap the kernel's receive buffer per connection"},
        {0, "congestion", "NAME", OPT_TEXT, &o->congestion,
         .help = "congestion control of the connections, such as cubic\n"
                 "or bbr (default: net.ipv4.tcp_congestion_control)"},
        {'4', "ipv4", NULL, OPT_SWITCH, &o->v4, .help = "IPv4 only"},
        {'6', "ipv6", NULL, OPT_SWITCH, &o->v6, .help = "IPv6 only"},
        {'q', "quiet", NULL, OPT_SWITCH, &o->quiet, .help = "only the result and errors"},
        {'v', "verbose", NULL, OPT_LEVEL, &o->verbose,
         .help = "tell how it goes, also where no terminal is"},
    };
    const struct opts opts = {
        .program = program,
        .synopsis = "[options] HOST PORT\n"
                    "       meari-bench merge LOG... | diff FIRST SECOND   (each has --help)",
        .about = "Load an echo server, check every byte, and tell the truth about its speed.",
        .notes = notes,
        .version = version,
        .table = table,
        .n = sizeof table / sizeof *table,
    };

    return opts_read(&opts, argc, argv, ret_operand, err);
}

/* --- from options to a plan --------------------------------------------------------------------- */

static int read_rate(double *ret, const char *name, const char *text, struct err *err)
{
    uint64_t rate;
    char quote[ERR_QUOTE_MAX];

    if (!text)
        return 0;
    if (units_count(&rate, text) < 0 || rate == 0 || rate > 1000000000)
        return err_usage(err, "--%s: '%s' is not a number of times a second, 1 to 1g", name,
                         err_quote(quote, text));
    *ret = (double)rate;
    return 0;
}

static int read_bind(struct addr *ret, const char *text, struct err *err)
{
    struct endpoint e = {.use = ENDPOINT_LISTEN};
    char quote[ERR_QUOTE_MAX];
    struct addr *list;
    size_t n;
    int r;

    if (text[0] == '\0' || strlen(text) >= sizeof e.host)
        return err_usage(err, "--bind: '%s' is no address", err_quote(quote, text));
    strcpy(e.host, text);
    r = endpoint_resolve(&list, &n, &e, AF_UNSPEC, err);
    if (r < 0)
        return r;
    *ret = list[0];
    addr_set_port(ret, 0);
    free(list);
    return 0;
}

/* Can one call from there at all? Otherwise each connection would fail, and say that no port is free. */
static int check_bind(const struct addr *from, const char *text, struct err *err)
{
    char quote[ERR_QUOTE_MAX];
    int fd = sock_create(from->sa.sa_family, from);

    if (fd == -EADDRNOTAVAIL)
        return err_usage(err, "--bind: '%s' is not an address of this machine",
                         err_quote(quote, text));
    if (fd < 0)
        return err_set(err, -fd, "--bind: cannot call from '%s'", err_quote(quote, text));
    sock_close(fd);
    return 0;
}

/* All of one family: a connection from the one cannot reach a server of the other. */
static int read_binds(struct plan *plan, const struct opt_texts *binds, struct err *err)
{
    char quote[ERR_QUOTE_MAX];

    for (size_t i = 0; i < binds->n; i++) {
        int r = read_bind(&plan->binds[plan->n_binds++], binds->list[i], err);

        if (r < 0)
            return r;
        if (plan->binds[i].sa.sa_family != plan->binds[0].sa.sa_family)
            return err_usage(err, "--bind: '%s' is not of the same IP version as the first one",
                             err_quote(quote, binds->list[i]));
        r = check_bind(&plan->binds[i], binds->list[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_target(struct plan *plan, const struct options *o, char **operands, int n,
                       struct err *err)
{
    int family = o->v4 ? AF_INET : o->v6 ? AF_INET6 : AF_UNSPEC;
    struct endpoint endpoint;
    struct addr *list;
    int r = endpoint_parse_server(&endpoint, operands, n, err);

    if (r < 0)
        return r;
    endpoint_text(plan->target, &endpoint);
    if (plan->n_binds && family == AF_UNSPEC)
        family = plan->binds[0].sa.sa_family;
    r = endpoint_resolve(&list, &plan->n_addrs, &endpoint, family, err);
    if (r == 0)
        plan->addrs = list;
    return r;
}

static int check_options(const struct options *o, struct err *err)
{
    if (o->v4 && o->v6)
        return err_usage(err, "--ipv4 and --ipv6 exclude each other");
    if (o->quiet && o->verbose)
        return err_usage(err, "--quiet and --verbose exclude each other");
    if (o->connections + o->idle == 0)
        return err_usage(err,
                         "--connections: without any, and without --idle, there is nothing to do");
    if (o->connections == 0 && (o->count || o->rate || o->crr))
        return err_usage(err, "--connections: --count, --rate and --crr need some that send");
    if (o->crr && o->rate && o->connect_rate)
        return err_usage(err,
                         "--rate and --connect-rate exclude each other with --crr: a message is a "
                         "connection");
    if (o->crr && o->depth > 1)
        return err_usage(err,
                         "--crr and --depth exclude each other: a connection sends one message");
    if (o->find_max && o->count)
        return err_usage(err,
                         "--find-max and --count exclude each other: a trial lasts --duration");
    if (o->find_max && o->hdr_log)
        return err_usage(err, "--find-max and --hdr-log exclude each other: there are many runs");
    if (o->pid && process_cpu_of_ns((int)o->pid) < 0)
        return err_usage(err, "--pid: there is no process %" PRIu64, o->pid);
    return 0;
}

/* What asks for a load has no place beside a probe. */
static int check_probe(const struct options *o, struct err *err)
{
    const struct {
        const char *name;
        bool given;
    } loads[] = {
        {"rate", o->rate},
        {"count", o->count},
        {"duration", o->duration_ns},
        {"idle", o->idle},
        {"crr", o->crr},
        {"connect-rate", o->connect_rate},
        {"find-max", o->find_max},
        {"fail-if", o->fail_if.n},
        {"omit", o->omit_ns},
        {"start-at", o->start_at},
        {"interval", o->interval_ns},
        {"csv", o->csv},
        {"html", o->html},
        {"hdr-log", o->hdr_log},
        {"depth", o->depth > 1},
        {"threads", o->threads > 1},
        {"pid", o->pid},
        {"spin", o->spin_ns},
    };

    for (size_t i = 0; o->backlog_probe && i < sizeof loads / sizeof *loads; i++)
        if (loads[i].given)
            return err_usage(err, "--backlog-probe and --%s exclude each other", loads[i].name);
    if (o->yes && !o->backlog_probe)
        return err_usage(err, "--yes: there is nothing to confirm but --backlog-probe");
    return 0;
}

/* It takes places that others want, so it is not for servers of which somebody else may know nothing. */
static int check_probed(const struct plan *plan, const struct options *o, struct err *err)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; o->backlog_probe && !o->yes && i < plan->n_addrs; i++)
        if (!addr_is_loopback(&plan->addrs[i]))
            return err_usage(err,
                             "--backlog-probe fills the queue of a server, and '%s' is no loopback "
                             "address: --yes says that you may",
                             addr_text(text, &plan->addrs[i]));
    return 0;
}

static int64_t duration(const struct options *o)
{
    if (o->duration_ns)
        return o->duration_ns;
    if (o->count)
        return NEVER;
    return o->find_max ? SEARCH_DURATION_NS : 10 * NS_PER_S;
}

static int read_start(struct plan *plan, const char *text, struct err *err)
{
    int64_t now_ns = clock_real_ns();
    char quote[ERR_QUOTE_MAX];

    if (!text)
        return 0;
    err_quote(quote, text);
    if (moment_parse(&plan->start_at_real_ns, text, now_ns) < 0)
        return err_usage(err,
                         "--start-at: '%s' is not a time such as 18:30:00, "
                         "2026-11-24T18:30:00Z or seconds since 1970",
                         quote);
    if (plan->start_at_real_ns < now_ns)
        return err_usage(err, "--start-at: '%s' has passed", quote);
    return 0;
}

static int fill_plan(struct plan *plan, const struct options *o, struct err *err)
{
    uint64_t busy = o->connections ? o->connections : o->idle;
    int r;

    *plan = (struct plan){
        .connections = o->connections,
        .idle = o->idle,
        .threads = (unsigned)o->threads,
        .depth = o->depth,
        .seed = o->seed,
        .arrival = (enum arrival)o->arrival,
        .crr = o->crr,
        .omit_ns = o->omit_ns || !o->find_max ? o->omit_ns : SEARCH_OMIT_NS,
        .duration_ns = duration(o),
        .count = o->count,
        .interval_ns = o->interval_ns ? o->interval_ns : NS_PER_S,
        .timeout_ns = o->timeout_ns,
        .connect_timeout_ns = o->connect_timeout_ns,
        .engine = io_engine_choices(true)[o->engine],
        .spin_ns = o->spin_ns,
        .sndbuf = o->sndbuf,
        .rcvbuf = o->rcvbuf,
        .congestion = o->congestion,
        .server_pid = (int)o->pid,
    };
    r = sizes_parse(&plan->sizes, o->size, err);
    if (r == 0)
        r = read_rate(&plan->rate, "rate", o->rate, err);
    if (r == 0)
        r = read_rate(&plan->connect_rate, "connect-rate", o->connect_rate, err);
    if (r == 0)
        r = read_start(plan, o->start_at, err);
    if (r == 0)
        r = read_binds(plan, &o->binds, err);
    if (plan->crr && plan->connect_rate > 0)
        plan->rate = plan->connect_rate;
    if (plan->threads > busy) /* each has its share of the schedule */
        plan->threads = (unsigned)busy;
    return r;
}

/* What the run will need, before it needs it. */
static int check_limits(const struct plan *plan, struct err *err)
{
    uint64_t limit = process_raise_nofile();
    uint64_t each = environment_local_ports(), addresses = plan->n_binds ? plan->n_binds : 1;
    uint64_t ports = each == UINT64_MAX ? each : each * addresses;
    uint64_t needed = plan->connections + plan->idle + 3 * (uint64_t)plan->threads + RESERVED_FDS;

    if (needed > limit)
        return err_usage(err,
                         "%" PRIu64 " connections need %" PRIu64
                         " descriptors, and the limit is %" PRIu64 " (ulimit -n)",
                         plan->connections + plan->idle, needed, limit);
    if (plan->connections + plan->idle > ports)
        return err_usage(err,
                         "%" PRIu64
                         " connections to one server need as many local ports, and there "
                         "are %" PRIu64 " (net.ipv4.ip_local_port_range): more source addresses "
                         "(--bind) bring more",
                         plan->connections + plan->idle, ports);
    return 0;
}

void plan_done(struct plan *plan)
{
    free((void *)plan->addrs);
    plan->addrs = NULL;
}

int options_plan(struct plan *ret, const struct options *o, char **operands, int n, struct err *err)
{
    int r = check_options(o, err);

    if (r == 0)
        r = check_probe(o, err);
    if (r == 0)
        r = congestion_check(o->congestion, err);
    if (r == 0)
        r = fill_plan(ret, o, err);
    if (r == 0)
        r = read_target(ret, o, operands, n, err);
    if (r < 0)
        return r;
    r = check_probed(ret, o, err);
    if (r == 0)
        r = check_limits(ret, err);
    if (r < 0)
        plan_done(ret);
    return r;
}
