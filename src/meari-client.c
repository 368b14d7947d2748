/* meari-client.c -- the echo client's main: options, connect, talk, verdict.
 *
 * The conversation itself is in client/; read client/talk.h, client/session.c and client/editor.h, in
 * this order.
 *
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/process.h"
#include "client/prompt.h"
#include "client/raw.h"
#include "client/session.h"
#include "client/terminal.h"
#include "net/dial.h"
#include "net/endpoint.h"
#include "net/sock.h"
#include "net/synretry.h"
#include "net/trace.h"
#include "version.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "meari-client"

enum { DONE = 0, WRONG = 1, CANNOT_RUN = 2 }; /* exit codes */

struct options {
    int64_t timeout_ns, connect_timeout_ns;
    uint64_t verbose, trace;
    bool raw, quiet, v4, v6;
};

static const char notes[] =
    "The server is HOST PORT, HOST:PORT, [V6]:PORT, tcp://HOST:PORT, or PORT (this\n"
    "machine). Each line is sent, newline included, and every byte that comes back is\n"
    "compared. q or Q alone on a line ends, as does the end of input.\n"
    "Durations take ns us ms s m h (bare: seconds). Each option is also read from the\n"
    "environment: --connect-timeout is MEARI_CONNECT_TIMEOUT; the command line wins.\n"
    "Exit code 0: every byte came back; 1: the echo was wrong, cut short or late;\n"
    "2: could not run; 130: interrupted.\n";

static int read_options(struct options *o, int argc, char **argv, int *ret_operand, struct err *err)
{
    const struct opt table[] = {
        {0, "raw", NULL, OPT_SWITCH, &o->raw,
         .help = "exact bytes both ways until both sides end; nothing\n"
                 "is compared, only counted"},
        {0, "timeout", "TIME", OPT_DURATION, &o->timeout_ns, .min = 1,
         .help = "give up when an echo is due and no byte moved for\n"
                 "so long (default: never)"},
        {0, "connect-timeout", "TIME", OPT_DURATION, &o->connect_timeout_ns, .min = 1,
         .help = "give up an address that did not answer for so long\n"
                 "(default: the kernel's, about two minutes)"},
        {'4', "ipv4", NULL, OPT_SWITCH, &o->v4, .help = "IPv4 only"},
        {'6', "ipv6", NULL, OPT_SWITCH, &o->v6, .help = "IPv6 only"},
        {'q', "quiet", NULL, OPT_SWITCH, &o->quiet,
         .help = "no greeting and no notes; only results and errors"},
        {'v', "verbose", NULL, OPT_LEVEL, &o->verbose,
         .help = "tell the address and each line's round-trip time"},
        {0, "trace", NULL, OPT_LEVEL, &o->trace,
         .help = "log each system call of the conversation as it is\n"
                 "made, and what it means; twice: waits, too"},
    };
    char version[64];
    const struct opts opts = {
        .program = PROGRAM,
        .synopsis = "[options] HOST PORT",
        .about = "Talk to an echo server, and check every byte that comes back.",
        .notes = notes,
        .version = version,
        .table = table,
        .n = sizeof table / sizeof *table,
    };

    snprintf(version, sizeof version, MEARI_VERSION " (%s)", prompt_built_in());
    return opts_read(&opts, argc, argv, ret_operand, err);
}

static int check_options(const struct options *o, struct err *err)
{
    if (o->v4 && o->v6)
        return err_usage(err, "--ipv4 and --ipv6 exclude each other");
    if (o->quiet && o->verbose)
        return err_usage(err, "--quiet and --verbose exclude each other");
    return 0;
}

/* Typed and shown text is UTF-8. A locale that cannot express it (C, or one that is not installed)
 * gives way. */
static void choose_locale(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* What it took is told to who asks for it (-v). */
static void tell_connected(int fd, const struct addr *to)
{
    char text[ADDR_TEXT_MAX], retry[SYNRETRY_TEXT_MAX];
    uint32_t retries = sock_retransmits(fd); /* nothing but SYNs so far */

    addr_text(text, to);
    if (retries == 0)
        log_event(LOG_DEBUG, "connected", LOG_FIELDS({"server", text, 0}), "connected to %s", text);
    else
        log_event(LOG_DEBUG, "connected",
                  LOG_FIELDS({"server", text, 0}, {"syn_retries", NULL, retries}),
                  "connected to %s; its SYN needed %s: %s", text,
                  synretry_text(retry, retries, synretry_linear()),
                  synretry_reason(addr_is_loopback(to)));
}

static int call(int *ret_fd, const struct endpoint *e, const struct options *o, struct err *err)
{
    int family = o->v4 ? AF_INET : o->v6 ? AF_INET6 : AF_UNSPEC;
    char name[ENDPOINT_TEXT_MAX];
    struct addr *list, reached;
    size_t n;
    int r = endpoint_resolve(&list, &n, e, family, err);

    if (r < 0)
        return r;
    r = dial(ret_fd, &reached, list, n, endpoint_text(name, e), o->connect_timeout_ns, err);
    free(list);
    if (r < 0)
        return r;
    sock_set(*ret_fd, IPPROTO_TCP, TCP_NODELAY, 1);
    sock_set(*ret_fd, SOL_SOCKET, SO_OOBINLINE,
             1); /* an "urgent" byte is a byte of the echo, too */
    tell_connected(*ret_fd, &reached);
    return 0;
}

static int talk(int fd, const struct options *o, struct err *err)
{
    bool terminal = isatty(STDOUT_FILENO);
    const struct session_config config = {
        .program = PROGRAM,
        .fd = fd,
        .timeout_ns = o->timeout_ns,
        .interactive = terminal && isatty(STDIN_FILENO),
        .terminal = terminal,
        .quiet = o->quiet,
    };

    return o->raw ? raw_run(fd, o->timeout_ns, err) : session_run(&config, err);
}

/* The verdict waits for its reader, unlike a line of the log. */
static int fail(int code, const struct err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->text);
    return code;
}

int main(int argc, char **argv)
{
    struct options o = {.timeout_ns = NEVER, .connect_timeout_ns = NEVER};
    struct endpoint endpoint;
    struct err err;
    int operand = 0, fd, r;

    if (process_guard_stdio(&err) < 0)
        return fail(CANNOT_RUN, &err);
    r = read_options(&o, argc, argv, &operand, &err);
    if (r > 0)
        return DONE;
    if (r < 0)
        return fail(r == -EINVAL ? CANNOT_RUN : WRONG, &err);
    log_init(PROGRAM, LOG_TEXT, o.quiet ? LOG_NOTICE : o.verbose ? LOG_DEBUG : LOG_INFO);
    trace_enable(&(struct trace_config){.level = (unsigned)o.trace, .peer = "server"});
    choose_locale();
    terminal_guard();
    if (check_options(&o, &err) < 0 ||
        endpoint_parse_server(&endpoint, argv + operand, argc - operand, &err) < 0 ||
        call(&fd, &endpoint, &o, &err) < 0)
        return fail(CANNOT_RUN, &err);
    r = talk(fd, &o, &err);
    sock_close(fd);
    return r < 0 ? fail(WRONG, &err) : DONE;
}
