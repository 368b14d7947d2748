/* sock.h -- what is done to a descriptor of a socket: options, addresses, its end.
 *
 * With listener.h and backlog.h this is all that io/ and server/ ask of the kernel besides the operations of an
 * engine, so a simulation replaces these three and the engine, and nothing else (tests/sim/). Functions
 * return 0 or -errno unless they say otherwise.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdbool.h>
#include <stdint.h>

struct addr;

int sock_set(int fd, int level, int option, int value);

int sock_set_blocking(int fd, bool blocking);

/* The kernel doubles the value for its own overhead and stops tuning the buffer (socket(7)). 0: leave
 * it to the kernel. */
int sock_set_buffers(int fd, uint64_t sndbuf, uint64_t rcvbuf);

/* How long ago the kernel last sent data on this TCP connection, in nanoseconds and to the precision of
 * its tick: tcpi_last_data_sent of TCP_INFO, which probes of a closed window do not count for
 * (net/ipv4/tcp_output.c, tcp_event_data_sent). It does count what is sent again when no answer comes, and
 * that moves nothing: then it is how long ago the peer last answered. INT64_MAX / 2 when the kernel does
 * not say. */
int64_t sock_sent_ago_ns(int fd);

/* Where the socket is bound, and whom it is connected to; -ENOTCONN from sock_peer() when the client
 * reset the connection before it was accepted. */
int sock_local(struct addr *ret, int fd);
int sock_peer(struct addr *ret, int fd);

/* A TCP socket, non-blocking and close-on-exec. Returns the descriptor or -errno. */
int sock_open(int family);

/* A TCP socket to call others with, non-blocking, close-on-exec, TCP_NODELAY and SO_OOBINLINE on. 'from' is the
 * address to call from, whose port 0 is picked when the socket connects, so that it has to be free only together
 * with the peer's (ip(7), IP_BIND_ADDRESS_NO_PORT); NULL: the kernel's choice. Returns the descriptor or -errno. */
int sock_create(int family, const struct addr *from);

/* Starts to connect. Returns 0, -EINPROGRESS, or another -errno. */
int sock_connect(int fd, const struct addr *to);

/* A port that nobody listens on may be the very one that the kernel picks for us: then the socket is connected
 * to itself (simultaneous open, RFC 9293, 3.5), and would be a perfect echo. 'to' is whom it was connected to. */
bool sock_reached_itself(int fd, const struct addr *to);

/* Segments that our side of this TCP connection has sent again, SYNs included (tcpi_total_retrans); 0 when the kernel does
 * not say. */
uint32_t sock_retransmits(int fd);

#define SOCK_CONGESTION_MAX 16

/* The name of its congestion control, or "". */
void sock_congestion(char out[static SOCK_CONGESTION_MAX], int fd);

/* Chooses it by name, for what is accepted from a listener too. Returns -ENOENT where the kernel has none of that name,
 * -EPERM where it is not for us. */
int sock_set_congestion(int fd, const char *name);

/* A socket that is bound begins to listen, or changes its backlog. */
int sock_listen(int fd, int backlog);

/* No more will be sent: a FIN follows what was sent. */
int sock_shutdown(int fd);

/* Not repeated on EINTR: the descriptor is gone then, and may be somebody else's (close(2)). */
void sock_close(int fd);

#endif
