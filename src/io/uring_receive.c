/* uring_receive.c -- receiving: armed once, swept now and then, and starved where there is no buffer.
 *
 * Receiving is multishot: it stays armed and takes a buffer of the ring (uring_ring.h) whenever bytes come; an idle
 * connection holds none. What comes before it is asked for is kept (uring_kept.c).
 *
 * One thing the kernel does not say: at the mark of an urgent byte a receive finds nothing while a signal is pending for
 * its thread (tcp_recvmsg_locked() in net/ipv4/tcp.c), and a multishot one then waits for the next packet, though
 * there are bytes, or the end. So whatever received something is *swept* once it was quiet for SWEEP_NS, and before twice that
 * is over: a receive by system call finds what is stranded. And when a signal is known to have been pending (an enter that
 * it ended, io_interrupted()), so is whatever is armed. A connection at work is spared that, and a silent server sweeps
 * nothing.
 *
 * A receive that found the ring without buffers has ended, and is *starved* until some are back.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include "../net/trace.h"

#include <poll.h>
#include <sys/socket.h>

/* It will be swept; the first of them sees to that. */
static void note_fresh(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);

    if (slot->state & FRESH)
        return;
    slot->state |= FRESH;
    slot->next = s->fresh;
    s->fresh = slot_link(s, slot);
    if (!slot->next)
        submit_sweep(io);
}

void receive_doubt(struct io *io)
{
    struct uring_state *s = state_of(io);

    for (uint32_t i = 0; i < s->n_used; i++)
        if (s->slots[i].sock && s->slots[i].state & ARMED)
            note_fresh(io, &s->slots[i]);
}

/* --- completions -------------------------------------------------------------------------------- */

static void take_received(struct io *io, struct slot *slot, const struct io_uring_cqe *cqe)
{
    struct uring_state *s = state_of(io);
    struct io_buf *buf = ring_buf(&s->ring, cqe);

    s->lent++;
    buf->len = (uint32_t)cqe->res;
    if (!slot->sock) {
        lent_return(s, buf);
        return;
    }
    if (tracing())
        trace_cqe_recv(slot->sock->fd, buf->data, cqe->res);
    kept_add(slot->sock, slot->state & STALLED ? lent_copy_out(io, buf) : buf);
    note_fresh(io, slot);
    if (kept_is_enough(slot->sock))
        submit_disarm(io, slot);
}

static void receive_over(struct io *io, struct slot *slot, int result)
{
    struct uring_state *s = state_of(io);

    slot->state &= (uint16_t) ~(ARMED | DISARMING);
    io->buffer_waits += result == -ENOBUFS;
    if (!slot->sock || slot->state & ENDED)
        return;
    if (result == 0 || (result < 0 && result != -ENOBUFS && result != -ECANCELED)) {
        slot->state |= ENDED;
        slot->end = code_of(result);
    } else if (slot->sock->in == IO_RECV && !*kept_by(slot->sock) && !(slot->state & CANCEL_IN)) {
        list_remove(&slot->sock->run); /* once more, when there are buffers again */
        list_append(&s->starved, &slot->sock->run);
    }
}

void receive_completed(struct io *io, struct slot *slot, const struct io_uring_cqe *cqe)
{
    struct uring_faults *faults = &state_of(io)->faults;

    if (cqe->res > 0)
        take_received(io, slot, cqe);
    else if (tracing() && slot->sock)
        trace_cqe_recv(slot->sock->fd, NULL, cqe->res);
    if (!(cqe->flags & IORING_CQE_F_MORE))
        receive_over(io, slot, cqe->res > 0 ? -ECANCELED : faults_ending(faults, cqe->res));
    else if (faults_end(faults))
        submit_disarm(io, slot);
}

/* --- events ------------------------------------------------------------------------------------- */

/* As a rule by a receive; but one ends at once, whether bytes are there or not, where no buffer is. */
static void await_bytes(struct io *io, struct slot *slot)
{
    const struct uring_state *s = state_of(io);

    if (slot->state & ARMED)
        return;
    if (!(slot->state & BY_CALL) || s->lent < s->ring.n_bufs)
        submit_receive(io, slot);
    else if (!(slot->state & POLLED))
        submit_poll(io, slot, POLLIN);
    slot->state &= (uint16_t)~BY_CALL;
}

bool receive_tell(struct io *io, struct slot *slot, struct io_event *ev)
{
    struct io_sock *sock = slot->sock;
    struct io_buf *buf;

    if (*kept_by(sock)) {
        buf = kept_take(sock);
        fill_event(ev, sock, IO_RECV, (int)buf->len);
        ev->buf = buf;
        sock->moved_ns = io->now_ns;
    } else if (slot->state & ENDED) {
        fill_event(ev, sock, IO_RECV, -slot->end);
        if (slot->end == ENOMEM) /* that passes */
            slot->state &= (uint16_t)~ENDED;
    } else if ((slot->state & (CANCEL_IN | ARMED)) == CANCEL_IN) {
        if (!try_recv(io, sock, ev, MSG_DONTWAIT))
            fill_event(ev, sock, IO_RECV, -ECANCELED);
    } else if ((slot->state & (BY_CALL | ARMED)) == BY_CALL &&
               try_recv(io, sock, ev, MSG_DONTWAIT)) {
        if (ev->buf)
            note_fresh(io, slot);
    } else {
        await_bytes(io, slot);
        return false;
    }
    slot->state &= (uint16_t) ~(CANCEL_IN | BY_CALL);
    return true;
}

/* --- what is stranded, and what is starved ------------------------------------------------------ */

/* What a system call finds is next in order where everything was collected and completions come only when we ask.
 * Otherwise the receive has to end before (receive_tell() goes on). */
static void sweep_slot(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);
    struct io_event ev;

    if (*kept_by(slot->sock) || io->now_ns - slot->sock->moved_ns < SWEEP_NS) {
        note_fresh(io, slot); /* the next bytes take along what is stranded */
        return;
    }
    if (!s->ring.deferred) {
        slot->state |= BY_CALL;
        submit_disarm(io, slot);
        return;
    }
    if (!try_recv(io, slot->sock, &ev, MSG_DONTWAIT))
        return;
    if (ev.result == -ENOMEM) {
        note_fresh(io, slot); /* later */
        return;
    }
    if (ev.buf) {
        kept_add(slot->sock, ev.buf);
        note_fresh(io, slot);
    } else { /* an error is told once, and now it was; and of the end the armed one may never hear */
        slot->state |= ENDED;
        slot->end = code_of(ev.result);
    }
    if (slot->sock->in == IO_RECV)
        make_ready(s, slot->sock);
}

/* Not inlined: it is seldom, and would take registers from the way of every event, uring_next(). */
__attribute__((noinline)) void receive_sweep(struct io *io)
{
    struct uring_state *s = state_of(io);
    uint32_t link = s->fresh;

    s->fresh = 0;
    while (link) {
        struct slot *slot = &s->slots[link - 1];

        link = slot->next;
        slot->state &= (uint16_t)~FRESH;
        if (!slot->sock)
            slot_leave(s, slot);
        else if (slot->state & ARMED)
            sweep_slot(io, slot);
    }
}

/* They are armed again when buffers are back, and before what the events of this turn will arm: else one that always
 * has something to receive might take them all, each time. Where none will be, because clients that do not read have
 * them all and there was no memory to copy what they are owed, a system call gets what the pool still gives, or -ENOMEM. */
void receive_feed_starved(struct io *io)
{
    struct uring_state *s = state_of(io);
    bool none = s->lent == s->ring.n_bufs;
    struct list *node;

    if (none && s->sends)
        return; /* when these went out */
    while ((node = list_pop(&s->starved))) {
        struct slot *slot = slot_of(io, container_of(node, struct io_sock, run));

        if (none) {
            slot->state |= BY_CALL;
            list_append(&s->ready, node);
        } else {
            submit_receive(io, slot);
            /* a send may have something to tell meanwhile, or go on */
            if (slot->sock->out == IO_SEND)
                make_ready(s, slot->sock);
        }
    }
}
