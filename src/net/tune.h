/* tune.h -- what is set on a listening socket, and its connections inherit, at no cost per connection.
 *
 * TCP_NODELAY, keepalive, buffer sizes, congestion control, and SO_OOBINLINE, without which an "urgent"
 * byte would be missing from the echo. Whoever opened the socket, we or somebody who passed it to us, it is
 * tuned here.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_TUNE_H
#define NET_TUNE_H

#include "listener.h"

/* Returns 0, or -errno when what exactness needs was refused, or the congestion control that was asked for. */
int tune_listener(int fd, const struct listener_config *config);

#endif
