/* talk.h -- a conversation with an echo server over one socket.
 *
 * One message at a time: it is sent, and until as many bytes came back as were sent, each of them is
 * compared with what it should be and shown as it arrives. Sending and receiving go on side by side. A
 * long message does not fit into the buffers between here and there, and the server stops reading it
 * when nobody reads the echo: who sends everything before reading anything waits forever.
 *
 *     talk_say(&t, &line, &err);      // any number of times
 *     talk_news(&t, &err);            // when the socket reports something in between
 *     talk_end(&t, &err);             // say goodbye, and see that nothing else comes
 *
 * Where messages come from is somebody else's business. All return 0, or -errno with the verdict in
 * 'err': a wrong byte, a missing byte, a byte never asked for, or silence. After that the conversation
 * is over.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_TALK_H
#define CLIENT_TALK_H

#include "input.h"
#include "output.h"

#include <stdint.h>

struct talk {
    int fd;             /* connected and non-blocking; the caller closes it */
    int64_t timeout_ns; /* how long nothing may move while an echo is due; NEVER: forever */
    struct output *out;
    bool closed; /* the server ended its side, with nothing due */
    unsigned char chunk[64 << 10];
};

int talk_say(struct talk *t, const struct line *line, struct err *err);

/* The socket reports something although nothing is due. Sets 'closed' when it is the server's end. */
int talk_news(struct talk *t, struct err *err);

/* Ends our side, then listens for at most a second: the server may send bytes nobody asked for, and
 * the last moment to notice is now. */
int talk_end(struct talk *t, struct err *err);

#endif
