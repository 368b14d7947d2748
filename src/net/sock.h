/* sock.h -- socket options as one-liners. Each returns 0 or -errno.
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

#endif
