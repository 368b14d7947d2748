/* client.h -- the clients: each with a script of its own, drawn when it begins.
 *
 * A client connects, sends a stream that is its alone in pieces, and reads what comes back: at once, in
 * small bites, late, or never. It ends by half-closing and reading on, by closing, by a reset, or not
 * at all. Every byte that comes back is compared with the one that was sent at its place.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENTS_MAX 16

struct client;

/* Draws 'n' of them. */
void clients_begin(unsigned n);

/* When the next one acts by itself; NEVER. */
int64_t clients_next(void);

/* Lets one act whose time has come. Returns false when there is none. */
bool clients_act(void);

/* Something happened on its connection: it may look again, a little later. */
void client_poke(struct client *c);

/* The run is over: did each of them get what it was promised? */
void clients_end(void);

unsigned client_id(const struct client *c);

#endif
