/* limits.h -- how many clients at once and how much for their buffers: as asked for, within what this process may have.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

struct err;
struct server_config;

/* Raises the soft limit of descriptors, fills in memory, workers and concurrency where 'config' has 0, and bounds the
 * concurrency by the descriptors. Logs a warning where that, or the size of a buffer, is not what was asked
 * for. Returns 0 or -errno. */
int limits_settle(struct server_config *config, struct err *err);

#endif
