/* crew.h -- the threads behind the workers.
 *
 * With most engines the crew is fixed: worker 0 on the thread of server_run(), the others each on a thread
 * that is started here and joined at the end. An engine with a thread per client has helpers instead: a
 * new worker, io and thread for every client, put away when it left. All of this happens on worker 0's
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_CREW_H
#define SERVER_CREW_H

#include <pthread.h>
#include <stdbool.h>

struct server;
struct worker;

/* Starts a thread that gets no signals: those are for the thread of worker 0. Returns 0 or -errno. */
int crew_thread(pthread_t *ret, void *(*run)(void *), void *arg);

/* Runs worker_run() on a thread of its own, which gets no signals. Returns 0 or -errno. */
int crew_start(struct worker *w);

/* Waits for that thread to end, and adds up what it counted. */
void crew_join(struct worker *w);
void crew_add_tally(const struct worker *w);

/* A helper, which serves the next connection given to it and ends. Returns 0 or -errno. */
int crew_spawn(struct worker **ret, struct server *server);

/* Puts away the helpers that are over; 'all': waits for each. */
void crew_reap(struct server *server, bool all);

/* So that they notice that the server drains. */
void crew_wake_helpers(struct server *server);

#endif
