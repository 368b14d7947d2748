/* moment.h -- a time of day as people write it, to the second: 18:30:00 (today, local time),
 * 2026-11-24T18:30:00Z (UTC), or 1795545000 (seconds since 1970).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_MOMENT_H
#define BASE_MOMENT_H

#include <stdint.h>

/* Returns 0 and nanoseconds since 1970, or -EINVAL. 'now_real_ns' says what today is. */
int moment_parse(int64_t *ret_real_ns, const char *text, int64_t now_real_ns);

#endif
