/* uring_faults.c -- see uring_faults.h.
 *
 * SPDX-License-Identifier: MIT */
#include "uring_faults.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTHING UINT64_MAX /* no operation bears this name: there are fewer slots */

static const char *seed_text(void)
{
    return getenv("URING_FAULTS");
}

/* One of 'n' numbers (Marsaglia's xorshift64). */
static uint64_t draw(struct uring_faults *faults, uint64_t n)
{
    faults->random ^= faults->random << 13;
    faults->random ^= faults->random >> 7;
    faults->random ^= faults->random << 17;
    return faults->random % n;
}

static bool one_in(struct uring_faults *faults, uint64_t n)
{
    return faults->random && draw(faults, n) == 0;
}

bool faults_begin(struct uring_faults *faults)
{
    const char *seed = seed_text();

    faults->n_held = faults->n_late = 0;
    faults->random = seed ? strtoull(seed, NULL, 10) * 2 + 1 : 0;
    return seed;
}

void faults_shrink(unsigned *entries, unsigned *completions)
{
    if (!seed_text())
        return;
    *entries = 4;
    *completions = 8;
}

/* Of which socket it is (uring.h, slot_name()). */
static uint64_t owner(uint64_t user_data)
{
    return user_data >> 32;
}

static bool has_one_held(const struct uring_faults *faults, uint64_t who)
{
    for (unsigned i = 0; i < faults->n_held; i++)
        if (owner(faults->held[i].user_data) == who)
            return true;
    return false;
}

bool faults_hold(struct uring_faults *faults, const struct io_uring_cqe *cqe)
{
    bool begun = has_one_held(faults, owner(cqe->user_data));

    if (!begun && (faults->n_held >= FAULTS_SOCKETS || !one_in(faults, 4)))
        return false;
    assert(faults->n_held < FAULTS_HELD);
    faults->held[faults->n_held++] = (struct held){cqe->user_data, cqe->res, cqe->flags};
    return true;
}

bool faults_release(struct uring_faults *faults, struct io_uring_cqe *ret)
{
    unsigned i = 0;
    uint64_t who;

    if (faults->n_held == 0 || !one_in(faults, 3))
        return false;
    who = owner(faults->held[draw(faults, faults->n_held)].user_data);
    while (owner(faults->held[i].user_data) != who)
        i++; /* the first of that socket */
    ret->user_data = faults->held[i].user_data;
    ret->res = faults->held[i].res;
    ret->flags = faults->held[i].flags;
    faults->n_held--;
    memmove(&faults->held[i], &faults->held[i + 1], (faults->n_held - i) * sizeof faults->held[0]);
    return true;
}

uint64_t faults_cancel(struct uring_faults *faults, uint64_t target)
{
    unsigned turns;

    if (faults->n_late == FAULTS_LATE || !one_in(faults, 3))
        return target;
    turns = 1 + (unsigned)draw(faults, one_in(faults, 2) ? 8 : 1024);
    faults->late[faults->n_late++] = (struct late){target, turns};
    return NOTHING;
}

void faults_completed(struct uring_faults *faults, const struct io_uring_cqe *cqe)
{
    unsigned kept = 0;

    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    for (unsigned i = 0; i < faults->n_late; i++)
        if (faults->late[i].target != cqe->user_data)
            faults->late[kept++] = faults->late[i];
    faults->n_late = kept;
}

void faults_turn(struct uring_faults *faults)
{
    for (unsigned i = 0; i < faults->n_late; i++)
        faults->late[i].turns -= faults->late[i].turns > 0;
}

/* The first one that is due; n_late: none is. */
static unsigned due(const struct uring_faults *faults)
{
    unsigned i = 0;

    while (i < faults->n_late && faults->late[i].turns > 0)
        i++;
    return i;
}

bool faults_cancel_due(const struct uring_faults *faults)
{
    return due(faults) < faults->n_late;
}

uint64_t faults_due_cancel(struct uring_faults *faults)
{
    unsigned i = due(faults);
    uint64_t target;

    if (i == faults->n_late)
        return NOTHING;
    target = faults->late[i].target;
    faults->late[i] = faults->late[--faults->n_late];
    return target;
}

bool faults_pending(const struct uring_faults *faults)
{
    return faults->n_held > 0 || faults->n_late > 0;
}

bool faults_end(struct uring_faults *faults)
{
    return one_in(faults, 8);
}

int faults_ending(struct uring_faults *faults, int result)
{
    if (result != -ECANCELED || !one_in(faults, 2))
        return result;
    return one_in(faults, 8) ? -ENOMEM : -ENOBUFS;
}

void faults_cut(struct uring_faults *faults, struct io_uring_sqe *sqe)
{
    if (sqe->len < 2 || !one_in(faults, 8))
        return;
    sqe->len = 1 + (uint32_t)draw(faults, sqe->len - 1);
    sqe->flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS;
}
