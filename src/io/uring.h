/* uring.h -- the io_uring engine from inside: what its files share.
 *
 * The kernel names sockets by the number of a *slot*, never by a pointer, and the slot is nobody else's until the kernel has
 * let go: a completion may come for a socket that was closed, and then belongs to nobody (io_uring_cancel(3): EALREADY).
 *
 * Each file has one idea, told in its first paragraph, and calls only those below it:
 *
 *     engine_uring.c                                     the verbs of engine.h, and the events
 *     uring_turn.c                                       a turn: submit, wait, take what is completed
 *     uring_receive.c   uring_send.c   uring_doors.c     what completions and events mean, for each kind of operation
 *     uring_submit.c    uring_kept.c                     what is asked of the kernel; what was received ahead
 *     uring_slots.c     uring_ring.c                     slots; the ring and its buffers
 *
 * with one exception: a submission that finds the queue full has to collect first (turn_collect()). So a slot's state may
 * change under whoever submits something.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_URING_H
#define IO_URING_H

#include "../base/clock.h"
#include "engine.h"
#include "uring_faults.h"
#include "uring_ring.h"

#include <errno.h>

/* What a completion is of: the low bits of its user data; its upper half is the slot's number. */
enum kind {
    KIND_NONE,
    KIND_WAKE,
    KIND_SWEEP,
    KIND_ALARM,
    KIND_DOORS,
    KIND_RECV,
    KIND_SEND,
    KIND_ROOM,
    KIND_POLL
};

#define KIND_BITS 4

#define ACCEPTS_PER_TURN 16        /* tried, until the kernel is asked about the others */
#define SWEEP_NS (100 * NS_PER_MS) /* uring_receive.c */
#define ALARM_NS (100 * NS_PER_MS) /* a deadline that is as far is worth an alarm, uring_turn.c */

/* slot->state */
enum {
    ARMED = 1 << 0,     /* the kernel holds a receive, */
    POLLED = 1 << 1,    /* a poll instead, or for accept or connect, */
    STALLED = 1 << 2,   /* a poll or a timeout, after which a send is tried again */
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
    REFUSED = 1 << 13, /* there was room, and a send got none of it */
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
    struct list ready;        /* sockets that may have an event, */
    struct list later;        /* those that may when the kernel was asked once more, */
    struct list starved;      /* and those that wait for a buffer of the ring */
    unsigned accepts;         /* tried in this turn */
    struct __kernel_timespec sweep_after, alarm_at;
    int64_t alarm_ns;   /* when it goes off; NEVER: none is set */
    bool alarm_refused; /* the kernel has no memory for one */
    uint32_t lent;      /* buffers of the ring that are not in it */
    struct uring_faults faults;
};

static inline struct uring_state *state_of(const struct io *io)
{
    return io->state;
}

/* A socket's flags are the number of its slot + 1. */
static inline struct slot *slot_of(const struct io *io, const struct io_sock *sock)
{
    return &state_of(io)->slots[sock->flags - 1];
}

/* An errno in a byte: those of connections are small, and another one must not become a success. */
static inline uint8_t code_of(int result)
{
    return result >= -UINT8_MAX ? (uint8_t)-result : EIO;
}

/* The socket may have an event in the next turn. */
static inline void make_ready_later(struct uring_state *s, struct io_sock *sock)
{
    list_remove(&sock->run);
    list_append(&s->later, &sock->run);
}

/* The socket may have an event. A chain of accepts ends with its share of the turn: the others are to be heard, too. */
static inline void make_ready(struct uring_state *s, struct io_sock *sock)
{
    if (sock->in == IO_ACCEPT && s->accepts >= ACCEPTS_PER_TURN) {
        make_ready_later(s, sock);
        return;
    }
    list_remove(&sock->run);
    list_append(&s->ready, &sock->run);
}

/* --- uring_turn.c */

/* Submits everything, waits for a completion if there is nothing else to do, and takes all that came. Returns 0 or -errno. */
int turn_take(struct io *io, int64_t deadline_ns);

/* Takes all completions that are there. */
void turn_collect(struct io *io);

/* --- uring_receive.c */

void receive_completed(struct io *io, struct slot *slot, const struct io_uring_cqe *cqe);

/* The event of a receive that is outstanding; false: there is none yet, and the kernel has been asked. */
bool receive_tell(struct io *io, struct slot *slot, struct io_event *ev);

/* Looks at whatever received something since it was looked at last. */
void receive_sweep(struct io *io);

/* A signal was pending: whatever is armed may have missed something, and will be looked at, too. */
void receive_doubt(struct io *io);

/* Arms again what waited for buffers. */
void receive_feed_starved(struct io *io);

/* --- uring_send.c */

void send_start(struct io *io, struct slot *slot);

/* A send did not go out whole; send_settle() goes on with it. */
void send_fell_short(struct io *io, struct slot *slot, int result);

/* There is room, or it is time to look: the send is tried again when its socket's turn comes (send_again()). */
void send_has_room(struct io *io, struct slot *slot, int result);

/* Is there a send that is neither with the kernel nor over? Then it goes on. */
void send_again(struct io *io, struct slot *slot);

/* The submitted sends are over: their events are due. They went out at 'sent_ns'. */
void send_settle(struct io *io, int64_t sent_ns);

/* The event of a send that is SENT. */
void send_tell(struct slot *slot, struct io_event *ev);

/* --- uring_doors.c */

/* The event of an accept or a connect; false: there is none yet, and it is waited for. */
bool doors_tell_accepted(struct io *io, struct slot *slot, struct io_event *ev);
bool doors_tell_connected(struct io *io, struct slot *slot, struct io_event *ev);

/* Somebody is at a listener that is watched. */
void doors_look(struct io *io);

/* The socket of this slot is about to be closed; 'fd' is its descriptor. */
void doors_forget(struct uring_state *s, const struct slot *slot, int fd);

/* --- uring_kept.c */

/* What was received and not asked for yet, a ring: this points to the last one, behind which is the first. It is below
 * the buffer that is being sent, if there is one. */
static inline struct io_buf **kept_by(struct io_sock *sock)
{
    return sock->out == IO_SEND ? &sock->sending->next : &sock->sending;
}

void kept_add(struct io_sock *sock, struct io_buf *buf);

/* Takes the first one; there is one. */
struct io_buf *kept_take(struct io_sock *sock);

/* Is the socket so far ahead that it shall receive no more? There is one. */
bool kept_is_enough(struct io_sock *sock);

/* Moves all of them out of the ring's buffers, as lent_copy_out() does. */
void kept_copy_out(struct io *io, struct io_sock *sock);

void kept_drop(struct io *io, struct io_sock *sock);

/* A copy in memory of one's own; the original goes back to the ring. Without memory it stays where it is. */
struct io_buf *lent_copy_out(struct io *io, struct io_buf *buf);

/* A buffer of the ring goes back to it. */
void lent_return(struct uring_state *s, struct io_buf *buf);

/* --- uring_submit.c */

/* Submits and collects, without waiting. An error here comes again in next(), which can tell it. */
void submit_now(struct io *io);

void submit_receive(struct io *io, struct slot *slot);

/* Asks the receive to end, if it was not asked yet. */
void submit_disarm(struct io *io, struct slot *slot);

/* What is unsent of sock->sending, as far as it goes at once. */
void submit_send(struct io *io, struct slot *slot);

/* Waits until there is room for more, or for a moment if it is REFUSED. */
void submit_room(struct io *io, struct slot *slot);

void submit_poll(struct io *io, struct slot *slot, unsigned events);
void submit_poll_doors(struct io *io);
void submit_poll_wake(struct io *io);
void submit_sweep(struct io *io);
void submit_alarm(struct io *io, int64_t at_ns);

/* Asks an operation to end that the kernel holds. */
void submit_cancel(struct io *io, const struct slot *slot, enum kind kind);

/* Those that uring_faults.h has put off until this turn. */
void submit_late_cancels(struct io *io);

/* --- uring_slots.c */

/* Gives the socket a slot if it has none. Returns 0 or -ENOMEM. */
int slot_enter(struct uring_state *s, struct io_sock *sock);

/* Unless the kernel still holds something of it, or the sweep will come by: both lead here again. */
void slot_leave(struct uring_state *s, struct slot *slot);

/* What the kernel calls an operation of this slot. */
uint64_t slot_name(const struct uring_state *s, const struct slot *slot, enum kind kind);

/* The number of a slot as lists have it. */
uint32_t slot_link(const struct uring_state *s, const struct slot *slot);

void slots_free(struct uring_state *s);

#endif
