/* uring_ring.c -- see uring_ring.h.
 *
 * SPDX-License-Identifier: MIT */
#include "uring_ring.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../net/trace.h"
#include "pool.h"
#include "uring_faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUF_GROUP 0
#define LEVEL_TURNS 1024 /* how long fewer buffers must have been enough until there are fewer */

/* Since Linux 6.15 (include/uapi/linux/io_uring.h); a header may be older than the kernel. */
#define FEAT_NO_IOWAIT (1u << 17) /* IORING_FEAT_NO_IOWAIT */
#define ENTER_NO_IOWAIT (1u << 7) /* IORING_ENTER_NO_IOWAIT */

/* What to ask for, best first. */
static const unsigned flag_sets[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
};

/* A step that the kernel or a sandbox refused, and what is usually behind it. */
static int refused(struct err *err, int code, const char *step)
{
    const char *cause = "";
    size_t n;

    if (code == EPERM || code == EACCES)
        cause = " (kernel.io_uring_disabled, or the profile of a container, forbids it)";
    else if (code == ENOSYS || code == EINVAL)
        cause = " (Linux 6.0 or later is needed)";
    else if (code == ENOMEM)
        cause = " (see the limit of locked memory, ulimit -l)";
    err_set(err, code, "io_uring cannot be used: %s", step);
    n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, "%s", cause);
    return -code;
}

static int set_up(struct ring *ring, bool spins, struct err *err)
{
    unsigned entries = RING_ENTRIES, completions = 4 * RING_ENTRIES;
    int r = -EINVAL;

    faults_shrink(&entries, &completions);
    for (size_t i = 0; i < sizeof flag_sets / sizeof *flag_sets && r == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = flag_sets[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED |
                     (spins ? IORING_SETUP_TASKRUN_FLAG : 0),
            .cq_entries = completions,
        };

        r = io_uring_queue_init_params(entries, &ring->uring, &params);
        ring->deferred = params.flags & IORING_SETUP_DEFER_TASKRUN;
        ring->enter_flags = params.features & FEAT_NO_IOWAIT ? ENTER_NO_IOWAIT : 0;
    }
    return r < 0 ? refused(err, -r, "io_uring_setup") : 0;
}

/* liburing 2.3 declares calls for these two and does not export them. */
static int register_by_hand(const struct ring *ring, unsigned what, const void *arg, unsigned n)
{
    return syscall(SYS_io_uring_register, ring->uring.ring_fd, what, arg, n) == -1 ? -errno : 0;
}

/* What the engine does, and nothing else: a ring passes by a filter of system calls, so it must not be able to do more
 * than the thread that has it. A kernel that does not know restrictions (before 5.10) has no buffer rings either. */
static int restrict_to_ours(struct ring *ring, struct err *err)
{
    static const uint8_t calls[] = {IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_RING_FDS,
                                    IORING_UNREGISTER_RING_FDS};
    static const uint8_t ops[] = {IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD,
                                  IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL};
    struct io_uring_restriction list[sizeof ops + sizeof calls + 1];
    unsigned n = 0;
    int r;

    memset(list, 0, sizeof list);
    for (; n < sizeof ops; n++) {
        list[n].opcode = IORING_RESTRICTION_SQE_OP;
        list[n].sqe_op = ops[n];
    }
    list[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    list[n++].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
    for (size_t i = 0; i < sizeof calls; i++, n++) {
        list[n].opcode = IORING_RESTRICTION_REGISTER_OP;
        list[n].register_op = calls[i];
    }
    r = register_by_hand(ring, IORING_REGISTER_RESTRICTIONS, list, n);
    return r < 0 ? refused(err, -r, "its restrictions") : 0;
}

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* How many buffers, and how large, without taking more than a quarter of the budget. */
static void choose_size(struct ring *ring, uint32_t buf_size)
{
    uint64_t most = ring->budget ? ring->budget->limit / 4 : UINT64_MAX;

    ring->n_bufs = RING_BUFFERS;
    ring->buf_size = buf_size;
    while (ring->n_bufs > RING_BUFFERS_MIN && (uint64_t)ring->n_bufs * ring->buf_size > most)
        ring->n_bufs /= 2;
    if ((uint64_t)ring->n_bufs * ring->buf_size > most && ring->buf_size > POOL_SMALL)
        ring->buf_size = POOL_SMALL;
    ring->memory_size = (size_t)ring->n_bufs * ring->buf_size;
    ring->shared_size = ring->n_bufs * sizeof(struct io_uring_buf);
}

static bool charge(struct ring *ring)
{
    struct io_budget *budget = ring->budget;

    if (!budget)
        return true;
    if (atomic_fetch_add(&budget->taken, ring->memory_size) + ring->memory_size <=
        budget->limit / 2)
        return true;
    atomic_fetch_sub(&budget->taken, ring->memory_size);
    ring->budget = NULL; /* nothing to refund */
    return false;
}

static int add_buffers(struct ring *ring, uint32_t buf_size, struct err *err)
{
    struct io_uring_buf_reg reg = {.bgid = BUF_GROUP};
    int r;

    choose_size(ring, buf_size);
    if (!charge(ring))
        return err_set(err, ENOMEM, "io_uring cannot be used: a ring of buffers");
    ring->memory = map(ring->memory_size);
    ring->shared = map(ring->shared_size);
    ring->bufs = calloc(ring->n_bufs, sizeof *ring->bufs);
    ring->spare = calloc(ring->n_bufs, sizeof *ring->spare);
    if (!ring->memory || !ring->shared || !ring->bufs || !ring->spare)
        return err_set(err, ENOMEM, "io_uring cannot be used: buffers");
    reg.ring_addr = (uintptr_t)ring->shared;
    reg.ring_entries = ring->n_bufs;
    r = io_uring_register_buf_ring(&ring->uring, &reg, 0);
    if (r < 0)
        return refused(err, -r, "a ring of buffers");
    io_uring_buf_ring_init(ring->shared);
    ring->level = RING_BUFFERS_MIN;
    for (uint32_t i = ring->n_bufs; i-- > 0;) {
        ring->bufs[i].data = ring->memory + (size_t)i * ring->buf_size;
        ring->bufs[i].cap = ring->buf_size;
        ring_give(ring, &ring->bufs[i]);
    }
    return 0;
}

/* A filter may allow to make a ring and not to use it, which must not come out when clients are served. Ours is enabled
 * by the thread that will have it: so a small one of the same kind goes all the way here. */
static int try_out(const struct ring *ring, struct err *err)
{
    struct io_uring_params params = {.flags = ring->uring.flags, .cq_entries = 2};
    struct ring small = {0};
    int r = io_uring_queue_init_params(1, &small.uring, &params);

    if (r < 0)
        return refused(err, -r, "io_uring_setup");
    r = ring_enable(&small);
    if (r < 0) {
        r = refused(err, -r, "io_uring_register");
    } else {
        io_uring_prep_nop(ring_sqe(&small));
        r = io_uring_submit_and_get_events(&small.uring);
        r = r < 0 ? refused(err, -r, "io_uring_enter") : 0;
    }
    io_uring_queue_exit(&small.uring);
    return r;
}

int ring_create(struct ring *ring, uint32_t buf_size, struct io_budget *budget, bool spins,
                struct err *err)
{
    int r;

    *ring = (struct ring){.budget = budget};
    r = set_up(ring, spins, err);
    if (r < 0)
        return r;
    r = add_buffers(ring, buf_size, err);
    if (r == 0)
        r = restrict_to_ours(ring, err);
    if (r == 0)
        r = try_out(ring, err);
    if (r < 0)
        ring_destroy(ring);
    return r;
}

void ring_destroy(struct ring *ring)
{
    io_uring_queue_exit(&ring->uring); /* first: until then the kernel may write */
    if (ring->memory)
        munmap(ring->memory, ring->memory_size);
    if (ring->shared)
        munmap(ring->shared, ring->shared_size);
    free(ring->bufs);
    free(ring->spare);
    if (ring->budget)
        atomic_fetch_sub(&ring->budget->taken, ring->memory_size);
}

int ring_enable(struct ring *ring)
{
    int r = register_by_hand(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

    ring->enabled = r == 0;
    return r;
}

void ring_give(struct ring *ring, struct io_buf *buf)
{
    ring->spare[ring->n_spare++] = (uint16_t)(buf - ring->bufs);
}

/* More buffers at once when the kernel had none left, fewer after a while in which a quarter was enough. */
static void adapt_level(struct ring *ring)
{
    if (ring->in_ring == 0 && ring->taken > 0 && ring->level < ring->n_bufs)
        ring->level *= 2;
    if (ring->taken > ring->peak)
        ring->peak = ring->taken;
    ring->taken = 0;
    if (++ring->turns < LEVEL_TURNS)
        return;
    if (ring->peak < ring->level / 4 && ring->level > RING_BUFFERS_MIN)
        ring->level /= 2;
    ring->turns = ring->peak = 0;
}

/* Brings what the kernel has up to the level. */
static void fill_ring(struct ring *ring)
{
    int n = 0;

    adapt_level(ring);
    while (ring->in_ring < ring->level && ring->n_spare > 0) {
        const struct io_buf *buf = &ring->bufs[ring->spare[--ring->n_spare]];

        io_uring_buf_ring_add(ring->shared, buf->data, buf->cap, (unsigned short)(buf - ring->bufs),
                              (int)ring->n_bufs - 1, n++);
        ring->in_ring++;
    }
    if (n > 0)
        io_uring_buf_ring_advance(ring->shared, n);
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    return io_uring_get_sqe(&ring->uring);
}

/* liburing returns -errno. */
static void trace_enter(const struct ring *ring, int r)
{
    if (r < 0)
        errno = -r;
    trace_wait("io_uring_enter", r < 0 ? -1 : r, io_uring_cq_ready(&ring->uring));
}

/* What was queued becomes the kernel's to take; so many are they. */
static unsigned hand_over(struct io_uring *uring)
{
    uring->sq.sqe_head = uring->sq.sqe_tail;
    io_uring_smp_store_release(uring->sq.ktail, uring->sq.sqe_tail);
    return io_uring_sq_ready(uring);
}

/* io_uring_enter(2) itself, because liburing before 2.10 has no call that says NO_IOWAIT: a server that waits for its
 * clients would look, in top(1) and in /proc/pressure/io, like one that waits for a disk. 'left_ns' below 0: no limit. */
static int enter_by_hand(struct ring *ring, unsigned wanted, int64_t left_ns)
{
    struct __kernel_timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};
    struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&left};
    unsigned flags = IORING_ENTER_GETEVENTS | ring->enter_flags;
    bool limited = left_ns >= 0;

    if (limited)
        flags |= IORING_ENTER_EXT_ARG;
    return io_uring_enter2((unsigned)ring->uring.enter_ring_fd, hand_over(&ring->uring), wanted,
                           flags, limited ? (sigset_t *)&arg : NULL, limited ? sizeof arg : 0);
}

int ring_enter(struct ring *ring, unsigned wanted, int64_t deadline_ns)
{
    int64_t left_ns = -1;
    int r;

    if (!ring->enabled) {
        r = ring_enable(ring);
        if (r < 0)
            return r;
        /* (not vital) each enter is spared the way from the descriptor to the ring */
        if (io_uring_register_ring_fd(&ring->uring) == 1)
            ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    }
    fill_ring(ring);
    if (wanted && deadline_ns != NEVER) {
        left_ns = deadline_ns - clock_now_ns();
        wanted = left_ns > 0 ? wanted : 0;
    }
    r = enter_by_hand(ring, wanted, wanted ? left_ns : -1);
    if (tracing())
        trace_enter(ring, r);
    ring->interrupted |= r == -EINTR;
    return r < 0 && r != -ETIME && r != -EINTR && r != -EBUSY && r != -EAGAIN ? r : 0;
}

bool ring_has_news(const struct ring *ring)
{
    unsigned flags = io_uring_smp_load_acquire(ring->uring.sq.kflags);

    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ||
           io_uring_cq_ready(&ring->uring) > 0;
}
