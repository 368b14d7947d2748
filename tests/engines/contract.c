/* contract.c -- see contract.h.
 *
 * SPDX-License-Identifier: MIT */
#include "contract.h"

#include "base/err.h"
#include "io/spin.h"
#include "net/sock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int listen_on_loopback(struct addr *ret)
{
    struct addr addr = {.in = {.sin_family = AF_INET}, .len = sizeof(struct sockaddr_in)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_not_equal(fd, -1);
    assert_int_equal(sock_set(fd, SOL_SOCKET, SO_OOBINLINE, 1), 0);
    assert_int_equal(bind(fd, &addr.sa, addr.len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(sock_local(ret, fd), 0);
    return fd;
}

int call(const struct addr *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(connect(fd, &to->sa, to->len), 0);
    return fd;
}

struct io_event next(struct world *w)
{
    struct io_event ev = {.op = IO_IDLE};
    int64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
    int r;

    do {
        r = io_next(w->io, &ev, deadline_ns);
    } while (r == 0 && clock_now_ns() < deadline_ns);
    assert_int_equal(r, 1);
    return ev;
}

void assert_nothing(struct world *w)
{
    struct io_event ev;

    assert_int_equal(io_next(w->io, &ev, 0), 0);
    assert_int_equal(io_next(w->io, &ev, clock_now_ns() + 2 * NS_PER_MS), 0);
}

struct io_event expect(struct world *w, const struct io_sock *sock, enum io_op op)
{
    struct io_event ev = next(w);

    assert_ptr_equal(ev.sock, sock);
    assert_int_equal(ev.op, op);
    if (op == IO_RECV && ev.result > 0) {
        assert_non_null(ev.buf);
        assert_int_equal(ev.buf->len, ev.result);
    } else {
        assert_null(ev.buf);
    }
    if (sock)
        assert_int_equal(op == IO_SEND || op == IO_CONNECT ? sock->out : sock->in, IO_IDLE);
    return ev;
}

void peer_sends(struct world *w, const void *data, size_t n)
{
    assert_int_equal(send(w->peer, data, n, MSG_NOSIGNAL), n);
}

void expect_bytes(struct world *w, const char *bytes)
{
    struct io_event ev = expect(w, &w->sock, IO_RECV);

    assert_int_equal(ev.result, strlen(bytes));
    assert_memory_equal(ev.buf->data, bytes, strlen(bytes));
    io_buf_put(w->io, ev.buf);
}

void expect_result(struct world *w, enum io_op op, int result)
{
    struct io_event ev = expect(w, &w->sock, op);

    assert_int_equal(ev.result, result);
}

void be_quick(struct world *w)
{
    for (unsigned i = 0; i <= SPIN_PROOF; i++) {
        io_recv(w->io, &w->sock);
        peer_sends(w, "quick", 5);
        expect_bytes(w, "quick");
    }
}

/* A connection between w->sock, accepted by the io under test, and w->peer. */
static void set_up(struct world *w)
{
    struct io_config config = {.engine = w->engine, .buf_size = BUF, .spin_ns = w->spin_ns};
    struct io_sock listener;
    struct addr addr;
    struct err err;

    assert_int_equal(io_create(&w->io, &config, &err), 0);
    assert_string_equal(io_engine_name(w->io), w->engine);
    io_sock_init(&listener, listen_on_loopback(&addr));
    w->peer = call(&addr);
    io_accept(w->io, &listener);
    io_sock_init(&w->sock, expect(w, &listener, IO_ACCEPT).result);
    assert_true(w->sock.fd >= 0);
    io_close(w->io, &listener);
    if (w->spin_ns > 0)
        be_quick(w);
}

static void tear_down(struct world *w)
{
    struct io_event ev;

    if (w->sock.fd >= 0) {
        io_cancel(w->io, &w->sock);
        while (w->sock.in != IO_IDLE || w->sock.out != IO_IDLE) {
            ev = next(w);
            io_buf_put(w->io, ev.buf);
        }
        io_close(w->io, &w->sock);
    }
    if (w->peer >= 0)
        close(w->peer);
    io_destroy(w->io); /* asserts that every buffer is back */
}

static void small_buffers(struct world *w)
{
    assert_int_equal(sock_set_buffers(w->sock.fd, 4096, 4096), 0);
    assert_int_equal(sock_set_buffers(w->peer, 4096, 4096), 0);
}

size_t fill(struct world *w)
{
    struct io_event ev;
    size_t total = 0;

    small_buffers(w);
    for (;;) {
        struct io_buf *buf = io_buf_get(w->io);

        memset(buf->data, 'f', buf->cap);
        buf->len = buf->cap;
        io_send(w->io, &w->sock, buf);
        if (io_next(w->io, &ev, clock_now_ns() + 20 * NS_PER_MS) == 0)
            return total;
        assert_int_equal(ev.op, IO_SEND);
        assert_int_equal(ev.result, BUF);
        total += BUF;
    }
}

void peer_reads(struct world *w, size_t n)
{
    char bytes[BUF];

    while (n > 0) {
        ssize_t got = recv(w->peer, bytes, n < sizeof bytes ? n : sizeof bytes, 0);

        assert_true(got > 0);
        n -= (size_t)got;
    }
}

/* --- running ------------------------------------------------------------------------------------ */

#define FACTS_MAX 32
#define ENGINES_MAX 8

/* What one cmocka test needs to know: which engine, which fact. */
struct task {
    struct world world;
    void (*run)(struct world *w);
    char name[128];
};

static void run_task(void **state)
{
    struct task *task = *state;

    set_up(&task->world);
    task->run(&task->world);
    tear_down(&task->world);
}

static void add_facts(struct task *tasks, struct CMUnitTest *tests, const struct fact *facts,
                      size_t n, struct world world)
{
    for (size_t i = 0; i < n; i++) {
        struct task *task = &tasks[i];

        *task = (struct task){.world = world, .run = facts[i].run};
        snprintf(task->name, sizeof task->name, "%s%s: %s", world.engine,
                 world.spin_ns ? ", spinning" : "", facts[i].name);
        tests[i] =
            (struct CMUnitTest){.name = task->name, .test_func = run_task, .initial_state = task};
    }
}

int contract_run(const char *theme, const struct fact *facts, size_t n_facts)
{
    static struct task tasks[2 * ENGINES_MAX * FACTS_MAX];
    static struct CMUnitTest tests[2 * ENGINES_MAX * FACTS_MAX];
    size_t n = 0;

    signal(SIGPIPE, SIG_IGN);
    assert_true(n_facts <= FACTS_MAX);
    for (const char *const *engine = io_engines(); *engine; engine++) {
        add_facts(tasks + n, tests + n, facts, n_facts, (struct world){.engine = *engine});
        n += n_facts;
        if (strcmp(*engine, "classic") == 0)
            continue;
        add_facts(tasks + n, tests + n, facts, n_facts,
                  (struct world){.engine = *engine, .spin_ns = SPIN_NS});
        n += n_facts;
    }
    return _cmocka_run_group_tests(theme, tests, n, NULL, NULL);
}
