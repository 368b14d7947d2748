/* trace_state.c -- see trace_state.h. Facts about the kernel are cited from Linux 6.1, and are much older.
 *
 * SPDX-License-Identifier: MIT */
#include "trace_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

const char *trace_state_name(int state)
{
    switch (state) {
    case TCP_ESTABLISHED:
        return "ESTABLISHED";
    case TCP_SYN_SENT:
        return "SYN_SENT";
    case TCP_SYN_RECV:
        return "SYN_RECV";
    case TCP_FIN_WAIT1:
        return "FIN_WAIT_1";
    case TCP_FIN_WAIT2:
        return "FIN_WAIT_2";
    case TCP_TIME_WAIT:
        return "TIME_WAIT";
    case TCP_CLOSE:
        return "CLOSED";
    case TCP_CLOSE_WAIT:
        return "CLOSE_WAIT";
    case TCP_LAST_ACK:
        return "LAST_ACK";
    case TCP_LISTEN:
        return "LISTEN";
    case TCP_CLOSING:
        return "CLOSING";
    default:
        return ""; /* the kernel did not say */
    }
}

/* Of which descriptors have we sent the first FIN? Who does that is left with TIME_WAIT. The kernel puts a smaller
 * thing in the socket's place then (net/ipv4/tcp_minisocks.c, tcp_time_wait()), and the socket itself says CLOSED,
 * as it does after LAST_ACK. A descriptor is one thread's at a time. */
static bool ended_first[4096];

void trace_note_end(int fd, bool first)
{
    if (fd >= 0 && (size_t)fd < sizeof ended_first)
        ended_first[fd] = first;
}

int trace_state_of(int fd)
{
    bool first = fd >= 0 && (size_t)fd < sizeof ended_first && ended_first[fd];
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
        return 0;
    return info.tcpi_state == TCP_CLOSE && first ? TCP_TIME_WAIT : info.tcpi_state;
}

/* new_state[] in net/ipv4/tcp.c. To ask the kernel would be to ask too late: where the answer is quick, the state may be
 * over by then. */
int trace_state_after_fin(int state)
{
    if (state == TCP_ESTABLISHED)
        return TCP_FIN_WAIT1;
    return state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : state;
}
