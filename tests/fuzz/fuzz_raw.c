/* fuzz_raw.c -- the client's --raw, exact bytes both ways, with any user, server and kernel.
 *
 * The world is world.h's; a first byte of 'L' sets a limit to the waiting. Whatever happens, standard output
 * holds what came and nothing else, and 0 means that all was said and at least as much came back.
 *
 * SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/clock.h"
#include "base/err.h"
#include "client/raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    int64_t timeout_ns = take_byte(&in) == 'L' ? 5 * NS_PER_S : NEVER;
    struct err err = {.code = 0};
    struct world w;
    int r;

    world_begin(&w, in);
    r = raw_run(WORLD_SOCKET, timeout_ns, &err);
    HOLDS(w.shown.n <= w.received);
    HOLDS(w.shown.n == 0 || memcmp(w.shown.data, w.coming.data, w.shown.n) == 0);
    HOLDS(w.sent.n <= w.read);
    HOLDS(w.sent.n == 0 || memcmp(w.sent.data, w.typed.at, w.sent.n) == 0);
    if (r == 0) {
        HOLDS(w.received >= w.sent.n && w.sent.n == w.typed.n && w.shown.n == w.received);
        HOLDS(!w.input_failed && !w.output_failed);
    } else {
        HOLDS(r < 0 && err.code > 0 && *err.text && is_clean(err.text));
        HOLDS(!world_was_kind(&w));
    }
    world_end(&w);
    return 0;
}
