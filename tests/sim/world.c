/* world.c -- see world.h.
 *
 * SPDX-License-Identifier: MIT */
#include "world.h"

#include "../../src/base/err.h"
#include "../../src/base/locale.h"
#include "../../src/base/log.h"
#include "choose.h"
#include "client.h"
#include "engine_sim.h"
#include "memory.h"
#include "net.h"
#include "oracle.h"
#include "task.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEPS_MAX 2000000

struct world world;

/* --- what is drawn ------------------------------------------------------------------------------ */

/* Off in most runs; then rare, common, or nearly always. */
static uint32_t draw_rate(void)
{
    static const uint32_t rates[] = {5, 50, 200, 600};

    return choose(3) < 2 ? 0 : rates[choose(4)];
}

static void draw_faults(struct faults *f)
{
    *f = (struct faults){0};
    if (choose(8) == 0)
        return; /* a kernel in its best mood */
    f->short_recv = draw_rate();
    f->short_send = draw_rate();
    f->late = draw_rate();
    f->late_event = draw_rate();
    f->late_wake = draw_rate();
    f->preempt = draw_rate();
    f->spurious = draw_rate() / 2;
    f->early_end = draw_rate();
    f->stale_clock = draw_rate();
    f->memory = draw_rate() / 2;
    f->thread = draw_rate() / 2;
    f->accept = draw_rate();
    f->network = draw_rate() / 10;
    f->silence = choose(4) == 3;
    f->log = draw_rate();
}

static int64_t draw_limit(void)
{
    static const int64_t limits_ns[] = {20 * NS_PER_MS, 500 * NS_PER_MS, 5 * NS_PER_S,
                                        30 * NS_PER_S};

    return choose(3) < 2 ? NEVER : limits_ns[choose(4)];
}

static void draw_config(struct server_config *config)
{
    static const struct endpoint endpoints[LISTENERS_MAX];
    static const int64_t drains_ns[] = {10 * NS_PER_S, NS_PER_S, 100 * NS_PER_MS, 0};

    *config = (struct server_config){
        .engine = choose(3) < 2 ? "sim" : "sim-threads",
        .buf_size = choose_size(64 * 1024),
        .workers = 1 + choose(3),
        .concurrency = choose(3) ? 1 + choose(choose(2) ? 2 : 6) : 1000,
        .clients = choose(3) < 2 ? 0 : 1 + choose(8),
        .idle_ns = draw_limit(),
        .lifetime_ns = draw_limit(),
        .drain_ns = drains_ns[choose(4)],
        .memory = choose(8) < 7 ? 0 : choose_size(512 * 1024),
        .verbose = choose(2),
        .family = AF_UNSPEC,
        .listener = {.backlog = (int)choose(8)},
        .backlog_given = choose(2),
        .endpoints = endpoints,
        .n_endpoints = choose(4) < 3 ? 1 : 1 + choose(LISTENERS_MAX),
    };
    net.sndbuf = choose_size(64 * 1024);
    net.rcvbuf = choose_size(64 * 1024);
    net.client_rcvbuf = choose_size(64 * 1024);
}

/* Threads that get in each other's way: few places for many, and nothing else goes wrong. */
static void draw_contention(void)
{
    world.faults = (struct faults){.preempt = 600, .late_wake = draw_rate()};
    world.config.engine = "sim";
    world.config.workers = 2 + choose(2);
    world.config.concurrency = 1 + choose(2);
    world.config.idle_ns = world.config.lifetime_ns = NEVER;
}

/* What is for watching a queue: the door is shut and opened, and rests; it is open at last. */
static void draw_laboratory(void)
{
    struct server_config *config = &world.config;

    if (choose(4) == 3) {
        config->accept_pause = world.shut = choose(2);
        world.toggles = 2 * choose(3) + world.shut;
        world.toggle_ns = world.now_ns + choose_span(NS_PER_S);
    }
    config->accept_delay_ns = choose(8) < 7 ? 0 : choose_span(500 * NS_PER_MS);
    config->stats_ns = choose(8) < 7 ? NEVER : 500 * NS_PER_MS + choose_span(5 * NS_PER_S);
}

static void draw_world(void)
{
    world = (struct world){.now_ns = WORLD_BEGIN_NS,
                           .stop_ns = NEVER,
                           .place_ns = WORLD_BEGIN_NS,
                           .shut_ns = WORLD_BEGIN_NS};
    draw_faults(&world.faults);
    draw_config(&world.config);
    if (choose(8) == 7)
        draw_contention();
    if (choose(2))
        world.stop_ns = world.now_ns + choose_span(choose(2) ? 50 * NS_PER_MS : 20 * NS_PER_S);
    if (choose(8) == 7) {
        world.famine_ns[0] = world.now_ns + choose_span(10 * NS_PER_S);
        world.famine_ns[1] = world.famine_ns[0] + choose_span(5 * NS_PER_S);
    }
    draw_laboratory();
    world.faults_on = choose(16) == 15;
    net.n_listeners = (unsigned)world.config.n_endpoints; /* for the clients' scripts */
    clients_begin(1 + choose(CLIENTS_MAX));
    net.n_listeners = 0;
}

bool world_fault(uint32_t per_mille)
{
    if (!world.faults_on || !chance(per_mille))
        return false;
    world.last_fault_ns = world.now_ns;
    return true;
}

bool world_out_of_memory(void)
{
    if (!world.faults_on || world.now_ns < world.famine_ns[0] || world.now_ns >= world.famine_ns[1])
        return false;
    world.last_fault_ns = world.now_ns;
    return true;
}

/* --- in place of the C library's ---------------------------------------------------------------- */

int sim_clock_gettime(clockid_t clock, struct timespec *ret)
{
    (void)clock;
    ret->tv_sec = world.now_ns / NS_PER_S;
    ret->tv_nsec = world.now_ns % NS_PER_S;
    return 0;
}

/* The log, and nobody else, writes: a line at a time. */
ssize_t sim_write(int fd, const void *data, size_t n)
{
    char line[4096];

    (void)fd;
    if (chance(world.faults.log)) {
        errno = EAGAIN;
        return -1;
    }
    snprintf(line, sizeof line, "%.*s", (int)n - 1, (const char *)data);
    trace("log: %s", line);
    oracle_log(line);
    return (ssize_t)n;
}

int sim_poll(struct pollfd *polls, nfds_t n, int timeout_ms)
{
    (void)polls;
    (void)timeout_ms;
    return (int)n;
}

/* --- in place of server/confine.c: there is nothing to give up here ----------------------------- */

int confine(struct confined *ret, const struct confine_config *config, struct err *err)
{
    (void)ret;
    (void)config;
    (void)err;
    fail("a simulated server is not to be confined");
}

void confine_announce(const struct confined *confined)
{
    (void)confined;
}

/* --- in place of base/locale.c: every run the same, wherever it is ------------------------------- */

bool locale_is_utf8(void)
{
    return false;
}

/* --- the scheduler ------------------------------------------------------------------------------ */

/* Since when, or from when on, this task can go on. */
static int64_t task_ready_ns(const struct task *t)
{
    switch (t->state) {
    case TASK_READY:
        return WORLD_BEGIN_NS;
    case TASK_WAITING:
        return engine_ready_ns(t->waits_in);
    case TASK_JOINING:
        return t->joins->state == TASK_DONE ? WORLD_BEGIN_NS : NEVER;
    case TASK_DONE:
        break;
    }
    return NEVER;
}

/* What can happen now, and when the next thing can. */
struct outlook {
    struct task *tasks[256];
    uint32_t n;
    bool clients, stop, toggle;
    int64_t late_ns; /* since when the one that waits longest could go on */
    int64_t next_ns;
};

static void look_at_time(struct outlook *o, int64_t at_ns, bool *due)
{
    *due = at_ns <= world.now_ns;
    if (!*due && at_ns < o->next_ns)
        o->next_ns = at_ns;
}

static void look(struct outlook *o)
{
    struct task *t;
    bool due;

    o->n = 0;
    o->late_ns = o->next_ns = NEVER;
    for (unsigned i = 0; (t = task_nth(i)); i++) {
        look_at_time(o, task_ready_ns(t), &due);
        if (!due) {
            t->ready_ns = NEVER;
            continue;
        }
        if (t->ready_ns == NEVER)
            t->ready_ns = world.now_ns;
        if (t->ready_ns < o->late_ns)
            o->late_ns = t->ready_ns;
        o->tasks[o->n++] = t;
    }
    look_at_time(o, clients_next(), &o->clients);
    look_at_time(o, world.stopped ? NEVER : world.stop_ns, &o->stop);
    look_at_time(o, world.toggles ? world.toggle_ns : NEVER, &o->toggle);
}

static void pass_time(int64_t to_ns)
{
    world.now_ns = to_ns;
    oracle_time();
}

/* The tasks have to wait a little, though some could go on. */
static bool make_late(const struct outlook *o)
{
    int64_t to_ns = o->next_ns;
    int64_t most_ns = o->late_ns == NEVER ? NEVER : o->late_ns + LATE_MAX_NS;

    if (o->n == 0 || !chance(world.faults.late))
        return false;
    if (to_ns > most_ns)
        to_ns = world.now_ns + choose_span(most_ns - world.now_ns);
    if (to_ns <= world.now_ns)
        return false;
    pass_time(to_ns);
    return true;
}

static void stop(void)
{
    trace("server_stop()");
    world.stopped = true;
    world.stop_ns = world.now_ns;
    /* before and after, the program itself minds the signal: there is no server, or it is about to be freed */
    if (world.running)
        server_stop(world.server);
}

/* SIGUSR2, and SIGUSR1. Before the server runs, and when it has ended, they are ignored. */
static void toggle(void)
{
    if (!world.running) {
        world.toggle_ns = world.now_ns + NS_PER_MS;
        return;
    }
    world.toggles--;
    world.toggle_ns = world.now_ns + choose_span(2 * NS_PER_S);
    world.shut = !world.shut;
    world.shut_ns = world.now_ns;
    trace("server_toggle_accepting(): %s", world.shut ? "nobody" : "again");
    server_toggle_accepting(world.server);
    server_tell_stats(world.server);
}

/* Lets one thing happen. Returns false when nothing ever will. */
static bool step(void)
{
    struct outlook o;
    uint32_t n, i;

    if (++world.steps > STEPS_MAX)
        fail("the run does not end");
    look(&o);
    if (make_late(&o))
        return true;
    n = o.n + o.clients + o.stop + o.toggle;
    if (n == 0 && o.next_ns == NEVER)
        return false;
    if (n == 0) {
        pass_time(o.next_ns);
        return true;
    }
    i = choose(n);
    if (i < o.n)
        task_resume(o.tasks[i]);
    else if (o.clients && i == o.n)
        (void)clients_act();
    else if (o.stop && i == o.n + o.clients)
        stop();
    else
        toggle();
    return true;
}

/* --- the run ------------------------------------------------------------------------------------ */

/* The log opens what stands behind descriptor 2 anew, where that is a terminal or a pipe. Its lines go
 * to the trace, so it need not; and it must behave the same wherever we run. */
void world_init(void)
{
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null >= 0)
        dup2(null, STDERR_FILENO);
    log_init("meari-server", LOG_TEXT, LOG_INFO);
    if (saved >= 0)
        dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
}

static void *serve(void *arg)
{
    struct server *server;
    struct err err = {.code = 0};
    bool may_fail = world.faults_on;
    int r = server_create(&server, &world.config, &err);

    (void)arg;
    if (r < 0) {
        if (!may_fail)
            fail("the server cannot be created: %s", err.text);
        return NULL;
    }
    world.server = server;
    world.running = world.faults_on = true;
    if (world.stop_ns <= world.now_ns)
        stop();
    r = server_run(server, &err);
    world.running = false;
    trace("the server has ended: %d", r);
    if ((r < 0) != world.start_failed)
        fail("the server %s", r < 0 ? err.text : "hides that it could not run");
    oracle_ended();
    server_sum_up(server);
    server_destroy(server);
    world.server = NULL;
    return NULL;
}

/* Whoever can act has acted: then the server is asked to end, sooner or later. */
static void settle_stop(const struct task *server)
{
    if (server->state != TASK_DONE && world.stop_ns == NEVER && clients_next() == NEVER)
        world.stop_ns = world.now_ns + choose_span(20 * NS_PER_S);
}

static long long in_ms(int64_t span_ns)
{
    return span_ns == NEVER ? -1 : span_ns / NS_PER_MS;
}

/* What was drawn, for the one who reads a replay. */
static void tell(void)
{
    const struct server_config *c = &world.config;
    const struct faults *f = &world.faults;

    trace(
        "engine %s, %u workers, buffer %u, memory %llu, concurrency %llu, clients %llu, backlog %d, "
        "%zu listeners",
        c->engine, c->workers, c->buf_size, (unsigned long long)c->memory,
        (unsigned long long)c->concurrency, (unsigned long long)c->clients, c->listener.backlog,
        c->n_endpoints);
    trace("idle %lld ms, lifetime %lld ms, drain %lld ms; kernel buffers %u, %u, %u",
          in_ms(c->idle_ns), in_ms(c->lifetime_ns), in_ms(c->drain_ns), net.sndbuf, net.rcvbuf,
          net.client_rcvbuf);
    trace("door %s and toggled %u times, accept delay %lld ms, figures each %lld ms",
          c->accept_pause ? "shut" : "open", world.toggles, in_ms(c->accept_delay_ns),
          in_ms(c->stats_ns));
    trace(
        "per mille: short recv %u, short send %u, late %u, event %u, wake %u, preempt %u, spurious %u, "
        "early end %u, stale clock %u, memory %u, thread %u, accept %u, network %u, log %u",
        f->short_recv, f->short_send, f->late, f->late_event, f->late_wake, f->preempt, f->spurious,
        f->early_end, f->stale_clock, f->memory, f->thread, f->accept, f->network, f->log);
}

void world_run(void)
{
    struct task *server;

    memory_begin();
    tasks_begin();
    net_begin();
    oracle_begin();
    draw_world();
    tell();
    server = task_create(serve, NULL);
    do {
        settle_stop(server);
        if (!step() && server->state != TASK_DONE)
            fail("stuck: nothing will ever happen, and the server has not ended");
    } while (server->state != TASK_DONE);
    world.faults.log = 0; /* a line that was dropped is confessed now, not in the next run */
    log_event(LOG_NOTICE, "over", LOG_NO_FIELDS, "the run is over");
    clients_end();
    net_end();
    memory_end();
}
