/* world.h -- a user, a server and a kernel made up for the client, all driven by the fuzzer's bytes.
 *
 * The linker sends the client's system calls here (--wrap in meson.build). While a world is on, the time
 * is the world's, descriptors 0 and 1 are the user's, and WORLD_SOCKET leads to a server that lives in
 * world.c. Each wait first gives the user and the server a turn, and the next letter of the script says
 * what it brings:
 *
 *     t  the user types a piece          w  a byte of the echo is wrong     i  the wait is interrupted
 *     e  a piece of the echo             x  a byte too many                 s  silence: limits run out
 *     f  the server ends its side        r  it resets the connection        else: some of t and e
 *
 * Other calls take a letter, too, for how much they move: 0 is EAGAIN, ! an error, else some bytes. When
 * the script is over, the user types all the rest and the server is honest and quick. A client that
 * still waits then waits for what cannot come: that aborts, and so does one that spins.
 *
 * SPDX-License-Identifier: MIT */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "fuzz.h"

#include <stdbool.h>

#define WORLD_SOCKET 1000

struct stream {
    uint8_t *data;
    size_t n, cap;
};

struct world {
    struct bytes script, typed; /* what is to happen; all the user has to say */
    size_t available, read;     /* of what is typed: the client may read so far; has read */
    struct stream sent;         /* by the client to the server, */
    size_t echoed;              /* and of that by the server, */
    struct stream coming;       /* and whatever else it said, */
    size_t received;            /* of which the client has so much */
    struct stream shown;        /* on standard output */
    bool client_ended, server_ended;
    int reset_code; /* what the next call on the socket fails with */
    int64_t now_ns;
    size_t turns_left; /* then the client spins */
    /* for the verdict */
    bool wrong;     /* the client received what it had not sent by then */
    bool early_end; /* the server ended its side while the client might have said more */
    bool was_reset, limit_over, input_failed, output_failed;
};

/* Switches the world on. Of the input the first line is the script, and the rest is typed. */
void world_begin(struct world *w, struct bytes in);
void world_end(struct world *w);

/* Did the user and the server do nothing to make a conversation fail? */
bool world_was_kind(const struct world *w);

#endif
