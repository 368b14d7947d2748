/* fuzz_conn.c -- the whole server over a simulated kernel, steered by the input.
 *
 * The bytes are the answers to every question of a run (tests/sim/choose.h): which server, which clients,
 * what goes wrong and when. The oracle of the simulation holds the server's promises against what
 * happens. `sim --seed N --script FILE` writes a seed's answers down as an input, and
 * `sim --script FILE` replays one with every step.
 *
 * SPDX-License-Identifier: MIT */
#include "../sim/choose.h"
#include "../sim/trace.h"
#include "../sim/world.h"
#include "fuzz.h"

static void complain(const char *complaint)
{
    fuzz_failed("simulation", 0, complaint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;

    if (!ready)
        world_init();
    ready = true;
    fail_handler = complain;
    choose_from_script(data, size);
    trace_begin(TRACE_OFF);
    world_run();
    return 0;
}
