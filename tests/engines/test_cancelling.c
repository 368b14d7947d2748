/* test_cancelling.c -- the contract of io.h, cancelling: what can be over at once is, the rest ends, and the socket lives on.
 *
 * SPDX-License-Identifier: MIT */
#include "contract.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* A queue without room leaves the caller unanswered. */
static void cancel_ends_a_connect_under_way(struct world *w)
{
    struct addr addr;
    struct io_sock out;
    int listener = listen_on_loopback(&addr), caller;

    assert_int_equal(listen(listener, 0), 0);
    caller = call(&addr); /* there is room for one all the same */
    io_sock_init(&out, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    io_connect(w->io, &out, &addr);
    assert_nothing(w);
    io_cancel(w->io, &out);
    assert_int_equal(out.out, IO_CONNECT);
    assert_int_equal(expect(w, &out, IO_CONNECT).result, -ECANCELED);
    io_close(w->io, &out);
    assert_nothing(w);
    close(caller);
    close(listener);
}

int main(void)
{
    static const struct fact facts[] = {
        FACT(cancel_ends_a_waiting_receive),
        FACT(cancel_loses_no_bytes_that_are_there),
        FACT(cancel_before_the_first_look),
        FACT(cancel_of_the_first_operation_does_not_deafen_the_socket),
        FACT(cancel_ends_a_stalled_send_and_says_how_far_it_got),
        FACT(cancel_ends_both_directions),
        FACT(cancel_of_nothing_is_nothing),
        FACT(cancel_ends_a_connect_under_way),
    };

    return contract_run("cancelling", facts, sizeof facts / sizeof *facts);
}
