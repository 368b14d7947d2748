/* condition.h -- what a result is held to: 'p99>5ms' (fail if so), 'p99<1ms' (find the highest rate at which it is so).
 *
 *     METRIC is      p0 to p100 (p99, p99.99: percentiles of the response time), min, max, mean,
 *                    rate (messages a second), lost (messages), late (sends)
 *     the sign is    < <= > >=
 *     the value is   a duration for times, a count otherwise
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_CONDITION_H
#define BENCH_CONDITION_H

#include "result.h"

struct err;

enum metric {
    METRIC_PERCENTILE,
    METRIC_MIN,
    METRIC_MAX,
    METRIC_MEAN,
    METRIC_RATE,
    METRIC_LOST,
    METRIC_LATE
};

struct condition {
    const char *text; /* as it was written; not copied */
    enum metric metric;
    double percent; /* of METRIC_PERCENTILE */
    char sign;      /* '<' or '>' */
    bool or_equal;
    double value; /* ns, messages a second, or messages */
};

/* 'option' is blamed: "--fail-if". Returns 0 or -EINVAL. */
int condition_parse(struct condition *ret, const char *option, const char *text, struct err *err);

/* Is it so? Without any sample no condition about times is. */
bool condition_holds(const struct condition *c, const struct result *r);

/* What the result has for it: "p99 is 7.31 ms". Returns 'out'. */
#define CONDITION_TEXT_MAX 80
const char *condition_found(char out[static CONDITION_TEXT_MAX], const struct condition *c,
                            const struct result *r);

#endif
