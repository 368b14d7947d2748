/* clock.c -- see shim.h: the wall clock that jumps.
 *
 * SPDX-License-Identifier: MIT */
#include "shim.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define JUMP_S 3600

bool shim_clock_jumps;

static atomic_uint readings;

/* An hour ahead and an hour behind in turn, for the program and for nobody else. */
static time_t jump(const void *caller)
{
    if (!shim_clock_jumps || !is_programs(caller))
        return 0;
    return atomic_fetch_add(&readings, 1) % 2 == 0 ? JUMP_S : -JUMP_S;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = NEXT(clock_gettime)(clock, ret);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += jump(HERE);
    return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    int r = NEXT(gettimeofday)(ret, zone);

    if (r == 0)
        ret->tv_sec += jump(HERE);
    return r;
}

time_t time(time_t *ret)
{
    time_t now = NEXT(time)(NULL) + jump(HERE);

    if (ret)
        *ret = now;
    return now;
}
