/* uring_send.c -- sending: done while it is submitted, or stalled until there is room.
 *
 * A send of which nothing is heard went out whole: it is over when the enter that submitted it returns. Its event is made
 * up then, after the completions were collected, so that a failure is known before anything later of that connection is
 * told.
 *
 * A send that does not go out whole is *stalled*: its bytes move to a buffer of the pool, since those of the ring belong
 * to everybody, and it is tried again when a poll says that there is room. So a client that does not read costs what it
 * costs with the other engines. (Left to the kernel, a send that waits polls for itself, and after 128 times, as
 * APOLL_MAX_RETRY in io_uring/poll.c has it, gets a thread to block in, of which there are few.)
 *
 * A send that got nothing though there was room was *refused*, as happens when TCP as a whole is short of memory, and now
 * and then for a moment: a poll would say at once that there is room, so it naps.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include "../net/trace.h"

/* It is over, whole or not, when the enter returns that submits it. */
static void try_now(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);
    struct io_sock *sock = slot->sock;

    submit_send(io, slot);
    sock->sending->sock = sock;
    sock->sending->queued = s->sends;
    s->sends = sock->sending;
}

void send_start(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);
    struct io_sock *sock = slot->sock;

    slot->state &= (uint16_t)~REFUSED;
    try_now(io, slot);
    /* relaxed is only who hears of the next bytes anyway: nothing is there yet, and the kernel will say */
    s->prompt += !sock->relaxed || *kept_by(sock) || (slot->state & (ARMED | DISARMING)) != ARMED;
}

/* The unsent rest waits for room, in memory that is not everybody's. */
static void stall(struct io *io, struct slot *slot)
{
    struct io_sock *sock = slot->sock;

    sock->sending = lent_copy_out(io, sock->sending);
    kept_copy_out(io, sock);
    submit_disarm(io, slot);
    submit_room(io, slot);
}

static const unsigned char *unsent_of(const struct io_sock *sock)
{
    return sock->sending->data + sock->sending->len - sock->unsent;
}

/* What the kernel said of a send: how much went out, and why not all. */
static void account(struct io *io, struct slot *slot, int result)
{
    struct io_sock *sock = slot->sock;

    slot->failed = 0;
    if (result > 0) {
        sock->unsent -= (uint32_t)result;
        sock->moved_ns = io->now_ns;
        slot->state &= (uint16_t)~REFUSED;
    }
    if (sock->unsent == 0)
        return;
    if (result >= 0 || result == -EAGAIN || result == -EINTR || result == -ECANCELED)
        slot->failed = slot->state & CANCEL_OUT ? ECANCELED : EAGAIN;
    else
        slot->failed = code_of(result);
}

/* It is over, or waits for room. */
static void send_ended(struct io *io, struct slot *slot)
{
    slot->state &= (uint16_t)~SENDING;
    if (slot->failed == EAGAIN)
        stall(io, slot);
    else
        slot->state |= SENT;
}

void send_fell_short(struct io *io, struct slot *slot, int result)
{
    const struct io_sock *sock = slot->sock;

    if (tracing())
        trace_cqe_send(sock->fd, unsent_of(sock), sock->unsent, result);
    account(io, slot, result);
}

void send_has_room(struct io *io, struct slot *slot, int result)
{
    slot->state &= (uint16_t)~STALLED;
    if (result != -ECANCELED)
        slot->state |= REFUSED; /* unless something goes out now */
    /* also if it is starved: then it receives again as well */
    make_ready(state_of(io), slot->sock);
}

void send_again(struct io *io, struct slot *slot)
{
    if (slot->sock->out != IO_SEND || (slot->state & (SENDING | STALLED)))
        return;
    try_now(io, slot);
    state_of(io)->prompt++;
}

/* Nothing was heard of those that went out, and they did at once: a turn that waited afterwards, perhaps for long, does
 * not make them later. */
void send_settle(struct io *io, int64_t sent_ns)
{
    struct uring_state *s = state_of(io);
    struct io_buf *buf = s->sends;

    s->sends = NULL;
    s->prompt = 0;
    while (buf) {
        struct io_sock *sock = buf->sock;
        struct slot *slot = slot_of(io, sock);

        buf = buf->queued;
        if (slot->failed == 0) {
            if (tracing())
                trace_sent_silently(sock->fd, unsent_of(sock), sock->unsent);
            account(io, slot, (int)sock->unsent);
            sock->moved_ns = sent_ns;
        }
        send_ended(io, slot);
        list_remove(&sock->run);
        list_prepend(&s->ready, &sock->run); /* before what the same socket received */
    }
}

void send_tell(struct slot *slot, struct io_event *ev)
{
    struct io_sock *sock = slot->sock;

    slot->state &= (uint16_t) ~(SENT | CANCEL_OUT);
    fill_event(ev, sock, IO_SEND, slot->failed ? -slot->failed : (int)sock->sending->len);
}
