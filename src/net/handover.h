/* handover.h -- what two servers say to each other when one takes over from the other.
 *
 * They talk over a Unix socket of type SOCK_SEQPACKET, which keeps messages apart, so there is no stream to
 * cut up. A message is one line of text; the listening sockets travel beside it as SCM_RIGHTS (unix(7)).
 *
 *     new to old    meari-takeover 1 hello
 *     old to new    meari-takeover 1 listeners 3       with three descriptors
 *              or   meari-takeover 1 busy              another one is taking over already
 *     new to old    meari-takeover 1 serving 101       a digit per listener: is it served here?
 *     old to new    meari-takeover 1 yours             the old one accepts nobody any more
 *              or   meari-takeover 1 late              the old one has given up on the new one
 *
 * Who is at the other end the kernel says (SO_PEERCRED): the process and user that called connect(2), or
 * listen(2). Nothing here blocks.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_HANDOVER_H
#define NET_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As many descriptors as one message takes (SCM_MAX_FD in net/scm.h of the kernel). */
#define HANDOVER_MAX 253

/* Room for every message, and for knowing a longer one when it comes. */
#define HANDOVER_TEXT_MAX 320

enum handover_word {
    HANDOVER_HELLO,
    HANDOVER_LISTENERS,
    HANDOVER_BUSY,
    HANDOVER_SERVING,
    HANDOVER_YOURS,
    HANDOVER_LATE,
};

struct handover_message {
    enum handover_word word;
    size_t n;                  /* of LISTENERS and SERVING */
    bool served[HANDOVER_MAX]; /* of SERVING */
};

/* Text to message. Returns 0; -EPROTONOSUPPORT when it is of another version; or -EPROTO. */
int handover_parse(struct handover_message *ret, const char *text, size_t length);

/* Message to text. Returns its length. */
size_t handover_text(char out[static HANDOVER_TEXT_MAX], const struct handover_message *message);

/* Connects to 'path'. Returns 0, and *ret_fd is the caller's; or -errno: -ENOENT or -ECONNREFUSED when
 * nobody is there, -EAGAIN when many others wait. */
int handover_connect(int *ret_fd, const char *path);

/* Takes who waits at a listening socket. Returns the descriptor, or -errno. */
int handover_accept(int fd);

/* Who is at the other end. Returns 0 or -errno. */
int handover_peer(int fd, pid_t *ret_pid, uid_t *ret_uid);

/* Sends a message, with descriptors if it is LISTENERS: message->n of them. Returns 0; -ENOMEM when there
 * is no memory for it just now; or another -errno. */
int handover_send(int fd, const struct handover_message *message, const int *fds);

/* Takes the next message, and with LISTENERS its descriptors, which are close-on-exec and the caller's:
 * message->n of them. With 'fds' NULL, descriptors are refused. Returns 1; 0 at the peer's end; -EAGAIN
 * when there is none; -EMFILE when we may not have as many descriptors as came; or another -errno, and no
 * descriptor was kept. */
int handover_receive(int fd, struct handover_message *ret, int fds[HANDOVER_MAX]);

/* Has the peer hung up? What it said before may still wait to be received. */
bool handover_hung_up(int fd);

void handover_close(int fd);

#endif
