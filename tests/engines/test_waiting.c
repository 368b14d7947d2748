/* test_waiting.c -- the contract of io.h, waiting: what wakes it, when it ends, how it is spent, and that nobody starves.
 *
 * SPDX-License-Identifier: MIT */
#include "contract.h"

#include "base/process.h"
#include "net/sock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *wake_from_a_thread(void *io)
{
    io_wake(io);
    return NULL;
}

static void a_thread_wakes_it(struct world *w)
{
    pthread_t thread;

    io_recv(w->io, &w->sock);
    assert_int_equal(pthread_create(&thread, NULL, wake_from_a_thread, w->io), 0);
    (void)expect(w, NULL, IO_WAKE);
    pthread_join(thread, NULL);
    assert_nothing(w);
}

static void wakes_before_the_wait_are_not_lost(struct world *w)
{
    for (int i = 0; i < 1000; i++)
        io_wake(w->io);
    (void)expect(w, NULL, IO_WAKE);
    assert_nothing(w);
    io_wake(w->io);
    (void)expect(w, NULL, IO_WAKE);
}

static struct io *woken_by_signal;

static void wake_from_a_handler(int signo)
{
    (void)signo;
    io_wake(woken_by_signal);
}

static void a_signal_handler_wakes_it(struct world *w)
{
    struct sigaction action = {.sa_handler = wake_from_a_handler, .sa_flags = SA_RESTART};

    woken_by_signal = w->io;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    (void)expect(w, NULL, IO_WAKE);
}

static void assert_nothing_until(struct world *w, int64_t deadline_ns)
{
    struct io_event ev;

    while (clock_now_ns() < deadline_ns)
        assert_int_equal(io_next(w->io, &ev, deadline_ns), 0);
    assert_true(io_now(w->io) >= deadline_ns);
}

static void the_deadline_passes(struct world *w)
{
    io_recv(w->io, &w->sock);
    assert_nothing_until(w, clock_now_ns() + 3 * NS_PER_MS);
}

/* A wait until then that ends at once, for another reason. */
static void wait_for_a_wake_up(struct world *w, int64_t deadline_ns)
{
    struct io_event ev;

    io_wake(w->io);
    assert_int_equal(io_next(w->io, &ev, deadline_ns), 1);
    assert_int_equal(ev.op, IO_WAKE);
}

/* Whatever an engine has set for a deadline that is far must not hide a near one that comes up meanwhile, */
static void a_near_deadline_behind_a_far_one(struct world *w)
{
    io_recv(w->io, &w->sock);
    for (int i = 1; i <= 3; i++) {
        wait_for_a_wake_up(w, clock_now_ns() + 3600 * NS_PER_S);
        assert_nothing_until(w, clock_now_ns() + i * 70 * NS_PER_MS);
    }
}

/* nor be all there is when a later one took its place. */
static void a_later_deadline_behind_a_far_one(struct world *w)
{
    io_recv(w->io, &w->sock);
    for (int i = 0; i < 3; i++) {
        int64_t first_ns = clock_now_ns() + 110 * NS_PER_MS;

        wait_for_a_wake_up(w, first_ns);
        assert_nothing_until(w, first_ns + 110 * NS_PER_MS);
    }
}

/* A socket that always has something to do must not hide the others, nor a wake-up. */
static void a_busy_socket_does_not_starve_the_others(struct world *w)
{
    struct world other = {.engine = w->engine};
    static char much[64 * BUF];
    bool heard = false, woken = false;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(sock_set_blocking(pair[0], strcmp(w->engine, "classic") == 0), 0);
    io_sock_init(&other.sock, pair[0]);
    assert_int_equal(sock_set(w->peer, SOL_SOCKET, SO_SNDBUF, 1 << 20), 0);
    peer_sends(w, much, sizeof much / 2);
    io_recv(w->io, &w->sock);
    io_recv(w->io, &other.sock);
    assert_int_equal(send(pair[1], "here", 4, 0), 4);
    io_wake(w->io);
    for (int i = 0; i < 32 && !(heard && woken); i++) {
        struct io_event ev = next(w);

        heard = heard || ev.sock == &other.sock;
        woken = woken || ev.op == IO_WAKE;
        io_buf_put(w->io, ev.buf);
        if (ev.sock == &w->sock)
            io_recv(w->io, &w->sock);
    }
    assert_true(heard && woken);
    io_close(w->io, &other.sock);
    close(pair[1]);
}

/* However many call: a wake-up, another socket and the clock are seen meanwhile. */
static void a_chain_of_accepts_starves_nobody(struct world *w)
{
    struct io_sock listener, accepted;
    bool woken = false, heard = false;
    int callers[16], taken = 0;
    struct addr addr;
    int64_t before = io_now(w->io);

    io_sock_init(&listener, listen_on_loopback(&addr));
    for (int i = 0; i < 16; i++)
        callers[i] = call(&addr);
    peer_sends(w, "me too", 6);
    io_recv(w->io, &w->sock);
    io_accept(w->io, &listener);
    io_wake(w->io);
    while (!(woken && heard && io_now(w->io) > before && listener.in == IO_IDLE)) {
        struct io_event ev = next(w);

        woken = woken || ev.op == IO_WAKE;
        heard = heard || ev.op == IO_RECV;
        io_buf_put(w->io, ev.buf);
        if (ev.op != IO_ACCEPT)
            continue;
        io_sock_init(&accepted, ev.result);
        io_close(w->io, &accepted);
        close(callers[taken % 16]);
        callers[taken++ % 16] = call(&addr);
        assert_true(taken < 64);
        if (!(woken && heard))
            io_accept(w->io, &listener);
    }
    io_close(w->io, &listener);
    for (int i = 0; i < 16; i++)
        close(callers[i]);
}

/* More requests than a queue to the kernel holds, all of them made while it is asked for an event: what is heard meanwhile, to
 * make room for them, is told. (Nobody answers the calls, so nothing else would end the wait.) */
static void a_wake_up_is_heard_among_thousands_of_requests(struct world *w)
{
    enum { CALLS = 4200 };
    int64_t before_ns = clock_now_ns();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), first;
    struct io_sock *socks;
    struct addr addr;

    if (io_thread_per_client(w->io) || process_raise_nofile() < CALLS + 100) {
        close(listener);
        return; /* each call would block, or there are not as many descriptors */
    }
    assert_int_equal(listen(listener, 0), 0); /* at a port of the kernel's choice */
    assert_int_equal(sock_local(&addr, listener), 0);
    addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    first = call(&addr); /* and the queue is full */
    socks = calloc(CALLS, sizeof *socks);
    assert_non_null(socks);
    for (int i = 0; i < CALLS; i++) {
        io_sock_init(&socks[i], sock_create(AF_INET, NULL));
        io_connect(w->io, &socks[i], &addr);
    }
    io_wake(w->io);
    assert_int_equal(next(w).op, IO_WAKE);
    assert_true(clock_now_ns() - before_ns < PATIENCE_NS);
    for (int i = 0; i < CALLS; i++)
        io_cancel(w->io, &socks[i]);
    for (int i = 0; i < CALLS; i++) {
        struct io_event ev = next(w);

        assert_int_equal(ev.result, -ECANCELED);
        io_close(w->io, ev.sock);
    }
    free(socks);
    close(first);
    close(listener);
}

/* However long the queue: a wake-up, another socket and the clock are seen meanwhile. */
static void a_chain_of_accept_and_cancel_starves_nobody(struct world *w)
{
    struct io_sock listener, accepted;
    bool woken = false, heard = false;
    int callers[8], taken = 0;
    struct addr addr;
    int64_t before = io_now(w->io);

    io_sock_init(&listener, listen_on_loopback(&addr));
    for (int i = 0; i < 8; i++)
        callers[i] = call(&addr);
    peer_sends(w, "me too", 6);
    io_recv(w->io, &w->sock);
    io_accept(w->io, &listener);
    io_cancel(w->io, &listener);
    io_wake(w->io);
    while (taken < 4) {
        struct io_event ev = next(w);

        woken = woken || ev.op == IO_WAKE;
        heard = heard || ev.op == IO_RECV;
        io_buf_put(w->io, ev.buf);
        if (ev.op != IO_ACCEPT)
            continue;
        taken++;
        io_sock_init(&accepted, ev.result);
        io_close(w->io, &accepted);
        if (taken < 4) {
            io_accept(w->io, &listener);
            io_cancel(w->io, &listener);
        }
    }
    assert_true(woken && heard && io_now(w->io) > before);
    io_close(w->io, &listener);
    for (int i = 0; i < 8; i++)
        close(callers[i]);
}

/* The same for a socket that sends again whenever it has sent. */
static void a_chain_of_sends_starves_nobody(struct world *w)
{
    static char sink[64 * BUF];
    bool woken = false;

    assert_int_equal(sock_set(w->sock.fd, SOL_SOCKET, SO_SNDBUF, 4 << 20), 0);
    io_wake(w->io);
    for (int i = 0; i < 64 && !woken; i++) {
        struct io_buf *buf = io_buf_get(w->io);
        struct io_event ev;

        buf->len = 64;
        io_send(w->io, &w->sock, buf);
        ev = next(w);
        woken = ev.op == IO_WAKE;
        if (!woken)
            (void)!recv(w->peer, sink, sizeof sink, MSG_DONTWAIT);
        else
            expect_result(w, IO_SEND, 64);
    }
    assert_true(woken);
}

/* As io_next(), which may return early though nothing came. */
static void wait_in_vain(struct world *w, int64_t span_ns)
{
    int64_t deadline_ns = clock_now_ns() + span_ns;
    struct io_event ev;

    do
        assert_int_equal(io_next(w->io, &ev, deadline_ns), 0);
    while (clock_now_ns() < deadline_ns);
}

/* On proof, and within the budget: then it sleeps until the deadline, however late that is. */
static void waiting_is_spinning_for_who_may(struct world *w)
{
    int64_t spun_ns = io_spun_ns(w->io), begun_ns;

    if (w->spin_ns == 0) {
        be_quick(w);
        assert_nothing(w);
        assert_int_equal(io_spun_ns(w->io), 0);
        return;
    }
    io_recv(w->io, &w->sock);
    begun_ns = clock_now_ns();
    while (io_spun_ns(w->io) ==
           spun_ns) { /* a machine that had no time for us can be late for it */
        assert_true(clock_now_ns() - begun_ns < PATIENCE_NS);
        peer_sends(w, "quick", 5);
        expect_bytes(w, "quick");
        io_recv(w->io, &w->sock);
        wait_in_vain(w, NS_PER_MS);
    }
    wait_in_vain(w, 2 * SPIN_NS);
    spun_ns = io_spun_ns(w->io); /* the budget is spent, */
    wait_in_vain(w, SPIN_NS);
    assert_int_equal(io_spun_ns(w->io), spun_ns);
    peer_sends(w, "slow", 4); /* and who comes later than that is no proof */
    expect_bytes(w, "slow");
    io_recv(w->io, &w->sock);
    wait_in_vain(w, NS_PER_MS);
    assert_int_equal(io_spun_ns(w->io), spun_ns);
}

int main(void)
{
    static const struct fact facts[] = {
        FACT(a_thread_wakes_it),
        FACT(wakes_before_the_wait_are_not_lost),
        FACT(a_signal_handler_wakes_it),
        FACT(the_deadline_passes),
        FACT(a_near_deadline_behind_a_far_one),
        FACT(a_later_deadline_behind_a_far_one),
        FACT(a_busy_socket_does_not_starve_the_others),
        FACT(a_chain_of_accepts_starves_nobody),
        FACT(a_wake_up_is_heard_among_thousands_of_requests),
        FACT(a_chain_of_accept_and_cancel_starves_nobody),
        FACT(a_chain_of_sends_starves_nobody),
        FACT(waiting_is_spinning_for_who_may),
    };

    return contract_run("waiting", facts, sizeof facts / sizeof *facts);
}
