/* test_receiving.c -- the contract of io.h, receiving: what is there, what comes later, and how a stream ends.
 *
 * SPDX-License-Identifier: MIT */
#include "contract.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

int main(void)
{
    static const struct fact facts[] = {
        FACT(receive_brings_what_there_is),
        FACT(receive_waits_for_bytes),
        FACT(receive_again_and_again),
        FACT(receive_takes_a_buffer_at_the_most),
        FACT(end_of_stream_is_zero_every_time),
        FACT(end_of_stream_comes_while_waiting),
        FACT(urgent_bytes_do_not_strand_what_follows),
        FACT(a_reset_is_an_error_result),
        FACT(an_idle_socket_holds_no_buffer),
    };

    return contract_run("receiving", facts, sizeof facts / sizeof *facts);
}
