/* dial.h -- connect to the first of several addresses that answers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "addr.h"

#include <stddef.h>
#include <stdint.h>

struct err;

/* Tries the addresses in their order, each for at most 'timeout_ns' (NEVER: as long as the kernel
 * does). Returns 0 and sets *ret_fd, a non-blocking, close-on-exec socket that the caller closes, and
 * *ret_addr, the address that answered. Or returns -errno with one sentence that names 'what' and,
 * when there were several addresses, each with its own reason. */
int dial(int *ret_fd, struct addr *ret_addr, const struct addr *list, size_t n, const char *what,
         int64_t timeout_ns, struct err *err);

#endif
