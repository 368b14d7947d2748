/* trace.h -- the socket calls of the lesson, told as they happen: --trace.
 *
 *     accept4(3) = 7             ESTABLISHED  client 1 from 127.0.0.1:51514, queue 0/5
 *     recv(7) = 6 "hello\n"
 *     send(7) = 6 "hello\n"
 *     recv(7) = 0                CLOSE_WAIT   the client has nothing more to say (FIN)
 *     close(7) = 0               LAST_ACK     our FIN follows the last byte
 *
 * One line of the log for each call: the call and what it returned, the state of the connection afterwards where it
 * teaches something, and what that means. The state is what the kernel says (TCP_INFO); after a FIN of
 * ours it is what the kernel makes of the one before, as trace.c cites. Errors have their name. Of the bytes TRACE_COLUMNS are shown, escaped as
 * in C. Lines go where the log goes, in its way (log.h): whole, and dropped rather than waited for.
 *
 * Whoever makes a call tells it, at the place where it is made:
 *
 *     n = recv(fd, data, size, 0);
 *     if (tracing())
 *         trace_recv(fd, data, n);
 *
 * So without --trace a call costs a branch that is never taken. The functions keep errno; a result of -1 means that
 * errno says why, as after the call itself. An engine that submits operations instead tells these (trace_sqe_recv()
 * and what follows it).
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_TRACE_H
#define NET_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct addr;

#define TRACE_COLUMNS 24 /* so much is shown of what was received or sent */

struct trace_config {
    unsigned level;   /* 0: nothing; 1: the lesson; 2: waits, too */
    const char *peer; /* who is at the other end: "client" or "server" */
    bool threads;     /* there may be several: each line begins with the number of its thread */
};

/* Call once, after log_init() and before any thread starts. */
void trace_enable(const struct trace_config *config);

extern bool trace_enabled;

static inline bool tracing(void)
{
    return __builtin_expect(trace_enabled, false);
}

/* Kept out of the way of a message, whoever links everything into one. */
#define TRACE_COLD __attribute__((cold, noinline))

TRACE_COLD void trace_socket(int family, int fd);
TRACE_COLD void trace_bind(int fd, const struct addr *addr, int r);
TRACE_COLD void trace_listen(int fd, int backlog, int r);
TRACE_COLD void trace_accept(int listener, int fd);
TRACE_COLD void trace_connect(int fd, const struct addr *to, int r);
TRACE_COLD void trace_so_error(int fd, int code); /* of a connect in progress, or 0 */
TRACE_COLD void trace_recv(int fd, const void *data, ssize_t n);
TRACE_COLD void trace_send(int fd, const void *data, size_t asked, ssize_t n);

/* Before shutdown(2) or close(2), what these want to know: the state that the connection is in. */
TRACE_COLD int trace_before_end(int fd);
TRACE_COLD void trace_shutdown(int fd, int r, int before);
TRACE_COLD void trace_close(int fd, int r, int before);

/* poll(2), epoll_wait(2) and the like, at level 2; 'found' is how many things there are to see to now. */
TRACE_COLD void trace_wait(const char *call, int r, unsigned found);

/* What is asked of a ring (a submission queue entry), and what it answers (a completion queue entry). 'result' is that
 * of the completion: -errno or as the call's. */
TRACE_COLD void trace_sqe_recv(int fd);
TRACE_COLD void trace_sqe_send(int fd, size_t asked, bool waits);
TRACE_COLD void trace_cqe_recv(int fd, const void *data, int result);
TRACE_COLD void trace_cqe_send(int fd, const void *data, size_t asked, int result);

/* A send that went out whole, of which a completion says nothing. */
TRACE_COLD void trace_sent_silently(int fd, const void *data, size_t n);

#endif
