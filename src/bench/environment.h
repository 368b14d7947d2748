/* environment.h -- the machine that a run was made on, for the reports.
 *
 * A figure without its machine cannot be compared. What can be read is read once, before the run, from uname(2),
 * /proc and /sys; what cannot (a container may hide any of it) is left empty. The congestion control is a socket's
 * property, so whoever has a socket fills that in, as well as the program's version.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_ENVIRONMENT_H
#define BENCH_ENVIRONMENT_H

#include <stdint.h>

struct environment;

void environment_read(struct environment *ret);

/* The same for a machine whose /proc and /sys are below 'root'. */
void environment_read_below(struct environment *ret, const char *root);

/* How many local ports one address has for connections to one server (net.ipv4.ip_local_port_range); UINT64_MAX
 * where it cannot be told. */
uint64_t environment_local_ports(void);

#endif
