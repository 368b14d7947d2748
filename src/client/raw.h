/* raw.h -- standard input to the socket and the socket to standard output, exact bytes, both ways at
 * once.
 *
 * Nothing else is printed and nothing is compared, only counted. At the end of input our side of the
 * connection is closed, and what the server still sends is waited for until it closes its own.
 *
 *     standard input ──▶ up ──▶ socket ──▶ down ──▶ standard output
 *
 * Each direction has one buffer and moves whenever it can, whatever the other does. So no order in
 * which the four ends get ready can block it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_RAW_H
#define CLIENT_RAW_H

#include <stdint.h>

struct err;

/* 'fd' is connected and non-blocking, and stays the caller's. 'timeout_ns': how long nothing may move
 * while bytes, or the server's end, are due; NEVER: forever. Returns 0 when at least as many bytes came
 * back as were sent, or -errno with the reason in 'err'. */
int raw_run(int fd, int64_t timeout_ns, struct err *err);

#endif
