/* trace.c -- see trace.h.
 *
 * SPDX-License-Identifier: MIT */
#include "trace.h"

#include "addr.h"
#include "backlog.h"
#include "sock.h"
#include "trace_line.h"
#include "trace_state.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>

bool trace_enabled;

void trace_enable(const struct trace_config *c)
{
    trace_config = *c;
    trace_enabled = c->level > 0;
}

/* --- how a connection begins --------------------------------------------------------------------- */

void trace_socket(int family, int fd)
{
    struct trace_line l = trace_line_of("socket", fd, fd);

    snprintf(l.args, sizeof l.args, "%s", family == AF_INET6 ? "AF_INET6" : "AF_INET");
    trace_note_end(fd, false);
    if (fd == -1)
        trace_tell_error(&l);
    else
        trace_tell(&l, "a TCP socket");
}

void trace_bind(int fd, const struct addr *addr, int r)
{
    struct trace_line l = trace_line_of("bind", fd, r);
    struct addr bound;
    char text[ADDR_TEXT_MAX];

    if (r == -1)
        trace_tell_error(&l);
    else
        trace_tell(&l, "%s", addr_text(text, sock_local(&bound, fd) == 0 ? &bound : addr));
}

/* "queue 2/5": two wait, and the limit is five, which admits one more (backlog.h). */
static const char *queue_text(char *out, size_t size, int listener)
{
    struct backlog_gauge gauge = {.fd = listener};
    struct backlog queue;

    backlog_read(&gauge, &queue);
    out[0] = '\0';
    if (queue.waiting != BACKLOG_UNKNOWN)
        snprintf(out, size, ", queue %" PRId64 "/%" PRId64, queue.waiting, queue.limit);
    return out;
}

void trace_listen(int fd, int backlog, int r)
{
    struct trace_line l = trace_line_of("listen", fd, r);
    char queue[64];

    snprintf(l.args, sizeof l.args, "%d, %d", fd, backlog);
    if (r == -1) {
        trace_tell_error(&l);
        return;
    }
    l.state = trace_state_name(trace_state_of(fd));
    queue_text(queue, sizeof queue, fd);
    trace_tell(&l, "clients may come%s", queue);
}

void trace_accept(int listener, int fd)
{
    static atomic_ulong clients;
    struct trace_line l = trace_line_of("accept4", listener, fd);
    char text[ADDR_TEXT_MAX], queue[64];
    struct addr peer;
    bool known;

    if (fd == -1) {
        trace_tell_error(&l);
        return;
    }
    trace_note_end(fd, false);
    known = sock_peer(&peer, fd) == 0;
    l.state = trace_state_name(trace_state_of(fd));
    trace_tell(&l, "client %lu%s%s%s", 1 + atomic_fetch_add(&clients, 1),
               known ? " from " : ", gone already", known ? addr_text(text, &peer) : "",
               queue_text(queue, sizeof queue, listener));
}

/* Where the queue over there was full, the first SYN got no answer (synretry.h). */
static const char *retries_text(char *out, size_t size, int fd)
{
    uint32_t retries = sock_retransmits(fd);

    out[0] = '\0';
    if (retries > 0)
        snprintf(out, size, ", after %" PRIu32 " SYN retr%s", retries, retries == 1 ? "y" : "ies");
    return out;
}

/* Both ends, so that it can be found at the other one. */
static void tell_connected(struct trace_line *l)
{
    char here[ADDR_TEXT_MAX], there[ADDR_TEXT_MAX], retries[32];
    struct addr own, peer;

    l->state = trace_state_name(trace_state_of(l->fd));
    if (sock_local(&own, l->fd) < 0 || sock_peer(&peer, l->fd) < 0)
        trace_tell(l, "%s", "");
    else
        trace_tell(l, "from %s to %s%s", addr_text(here, &own), addr_text(there, &peer),
                   retries_text(retries, sizeof retries, l->fd));
}

void trace_connect(int fd, const struct addr *to, int r)
{
    struct trace_line l = trace_line_of("connect", fd, r);
    char text[ADDR_TEXT_MAX];

    addr_text(text, to);
    if (l.code == EINPROGRESS) {
        l.state = trace_state_name(TCP_SYN_SENT);
        trace_tell(&l, "a SYN to %s", text);
    } else if (r == -1) {
        trace_tell_error(&l);
    } else {
        tell_connected(&l);
    }
}

void trace_so_error(int fd, int code)
{
    struct trace_line l = trace_line_of("SO_ERROR", fd, 0);

    l.code = code;
    if (code)
        trace_tell_error(&l);
    else
        tell_connected(&l);
}

/* --- what is said ------------------------------------------------------------------------------- */

static void tell_received(struct trace_line *l, const void *data)
{
    trace_quote(l, data);
    trace_note_state(l);
    if (l->code)
        trace_tell_error(l);
    else if (l->result > 0)
        trace_tell(l, "%s", "");
    else
        trace_tell(l, "the %s has nothing more to say (FIN)", trace_config.peer);
}

static void tell_sent(struct trace_line *l, const void *data, size_t asked)
{
    trace_quote(l, data);
    trace_note_state(l);
    if (l->code)
        trace_tell_error(l);
    else if ((size_t)l->result < asked)
        trace_tell(l, "of %zu: there was no room for more", asked);
    else
        trace_tell(l, "%s", "");
}

void trace_recv(int fd, const void *data, ssize_t n)
{
    struct trace_line l = trace_line_of("recv", fd, n);

    tell_received(&l, data);
}

void trace_send(int fd, const void *data, size_t asked, ssize_t n)
{
    struct trace_line l = trace_line_of("send", fd, n);

    tell_sent(&l, data, asked);
}

/* --- how it ends -------------------------------------------------------------------------------- */

/* Added to a state: somebody's bytes are there that nobody read. */
#define UNREAD 0x100

/* (FIONREAD would tell, too, but a sandbox forbids ioctl(2).) */
int trace_before_end(int fd)
{
    int kept = errno, state = trace_state_of(fd);
    char byte;

    if (state != 0 && state != TCP_LISTEN && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
        state |= UNREAD;
    errno = kept;
    return state;
}

void trace_shutdown(int fd, int r, int before)
{
    struct trace_line l = trace_line_of("shutdown", fd, r);
    int state = trace_state_after_fin(before & ~UNREAD);

    snprintf(l.args, sizeof l.args, "%d, SHUT_WR", fd);
    if (r == -1) {
        trace_tell_error(&l);
        return;
    }
    trace_note_end(fd, state == TCP_FIN_WAIT1);
    l.state = trace_state_name(state);
    trace_tell(&l, "we have nothing more to say (FIN)");
}

/* How a connection goes on that no descriptor belongs to any more. */
static const char *left_to_the_kernel(int before, int state)
{
    if (before != state)
        return "our FIN follows the last byte";
    switch (state) {
    case TCP_TIME_WAIT:
        return "the kernel remembers it for a minute"; /* TCP_TIMEWAIT_LEN, include/net/tcp.h */
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
        return "the kernel waits for their FIN, not we";
    case TCP_LISTEN:
        return "nobody is accepted here any more";
    default:
        return "";
    }
}

/* Bytes that were not read turn the FIN into a reset: __tcp_close() in net/ipv4/tcp.c, after RFC 2525, 2.17. */
void trace_close(int fd, int r, int before)
{
    struct trace_line l = trace_line_of("close", fd, r);
    int state = trace_state_after_fin(before);

    if (r == -1) {
        trace_tell_error(&l);
    } else if (before & UNREAD) {
        l.state = trace_state_name(TCP_CLOSE);
        trace_tell(&l, "unread bytes: a reset (RST), no FIN");
    } else {
        l.state = state == TCP_LISTEN ? "" : trace_state_name(state);
        trace_tell(&l, "%s", left_to_the_kernel(before, state));
    }
}

/* --- waits -------------------------------------------------------------------------------------- */

void trace_wait(const char *call, int r, unsigned found)
{
    struct trace_line l = trace_line_of(call, TRACE_NO_FD, r);

    if (trace_config.level < 2)
        return;
    if (r == -1)
        trace_tell_error(&l);
    else if (found == 0)
        trace_tell(&l, "nothing, so far");
    else
        trace_tell(&l, "%u ready", found);
}

/* --- a ring ------------------------------------------------------------------------------------- */

static struct trace_line completion_of(const char *call, int fd, int result)
{
    struct trace_line l = trace_line_of(call, fd, result);

    l.code = result < 0 ? -result : 0;
    return l;
}

void trace_sqe_recv(int fd)
{
    struct trace_line l = trace_line_of("sqe recv", fd, 0);

    l.asked = true;
    trace_tell(&l, "multishot: for all that will come");
}

void trace_sqe_send(int fd, size_t asked, bool waits)
{
    struct trace_line l = trace_line_of("sqe send", fd, 0);

    l.asked = true;
    trace_tell(&l, "%zu byte%s%s", asked, asked == 1 ? "" : "s",
               waits ? ", when there is room" : "");
}

void trace_cqe_recv(int fd, const void *data, int result)
{
    struct trace_line l = completion_of("cqe recv", fd, result);

    tell_received(&l, data);
}

void trace_cqe_send(int fd, const void *data, size_t asked, int result)
{
    struct trace_line l = completion_of("cqe send", fd, result);

    tell_sent(&l, data, asked);
}

void trace_sent_silently(int fd, const void *data, size_t n)
{
    struct trace_line l = trace_line_of("ok  send", fd, (int64_t)n);

    trace_quote(&l, data);
    trace_tell(&l, "all of it: then no completion comes");
}
