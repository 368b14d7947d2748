/* engine_uring.c -- completions by the kernel itself: receive armed once, sends done while they are submitted.
 *
 * The engine as io.c sees it: verbs queue what is to be submitted (uring_submit.c), a turn lets the kernel have it and
 * hears what is completed (uring_turn.c), and then the sockets that are ready tell their events. uring.h says where the
 * rest is.
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/err.h"
#include "uring.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- verbs -------------------------------------------------------------------------------------- */

static int uring_init(struct io *io, struct err *err)
{
    struct uring_state *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return err_set(err, ENOMEM, "io_uring cannot be used");
    list_init(&s->ready);
    list_init(&s->later);
    list_init(&s->starved);
    s->alarm_ns = NEVER;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->doors_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->wake_fd == -1 || s->doors_fd == -1)
        r = err_set(err, errno, "io_uring cannot be used: %s",
                    s->wake_fd == -1 ? "eventfd" : "epoll_create1");
    else
        r = ring_create(&s->ring, io->pool.buf_size, io->pool.budget, io->spin.budget_ns > 0, err);
    if (r < 0) {
        if (s->wake_fd != -1)
            close(s->wake_fd);
        if (s->doors_fd != -1)
            close(s->doors_fd);
        free(s);
        return r;
    }
    io->state = s;
    if (faults_begin(&s->faults))
        s->ring.deferred = false; /* what is held back may come at any time */
    submit_poll_wake(io);
    return 0;
}

static void uring_done(struct io *io)
{
    struct uring_state *s = state_of(io);

    ring_destroy(&s->ring);
    close(s->wake_fd);
    close(s->doors_fd);
    slots_free(s);
    free(s);
}

static void uring_wake(struct io *io)
{
    int saved = errno; /* this may be a signal handler */
    ssize_t n = write(state_of(io)->wake_fd, &(uint64_t){1}, sizeof(uint64_t));

    (void)n; /* EAGAIN: the counter is full, so a wake-up is on its way */
    errno = saved;
}

static void uring_start(struct io *io, struct io_sock *sock, enum io_op op)
{
    struct uring_state *s = state_of(io);
    struct slot *slot;

    if (slot_enter(s, sock) < 0) {
        make_ready(s, sock); /* next() tells it */
        return;
    }
    slot = slot_of(io, sock);
    if (op == IO_SEND)
        send_start(io, slot);
    else if (op == IO_RECV && !*kept_by(sock) && !(slot->state & (ENDED | ARMED)))
        submit_receive(io, slot);
    else if (op != IO_RECV || *kept_by(sock) || slot->state & ENDED)
        make_ready(s, sock);
}

static void uring_hurry(struct io *io, struct io_sock *sock)
{
    (void)sock;
    state_of(io)->prompt++;
}

static void uring_cancel(struct io *io, struct io_sock *sock)
{
    struct uring_state *s = state_of(io);
    struct slot *slot;

    if (!sock->flags)
        return; /* there was no memory for it, and its events are due */
    slot = slot_of(io, sock);
    if (sock->in != IO_IDLE) {
        slot->state |= CANCEL_IN;
        submit_disarm(io, slot);
    }
    if (sock->out != IO_IDLE) {
        slot->state |= CANCEL_OUT;
        if (slot->state & STALLED)
            submit_cancel(io, slot, KIND_ROOM);
        s->prompt += (slot->state & SENDING) != 0;
    }
    if (sock->in ==
        IO_ACCEPT) /* a chain of them keeps neither the kernel nor the clock from being asked */
        make_ready_later(s, sock);
    else if (!(slot->state & ARMED) || sock->out == IO_CONNECT)
        make_ready(s, sock);
}

/* A request that the kernel still holds keeps the connection open, whatever close(2) says: it must be gone before. To ask
 * may find the queue full, and then the answer is taken on the spot: the slot is given up only after all was asked. */
static void uring_forget(struct io *io, struct io_sock *sock)
{
    struct uring_state *s = state_of(io);
    struct slot *slot;

    if (!sock->flags) {
        list_remove(&sock->run);
        return;
    }
    slot = slot_of(io, sock);
    submit_disarm(io, slot);
    if (slot->state & POLLED)
        submit_cancel(io, slot, KIND_POLL);
    list_remove(&sock->run);
    kept_drop(io, sock);
    slot->sock = NULL;
    sock->flags = 0;
    doors_forget(s, slot, sock->fd);
    if (slot->state & WITH_KERNEL)
        submit_now(io);
    else
        slot_leave(s, slot);
}

static bool uring_take_back(struct io *io, struct io_buf *buf)
{
    struct uring_state *s = state_of(io);

    if (!ring_owns(&s->ring, buf))
        return false;
    lent_return(s, buf);
    return true;
}

/* --- events ------------------------------------------------------------------------------------- */

/* One event of this socket, if it has one; another turn for it, if it may have more. */
static bool tell(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    struct uring_state *s = state_of(io);
    struct slot *slot;

    if (!sock->flags) { /* there was no memory for a slot */
        fill_event(ev, sock, sock->out != IO_IDLE ? sock->out : sock->in, -ENOMEM);
        return true;
    }
    slot = slot_of(io, sock);
    if (slot->state & SENT) {
        if (sock->in != IO_IDLE)
            list_append(&s->ready, &sock->run);
        send_tell(slot, ev);
        return true;
    }
    send_again(io, slot);
    if (sock->out == IO_CONNECT && doors_tell_connected(io, slot, ev)) {
        if (sock->in != IO_IDLE)
            list_append(&s->ready, &sock->run);
        return true;
    }
    if (sock->in == IO_RECV)
        return receive_tell(io, slot, ev);
    return sock->in == IO_ACCEPT && doors_tell_accepted(io, slot, ev);
}

static int uring_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    struct uring_state *s = state_of(io);
    struct list *node;
    bool turned = false;
    int r;

    for (;;) {
        if (s->woken) {
            s->woken = false;
            fill_event(ev, NULL, IO_WAKE, 0);
            return 1;
        }
        while ((node = list_pop(&s->ready)))
            if (tell(io, container_of(node, struct io_sock, run), ev))
                return 1;
        /* what the turn made ready had no event after all; were this to go on, timers would never be heard */
        if (turned && io->now_ns >= deadline_ns)
            return 0;
        receive_feed_starved(io);
        r = turn_take(io, deadline_ns);
        if (r < 0)
            return r;
        turned = true;
        receive_feed_starved(io);
        if (list_empty(&s->ready) && !s->woken && list_empty(&s->starved))
            return 0;
    }
}

const struct io_engine engine_uring = {
    .name = "io_uring",
    .spins = true,
    .optional = true,
    .init = uring_init,
    .done = uring_done,
    .start = uring_start,
    .cancel = uring_cancel,
    .forget = uring_forget,
    .next = uring_next,
    .hurry = uring_hurry,
    .wake = uring_wake,
    .take_back = uring_take_back,
};
