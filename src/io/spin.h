/* spin.h -- when to poll for events instead of sleeping, for every engine alike.
 *
 * Who sleeps has to be woken: an interrupt for the other CPU, the scheduler, perhaps a CPU that must first leave its
 * idle state. That takes longer than an echo. So an engine may *spin*: ask again and again whether something came,
 * for at most the budget after the latest event, and sleep only then. What it costs is a CPU.
 *
 * It spins on proof only. A gap between two looks at the kernel that brought events is short when it is shorter than
 * the budget; after SPIN_PROOF short gaps in a row the next event is likely to come in time, too. One long gap (that
 * is: a spin for nothing) takes the proof away. So a client that is slower than the budget never has us spin, a burst
 * costs one budget in vain at its end, and who has nothing to do sleeps.
 *
 * Here is the policy, which knows no clock of its own. How one looks without sleeping is the engine's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_SPIN_H
#define IO_SPIN_H

#include <stdint.h>

#define SPIN_PROOF 4u /* short gaps in a row */

/* Zero it and set the budget. */
struct spin {
    int64_t budget_ns; /* 0: never spin */
    int64_t last_ns;   /* of the latest event; 0: none yet */
    unsigned proof;    /* short gaps in a row so far, SPIN_PROOF at most */
    int64_t spun_ns;   /* how long we spun in all, and nothing was there; the engine's own */
};

/* A look at the kernel brought events. */
void spin_event(struct spin *spin, int64_t now_ns);

/* Until when to spin, never beyond the deadline (NEVER: none). 0: sleep. */
int64_t spin_until(const struct spin *spin, int64_t now_ns, int64_t deadline_ns);

/* Between two looks at memory: leaves the core to its other hardware thread, and saves power. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
