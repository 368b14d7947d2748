/* sock.h -- socket options as one-liners. Each setter returns 0 or -errno.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdbool.h>
#include <stdint.h>

int sock_set(int fd, int level, int option, int value);

int sock_set_blocking(int fd, bool blocking);

/* The kernel doubles the value for its own overhead and stops tuning the buffer (socket(7)). 0: leave
 * it to the kernel. */
int sock_set_buffers(int fd, uint64_t sndbuf, uint64_t rcvbuf);

/* How long ago the kernel last sent data on this TCP connection, in nanoseconds and to the precision of
 * its tick: tcpi_last_data_sent of TCP_INFO, which probes of a closed window do not count for
 * (net/ipv4/tcp_output.c, tcp_event_data_sent). INT64_MAX / 2 when the kernel does not say. */
int64_t sock_sent_ago_ns(int fd);

#endif
