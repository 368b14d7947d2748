/* admission.h -- is there a place, and who gets it.
 *
 * A *place* is one of --concurrency; a client has one from its admission until its echo is over. Full means wait: who
 * was accepted and finds none is held, one per listener, and nobody else is accepted meanwhile. Without memory, a
 * descriptor or a thread there is a pause, in which nobody is admitted.
 *
 * Worker 0's, as all of the door.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <stdbool.h>

struct door_listener;
struct doorkeeper;
struct server;

void admission_begin(struct doorkeeper *door);

/* Is there a place? If not, whoever gives one back will wake us. */
bool admission_place(struct server *server);

/* Have all clients left that --clients admits? If not, the next one who does will wake us. */
bool admission_all_served(struct server *server);

/* Out of descriptors, memory or threads ('code', an errno): accept nothing for a moment. */
void admission_pause(struct doorkeeper *door, int code);

/* Gives the held client a number and a worker. Returns false when it has to be held on. */
bool admission_admit(struct door_listener *l);

/* Closes the held client, who will not be served. */
void admission_refuse(struct door_listener *l);

#endif
