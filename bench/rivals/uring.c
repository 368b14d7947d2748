/* uring.c -- an echo server on io_uring, by hand: multishot receive into a ring of buffers, sends in order.
 *
 *     uring PORT
 *
 * One thread. It does what the kernel needs to be told and no more, so it shows what io_uring itself costs: no
 * deadlines, no accounts, no limits; a crowd that does not read would hold all buffers. What a connection has received
 * and not sent yet waits in a queue, and one send at a time is with the kernel, which finishes it whole
 * (MSG_WAITALL). When the ring is empty a receive ends, and is armed again with the next
 * buffer that comes back.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFERS 256u /* a power of two */
#define ENTRIES 4096u

struct conn {
    int fd;
    int first, last; /* of the buffers that wait to be sent; -1: none */
    int waiting;     /* so many they are */
    bool armed;      /* a receive is with the kernel */
    bool ended;      /* nothing more will come */
    bool lost;       /* nothing more can go */
    struct conn *next_hungry;
};

/* A completion's name is its connection, with this bit where a send is meant. NULL: the listener. */
#define SEND 1u
#define NOBODY 2u

#define WAITING_MAX 8 /* buffers of a connection, until no more is received */

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static unsigned char *memory;
static int following[BUFFERS];   /* the buffer behind it in its connection's queue */
static uint32_t length[BUFFERS]; /* of what it holds */
static struct conn *hungry;      /* those whose receive found no buffer */
static unsigned out;             /* buffers that are not in the ring */

/* Its name is set after io_uring_prep_*(), which clears it. */
static struct io_uring_sqe *sqe_of(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    rival_need(sqe, "io_uring_get_sqe");
    return sqe;
}

static void receive(struct conn *c)
{
    struct io_uring_sqe *sqe = sqe_of();

    io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->user_data = (uintptr_t)c;
    c->armed = true;
}

/* One that does not read is not read from. */
static void stop_receiving(struct conn *c)
{
    struct io_uring_sqe *sqe = sqe_of();

    io_uring_prep_cancel64(sqe, (uintptr_t)c, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = NOBODY;
}

static void send_first(struct conn *c)
{
    struct io_uring_sqe *sqe = sqe_of();

    io_uring_prep_send(sqe, c->fd, memory + (size_t)c->first * RIVAL_READ, length[c->first],
                       MSG_WAITALL | MSG_NOSIGNAL);
    sqe->user_data = (uintptr_t)c | SEND;
}

static void give_back(int buffer)
{
    io_uring_buf_ring_add(buffers, memory + (size_t)buffer * RIVAL_READ, RIVAL_READ,
                          (uint16_t)buffer, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(buffers, 1);
    out--;
    while (hungry) {
        struct conn *c = hungry;

        hungry = c->next_hungry;
        receive(c);
    }
}

static void end_if_done(struct conn *c)
{
    if (c->armed || c->first != -1 || !c->ended)
        return;
    close(c->fd);
    free(c);
}

static void received(struct conn *c, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0) {
        int buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

        out++;
        length[buffer] = (uint32_t)cqe->res;
        following[buffer] = -1;
        if (++c->waiting == WAITING_MAX)
            stop_receiving(c);
        if (c->lost) {
            c->waiting--;
            give_back(buffer);
        } else if (c->first == -1) {
            c->first = c->last = buffer;
            send_first(c);
        } else {
            following[c->last] = buffer;
            c->last = buffer;
        }
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    c->armed = false;
    c->ended = cqe->res == 0 || (cqe->res < 0 && cqe->res != -ENOBUFS && cqe->res != -ECANCELED);
    if (c->ended) {
        end_if_done(c);
    } else if (c->waiting > 0) {
        return; /* sent() goes on */
    } else if (out < BUFFERS) {
        receive(c);
    } else {
        c->next_hungry = hungry;
        hungry = c;
    }
}

static void sent(struct conn *c, int result)
{
    int buffer;

    if (result < 0 && !c->lost) { /* the rest has nowhere to go */
        c->lost = true;
        shutdown(c->fd, SHUT_RDWR);
    }
    do {
        buffer = c->first;
        c->first = following[buffer];
        c->waiting--;
        give_back(buffer);
    } while (c->lost && c->first != -1);
    if (c->first != -1)
        send_first(c);
    else if (!c->armed && !c->ended)
        receive(c);
    else
        end_if_done(c);
}

static void wait_for_clients(int listener)
{
    struct io_uring_sqe *sqe = sqe_of();

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = 0;
}

static void accepted(int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    int on = 1;

    rival_need(c, "calloc");
    *c = (struct conn){.fd = fd, .first = -1};
    rival_need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    receive(c);
}

static void set_up(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                                              IORING_SETUP_SUBMIT_ALL,
                                     .cq_entries = 4 * ENTRIES};
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
    void *shared, *bytes;

    rival_need(io_uring_queue_init_params(ENTRIES, &ring, &params) == 0, "io_uring_queue_init");
    rival_need(posix_memalign(&shared, 4096, BUFFERS * sizeof(struct io_uring_buf)) == 0, "memory");
    buffers = shared;
    rival_need(posix_memalign(&bytes, 4096, (size_t)BUFFERS * RIVAL_READ) == 0, "memory");
    memory = bytes;
    reg.ring_addr = (uintptr_t)buffers;
    rival_need(io_uring_register_buf_ring(&ring, &reg, 0) == 0, "io_uring_register_buf_ring");
    io_uring_buf_ring_init(buffers);
    out = BUFFERS;
    for (int i = 0; i < (int)BUFFERS; i++)
        give_back(i);
}

int main(int argc, char **argv)
{
    int listener;

    set_up();
    listener = rival_listen(rival_port(argc, argv), false);
    wait_for_clients(listener);
    for (;;) {
        struct io_uring_cqe *next;
        unsigned head, n = 0;

        io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, next)
        {
            struct conn *c = (struct conn *)(uintptr_t)(next->user_data & ~(uint64_t)SEND);

            n++;
            if (next->user_data == NOBODY)
                continue;
            if (!c) {
                rival_need(next->res >= 0, "accept");
                accepted(next->res);
                if (!(next->flags & IORING_CQE_F_MORE))
                    wait_for_clients(listener);
            } else if (next->user_data & SEND) {
                sent(c, next->res);
            } else {
                received(c, next);
            }
        }
        io_uring_cq_advance(&ring, n);
    }
}
