/* uring_ring.h -- an io_uring with a ring of buffers for what is received: set up, degraded, torn down.
 *
 * What is asked of the kernel, in the order in which it is given up where a kernel does not know it:
 *
 *   DEFER_TASKRUN (6.1)   completions are worked off when we wait for them, and only then
 *   COOP_TASKRUN (5.19)   or at least without an interrupt for each: with any system call of ours
 *
 * SINGLE_ISSUER (6.0), a buffer ring (5.19) and multishot receive (6.0, of which no call tells) are not given up:
 * without them epoll is the better engine.
 *
 * A ring belongs to the thread that uses it, but the rings of all workers are made by one thread, before the sandbox
 * closes. So a ring begins disabled; the first wait enables it, and with SINGLE_ISSUER its thread is the issuer.
 *
 * The receive buffers are a part of the budget: a quarter of it at the most, fewer and then smaller ones where that is
 * little. They lie side by side in one mapping, of which only what was received into is ever touched.
 *
 * The kernel takes them in the order in which they were given, so with all of them in the ring each receive would
 * touch memory that is long out of the cache. Therefore only as many are in it as a turn needs, twice as many when
 * they were all taken, and the one given back last is the first to go in again.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_URING_RING_H
#define IO_URING_RING_H

#include "io.h"

#include <liburing.h>

struct err;

#define RING_ENTRIES 4096u   /* submissions that one enter may take; */
#define RING_BUFFERS 128u    /* buffers, if the budget allows; a power of two, */
#define RING_BUFFERS_MIN 16u /* and the least that is worth it */

struct ring {
    struct io_uring uring;
    struct io_uring_buf_ring *shared; /* where the kernel takes buffers from */
    unsigned char *memory;            /* of all buffers */
    struct io_buf *bufs;              /* what describes them, by the kernel's number */
    uint32_t buf_size, n_bufs;
    uint16_t *spare; /* a stack of those that are here: neither with the kernel nor lent */
    uint32_t n_spare;
    uint32_t level;   /* how many the kernel is to have when it is asked, */
    uint32_t in_ring; /* and has, */
    uint32_t taken;   /* and has taken since it was asked last; */
    uint32_t peak;    /* the most of these in */
    uint32_t turns;   /* so many turns */
    size_t memory_size, shared_size;
    struct io_budget *budget;
    unsigned enter_flags; /* that each io_uring_enter(2) has */
    bool deferred;        /* completions come in ring_enter() only */
    bool enabled;
    bool interrupted; /* a signal has ended an enter; whoever sees to it clears it */
};

/* Returns 0, or -errno with 'err' saying which step the kernel or a sandbox refused, or what there is no memory for.
 * 'budget' may be NULL. 'spins': somebody will ask ring_has_news(). */
int ring_create(struct ring *ring, uint32_t buf_size, struct io_budget *budget, bool spins,
                struct err *err);
void ring_destroy(struct ring *ring);

/* By the thread that will use it. Returns 0 or -errno. */
int ring_enable(struct ring *ring);

/* The buffer of a completion with IORING_CQE_F_BUFFER. */
static inline struct io_buf *ring_buf(struct ring *ring, const struct io_uring_cqe *cqe)
{
    ring->in_ring--;
    ring->taken++;
    return &ring->bufs[cqe->flags >> IORING_CQE_BUFFER_SHIFT];
}

static inline bool ring_owns(const struct ring *ring, const struct io_buf *buf)
{
    return buf >= ring->bufs && buf < ring->bufs + ring->n_bufs;
}

/* Gives a buffer back. */
void ring_give(struct ring *ring, struct io_buf *buf);

/* A free submission. NULL when the queue is full: submit, then ask again. */
struct io_uring_sqe *ring_sqe(struct ring *ring);

/* Submits everything, and waits for 'wanted' completions (0: only collects what is there) until 'deadline_ns'. Returns
 * 0, also at the deadline and after a signal, or -errno. */
int ring_enter(struct ring *ring, unsigned wanted, int64_t deadline_ns);

/* Would ring_enter() find something? A look at the memory that the kernel shares with us, without a call: at completions
 * that are there, and at the mark that says that some are to be worked off (IORING_SETUP_TASKRUN_FLAG). */
bool ring_has_news(const struct ring *ring);

#endif
