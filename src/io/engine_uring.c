/* engine_uring.c -- completions by the kernel itself: receive armed once, sends done while they are submitted.
 *
 * A *turn* is one io_uring_enter(2): it submits what the events of the last turn led to, waits for completions, and all
 * of these are collected before the first event is told. So a message costs its share of one system call, however many
 * connections are ready.
 *
 * Receiving is multishot: it stays armed and takes a buffer of the ring (uring_ring.h) whenever bytes come; an idle
 * connection holds none. What comes before it is asked for is kept for the next io_recv(). A connection that is
 * PREFETCH buffers ahead is disarmed; what the kernel still completes until it has noticed comes on top.
 *
 * A send is tried with MSG_DONTWAIT, and says nothing when all of it went out (IOSQE_CQE_SKIP_SUCCESS): it is over when
 * the enter that submitted it returns. Its event is made up then, after the completions were collected, so that a
 * failure is known before anything later of that connection is told. A send that does not go out whole is *stalled*: its
 * bytes move to a buffer of the pool, since those of the ring belong to everybody, and the kernel finishes it when
 * there is room. So a client that does not read costs what it costs with the other engines.
 *
 * Accepting and connecting are tried by system call, as in the epoll engine, and waited for by the ring: accept, when
 * asked, takes one client and no more, which "full means wait" rests on. The ring waits for listeners through an epoll,
 * because a request of its own keeps a socket open: the kernel takes a ring apart some time after its process has
 * ended, and so long a port that is listened on would not be free.
 *
 * One thing the kernel does not say: a receive ends at the mark of an urgent byte, and behind it a multishot one takes
 * the socket for empty (tcp_inq() ends there, too) and waits for the next packet. So whatever received something is
 * *swept* once within SWEEP_NS after it: a receive by system call finds what is stranded. A silent server sweeps nothing.
 *
 * The kernel names sockets by the number of a slot, never by a pointer, and the slot is nobody else's until the kernel has
 * let go: a completion may come for a socket that was closed, and then belongs to nobody (io_uring_cancel(3): EALREADY).
 *
 * SPDX-License-Identifier: MIT */
#include "../base/clock.h"
#include "../base/err.h"
#include "engine.h"
#include "uring_faults.h"
#include "uring_ring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_NS (100 * NS_PER_MS)
#define SLOTS_MIN 256u     /* a page of them */
#define PREFETCH 4u        /* buffers that may wait for io_recv() */
#define LOOKS_PER_CLOCK 16 /* when spinning: looks at memory between two at the clock */

/* What a completion is of: the low bits of its user data; its upper half is the slot's number. */
enum kind {
    KIND_NONE,
    KIND_WAKE,
    KIND_SWEEP,
    KIND_DOORS,
    KIND_RECV,
    KIND_SEND,
    KIND_STALLED,
    KIND_POLL
};

#define KIND_BITS 3

/* slot->state */
enum {
    ARMED = 1 << 0,     /* the kernel holds a receive, */
    POLLED = 1 << 1,    /* a poll instead, or for accept or connect, */
    STALLED = 1 << 2,   /* a send that waits for room */
    SENDING = 1 << 3,   /* a send is queued or was just submitted */
    DISARMING = 1 << 4, /* the receive was asked to end */
    ENDED = 1 << 5,     /* no receive will bring anything any more but 'end' */
    CANCEL_IN = 1 << 6, /* do not wait any longer */
    CANCEL_OUT = 1 << 7,
    SENT = 1 << 8,     /* a send is over, 'failed' says how, and its event is due */
    FRESH = 1 << 9,    /* something came since the last sweep */
    BY_CALL = 1 << 10, /* the next receive begins with a system call */
    LISTENS = 1 << 11, /* is in the epoll of listeners, */
    WATCHED = 1 << 12, /* and something is awaited there */
};
#define WITH_KERNEL (ARMED | POLLED | STALLED | SENDING)

/* What the kernel may speak of when the socket is gone: as little as can be, since there may be a million. A slot's
 * number + 1 links lists of them, with 0 at the end. */
struct slot {
    struct io_sock *sock; /* NULL: closed, and kept until the kernel has let go */
    uint32_t next;        /* of those to be swept, if it is FRESH; or of the free ones */
    uint16_t state;
    uint8_t end;    /* errno that the receive ended with; 0: the end of the stream */
    uint8_t failed; /* errno of a send that did not go out; 0: none */
};

struct uring_state {
    struct ring ring;
    int wake_fd;
    int doors_fd;       /* the epoll of the listeners, of which */
    uint32_t n_watched; /* so many are waited for */
    bool doors_polled, doors_due;
    bool woken, sweep_due;
    struct slot *slots;
    uint32_t n_slots, n_used; /* those never used are never touched */
    uint32_t free_slot;       /* the heads of two lists of slots: free ones, */
    uint32_t fresh;           /* and those to be swept */
    struct io_buf *sends;     /* whose send was queued since the last turn, */
    uint32_t prompt;          /* and how many of these somebody waits for */
    struct list ready;        /* sockets that may have an event */
    struct list
        later; /* those that may when the kernel was asked once more: a chain of accepts is fair */
    struct list starved; /* and those that wait for a buffer of the ring */
    struct __kernel_timespec sweep_after;
    uint32_t lent; /* buffers of the ring that are not in it */
    struct uring_faults faults;
};

static struct uring_state *state_of(const struct io *io)
{
    return io->state;
}

/* --- slots -------------------------------------------------------------------------------------- */

/* A socket's flags are the number of its slot + 1. */
static struct slot *slot_of(const struct io *io, const struct io_sock *sock)
{
    return &state_of(io)->slots[sock->flags - 1];
}

static uint64_t name_of(const struct uring_state *s, const struct slot *slot, enum kind kind)
{
    return (uint64_t)(slot - s->slots) << 32 | kind;
}

/* The number of a slot as lists have it. */
static uint32_t link_to(const struct uring_state *s, const struct slot *slot)
{
    return (uint32_t)(slot - s->slots) + 1;
}

/* Twice as many. By mremap(2): realloc(3) may leave behind what it moved from, which was touched, and counts. */
static int more_slots(struct uring_state *s)
{
    size_t size = s->n_slots * sizeof *s->slots;
    void *p;

    if (size == 0)
        p = mmap(NULL, SLOTS_MIN * sizeof *s->slots, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        p = mremap(s->slots, size, 2 * size, MREMAP_MAYMOVE);
    if (p == MAP_FAILED)
        return -ENOMEM;
    s->slots = p;
    s->n_slots = size == 0 ? SLOTS_MIN : 2 * s->n_slots;
    return 0;
}

/* Puts one more slot on the list of free ones. */
static int add_slot(struct uring_state *s)
{
    if (s->n_used == s->n_slots && more_slots(s) < 0)
        return -ENOMEM;
    s->slots[s->n_used] = (struct slot){.next = s->free_slot};
    s->free_slot = ++s->n_used;
    return 0;
}

/* Gives the socket a slot if it has none. */
static int enter_slot(struct uring_state *s, struct io_sock *sock)
{
    struct slot *slot;

    if (sock->flags)
        return 0;
    if (!s->free_slot && add_slot(s) < 0)
        return -ENOMEM;
    sock->flags = s->free_slot;
    slot = &s->slots[s->free_slot - 1];
    s->free_slot = slot->next;
    *slot = (struct slot){.sock = sock};
    return 0;
}

/* Unless the kernel still holds something of it, or the sweep will come by: both lead here again. */
static void leave_slot(struct uring_state *s, struct slot *slot)
{
    if (slot->state & (WITH_KERNEL | FRESH))
        return;
    slot->next = s->free_slot;
    s->free_slot = link_to(s, slot);
}

/* What was received and not asked for yet, a ring: this points to the last one, behind which is the first. It is below
 * the buffer that is being sent, if there is one. */
static struct io_buf **kept_by(struct io_sock *sock)
{
    return sock->out == IO_SEND ? &sock->sending->next : &sock->sending;
}

/* An errno in a byte: those of connections are small, and another one must not become a success. */
static uint8_t code_of(int result)
{
    return result >= -UINT8_MAX ? (uint8_t)-result : EIO;
}

static void make_ready(struct uring_state *s, struct io_sock *sock)
{
    list_remove(&sock->run);
    list_append(sock->in == IO_ACCEPT ? &s->later : &s->ready, &sock->run);
}

/* --- submissions -------------------------------------------------------------------------------- */

static void collect(struct io *io);

/* Submits and collects, without waiting. An error here comes again in next(), which can tell it. */
static void flush(struct io *io)
{
    (void)ring_enter(&state_of(io)->ring, 0, 0);
    collect(io);
}

/* A submission to fill in; its name is set afterwards, because liburing's prep functions clear it. */
static struct io_uring_sqe *sqe_of(struct io *io)
{
    struct io_uring_sqe *sqe;

    while (!(sqe = ring_sqe(&state_of(io)->ring)))
        flush(io);
    return sqe;
}

static void name(struct io *io, struct io_uring_sqe *sqe, const struct slot *slot, enum kind kind)
{
    sqe->user_data = slot ? name_of(state_of(io), slot, kind) : kind;
}

static void arm_receive(struct io *io, struct slot *slot)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_recv_multishot(sqe, slot->sock->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    name(io, sqe, slot, KIND_RECV);
    slot->state |= ARMED;
}

static void arm_poll(struct io *io, struct slot *slot, unsigned events)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_poll_add(sqe, slot->sock->fd, events);
    name(io, sqe, slot, KIND_POLL);
    slot->state |= POLLED;
}

static void arm_doors(struct io *io)
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

static void arm_wake(struct io *io)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_poll_multishot(sqe, state_of(io)->wake_fd, POLLIN);
    name(io, sqe, NULL, KIND_WAKE);
}

static void arm_sweep(struct io *io)
{
    struct uring_state *s = state_of(io);
    struct io_uring_sqe *sqe = sqe_of(io);

    s->sweep_after = (struct __kernel_timespec){.tv_nsec = SWEEP_NS};
    io_uring_prep_timeout(sqe, &s->sweep_after, 0, 0);
    name(io, sqe, NULL, KIND_SWEEP);
}

static void ask_to_end(struct io *io, const struct slot *slot, enum kind kind)
{
    struct io_uring_sqe *sqe = sqe_of(io);

    io_uring_prep_cancel64(sqe, name_of(state_of(io), slot, kind), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    name(io, sqe, NULL, KIND_NONE);
}

static void disarm(struct io *io, struct slot *slot)
{
    if ((slot->state & (ARMED | DISARMING)) != ARMED)
        return;
    slot->state |= DISARMING;
    ask_to_end(io, slot, KIND_RECV);
}

static void queue_send(struct io *io, struct slot *slot, bool wait)
{
    struct io_uring_sqe *sqe = sqe_of(io);
    const struct io_sock *sock = slot->sock;
    int flags = MSG_NOSIGNAL | MSG_WAITALL | (wait ? 0 : MSG_DONTWAIT);

    io_uring_prep_send(sqe, sock->fd, sock->sending->data + sock->sending->len - sock->unsent,
                       sock->unsent, flags);
    sqe->flags |= wait ? 0 : IOSQE_CQE_SKIP_SUCCESS;
    faults_cut(&state_of(io)->faults, sqe);
    name(io, sqe, slot, wait ? KIND_STALLED : KIND_SEND);
    slot->state |= wait ? STALLED : SENDING;
    slot->failed = 0;
}

static void start_send(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);
    struct io_sock *sock = slot->sock;

    queue_send(io, slot, false);
    sock->sending->sock = sock;
    sock->sending->queued = s->sends;
    s->sends = sock->sending;
    /* relaxed is only who hears of the next bytes anyway: nothing is there yet, and the kernel will say */
    s->prompt += !sock->relaxed || *kept_by(sock) || (slot->state & (ARMED | DISARMING)) != ARMED;
}

/* --- what came in ------------------------------------------------------------------------------- */

static void give_back(struct uring_state *s, struct io_buf *buf)
{
    s->lent--;
    ring_give(&s->ring, buf);
}

/* A copy in memory of one's own; the original goes back to the ring. Without memory it stays where it is. */
static struct io_buf *copy_out(struct io *io, struct io_buf *buf)
{
    struct uring_state *s = state_of(io);
    struct io_buf *copy;

    if (!ring_owns(&s->ring, buf))
        return buf;
    copy = pool_get(&io->pool);
    if (!copy || copy->cap < buf->len) {
        pool_put(&io->pool, copy);
        return buf;
    }
    memcpy(copy->data, buf->data, buf->len);
    copy->len = buf->len;
    copy->next = buf->next;
    give_back(s, buf);
    return copy;
}

static void keep(struct io_sock *sock, struct io_buf *buf)
{
    struct io_buf **last = kept_by(sock);

    buf->next = *last ? (*last)->next : buf;
    if (*last)
        (*last)->next = buf;
    *last = buf;
}

/* Takes the first of those kept; there is one. */
static struct io_buf *unkeep(struct io_sock *sock)
{
    struct io_buf **last = kept_by(sock), *first = (*last)->next;

    if (first == *last)
        *last = NULL;
    else
        (*last)->next = first->next;
    return first;
}

static bool is_ahead(struct io_sock *sock)
{
    const struct io_buf *last = *kept_by(sock), *buf = last;
    uint32_t n = 1;

    while (n < PREFETCH && (buf = buf->next) != last)
        n++;
    return n == PREFETCH;
}

/* It will be swept; the first of them sees to that. */
static void note_fresh(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);

    if (slot->state & FRESH)
        return;
    slot->state |= FRESH;
    slot->next = s->fresh;
    s->fresh = link_to(s, slot);
    if (!slot->next)
        arm_sweep(io);
}

static void take_received(struct io *io, struct slot *slot, const struct io_uring_cqe *cqe)
{
    struct uring_state *s = state_of(io);
    struct io_buf *buf = ring_buf(&s->ring, cqe);

    s->lent++;
    buf->len = (uint32_t)cqe->res;
    if (!slot->sock) {
        give_back(s, buf);
        return;
    }
    keep(slot->sock, slot->state & STALLED ? copy_out(io, buf) : buf);
    note_fresh(io, slot);
    if (is_ahead(slot->sock))
        disarm(io, slot);
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

/* The unsent rest waits for room, in memory that is not everybody's. */
static void stall(struct io *io, struct slot *slot)
{
    struct io_sock *sock = slot->sock;
    const struct io_buf *last = *kept_by(sock);
    struct io_buf *buf;

    sock->sending = copy_out(io, sock->sending);
    if (last) {
        do {
            buf = unkeep(sock);
            keep(sock, copy_out(io, buf));
        } while (buf != last);
    }
    disarm(io, slot);
    queue_send(io, slot, true);
}

/* What the kernel said of a send: how much went out, and why not all. */
static void account(struct io *io, struct slot *slot, int result)
{
    struct io_sock *sock = slot->sock;

    slot->failed = 0;
    if (result > 0) {
        sock->unsent -= (uint32_t)result;
        sock->moved_ns = io->now_ns;
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
    slot->state &= (uint16_t) ~(SENDING | STALLED);
    if (slot->failed == EAGAIN)
        stall(io, slot);
    else
        slot->state |= SENT;
}

/* Those that were submitted and of which nothing was heard went out whole, and at once: a turn that waited afterwards,
 * perhaps for long, does not make them later. */
static void settle_sends(struct io *io, int64_t sent_ns)
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
            account(io, slot, (int)sock->unsent);
            sock->moved_ns = sent_ns;
        }
        send_ended(io, slot);
        list_remove(&sock->run);
        list_prepend(&s->ready, &sock->run); /* before what the same socket received */
    }
}

/* What a system call finds is next in order where everything was collected and completions come only when we ask.
 * Otherwise the receive has to end before (tell_received() goes on). */
static void sweep(struct io *io)
{
    struct uring_state *s = state_of(io);
    uint32_t link = s->fresh;
    struct io_event ev;

    s->fresh = 0;
    while (link) {
        struct slot *slot = &s->slots[link - 1];

        link = slot->next;
        slot->state &= (uint16_t)~FRESH;
        if (!slot->sock)
            leave_slot(s, slot);
        if (!slot->sock || !(slot->state & ARMED))
            continue;
        if (*kept_by(slot->sock)) { /* it came just now, and something may be stranded behind it */
            note_fresh(io, slot);
            continue;
        }
        if (!s->ring.deferred) {
            slot->state |= BY_CALL;
            disarm(io, slot);
            continue;
        }
        if (!try_recv(io, slot->sock, &ev, MSG_DONTWAIT) || ev.result == 0)
            continue; /* nothing, or what the armed receive will find, too */
        if (ev.buf) {
            keep(slot->sock, ev.buf);
            note_fresh(io, slot);
        } else if (ev.result == -ENOMEM) {
            note_fresh(io, slot); /* later */
            continue;
        } else {
            slot->state |= ENDED; /* an error is told once, and now it was */
            slot->end = code_of(ev.result);
        }
        if (slot->sock->in == IO_RECV)
            make_ready(s, slot->sock);
    }
}

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
            arm_wake(io);
        return;
    case KIND_SWEEP:
        s->sweep_due = true;
        return;
    case KIND_DOORS:
        s->doors_polled = false;
        s->doors_due = true;
        return;
    case KIND_RECV:
        if (cqe->res > 0)
            take_received(io, slot, cqe);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            receive_over(io, slot, cqe->res > 0 ? -ECANCELED : faults_ending(&s->faults, cqe->res));
        else if (faults_end(&s->faults))
            disarm(io, slot);
        break;
    case KIND_SEND: /* it did not go out whole: settle_sends() goes on with it */
        account(io, slot, cqe->res);
        return;
    case KIND_STALLED:
        if (!slot->sock) {
            slot->state &= (uint16_t)~STALLED;
            break;
        }
        account(io, slot, cqe->res);
        send_ended(io, slot);
        break;
    case KIND_POLL:
        slot->state &= (uint16_t)~POLLED;
        break;
    }
    if (!slot->sock) {
        leave_slot(s, slot);
        return;
    }
    if (!list_linked(&slot->sock->run))
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

/* Takes all completions that are there. Taking one may need a submission, and that may find the queue full and collect
 * in turn: so each is out of the ring before it is looked at. */
static void collect(struct io *io)
{
    struct uring_state *s = state_of(io);
    struct io_uring_cqe cqe;

    while (next_completion(&s->ring, &cqe))
        if (kind_of(&cqe) != KIND_RECV || !faults_hold(&s->faults, &cqe))
            take(io, &cqe);
    while (faults_release(&s->faults, &cqe))
        take(io, &cqe);
}

/* --- telling ------------------------------------------------------------------------------------ */

/* As a rule by a receive; but one ends at once, whether bytes are there or not, where no buffer is. */
static void await_bytes(struct io *io, struct slot *slot)
{
    const struct uring_state *s = state_of(io);

    if (slot->state & ARMED)
        return;
    if (!(slot->state & BY_CALL) || s->lent < s->ring.n_bufs)
        arm_receive(io, slot);
    else if (!(slot->state & POLLED))
        arm_poll(io, slot, POLLIN);
    slot->state &= (uint16_t)~BY_CALL;
}

static bool tell_received(struct io *io, struct slot *slot, struct io_event *ev)
{
    struct io_sock *sock = slot->sock;
    struct io_buf *buf;

    if (*kept_by(sock)) {
        buf = unkeep(sock);
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

/* Waits for a client of a listener. */
static void watch(struct io *io, struct slot *slot)
{
    struct uring_state *s = state_of(io);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT,
                                .data.u32 = (uint32_t)(slot - s->slots)};
    int op = slot->state & LISTENS ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (slot->state & (WATCHED | POLLED))
        return;
    if (epoll_ctl(s->doors_fd, op, slot->sock->fd, &event) == -1) {
        arm_poll(io, slot, POLLIN); /* no memory: then by the ring itself */
        return;
    }
    slot->state |= LISTENS | WATCHED;
    s->n_watched++;
    arm_doors(io);
}

/* Somebody is at a listener that is watched. */
static void look_at_doors(struct io *io)
{
    struct uring_state *s = state_of(io);
    struct epoll_event events[16];
    int n;

    do {
        n = epoll_wait(s->doors_fd, events, 16, 0);
        for (int i = 0; i < n; i++) {
            struct slot *slot = &s->slots[events[i].data.u32];

            slot->state &= (uint16_t)~WATCHED;
            s->n_watched--;
            make_ready(s, slot->sock);
        }
    } while (n == 16);
    arm_doors(io);
}

static bool tell_accepted(struct io *io, struct slot *slot, struct io_event *ev)
{
    if (try_accept(io, slot->sock, ev, SOCK_NONBLOCK)) {
        slot->state &= (uint16_t)~CANCEL_IN;
        return true;
    }
    if (slot->state & CANCEL_IN) {
        slot->state &= (uint16_t)~CANCEL_IN;
        fill_event(ev, slot->sock, IO_ACCEPT, -ECANCELED);
        return true;
    }
    watch(io, slot);
    return false;
}

static bool tell_connected(struct io *io, struct slot *slot, struct io_event *ev)
{
    if (try_connect(io, slot->sock, ev)) {
        slot->state &= (uint16_t)~CANCEL_OUT;
        return true;
    }
    if (slot->state & CANCEL_OUT) {
        slot->state &= (uint16_t)~CANCEL_OUT;
        fill_event(ev, slot->sock, IO_CONNECT, -ECANCELED);
        return true;
    }
    if (!(slot->state & POLLED))
        arm_poll(io, slot, POLLOUT);
    return false;
}

static bool tell_sent(struct slot *slot, struct io_event *ev)
{
    struct io_sock *sock = slot->sock;

    slot->state &= (uint16_t) ~(SENT | CANCEL_OUT);
    fill_event(ev, sock, IO_SEND, slot->failed ? -slot->failed : (int)sock->sending->len);
    return true;
}

/* One event of this socket, if it has one; another turn for it, if it may have more. */
static bool tell(struct io *io, struct io_sock *sock, struct io_event *ev)
{
    struct uring_state *s = state_of(io);
    struct slot *slot = slot_of(io, sock);

    if (slot->state & SENT) {
        if (sock->in != IO_IDLE)
            list_append(&s->ready, &sock->run);
        return tell_sent(slot, ev);
    }
    if (sock->out == IO_CONNECT && tell_connected(io, slot, ev)) {
        if (sock->in != IO_IDLE)
            list_append(&s->ready, &sock->run);
        return true;
    }
    if (sock->in == IO_RECV)
        return tell_received(io, slot, ev);
    return sock->in == IO_ACCEPT && tell_accepted(io, slot, ev);
}

/* --- the engine --------------------------------------------------------------------------------- */

static int uring_init(struct io *io, struct err *err)
{
    struct uring_state *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return err_set(err, ENOMEM, "io_uring cannot be used");
    list_init(&s->ready);
    list_init(&s->later);
    list_init(&s->starved);
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
    arm_wake(io);
    return 0;
}

static void uring_done(struct io *io)
{
    struct uring_state *s = state_of(io);

    ring_destroy(&s->ring);
    close(s->wake_fd);
    close(s->doors_fd);
    if (s->slots)
        munmap(s->slots, s->n_slots * sizeof *s->slots);
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

    if (enter_slot(s, sock) < 0) {
        make_ready(s, sock); /* next() tells it */
        return;
    }
    slot = slot_of(io, sock);
    if (op == IO_SEND)
        start_send(io, slot);
    else if (op == IO_RECV && !*kept_by(sock) && !(slot->state & (ENDED | ARMED)))
        arm_receive(io, slot);
    else if (op != IO_RECV || *kept_by(sock) || slot->state & ENDED)
        make_ready(s, sock);
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
        disarm(io, slot);
    }
    if (sock->out != IO_IDLE) {
        slot->state |= CANCEL_OUT;
        if (slot->state & STALLED)
            ask_to_end(io, slot, KIND_STALLED);
        s->prompt += (slot->state & SENDING) != 0;
    }
    if (!(slot->state & ARMED) || sock->out == IO_CONNECT)
        make_ready(s, sock);
}

/* A request that the kernel still holds keeps the connection open, whatever close(2) says: it must be gone before. To ask
 * may find the queue full, and then the answer is taken on the spot: the slot is given up only after all was asked. */
static void uring_forget(struct io *io, struct io_sock *sock)
{
    struct uring_state *s = state_of(io);
    struct slot *slot;
    struct io_buf *buf;

    if (!sock->flags) {
        list_remove(&sock->run);
        return;
    }
    slot = slot_of(io, sock);
    disarm(io, slot);
    if (slot->state & POLLED)
        ask_to_end(io, slot, KIND_POLL);
    list_remove(&sock->run);
    while (*kept_by(sock)) {
        buf = unkeep(sock);
        if (ring_owns(&s->ring, buf))
            give_back(s, buf);
        else
            pool_put(&io->pool, buf);
    }
    slot->sock = NULL;
    sock->flags = 0;
    if (slot->state & LISTENS) /* by hand: another process may hold the listener, too */
        (void)epoll_ctl(s->doors_fd, EPOLL_CTL_DEL, sock->fd, NULL);
    s->n_watched -= (slot->state & WATCHED) != 0;
    if (slot->state & WITH_KERNEL)
        flush(io);
    else
        leave_slot(s, slot);
}

/* What waited for buffers is armed again when some are back, and before what the events of this turn will arm: else
 * one that always has something to receive might take them all, each time. Where none will be, because clients that do
 * not read have them all and there was no memory to copy what they are owed, a system call gets what the pool still
 * gives, or -ENOMEM. */
static void feed_starved(struct io *io)
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
            arm_receive(io, slot);
        }
    }
}

/* Is there nothing to do but to wait for the kernel? */
static bool may_wait(const struct uring_state *s)
{
    return s->prompt == 0 && list_empty(&s->ready) && list_empty(&s->later) &&
           list_empty(&s->starved) && !faults_any_held(&s->faults);
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

/* A turn: submits everything, and waits for a completion if there is nothing else to do. Where it is worth it, the wait
 * begins as a spin (spin.h); what is queued has to be with the kernel by then. */
static int take_turn(struct io *io, bool wait, int64_t deadline_ns)
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

static int uring_next(struct io *io, struct io_event *ev, int64_t deadline_ns)
{
    struct uring_state *s = state_of(io);
    struct list *node;
    bool submitted, turned = false, waits;
    int64_t begun_ns;
    int r;

    for (;;) {
        if (s->woken) {
            s->woken = false;
            fill_event(ev, NULL, IO_WAKE, 0);
            return 1;
        }
        while ((node = list_pop(&s->ready))) {
            struct io_sock *sock = container_of(node, struct io_sock, run);

            if (!sock->flags) {
                fill_event(ev, sock, sock->out != IO_IDLE ? sock->out : sock->in, -ENOMEM);
                return 1;
            }
            if (tell(io, sock, ev))
                return 1;
        }
        /* what the turn made ready had no event after all; were this to go on, timers would never be heard */
        if (turned && io->now_ns >= deadline_ns)
            return 0;
        feed_starved(io);
        waits = may_wait(s);
        begun_ns = io->now_ns;
        r = take_turn(io, waits, deadline_ns);
        if (r < 0)
            return r;
        turned = true;
        io->now_ns = clock_now_ns();
        submitted = io_uring_sq_ready(&s->ring.uring) ==
                    0; /* (short of memory the kernel may leave some) */
        collect(io);
        if (!list_empty(&s->ready) || s->woken || s->doors_due) /* (a sweep is no event) */
            spin_event(&io->spin, io->now_ns);
        if (s->doors_due) {
            s->doors_due = false;
            look_at_doors(io);
        }
        if (s->sweep_due) {
            s->sweep_due = false;
            sweep(io);
        }
        list_move_all(&s->ready, &s->later);
        if (submitted)
            settle_sends(io, waits ? begun_ns : io->now_ns);
        feed_starved(io);
        if (list_empty(&s->ready) && !s->woken && list_empty(&s->starved))
            return 0;
    }
}

static void uring_hurry(struct io *io, struct io_sock *sock)
{
    (void)sock;
    state_of(io)->prompt++;
}

static bool uring_take_back(struct io *io, struct io_buf *buf)
{
    struct uring_state *s = state_of(io);

    if (!ring_owns(&s->ring, buf))
        return false;
    give_back(s, buf);
    return true;
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
