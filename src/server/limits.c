/* limits.c -- see limits.h.
 *
 * SPDX-License-Identifier: MIT */
#include "limits.h"

#include "../base/err.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "../base/process.h"
#include "server.h"

#include <inttypes.h>
#include <string.h>

/* Descriptors that are not connections: standard ones, listeners, the log's, and two per worker. */
#define RESERVED_FDS 32
#define CLASSIC_CONCURRENCY 1000

/* What a client costs the kernel and us beside the buffers: its socket, its descriptor, and in the
 * classic engine its thread. A memory cgroup of version 1 showed 1.5 and 36 KiB for idle ones (Linux 6.18);
 * version 2 charges it for the sockets too. */
#define CLIENT_BYTES (8u << 10)
#define CLASSIC_CLIENT_BYTES (64u << 10)

/* Half of the memory is for buffers; what is left of the other half bounds the clients. */
static uint64_t default_concurrency(uint64_t most, bool classic)
{
    uint64_t room = memory_limit() / 2 / (classic ? CLASSIC_CLIENT_BYTES : CLIENT_BYTES);
    uint64_t wanted = classic ? CLASSIC_CONCURRENCY : most;

    if (room == 0)
        room = 1;
    return room < wanted ? room : wanted;
}

/* How many clients at once: as asked, but never more than there are descriptors for. */
static int settle_concurrency(struct server_config *config, struct err *err)
{
    bool classic = strcmp(config->engine, "classic") == 0;
    uint64_t limit = process_raise_nofile();
    uint64_t reserved = 16 + 2 * (uint64_t)config->workers;
    uint64_t asked = config->concurrency, most;

    if (reserved < RESERVED_FDS)
        reserved = RESERVED_FDS;
    if (limit <= reserved)
        return err_usage(err,
                         "the descriptor limit of %" PRIu64 " leaves none for clients: %" PRIu64
                         " are reserved (ulimit -n)",
                         limit, reserved);
    most = (limit - reserved) / (classic ? 2 : 1); /* a thread's engine has one of its own */
    if (asked > most)
        log_event(LOG_WARNING, "concurrency-clamped",
                  LOG_FIELDS({"asked", NULL, (int64_t)asked}, {"concurrency", NULL, (int64_t)most}),
                  "a concurrency of %" PRIu64 " is more than the descriptor limit allows: %" PRIu64
                  " is in force",
                  asked, most);
    config->concurrency = asked ? asked : default_concurrency(most, classic);
    if (config->concurrency > most)
        config->concurrency = most;
    return 0;
}

/* A buffer of full size has to leave half of the memory (io/pool.h). */
static void check_buffer(const struct server_config *config)
{
    if (config->buf_size > config->memory / 2)
        log_event(LOG_WARNING, "buffers-small",
                  LOG_FIELDS({"buffer", NULL, config->buf_size},
                             {"memory", NULL, (int64_t)config->memory}),
                  "a buffer of %" PRIu32
                  " bytes is more than half of the memory for all of them, %" PRIu64
                  ": small ones are used",
                  config->buf_size, config->memory);
}

int limits_settle(struct server_config *config, struct err *err)
{
    if (config->memory == 0)
        config->memory = memory_limit() / 2;
    if (config->workers == 0)
        config->workers = process_cpus();
    check_buffer(config);
    return settle_concurrency(config, err);
}
