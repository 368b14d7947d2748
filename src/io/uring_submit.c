/* uring_submit.c -- what is asked of the kernel: each submission that the engine makes, and what it notes in the slot.
 *
 * They are queued here; the next ring_enter() hands them over, all at once. Only where the queue is full they go before.
 *
 * A send is tried with MSG_DONTWAIT, and says nothing when all of it went out (IOSQE_CQE_SKIP_SUCCESS), and a cancel says
 * nothing of importance: that an operation is over, it says itself.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include "../base/clock.h"
#include "../net/trace.h"

#include <poll.h>
#include <sys/socket.h>

#define NAP_NS (10 * NS_PER_MS)

void submit_now(struct io *io)
{
    (void)ring_enter(&state_of(io)->ring, 0, 0);
    turn_collect(io);
}

/* A submission to fill in; its name is set afterwards, because liburing's prep functions clear it. */
static struct io_uring_sqe *sqe_of(struct io *io)
{
    struct io_uring_sqe *sqe;

    while (!(sqe = ring_sqe(&state_of(io)->ring)))
        submit_now(io);
    return sqe;
}

static void name(struct io *io, struct io_uring_sqe *sqe, const struct slot *slot, enum kind kind)
{
    sqe->user_data = slot ? slot_name(state_of(io), slot, kind) : kind;
}

void submit_receive(struct io *io, struct slot *slot)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_recv_multishot(sqe, slot->sock->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    name(io, sqe, slot, KIND_RECV);
    slot->state |= ARMED;
    if (tracing())
        trace_sqe_recv(slot->sock->fd);
}

void submit_poll(struct io *io, struct slot *slot, unsigned events)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_poll_add(sqe, slot->sock->fd, events);
    name(io, sqe, slot, KIND_POLL);
    slot->state |= POLLED;
}

void submit_poll_doors(struct io *io)
{
    struct uring_state *s = state_of(io);
    struct io_uring_sqe *sqe;

    if (s->doors_polled || s->n_watched == 0)
        return;
    s->doors_polled = true;
    sqe = sqe_of(io);
    io_uring_prep_poll_add(sqe, s->doors_fd, POLLIN);
    name(io, sqe, NULL, KIND_DOORS);
}

void submit_poll_wake(struct io *io)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_poll_multishot(sqe, state_of(io)->wake_fd, POLLIN);
    name(io, sqe, NULL, KIND_WAKE);
}

static struct __kernel_timespec timespec_of(int64_t ns)
{
    return (struct __kernel_timespec){ns / NS_PER_S, ns % NS_PER_S};
}

void submit_sweep(struct io *io)
{
    struct uring_state *s = state_of(io);
    struct io_uring_sqe *sqe = sqe_of(io);

    s->sweep_after = timespec_of(SWEEP_NS);
    io_uring_prep_timeout(sqe, &s->sweep_after, 0, 0);
    name(io, sqe, NULL, KIND_SWEEP);
}

/* By CLOCK_MONOTONIC, which is that of io_now(). */
void submit_alarm(struct io *io, int64_t at_ns)
{
    struct uring_state *s = state_of(io);
    struct io_uring_sqe *sqe = sqe_of(io);

    s->alarm_ns = at_ns;
    s->alarm_at = timespec_of(at_ns);
    io_uring_prep_timeout(sqe, &s->alarm_at, 0, IORING_TIMEOUT_ABS);
    name(io, sqe, NULL, KIND_ALARM);
}

static void fill_cancel(struct io *io, struct io_uring_sqe *sqe, uint64_t target)
{
    io_uring_prep_cancel64(sqe, target, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    name(io, sqe, NULL, KIND_NONE);
}

void submit_cancel(struct io *io, const struct slot *slot, enum kind kind)
{
    struct uring_state *s = state_of(io);
    uint64_t target = faults_cancel(&s->faults, slot_name(s, slot, kind));

    fill_cancel(io, sqe_of(io), target);
}

void submit_late_cancels(struct io *io)
{
    struct uring_faults *faults = &state_of(io)->faults;
    struct io_uring_sqe *sqe;

    faults_turn(faults);
    while (faults_cancel_due(faults)) {
        sqe = sqe_of(io); /* first: its target may be completed here */
        fill_cancel(io, sqe, faults_due_cancel(faults));
    }
}

void submit_disarm(struct io *io, struct slot *slot)
{
    if ((slot->state & (ARMED | DISARMING)) != ARMED)
        return;
    slot->state |= DISARMING;
    submit_cancel(io, slot, KIND_RECV);
}

void submit_send(struct io *io, struct slot *slot)
{
    struct io_uring_sqe *sqe = sqe_of(io);
    const struct io_sock *sock = slot->sock;

    io_uring_prep_send(sqe, sock->fd, sock->sending->data + sock->sending->len - sock->unsent,
                       sock->unsent, MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    faults_cut(&state_of(io)->faults, sqe);
    name(io, sqe, slot, KIND_SEND);
    slot->state |= SENDING;
    slot->failed = 0;
    if (tracing())
        trace_sqe_send(sock->fd, sock->unsent, false);
}

void submit_room(struct io *io, struct slot *slot)
{
    static struct __kernel_timespec nap = {.tv_nsec = NAP_NS};
    struct io_uring_sqe *sqe = sqe_of(io);

    if (slot->state & REFUSED)
        io_uring_prep_timeout(sqe, &nap, 0, 0);
    else
        io_uring_prep_poll_add(sqe, slot->sock->fd, POLLOUT);
    name(io, sqe, slot, KIND_ROOM);
    slot->state |= STALLED;
    if (tracing())
        trace_sqe_send(slot->sock->fd, slot->sock->unsent, true);
}
