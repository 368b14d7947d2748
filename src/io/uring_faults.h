/* uring_faults.h -- what the kernel may do to the io_uring engine and seldom does; in builds with instruments only.
 *
 * With URING_FAULTS=SEED in the environment the ring is tiny, so that queues are full and completions overflow, and by
 * lot, which the seed decides:
 *
 *   - a completion of a receive is held back while others pass; those of one socket stay in order
 *   - a receive ends early, and says that it was cancelled, or that there was no buffer or no memory
 *   - a send takes a part of the bytes only, and says so
 *   - a cancel finds its operation past that (EALREADY): it goes on, and the true cancel follows some turns later
 *
 * Each of them is something that really happens in the ring, or is told later than it could be: no byte is made up. In
 * other builds nothing of this exists, and the calls below are empty.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_URING_FAULTS_H
#define IO_URING_FAULTS_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef INSTRUMENTED

/* Completions are held back of so many sockets at the most, which have a buffer each, or an end, or a few of them. */
#define FAULTS_SOCKETS 32u
#define FAULTS_HELD 512u

/* So many cancels are put off at the most. */
#define FAULTS_LATE 64u

struct uring_faults {
    uint64_t random; /* 0: no faults */
    unsigned n_held;
    struct held {
        uint64_t user_data;
        int32_t res;
        uint32_t flags;
    } held[FAULTS_HELD];
    unsigned n_late;
    struct late {
        uint64_t target;
        unsigned turns; /* until it is due */
    } late[FAULTS_LATE];
};

/* Whether there will be faults: then with a tiny ring, and one whose completions come at any time. */
bool faults_begin(struct uring_faults *faults);
void faults_shrink(unsigned *entries, unsigned *completions);

/* Is this completion kept for later? */
bool faults_hold(struct uring_faults *faults, const struct io_uring_cqe *cqe);

/* Takes back one that was, if its time has come. */
bool faults_release(struct uring_faults *faults, struct io_uring_cqe *ret);

/* What a cancel of 'target' is to name: it, or nothing that there is; then the true one is put off. */
uint64_t faults_cancel(struct uring_faults *faults, uint64_t target);

/* 'cqe' has come: a cancel that was put off has no target any more if that was its last completion. */
void faults_completed(struct uring_faults *faults, const struct io_uring_cqe *cqe);

/* A turn begins: those that were put off are a turn nearer. Is one due? Which? (Nothing that there is, if its target was
 * completed since it was asked for.) */
void faults_turn(struct uring_faults *faults);
bool faults_cancel_due(const struct uring_faults *faults);
uint64_t faults_due_cancel(struct uring_faults *faults);

/* Is anything held back or put off? Then there is no reason to wait for the kernel. */
bool faults_pending(const struct uring_faults *faults);

/* Shall this receive end, though it could go on? */
bool faults_end(struct uring_faults *faults);

/* With which words it does. */
int faults_ending(struct uring_faults *faults, int result);

/* Takes some of the bytes away from a send. */
void faults_cut(struct uring_faults *faults, struct io_uring_sqe *sqe);

#else

struct uring_faults {
    char none;
};

static inline bool faults_begin(struct uring_faults *faults)
{
    (void)faults;
    return false;
}

static inline void faults_shrink(unsigned *entries, unsigned *completions)
{
    (void)entries;
    (void)completions;
}

static inline bool faults_hold(struct uring_faults *faults, const struct io_uring_cqe *cqe)
{
    (void)faults;
    (void)cqe;
    return false;
}

static inline bool faults_release(struct uring_faults *faults, struct io_uring_cqe *ret)
{
    (void)faults;
    (void)ret;
    return false;
}

static inline uint64_t faults_cancel(struct uring_faults *faults, uint64_t target)
{
    (void)faults;
    return target;
}

static inline void faults_completed(struct uring_faults *faults, const struct io_uring_cqe *cqe)
{
    (void)faults;
    (void)cqe;
}

static inline void faults_turn(struct uring_faults *faults)
{
    (void)faults;
}

static inline bool faults_cancel_due(const struct uring_faults *faults)
{
    (void)faults;
    return false;
}

static inline uint64_t faults_due_cancel(struct uring_faults *faults)
{
    (void)faults;
    return 0;
}

static inline bool faults_pending(const struct uring_faults *faults)
{
    (void)faults;
    return false;
}

static inline bool faults_end(struct uring_faults *faults)
{
    (void)faults;
    return false;
}

static inline int faults_ending(struct uring_faults *faults, int result)
{
    (void)faults;
    return result;
}

static inline void faults_cut(struct uring_faults *faults, struct io_uring_sqe *sqe)
{
    (void)faults;
    (void)sqe;
}

#endif
#endif
