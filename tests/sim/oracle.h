/* oracle.h -- what the server promises, held against what it does.
 *
 * The simulated kernel and the engine report what the server asks of them; whatever breaks a promise of
 * server/server.h, conn.h, doorkeeper.h or io.h fails the run on the spot. The bytes that come back are
 * checked by the clients (client.c), memory by memory.c, descriptors by net_sim.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "../../src/io/io.h"
#include "net.h"

void oracle_begin(void);

/* The kernel reports. */
void oracle_accept(struct net_conn *c);
void oracle_fin(struct net_conn *c);
void oracle_close(struct net_conn *c);
void oracle_reset(struct net_conn *c);
void oracle_door_closed(struct net_listener *l);

/* The engine reports: an operation begins; bytes moved; what io_next() returns. */
void oracle_start(struct net_conn *c, enum io_op op);
void oracle_moved(struct net_conn *c, enum io_op op, uint32_t n);
void oracle_event(const struct io_event *ev);

/* The server waits again, after an event or after one of our returns for nothing: does it spin? */
void oracle_waits(bool for_nothing);

/* The world reports: time passes, is something overdue? The server logs a line, without its newline. It has
 * ended, and can still be asked. */
void oracle_time(void);
void oracle_log(const char *line);
void oracle_ended(void);

/* Something moved: the server does not spin. */
void oracle_progress(void);

#endif
