/* engine_sim.h -- what the scheduler asks the simulated engine, see engine_sim.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_ENGINE_SIM_H
#define SIM_ENGINE_SIM_H

#include <stdint.h>

struct engine;

/* When io_next() of this engine can return, or make progress with a send: now or earlier, later, NEVER. */
int64_t engine_ready_ns(struct engine *e);

#endif
