/* flow.h -- one connection of the bench: dials, sends its stream, checks every byte of the echo.
 *
 *     CLOSED ──▶ CONNECTING ──▶ OPEN ──▶ FINISHING ──▶ CLOSING ──▶ CLOSED
 *                    │            └─▶ EXAMINING ──────────┘
 *                    └─(it failed)────────────────────────┘
 *
 * Messages are stretches of the connection's stream (stream.h), one behind the other, so whoever receives counts
 * bytes and needs no framing: a message is back when as many bytes are back as had been sent up to its end.
 * One receive is always outstanding; sends are made whenever messages have begun that were not sent,
 * as many at once as fit a buffer.
 *
 * FINISHING has sent a FIN and reads on until the server's, since bytes that nobody asked for may still come.
 * EXAMINING has met a wrong byte: it sends no more, collects what comes until that is quiet (or a second has passed), and
 * judges (evidence.h). A connection that was wrong or lost is not made again, unless connections are what the run is made
 * of (--crr).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include "../base/timer.h"
#include "../io/io.h"
#include "evidence.h"

struct load;

enum flow_state {
    FLOW_CLOSED,
    FLOW_CONNECTING,
    FLOW_OPEN,
    FLOW_EXAMINING,
    FLOW_FINISHING,
    FLOW_CLOSING,
};

/* A message in flight. */
struct message {
    uint64_t end; /* of its bytes in the stream */
    uint32_t size;
    bool counts;         /* it began in the measurement */
    int64_t intended_ns; /* when it should have left, */
    int64_t sent_ns;     /* and when its first byte was handed to the kernel */
};

struct flow {
    struct io_sock sock;
    struct load *load;
    struct list node;   /* in load->free while it could take a message */
    struct timer timer; /* what it is for, the state says */
    enum flow_state state;
    bool made;           /* this connection came about */
    bool silent;         /* one of --idle: it sends when the run is over */
    uint32_t connection; /* its number in the stream, another one each time it dials */
    size_t addr, tried;  /* which of the plan's addresses, and how many failed */
    int64_t dialled_ns;
    int64_t intended_ns; /* --crr: of the message that it dials for, */
    bool counts;         /* and whether that is one of the measurement */
    int64_t free_ns;     /* since when it could take a message */
    uint64_t begun;      /* offsets in the stream: the end of the last message, */
    uint64_t sent;       /* of what was handed to the kernel, */
    uint64_t echoed;     /* of what came back right */
    uint64_t random;     /* for the sizes */
    struct evidence *evidence;
    int64_t judged_ns;     /* when it is judged at the latest */
    uint32_t head;         /* in the ring: the oldest message in flight, */
    uint32_t in_flight;    /* how many there are, */
    uint32_t on_the_way;   /* and how many of them have left */
    struct message ring[]; /* plan->depth */
};

/* Closed; NULL when there is no memory. */
struct flow *flow_create(struct load *load, uint32_t connection);
void flow_destroy(struct flow *f);

/* From CLOSED: connects. What comes of it, load_connected() or load_ended() hears. */
void flow_dial(struct flow *f);

/* Is there a place for one more message? */
bool flow_has_place(const struct flow *f);

/* Takes a message into flight; 'intended_ns' is when it should have left. flow_push() sends what was taken. */
void flow_begin(struct flow *f, int64_t intended_ns, bool counts);
void flow_push(struct flow *f);

/* Nothing will be sent any more: says goodbye, from OPEN with nothing in flight. */
void flow_finish(struct flow *f);

/* Its time is over: ends at once. What is in flight is missing, and named so. */
void flow_abandon(struct flow *f);

/* Nobody waits for it any more: ends at once, without a word. */
void flow_cancel(struct flow *f);

/* The handlers of its events. */
void flow_connected(struct flow *f, int result);
void flow_received(struct flow *f, int result, struct io_buf *buf);
void flow_sent(struct flow *f, int result);
void flow_expired(struct flow *f);

#endif
