/* takeover.h -- --takeover PATH: a server takes the listening sockets from the one that runs, and later
 * hands them to the next, so that an upgrade refuses and resets nobody.
 *
 *     new                                         old
 *     takeover_create   ── hello ──────────────▶
 *                       ◀───────────── listeners  goes on serving
 *     opens what is missing, starts, serves
 *     thread            ── serving ────────────▶
 *                       ◀───────────────── yours  accepts no more; its connections drain
 *     stands at PATH, offers                      ends
 *
 * The queue of clients who wait belongs to the socket, and the socket to both, so at every moment somebody
 * accepts. Until "serving" the old server has changed nothing: a new one that fails, whichever way, leaves it
 * as it was (but for the backlog and options of the sockets, which are set when all is open). Only the old one's "yours" moves the service, and only a server that serves asks for it.
 *
 * The dialogue runs on a thread of its own, with one poll(2) and a deadline for each caller. It could be made
 * of events of worker 0, but then every event of a connection would first be asked whether it is one, callers
 * would have to be torn down amid a drain, and a caller's message would wait behind clients. The thread
 * shares with the server what is constant while it runs (the listeners' descriptors) and calls
 * server_hand_over() and server_stop(). It ends, joined by takeover_stop(), before the first listener is
 * closed.
 *
 * In the sandbox it needs: accept4, getsockopt (SO_PEERCRED), poll, recvmsg, sendmsg, read, close, lstat (as
 * newfstatat), rename and unlink, and in PATH's directory the rights to make and to remove sockets.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SERVER_TAKEOVER_H
#define SERVER_TAKEOVER_H

#include "predecessor.h"

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct identity;
struct server;
struct takeover;

/* Takes the listeners from whoever answers at 'path', if anybody does. 'user' is whom the server will become,
 * or NULL. Both must outlive it. Returns 0 or -errno. */
int takeover_create(struct takeover **ret, const char *path, const struct identity *user,
                    struct err *err);

/* The directory that the path is in. */
const char *takeover_dir(const struct takeover *t);

/* The one who answered; its n is 0 if nobody did. */
const struct predecessor *takeover_predecessor(const struct takeover *t);

/* Makes the socket that will stand at the path, before the process has threads and before the sandbox
 * closes. Returns 0 or -errno. */
int takeover_prepare(struct takeover *t, struct err *err);

/* Starts the thread. takeover_go() tells it that clients are served. Returns 0 or -errno. */
int takeover_start(struct takeover *t, struct server *server, struct err *err);
void takeover_go(struct takeover *t);

/* Hands over to nobody any more: when it returns, the thread is gone, or has handed over already. To be
 * called by the thread of worker 0 only, before it closes a listener. NULL is fine, and so is twice. Returns
 * whether that was the end of an offer. */
bool takeover_stop(struct takeover *t);

/* The server is at its end: waits until a successor, if there is one, stands at the path. */
void takeover_finish(struct takeover *t);

/* The predecessor gave up on us before we served. */
bool takeover_failed(const struct takeover *t);

void takeover_destroy(struct takeover *t);

#endif
