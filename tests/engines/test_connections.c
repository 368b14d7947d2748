/* test_connections.c -- the contract of io.h, accepting, connecting, and closing: a connection's first and last moment.
 *
 * SPDX-License-Identifier: MIT */
#include "contract.h"

#include "net/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

int main(void)
{
    static const struct fact facts[] = {
        FACT(accept_waits_and_takes_one_at_a_time),
        FACT(accept_and_cancel_empty_the_queue),
        FACT(connect_succeeds),
        FACT(connect_is_refused),
        FACT(close_forgets_the_socket),
        FACT(a_closed_listener_that_lives_on_elsewhere_is_forgotten),
        FACT(a_reused_descriptor_is_a_new_socket),
    };

    return contract_run("connections", facts, sizeof facts / sizeof *facts);
}
