/* made_up.c -- see made_up.h.
 *
 * SPDX-License-Identifier: MIT */
#include "made_up.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define INTERVALS 12
#define PER_INTERVAL 20000

struct plan made_up_plan;

static struct result run;
static struct hist response, service, connecting, lag;
static struct interval intervals[INTERVALS];
static struct addr addrs[2], source;

/* xorshift64: the same run each time */
static double chance(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static int64_t service_time(void)
{
    double tail = chance();

    if (tail > 0.9999)
        return (int64_t)(2e6 + 3e6 * chance());
    if (tail > 0.99)
        return (int64_t)(300e3 + 500e3 * chance());
    return (int64_t)(70e3 + 40e3 * (chance() + chance() + chance()));
}

static void make_plan(void)
{
    addrs[0] = (struct addr){.in = {.sin_family = AF_INET}, .len = sizeof(struct sockaddr_in)};
    addrs[0].in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    source = addrs[0];
    addr_set_port(&addrs[0], 7777);
    addrs[1] = (struct addr){.in6 = {.sin6_family = AF_INET6}, .len = sizeof(struct sockaddr_in6)};
    addrs[1].in6.sin6_addr = in6addr_loopback;
    addr_set_port(&addrs[1], 7777);
    made_up_plan = (struct plan){
        .target = "localhost:7777",
        .addrs = addrs,
        .n_addrs = 2,
        .binds = {source},
        .n_binds = 1,
        .connections = 50,
        .idle = 100,
        .threads = 2,
        .depth = 4,
        .sizes = {.list = {64, 512, 1400}, .n = 3},
        .seed = UINT64_MAX,
        .rate = 20000,
        .arrival = ARRIVAL_POISSON,
        .connect_rate = 500,
        .omit_ns = 2 * NS_PER_S,
        .duration_ns = 10 * NS_PER_S,
        .interval_ns = NS_PER_S,
        .timeout_ns = 2 * NS_PER_S,
        .connect_timeout_ns = 5 * NS_PER_S,
        .start_at_real_ns = INT64_C(1764000000000000000),
        .engine = "auto",
        .sndbuf = 65536,
        .rcvbuf = 131072,
        .congestion = "cubic",
        .server_pid = 4711,
    };
}

/* One second of it; in the stall nothing moves for a fifth of it, and what was due then waits. */
static void make_interval(struct interval *span, int64_t begin_ns)
{
    static struct hist times;
    bool stalls = begin_ns == 5 * NS_PER_S, recovers = begin_ns == 6 * NS_PER_S;
    uint64_t echoed = PER_INTERVAL + (recovers ? 4000u : 0) - (stalls ? 4000u : 0);

    hist_clear(&times);
    for (int i = 0; i < PER_INTERVAL; i++) {
        int64_t took = service_time(), waited = stalls ? (200 - i / 20) * NS_PER_MS : 0;

        waited = waited > 0 ? waited : 0;
        hist_record(&times, waited + took);
        if (begin_ns < 0)
            continue;
        hist_record(&response, waited + took);
        hist_record(&service, took);
        hist_record(&lag, (int64_t)(20e3 * chance()));
    }
    *span = (struct interval){
        .begin_ns = begin_ns,
        .length_ns = NS_PER_S,
        .counts = {.messages = echoed,
                   .bytes = 658 * echoed,
                   .late = stalls ? 4000 : 0,
                   .blocked = stalls ? 3990 : 0,
                   .connections = begin_ns == -2 * NS_PER_S ? 48 : 0},
        .p50_ns = hist_percentile(&times, 50),
        .p99_ns = hist_percentile(&times, 99),
        .max_ns = times.max_ns,
    };
}

static void make_troubles(void)
{
    run.troubles[TROUBLE_CONNECT] = 2;
    run.troubles[TROUBLE_CHANGED] = 30;
    run.kept[0] = (struct trouble){.kind = TROUBLE_CHANGED,
                                   .connection = 7,
                                   .offset = 4097,
                                   .at_ns = 3 * NS_PER_S,
                                   .text = "connection 7: 1 byte changed at offset 4097"};
    run.kept[1] = (struct trouble){.kind = TROUBLE_CONNECT,
                                   .connection = 8,
                                   .at_ns = -NS_PER_S,
                                   .text = "connection 8: <b>\"refused\" & 'worse'</b> \xff"};
    run.n_kept = 2;
}

static void make_environment(struct environment *env)
{
    *env = (struct environment){.version = "1.2.3", .cpus = 2, .somaxconn = 4096, .syn_linear = 4};
    snprintf(env->system, sizeof env->system, "Linux 6.1.0 x86_64");
    snprintf(env->cpu, sizeof env->cpu, "Example CPU <3 GHz>");
    snprintf(env->congestion, sizeof env->congestion, "cubic");
    snprintf(env->clocksource, sizeof env->clocksource, "tsc");
    snprintf(env->host, sizeof env->host, "example");
}

struct result *made_up_nothing(void)
{
    make_plan();
    hist_clear(&response);
    hist_clear(&service);
    hist_clear(&connecting);
    hist_clear(&lag);
    run = (struct result){
        .plan = &made_up_plan,
        .engine = "epoll",
        .response = &response,
        .service = &service,
        .connect = &connecting,
        .lag = &lag,
        .server_cpu_ns = -1,
    };
    return &run;
}

struct result *made_up_run(void)
{
    made_up_nothing();
    make_environment(&run.env);
    make_troubles();
    run.begun_real_ns = INT64_C(1764000002000000000);
    run.elapsed_ns = 10 * NS_PER_S;
    for (int i = 0; i < INTERVALS; i++) {
        make_interval(&intervals[i], (i - 2) * NS_PER_S);
        if (i < 2)
            continue;
        run.total.messages += intervals[i].counts.messages;
        run.total.bytes += intervals[i].counts.bytes;
        run.total.late += intervals[i].counts.late;
        run.total.blocked += intervals[i].counts.blocked;
    }
    for (int i = 0; i < 48; i++)
        hist_record(&connecting, (int64_t)(90e3 + 60e3 * chance() * (i < 40 ? 1 : 20)));
    run.total.connections = 48;
    run.syns = (struct syns){.retried = {[1] = 4, [3] = 1}, .given_up = 2};
    run.lost_messages = 3;
    run.unsent = 12;
    run.searched = true;
    run.found_rate = 20000;
    run.refuted_rate = 21000;
    run.intervals = intervals;
    run.n_intervals = INTERVALS;
    run.cpu_ns = 18 * NS_PER_S / 10;
    run.cpu_user_ns = 6 * NS_PER_S / 10;
    run.busiest_ns = 95 * NS_PER_S / 10;
    run.busiest_waited_ns = NS_PER_S / 10;
    run.server_cpu_ns = 2 * NS_PER_S;
    run.retransmits = 5;
    run.idle_right = 99;
    snprintf(run.limited, sizeof run.limited, "its busiest thread used 95 %% of a CPU");
    return &run;
}
