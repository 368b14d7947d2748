/* record.h -- what one thread notes during one interval.
 *
 * A thread writes one record and never waits: at the end of an interval it goes on in its other record, and
 * whoever reports reads and clears the first meanwhile (load.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include "../base/hist.h"
#include "result.h"
#include "syns.h"

struct record {
    int64_t begin_ns, end_ns; /* on the monotonic clock */
    bool warm_up;
    struct counts counts;
    uint64_t troubles[TROUBLE_KINDS]; /* of the warm-up, too */
    struct hist
        response; /* of an open loop only: in a closed one it is the same as the service time */
    struct hist service;
    struct hist connect;
    struct syns syns;
    struct hist lag;
};

#endif
