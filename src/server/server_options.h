/* server_options.h -- the command line of meari-server: what there is to ask for, and the configuration that comes of it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_SERVER_OPTIONS_H
#define SERVER_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct err;
struct server_config;

/* As they were written, and where they were not, as they are by default (server_options_init). */
struct server_options {
    uint64_t backlog, concurrency, clients, workers, buffer, memory, sndbuf, rcvbuf;
    int64_t idle_ns, lifetime_ns, drain_ns, spin_ns, stats_ns, accept_delay_ns;
    uint64_t verbose, trace;
    bool classic, accept_pause, quiet, v4, v6;
    int engine, log_format, sandbox;
    const char *congestion, *user, *takeover;
};

void server_options_init(struct server_options *o);

/* As opts_read(). */
int server_options_read(struct server_options *o, const char *program, const char *version,
                        int argc, char **argv, int *ret_operand, struct err *err);

/* The operands as endpoints, which the caller frees. Returns 0, or -errno; then nothing is to be freed. */
int server_options_endpoints(struct endpoint **ret, size_t *ret_n, char **operands, int n,
                             struct err *err);

/* All of the configuration that options tell, checked against itself and against what this process may have
 * (limits.h). Returns 0 or -errno. */
int server_options_configure(struct server_config *config, const struct server_options *o,
                             struct err *err);

#endif
