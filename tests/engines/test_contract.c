/* test_contract.c -- the contract of io.h, run against every engine alike.
 *
 * What is written here is what a server or a bench may rely on, so nothing refers to how an engine does
 * it: real sockets of this kernel, an io on one end, plain blocking calls on the other. A new engine is
 * tested by being in io_engines().
 *
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/err.h"
#include "io/io.h"
#include "io/spin.h"
#include "net/addr.h"
#include "net/sock.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_NS (20 * NS_PER_S) /* never waited for in full when all is well */
#define BUF 4096
#define SPIN_NS (10 * NS_PER_MS)

/* One io, one socket of its, and the other end in our hands. */
struct world {
    const char *engine;
    int64_t spin_ns; /* as io_config */
    struct io *io;
    struct io_sock sock;
    int peer;
};

static int listen_on_loopback(struct addr *ret)
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

static int call(const struct addr *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(connect(fd, &to->sa, to->len), 0);
    return fd;
}

static struct io_event next(struct world *w)
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

/* Nothing is going to happen: asked with a deadline in the past and once more a little later. */
static void assert_nothing(struct world *w)
{
    struct io_event ev;

    assert_int_equal(io_next(w->io, &ev, 0), 0);
    assert_int_equal(io_next(w->io, &ev, clock_now_ns() + 2 * NS_PER_MS), 0);
}

static struct io_event expect(struct world *w, const struct io_sock *sock, enum io_op op)
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

static void peer_sends(struct world *w, const void *data, size_t n)
{
    assert_int_equal(send(w->peer, data, n, MSG_NOSIGNAL), n);
}

static void expect_bytes(struct world *w, const char *bytes)
{
    struct io_event ev = expect(w, &w->sock, IO_RECV);

    assert_int_equal(ev.result, strlen(bytes));
    assert_memory_equal(ev.buf->data, bytes, strlen(bytes));
    io_buf_put(w->io, ev.buf);
}

static void expect_result(struct world *w, enum io_op op, int result)
{
    struct io_event ev = expect(w, &w->sock, op);

    assert_int_equal(ev.result, result);
}

/* Events that come quickly, so that an io which may spin does from here on. */
static void be_quick(struct world *w)
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

/* Sends full buffers until one does not go out: it stays outstanding. Returns the bytes that went. */
static size_t fill(struct world *w)
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

/* Reads from the peer's end until 'n' bytes came. */
static void peer_reads(struct world *w, size_t n)
{
    char bytes[BUF];

    while (n > 0) {
        ssize_t got = recv(w->peer, bytes, n < sizeof bytes ? n : sizeof bytes, 0);

        assert_true(got > 0);
        n -= (size_t)got;
    }
}

/* --- the facts ---------------------------------------------------------------------------------- */

static void receive_brings_what_there_is(struct world *w)
{
    peer_sends(w, "hello", 5);
    io_recv(w->io, &w->sock);
    expect_bytes(w, "hello");
}

static void receive_waits_for_bytes(struct world *w)
{
    io_recv(w->io, &w->sock);
    assert_nothing(w);
    assert_int_equal(w->sock.in, IO_RECV);
    peer_sends(w, "later", 5);
    expect_bytes(w, "later");
}

static void receive_again_and_again(struct world *w)
{
    for (int i = 0; i < 100; i++) {
        io_recv(w->io, &w->sock);
        if (i % 3 == 0)
            assert_nothing(w);
        peer_sends(w, "again", 5);
        expect_bytes(w, "again");
    }
}

static void receive_takes_a_buffer_at_the_most(struct world *w)
{
    char much[3 * BUF];
    int total = 0;

    memset(much, 'm', sizeof much);
    peer_sends(w, much, sizeof much);
    while (total < (int)sizeof much) {
        struct io_event ev;

        io_recv(w->io, &w->sock);
        ev = expect(w, &w->sock, IO_RECV);
        assert_in_range(ev.result, 1, BUF);
        assert_int_equal(ev.buf->cap, BUF);
        total += ev.result;
        io_buf_put(w->io, ev.buf);
    }
    io_recv(w->io, &w->sock);
    assert_nothing(w);
}

static void end_of_stream_is_zero_every_time(struct world *w)
{
    peer_sends(w, "bye", 3);
    assert_int_equal(shutdown(w->peer, SHUT_WR), 0);
    io_recv(w->io, &w->sock);
    expect_bytes(w, "bye");
    for (int i = 0; i < 3; i++) {
        io_recv(w->io, &w->sock);
        expect_result(w, IO_RECV, 0);
    }
}

static void end_of_stream_comes_while_waiting(struct world *w)
{
    io_recv(w->io, &w->sock);
    assert_nothing(w);
    assert_int_equal(shutdown(w->peer, SHUT_WR), 0);
    expect_result(w, IO_RECV, 0);
}

/* The urgent mark ends a receive early; what lies behind it raises no new edge. */
static void urgent_bytes_do_not_strand_what_follows(struct world *w)
{
    char all[16] = "";

    io_recv(w->io, &w->sock);
    assert_nothing(w);
    peer_sends(w, "ab", 2);
    assert_int_equal(send(w->peer, "!", 1, MSG_OOB), 1);
    peer_sends(w, "cd", 2);
    while (strlen(all) < 5) {
        struct io_event ev = expect(w, &w->sock, IO_RECV);

        assert_true(ev.result > 0);
        strncat(all, (char *)ev.buf->data, (size_t)ev.result);
        io_buf_put(w->io, ev.buf);
        io_recv(w->io, &w->sock);
    }
    assert_string_equal(all, "ab!cd");
}

static void a_reset_is_an_error_result(struct world *w)
{
    struct linger at_once = {1, 0};

    io_recv(w->io, &w->sock);
    assert_nothing(w);
    setsockopt(w->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(w->peer);
    w->peer = -1;
    expect_result(w, IO_RECV, -ECONNRESET);
}

static void send_is_whole(struct world *w)
{
    struct io_buf *buf = io_buf_get(w->io);
    char got[8] = "";

    memcpy(buf->data, "whole", 5);
    buf->len = 5;
    io_send(w->io, &w->sock, buf);
    expect_result(w, IO_SEND, 5);
    assert_int_equal(w->sock.unsent, 0);
    assert_int_equal(recv(w->peer, got, sizeof got, 0), 5);
    assert_string_equal(got, "whole");
}

static void a_received_buffer_can_be_sent_back(struct world *w)
{
    char got[8] = "";

    for (int i = 0; i < 50; i++) {
        struct io_event ev;

        peer_sends(w, "echo", 4);
        io_recv(w->io, &w->sock);
        ev = expect(w, &w->sock, IO_RECV);
        io_send(w->io, &w->sock, ev.buf);
        expect_result(w, IO_SEND, 4);
        assert_int_equal(recv(w->peer, got, sizeof got, 0), 4);
    }
}

static void send_waits_for_room_and_then_finishes(struct world *w)
{
    size_t total = fill(w);

    assert_int_equal(w->sock.out, IO_SEND);
    assert_nothing(w);
    peer_reads(w, total); /* the kernel's share; the rest of the last buffer follows */
    expect_result(w, IO_SEND, BUF);
    peer_reads(w, BUF);
}

static void directions_are_independent(struct world *w)
{
    size_t total = fill(w);

    io_recv(w->io, &w->sock);
    peer_sends(w, "meanwhile", 9);
    expect_bytes(w, "meanwhile");
    assert_int_equal(w->sock.out, IO_SEND);
    io_recv(w->io, &w->sock);
    peer_reads(w, total);
    expect_result(w, IO_SEND, BUF);
    assert_int_equal(w->sock.in, IO_RECV);
}

static void send_to_a_closed_peer_fails(struct world *w)
{
    struct linger at_once = {1, 0};
    struct io_buf *buf;
    struct io_event ev;

    setsockopt(w->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(w->peer);
    w->peer = -1;
    buf = io_buf_get(w->io);
    buf->len = 1;
    io_send(w->io, &w->sock, buf);
    ev = expect(w, &w->sock, IO_SEND);
    assert_true(ev.result == -ECONNRESET || ev.result == -EPIPE);
}

static void a_started_send_precedes_the_next_receive(struct world *w)
{
    struct io_buf *buf = io_buf_get(w->io);

    peer_sends(w, "in", 2);
    buf->len = 1;
    io_recv(w->io, &w->sock);
    io_send(w->io, &w->sock, buf);
    expect_result(w, IO_SEND, 1);
    expect_bytes(w, "in");
}

static void bytes_moved_are_dated(struct world *w)
{
    int64_t before;

    peer_sends(w, "x", 1);
    io_recv(w->io, &w->sock);
    expect_bytes(w, "x");
    before = w->sock.moved_ns;
    assert_true(before > 0 && before <= io_now(w->io));
    peer_reads(w, fill(w)); /* a part of what is still outstanding can move now */
    expect_result(w, IO_SEND, BUF);
    assert_true(w->sock.moved_ns > before && w->sock.moved_ns <= io_now(w->io));
}

static void cancel_ends_a_waiting_receive(struct world *w)
{
    io_recv(w->io, &w->sock);
    assert_nothing(w);
    io_cancel(w->io, &w->sock);
    assert_int_equal(w->sock.in, IO_RECV); /* not in place */
    expect_result(w, IO_RECV, -ECANCELED);
    io_recv(w->io, &w->sock); /* and the socket lives on */
    peer_sends(w, "alive", 5);
    expect_bytes(w, "alive");
}

static void cancel_loses_no_bytes_that_are_there(struct world *w)
{
    io_recv(w->io, &w->sock);
    assert_nothing(w);
    peer_sends(w, "just in time", 12);
    io_cancel(w->io, &w->sock);
    expect_bytes(w, "just in time");
    assert_nothing(w);
    io_recv(w->io, &w->sock); /* the cancellation is used up */
    assert_nothing(w);
}

static void cancel_before_the_first_look(struct world *w)
{
    io_recv(w->io, &w->sock);
    io_cancel(w->io, &w->sock);
    expect_result(w, IO_RECV, -ECANCELED);
}

static void cancel_of_the_first_operation_does_not_deafen_the_socket(struct world *w)
{
    io_recv(w->io, &w->sock);
    io_cancel(w->io, &w->sock);
    expect_result(w, IO_RECV, -ECANCELED);
    io_recv(w->io, &w->sock);
    assert_nothing(w);
    peer_sends(w, "heard", 5);
    expect_bytes(w, "heard");
}

static void cancel_ends_a_stalled_send_and_says_how_far_it_got(struct world *w)
{
    size_t total = fill(w);

    io_cancel(w->io, &w->sock);
    expect_result(w, IO_SEND, -ECANCELED);
    assert_true(w->sock.unsent > 0);
    io_shutdown(w->io, &w->sock);
    peer_reads(w, total + BUF - w->sock.unsent);
    assert_int_equal(recv(w->peer, &(char){0}, 1, 0), 0);
}

static void cancel_ends_both_directions(struct world *w)
{
    int ended = 0;

    (void)fill(w);
    io_recv(w->io, &w->sock);
    io_cancel(w->io, &w->sock);
    for (int i = 0; i < 2; i++) {
        struct io_event ev = next(w);

        assert_int_equal(ev.result, -ECANCELED);
        ended |= 1 << ev.op;
    }
    assert_int_equal(ended, 1 << IO_RECV | 1 << IO_SEND);
}

static void cancel_of_nothing_is_nothing(struct world *w)
{
    io_cancel(w->io, &w->sock);
    assert_nothing(w);
    io_recv(w->io, &w->sock);
    assert_nothing(w);
}

static void accept_and_cancel_empty_the_queue(struct world *w)
{
    struct io_sock listener, accepted;
    struct addr addr;
    int callers[3], n = 0;

    io_sock_init(&listener, listen_on_loopback(&addr));
    for (int i = 0; i < 3; i++)
        callers[i] = call(&addr);
    for (;;) {
        struct io_event ev;

        io_accept(w->io, &listener);
        io_cancel(w->io, &listener);
        ev = expect(w, &listener, IO_ACCEPT);
        if (ev.result == -ECANCELED)
            break;
        io_sock_init(&accepted, ev.result);
        io_close(w->io, &accepted);
        n++;
    }
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++)
        close(callers[i]);
    io_close(w->io, &listener);
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

/* A peer that reads slowly moves bytes that no call of ours shows. */
static void looking_sees_what_the_kernel_sent(struct world *w)
{
    int64_t before;

    (void)fill(w);
    before = w->sock.moved_ns;
    while (clock_now_ns() < before + 20 * NS_PER_MS)
        assert_nothing(w);
    io_look(w->io, &w->sock);
    assert_true(w->sock.moved_ns < before + 10 * NS_PER_MS);
    peer_reads(w, BUF); /* opens the window */
    assert_nothing(w);
    io_look(w->io, &w->sock);
    assert_true(w->sock.moved_ns >= before);
}

static void accept_waits_and_takes_one_at_a_time(struct world *w)
{
    struct io_sock listener, accepted;
    struct addr addr, peer;
    int caller;

    io_sock_init(&listener, listen_on_loopback(&addr));
    for (int i = 0; i < 3; i++) {
        struct addr mine;

        io_accept(w->io, &listener);
        assert_nothing(w);
        caller = call(&addr);
        io_sock_init(&accepted, expect(w, &listener, IO_ACCEPT).result);
        assert_int_equal(sock_local(&mine, caller), 0);
        assert_int_equal(io_peer(w->io, &accepted, &peer), 0);
        assert_true(addr_equal(&peer, &mine));
        io_close(w->io, &accepted);
        close(caller);
        assert_nothing(w);
    }
    io_close(w->io, &listener);
}

static void connect_succeeds(struct world *w)
{
    struct addr addr;
    struct io_sock out;
    int listener = listen_on_loopback(&addr);

    io_sock_init(&out, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    io_connect(w->io, &out, &addr);
    assert_int_equal(expect(w, &out, IO_CONNECT).result, 0);
    io_close(w->io, &out);
    close(listener);
}

static void connect_is_refused(struct world *w)
{
    struct addr addr;
    struct io_sock out;

    close(listen_on_loopback(&addr)); /* nobody listens there any more */
    io_sock_init(&out, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    io_connect(w->io, &out, &addr);
    assert_int_equal(expect(w, &out, IO_CONNECT).result, -ECONNREFUSED);
    io_close(w->io, &out);
}

static void shutdown_sends_a_fin_and_receiving_goes_on(struct world *w)
{
    io_shutdown(w->io, &w->sock);
    assert_int_equal(recv(w->peer, &(char){0}, 1, 0), 0);
    peer_sends(w, "still", 5);
    io_recv(w->io, &w->sock);
    expect_bytes(w, "still");
}

static void close_forgets_the_socket(struct world *w)
{
    peer_sends(w, "x", 1);
    io_recv(w->io, &w->sock);
    expect_bytes(w, "x");
    peer_sends(w, "unseen", 6);
    io_close(w->io, &w->sock);
    assert_int_equal(w->sock.fd, -1);
    assert_nothing(w);
}

/* Another process may hold the listening socket, too: what comes there is nothing to us once it is closed
 * here, and its owner's memory may be gone. */
static void a_closed_listener_that_lives_on_elsewhere_is_forgotten(struct world *w)
{
    struct io_sock *listener = malloc(sizeof *listener);
    struct addr addr;
    int elsewhere, caller;

    assert_non_null(listener);
    io_sock_init(listener, listen_on_loopback(&addr));
    elsewhere = dup(listener->fd);
    assert_int_not_equal(elsewhere, -1);
    io_accept(w->io, listener);
    assert_nothing(w); /* it waits: an engine has told the kernel of it */
    io_cancel(w->io, listener);
    assert_int_equal(expect(w, listener, IO_ACCEPT).result, -ECANCELED);
    io_close(w->io, listener);
    memset(listener, 0xff, sizeof *listener);
    free(listener);
    caller = call(&addr);
    assert_nothing(w);
    close(caller);
    close(elsewhere);
}

/* A descriptor number is used again at once; what the kernel had to say about the old socket must not
 * reach the new one. */
static void a_reused_descriptor_is_a_new_socket(struct world *w)
{
    struct io_sock listener, again;
    struct io_event ev;
    struct addr addr;
    int old = w->sock.fd, caller;

    io_recv(w->io, &w->sock);
    peer_sends(w, "old", 3);
    expect_bytes(w, "old");
    io_sock_init(&listener, listen_on_loopback(&addr));
    caller = call(&addr);
    io_close(w->io, &w->sock);
    io_accept(w->io, &listener);
    io_sock_init(&again, expect(w, &listener, IO_ACCEPT).result);
    assert_int_equal(again.fd, old);
    io_recv(w->io, &again);
    assert_nothing(w);
    assert_int_equal(send(caller, "new", 3, 0), 3);
    ev = expect(w, &again, IO_RECV);
    assert_memory_equal(ev.buf->data, "new", 3);
    io_buf_put(w->io, ev.buf);
    io_close(w->io, &again);
    io_close(w->io, &listener);
    close(caller);
}

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

static void the_deadline_passes(struct world *w)
{
    struct io_event ev;
    int64_t deadline_ns = clock_now_ns() + 3 * NS_PER_MS;

    io_recv(w->io, &w->sock);
    while (clock_now_ns() < deadline_ns)
        assert_int_equal(io_next(w->io, &ev, deadline_ns), 0);
    assert_true(io_now(w->io) >= deadline_ns);
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

static void an_idle_socket_holds_no_buffer(struct world *w)
{
    struct io_buf *first = io_buf_get(w->io), *second;

    io_buf_put(w->io, first);
    io_recv(w->io, &w->sock);
    assert_nothing(w);
    second = io_buf_get(w->io);
    assert_ptr_equal(first, second); /* the pool has it back, and lends the warm one first */
    io_buf_put(w->io, second);
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

/* --- running ------------------------------------------------------------------------------------ */

typedef void fact(struct world *w);

#define FACT(f) \
    {           \
#f, f   \
    }

static const struct {
    const char *name;
    fact *run;
} facts[] = {
    FACT(receive_brings_what_there_is),
    FACT(receive_waits_for_bytes),
    FACT(receive_again_and_again),
    FACT(receive_takes_a_buffer_at_the_most),
    FACT(end_of_stream_is_zero_every_time),
    FACT(end_of_stream_comes_while_waiting),
    FACT(urgent_bytes_do_not_strand_what_follows),
    FACT(a_reset_is_an_error_result),
    FACT(send_is_whole),
    FACT(a_received_buffer_can_be_sent_back),
    FACT(send_waits_for_room_and_then_finishes),
    FACT(directions_are_independent),
    FACT(send_to_a_closed_peer_fails),
    FACT(a_started_send_precedes_the_next_receive),
    FACT(bytes_moved_are_dated),
    FACT(cancel_ends_a_waiting_receive),
    FACT(cancel_loses_no_bytes_that_are_there),
    FACT(cancel_before_the_first_look),
    FACT(cancel_of_the_first_operation_does_not_deafen_the_socket),
    FACT(cancel_ends_a_stalled_send_and_says_how_far_it_got),
    FACT(cancel_ends_both_directions),
    FACT(cancel_of_nothing_is_nothing),
    FACT(accept_and_cancel_empty_the_queue),
    FACT(a_chain_of_accept_and_cancel_starves_nobody),
    FACT(a_chain_of_sends_starves_nobody),
    FACT(looking_sees_what_the_kernel_sent),
    FACT(accept_waits_and_takes_one_at_a_time),
    FACT(connect_succeeds),
    FACT(connect_is_refused),
    FACT(shutdown_sends_a_fin_and_receiving_goes_on),
    FACT(close_forgets_the_socket),
    FACT(a_closed_listener_that_lives_on_elsewhere_is_forgotten),
    FACT(a_reused_descriptor_is_a_new_socket),
    FACT(a_thread_wakes_it),
    FACT(wakes_before_the_wait_are_not_lost),
    FACT(a_signal_handler_wakes_it),
    FACT(the_deadline_passes),
    FACT(a_busy_socket_does_not_starve_the_others),
    FACT(an_idle_socket_holds_no_buffer),
    FACT(waiting_is_spinning_for_who_may),
};

#define N_FACTS (sizeof facts / sizeof *facts)
#define ENGINES_MAX 8

/* What one cmocka test needs to know: which engine, which fact. */
struct task {
    struct world world;
    fact *run;
    char name[128];
};

static void run_task(void **state)
{
    struct task *task = *state;

    set_up(&task->world);
    task->run(&task->world);
    tear_down(&task->world);
}

/* With "auto" an io comes to be on any kernel; a name that is none is refused by name. */
static void engines_are_chosen_by_name(void **state)
{
    struct io_config any = {.engine = "auto"}, wrong = {.engine = "sundial"};
    struct io *io = NULL;
    struct err err;

    (void)state;
    assert_int_equal(io_create(&io, &any, &err), 0);
    assert_string_equal(io_engine_name(io), io_engines()[0]);
    io_destroy(io);
    io_destroy(NULL);
    assert_int_equal(io_create(&io, &wrong, &err), -EINVAL);
    assert_string_equal(err.text, "there is no engine 'sundial'");
}

/* Who cannot spin says so where it was asked for by name, and is passed over otherwise. */
static void an_engine_that_blocks_cannot_spin(void **state)
{
    struct io_config any = {.spin_ns = 1}, blocks = {.engine = "classic", .spin_ns = 1};
    struct io *io = NULL;
    struct err err;

    (void)state;
    assert_int_equal(io_create(&io, &any, &err), 0);
    io_destroy(io);
    assert_int_equal(io_create(&io, &blocks, &err), -EINVAL);
    assert_string_equal(err.text,
                        "the classic engine cannot spin (--spin): it only knows to block");
}

static size_t add_facts(struct task *tasks, struct CMUnitTest *tests, const char *engine,
                        int64_t spin_ns)
{
    for (size_t i = 0; i < N_FACTS; i++) {
        struct task *task = &tasks[i];

        *task = (struct task){.world = {.engine = engine, .spin_ns = spin_ns}, .run = facts[i].run};
        snprintf(task->name, sizeof task->name, "%s%s: %s", engine, spin_ns ? ", spinning" : "",
                 facts[i].name);
        tests[i] =
            (struct CMUnitTest){.name = task->name, .test_func = run_task, .initial_state = task};
    }
    return N_FACTS;
}

int main(void)
{
    static struct task tasks[2 * ENGINES_MAX * N_FACTS];
    static struct CMUnitTest tests[2 * ENGINES_MAX * N_FACTS + 2];
    const char *const *engine = io_engines();
    size_t n = 0;

    signal(SIGPIPE, SIG_IGN);
    for (; *engine; engine++) {
        n += add_facts(tasks + n, tests + n, *engine, 0);
        if (strcmp(*engine, "classic") != 0)
            n += add_facts(tasks + n, tests + n, *engine, SPIN_NS);
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(engines_are_chosen_by_name);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(an_engine_that_blocks_cannot_spin);
    return _cmocka_run_group_tests("contract", tests, n, NULL, NULL);
}
