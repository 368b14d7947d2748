/* uring_doors.c -- how connections come to be: accept and connect, tried by system call, waited for by the ring.
 *
 * It is as in the epoll engine: accept, when asked, takes one client and no more, which "full means wait" rests on.
 *
 * The ring waits for listeners through an epoll, because a request of its own keeps a socket open: the kernel takes a
 * ring apart some time after its process has ended, and so long a port that is listened on would not be free.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

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
        submit_poll(io, slot, POLLIN); /* no memory: then by the ring itself */
        return;
    }
    slot->state |= LISTENS | WATCHED;
    s->n_watched++;
    submit_poll_doors(io);
}

/* Not inlined: it is seldom, and would take registers from the way of every event, uring_next(). */
__attribute__((noinline)) void doors_look(struct io *io)
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
    submit_poll_doors(io);
}

bool doors_tell_accepted(struct io *io, struct slot *slot, struct io_event *ev)
{
    state_of(io)->accepts++;
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

bool doors_tell_connected(struct io *io, struct slot *slot, struct io_event *ev)
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
        submit_poll(io, slot, POLLOUT);
    return false;
}

/* By hand: another process may hold the listener, too. */
void doors_forget(struct uring_state *s, const struct slot *slot, int fd)
{
    if (slot->state & LISTENS)
        (void)epoll_ctl(s->doors_fd, EPOLL_CTL_DEL, fd, NULL);
    s->n_watched -= (slot->state & WATCHED) != 0;
}
