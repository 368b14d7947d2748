/* engines.c -- the engines built in, by preference: "auto" takes the first that works.
 *
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include <stddef.h>

const struct io_engine *const io_engine_table[] = {
#ifdef HAVE_LIBURING
    &engine_uring,
#endif
    &engine_epoll,
    &engine_classic,
    NULL,
};
