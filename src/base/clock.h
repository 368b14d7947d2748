/* clock.h -- one clock for the whole tree: nanoseconds of CLOCK_MONOTONIC in an int64_t.
 *
 * It never jumps when somebody sets the time, which is why deadlines and durations use nothing else.
 * NEVER is later than every deadline.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define NEVER INT64_MAX

static inline int64_t clock_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The time of day, nanoseconds since 1970: for people and for other hosts, never for durations. */
static inline int64_t clock_real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The moment 'span_ns' after 'from_ns', or NEVER where that is beyond the clock's range. */
static inline int64_t clock_after(int64_t from_ns, int64_t span_ns)
{
    return span_ns >= NEVER - from_ns ? NEVER : from_ns + span_ns;
}

/* What poll(2) and epoll_wait(2) want: milliseconds until the deadline, rounded up so that they never
 * return before it; -1 for NEVER. */
static inline int clock_timeout_ms(int64_t now_ns, int64_t deadline_ns)
{
    int64_t left_ms;

    if (deadline_ns == NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    left_ms = (deadline_ns - now_ns - 1) / NS_PER_MS + 1;
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

#endif
