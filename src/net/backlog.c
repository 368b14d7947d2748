/* backlog.c -- see backlog.h.
 *
 * SPDX-License-Identifier: MIT */
#include "backlog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Some 7 KB on Linux 6.18, and it grows by a counter now and then. */
#define NETSTAT_MAX 32768

/* --- a listener --------------------------------------------------------------------------------- */

/* SO_MEMINFO is what ss(8) shows with -m; the last of its numbers is the one we want (since 4.12). */
static bool read_drops(int fd, uint32_t *ret)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == -1 ||
        len < (SK_MEMINFO_DROPS + 1) * sizeof *info)
        return false;
    *ret = info[SK_MEMINFO_DROPS];
    return true;
}

void backlog_begin(struct backlog_gauge *gauge, int fd)
{
    *gauge = (struct backlog_gauge){.fd = fd};
    gauge->counts = read_drops(fd, &gauge->latest);
}

void backlog_end(struct backlog_gauge *gauge)
{
    gauge->fd = -1;
}

static int64_t dropped(struct backlog_gauge *gauge)
{
    uint32_t now;

    if (!gauge->counts)
        return BACKLOG_UNKNOWN;
    if (gauge->fd == -1)
        return gauge->dropped;
    if (!read_drops(gauge->fd, &now))
        return BACKLOG_UNKNOWN;
    gauge->dropped += (uint32_t)(now - gauge->latest);
    gauge->latest = now;
    return gauge->dropped;
}

/* Of a listener TCP_INFO says nothing but this, in fields that mean something else on a connection
 * (net/ipv4/tcp.c, tcp_get_info). */
void backlog_read(struct backlog_gauge *gauge, struct backlog *ret)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    *ret = (struct backlog){BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, dropped(gauge)};
    if (gauge->fd == -1 || getsockopt(gauge->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
        info.tcpi_state != TCP_LISTEN)
        return;
    ret->waiting = info.tcpi_unacked;
    ret->limit = info.tcpi_sacked;
}

/* --- the network namespace ---------------------------------------------------------------------- */

int backlog_open_network(void)
{
    /* not /proc/net, which a unit with ProcSubset=pid does not have */
    int fd = open("/proc/self/net/netstat", O_RDONLY | O_CLOEXEC);

    return fd == -1 ? -errno : fd;
}

static const struct backlog_network nothing = {BACKLOG_UNKNOWN, BACKLOG_UNKNOWN, BACKLOG_UNKNOWN,
                                               BACKLOG_UNKNOWN};

void backlog_read_network(int fd, struct backlog_network *ret)
{
    char text[NETSTAT_MAX];
    size_t used = 0;
    ssize_t n;

    *ret = nothing;
    if (fd < 0)
        return;
    while ((n = pread(fd, text + used, sizeof text - 1 - used, (off_t)used)) > 0)
        used += (size_t)n;
    if (n == -1 || used == sizeof text - 1) /* the last number may lack digits */
        return;
    text[used] = '\0';
    backlog_parse_network(text, ret);
}

/* Where the counter of this name goes. */
static int64_t *place_of(struct backlog_network *ret, const char *name, size_t len)
{
    const struct {
        const char *name;
        int64_t *place;
    } names[] = {
        {"ListenOverflows", &ret->listen_overflows},
        {"ListenDrops", &ret->listen_drops},
        {"TCPReqQFullDoCookies", &ret->cookies},
        {"TCPReqQFullDrop", &ret->syn_queue_drops},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
            return names[i].place;
    return NULL;
}

/* Goes to the next word of its line. Returns the word's length, 0 at the end of the line. */
static size_t next_word(const char **at)
{
    *at += strspn(*at, " ");
    return strcspn(*at, " \n");
}

/* A line of names and, below it, one of their values. */
static void parse_pair(const char *names, const char *values, struct backlog_network *ret)
{
    size_t name, value;

    while ((name = next_word(&names)) > 0 && (value = next_word(&values)) > 0) {
        int64_t *place = place_of(ret, names, name);
        char *end;
        long long number = strtoll(values, &end, 10);

        if (place && end == values + value && number >= 0)
            *place = number;
        names += name;
        values += value;
    }
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? end + 1 : NULL;
}

void backlog_parse_network(const char *text, struct backlog_network *ret)
{
    static const char prefix[] = "TcpExt:";
    const size_t n = sizeof prefix - 1;

    *ret = nothing;
    for (const char *line = text, *below; line; line = below) {
        below = next_line(line);
        if (!below || strncmp(line, prefix, n) != 0 || strncmp(below, prefix, n) != 0)
            continue;
        parse_pair(line + n, below + n, ret);
        return;
    }
}

int64_t backlog_somaxconn(void)
{
    int fd = open("/proc/sys/net/core/somaxconn", O_RDONLY | O_CLOEXEC);
    char text[32];
    ssize_t n;

    if (fd == -1)
        return BACKLOG_UNKNOWN;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return BACKLOG_UNKNOWN;
    text[n] = '\0';
    return strtoll(text, NULL, 10);
}
