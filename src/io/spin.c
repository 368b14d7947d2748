/* spin.c -- see spin.h.
 *
 * SPDX-License-Identifier: MIT */
#include "spin.h"

#include "../base/clock.h"

void spin_event(struct spin *spin, int64_t now_ns)
{
    if (spin->last_ns == 0 || now_ns - spin->last_ns >= spin->budget_ns)
        spin->proof = 0;
    else if (spin->proof < SPIN_PROOF)
        spin->proof++;
    spin->last_ns = now_ns;
}

int64_t spin_until(const struct spin *spin, int64_t now_ns, int64_t deadline_ns)
{
    int64_t until_ns;

    if (spin->proof < SPIN_PROOF)
        return 0;
    until_ns = clock_after(spin->last_ns, spin->budget_ns);
    if (until_ns > deadline_ns)
        until_ns = deadline_ns;
    return until_ns > now_ns ? until_ns : 0;
}
