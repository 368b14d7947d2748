/* uring_turn.c -- a turn: what was asked for is submitted, and what is completed is collected.
 *
 * A *turn* is one io_uring_enter(2): it submits what the events of the last turn led to, waits for completions, and all
 * of these are collected before the first event is told. So a message costs its share of one system call, however many
 * connections are ready.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include "../base/clock.h"

#define LOOKS_PER_CLOCK 16 /* when spinning: looks at memory between two at the clock */

/* --- completions -------------------------------------------------------------------------------- */

static enum kind kind_of(const struct io_uring_cqe *cqe)
{
    return cqe->user_data & ((1 << KIND_BITS) - 1);
}

/* One completion of the kernel's. */
static void take(struct io *io, const struct io_uring_cqe *cqe)
{
    struct uring_state *s = state_of(io);
    struct slot *slot = &s->slots[cqe->user_data >> 32];

    switch (kind_of(cqe)) {
    case KIND_NONE:
        return;
    case KIND_WAKE:
        s->woken = true;
        if (!(cqe->flags & IORING_CQE_F_MORE))
            submit_poll_wake(io);
        return;
    case KIND_SWEEP:
        s->sweep_due = true;
        return;
    case KIND_ALARM:
        s->alarm_ns = NEVER;
        s->alarm_refused = cqe->res != -ETIME;
        return;
    case KIND_DOORS:
        s->doors_polled = false;
        s->doors_due = true;
        return;
    case KIND_SEND:
        send_fell_short(io, slot, cqe->res);
        return;
    case KIND_RECV:
        receive_completed(io, slot, cqe);
        break;
    case KIND_ROOM:
        send_has_room(io, slot, cqe->res);
        return;
    case KIND_POLL:
        slot->state &= (uint16_t)~POLLED;
        break;
    }
    if (!slot->sock)
        slot_leave(s, slot);
    else if (!list_linked(&slot->sock->run))
        list_append(&s->ready, &slot->sock->run);
}

/* The next completion, if there is one. What did not fit into the queue the kernel keeps, in order, until there is room
 * and it is asked: a send that was not heard of would be taken for one that went out. */
static bool next_completion(struct ring *ring, struct io_uring_cqe *ret)
{
    struct io_uring_cqe *cqe;
    unsigned head;

    if (io_uring_cq_ready(&ring->uring) == 0 && io_uring_cq_has_overflow(&ring->uring))
        (void)io_uring_get_events(&ring->uring);
    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        *ret = *cqe;
        io_uring_cq_advance(&ring->uring, 1);
        return true;
    }
    return false;
}

/* Taking one may need a submission, and that may find the queue full and collect in turn: so each is out of the ring
 * before it is looked at. */
void turn_collect(struct io *io)
{
    struct uring_state *s = state_of(io);
    struct io_uring_cqe cqe;

    while (next_completion(&s->ring, &cqe)) {
        faults_completed(&s->faults, &cqe);
        if (kind_of(&cqe) != KIND_RECV || !faults_hold(&s->faults, &cqe))
            take(io, &cqe);
    }
    while (faults_release(&s->faults, &cqe))
        take(io, &cqe);
}

/* --- the enter, and what follows from it --------------------------------------------------------- */

/* Is there nothing to do but to wait for the kernel? (A submission that found the queue full may have collected something.) */
static bool may_wait(const struct uring_state *s)
{
    return s->prompt == 0 && list_empty(&s->ready) && list_empty(&s->later) &&
           list_empty(&s->starved) && !s->woken && !s->doors_due && !s->sweep_due &&
           !faults_pending(&s->faults);
}

/* A deadline that is far is left to an *alarm*, a timeout of the ring that stays while turns go by: a limit of the wait's own
 * is a timer that is set and taken back each time, and 3 to 4 % of an echo over one connection. Returns the limit
 * that the wait still needs. An alarm may turn out to be early, and then is set again. */
static int64_t wait_limit(struct io *io, int64_t deadline_ns)
{
    struct uring_state *s = state_of(io);

    if (deadline_ns == NEVER)
        return NEVER;
    if (s->alarm_ns == NEVER && !s->alarm_refused && deadline_ns - io->now_ns >= ALARM_NS)
        submit_alarm(io, deadline_ns);
    return s->alarm_ns <= deadline_ns ? NEVER : deadline_ns;
}

/* Looks at memory only, until the kernel has something for us or 'until_ns'. Returns whether it has. */
static bool spin_for_news(struct io *io, int64_t until_ns)
{
    const struct ring *ring = &state_of(io)->ring;
    int64_t begun_ns = clock_now_ns(), now_ns = begun_ns;
    bool news = false;

    while (!news && now_ns < until_ns) {
        for (int i = 0; i < LOOKS_PER_CLOCK && !news; i++) {
            spin_pause();
            news = ring_has_news(ring);
        }
        now_ns = clock_now_ns();
    }
    io->spin.spun_ns += now_ns - begun_ns;
    return news;
}

/* Submits everything, and waits for a completion if there is nothing else to do. Where it is worth it, the wait begins as
 * a spin (spin.h); what is queued has to be with the kernel by then. */
static int enter(struct io *io, bool wait, int64_t deadline_ns)
{
    struct ring *ring = &state_of(io)->ring;
    int64_t until_ns = wait ? spin_until(&io->spin, io->now_ns, deadline_ns) : 0;
    int r;

    if (until_ns == 0)
        return ring_enter(ring, wait, deadline_ns);
    r = ring_enter(ring, 0, 0);
    if (r < 0 || io_uring_cq_ready(&ring->uring) > 0)
        return r;
    return ring_enter(ring, !spin_for_news(io, until_ns), deadline_ns);
}

/* What the completions left to do once all of them were taken. */
static void look_around(struct io *io)
{
    struct uring_state *s = state_of(io);

    if (atomic_load_explicit(&io->interrupted, memory_order_relaxed) || s->ring.interrupted) {
        atomic_store(&io->interrupted, false);
        s->ring.interrupted = false;
        receive_doubt(io);
    }
    if (s->doors_due) {
        s->doors_due = false;
        doors_look(io);
    }
    if (s->sweep_due) {
        s->sweep_due = false;
        receive_sweep(io);
    }
    list_move_all(&s->ready, &s->later);
    s->accepts = 0;
}

int turn_take(struct io *io, int64_t deadline_ns)
{
    struct uring_state *s = state_of(io);
    bool waits, submitted;
    int64_t begun_ns = io->now_ns;
    int r;

    submit_late_cancels(io);
    if (may_wait(s))
        deadline_ns = wait_limit(io, deadline_ns);
    waits = may_wait(s); /* still: to set an alarm may have led to a collection */
    r = enter(io, waits, deadline_ns);
    if (r < 0)
        return r;
    io->now_ns = clock_now_ns();
    submitted =
        io_uring_sq_ready(&s->ring.uring) == 0; /* (short of memory the kernel may leave some) */
    turn_collect(io);
    if (!list_empty(&s->ready) || s->woken || s->doors_due) /* (a sweep is no event) */
        spin_event(&io->spin, io->now_ns);
    look_around(io);
    if (submitted)
        send_settle(io, waits ? begun_ns : io->now_ns);
    return 0;
}
