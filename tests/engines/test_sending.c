/* test_sending.c -- the contract of io.h, sending: whole or not over, beside the receive and before the next one.
 *
 * SPDX-License-Identifier: MIT */
#include "contract.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Until two looks, some time apart, see no difference: the kernel may move the last bytes later than we gave it them. */
static void wait_until_nothing_moves(struct world *w)
{
    int64_t deadline_ns = clock_now_ns() + PATIENCE_NS, before, until_ns;

    do {
        assert_true(clock_now_ns() < deadline_ns);
        before = w->sock.moved_ns;
        until_ns = clock_now_ns() + 20 * NS_PER_MS;
        while (clock_now_ns() < until_ns)
            assert_nothing(w);
        io_look(w->io, &w->sock);
    } while (w->sock.moved_ns != before);
}

/* A peer that reads slowly moves bytes that no call of ours shows. */
static void looking_sees_what_the_kernel_sent(struct world *w)
{
    int64_t before;

    (void)fill(w);
    wait_until_nothing_moves(w);
    before = w->sock.moved_ns;
    peer_reads(w, BUF); /* opens the window */
    assert_nothing(w);
    io_look(w->io, &w->sock);
    assert_true(w->sock.moved_ns >= before);
}

static void shutdown_sends_a_fin_and_receiving_goes_on(struct world *w)
{
    io_shutdown(w->io, &w->sock);
    assert_int_equal(recv(w->peer, &(char){0}, 1, 0), 0);
    peer_sends(w, "still", 5);
    io_recv(w->io, &w->sock);
    expect_bytes(w, "still");
}

int main(void)
{
    static const struct fact facts[] = {
        FACT(send_is_whole),
        FACT(a_received_buffer_can_be_sent_back),
        FACT(send_waits_for_room_and_then_finishes),
        FACT(directions_are_independent),
        FACT(send_to_a_closed_peer_fails),
        FACT(a_started_send_precedes_the_next_receive),
        FACT(bytes_moved_are_dated),
        FACT(looking_sees_what_the_kernel_sent),
        FACT(shutdown_sends_a_fin_and_receiving_goes_on),
    };

    return contract_run("sending", facts, sizeof facts / sizeof *facts);
}
