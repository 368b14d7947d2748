/* backlog.h -- what the kernel knows about the clients who wait at a listener.
 *
 *     SYN ──▶ SYN queue ──(last ACK of the handshake)──▶ accept queue ──▶ accept(2)
 *             half-open                                   connect(2) has returned there
 *
 * "The backlog" of listen(2) is the limit of the accept queue, cut to net.core.somaxconn. Who is in that
 * queue is connected as far as its own kernel is concerned, and may send; it only is not served yet.
 *
 * A backlog of 5 admits 6. The kernel looks when a SYN arrives, and takes the queue for full when it holds
 * *more* than the limit (include/net/sock.h, sk_acceptq_is_full); so with 5 inside one more gets in. That
 * is FULL here, 6/5. From then on a SYN is dropped without an answer (net/ipv4/tcp_input.c,
 * tcp_conn_request), and the client's kernel sends it again after about 1, 2, 3 ... seconds. So drops are
 * SYNs and not clients: a client who waits for long is several of them, and most get in at last. Counted
 * with them is the rarer case that the queue fills during a handshake, whose last ACK is dropped then.
 *
 * A listener's counter has a little more in it: a segment of a handshake that comes to nothing, such as a client's
 * reset in the middle of it, is discarded there, too (net/ipv4/tcp_ipv4.c, tcp_v4_rcv: discard_and_relse). ListenDrops,
 * of the whole network namespace, has none of these (include/net/tcp.h, tcp_listendrop).
 *
 * The SYN queue has the same limit. When it is full the kernel answers with SYN cookies, which need no
 * place in it, or drops the SYN where net.ipv4.tcp_syncookies is 0. For that there are counters of the whole
 * network namespace only.
 *
 * Reading takes no privilege and disturbs nobody. What cannot be read is BACKLOG_UNKNOWN, and never 0.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_BACKLOG_H
#define NET_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#define BACKLOG_UNKNOWN INT64_C(-1)

/* One listener at one moment. */
struct backlog {
    int64_t waiting; /* clients in the accept queue, */
    int64_t limit;   /* which admits one more than this */
    int64_t dropped; /* SYNs, since backlog_begin() */
};

/* Reads one listener again and again. The kernel's counter of drops has 32 bits, and a listener that another
 * process opened brings its past along: so differences are added up. */
struct backlog_gauge {
    int fd;
    bool counts;     /* the kernel gives us its counter, */
    uint32_t latest; /* which was this when last read */
    int64_t dropped;
};

void backlog_begin(struct backlog_gauge *gauge, int fd);

/* Ends with the listener; from then on only the drops can be read, as they were read last. */
void backlog_end(struct backlog_gauge *gauge);

/* Two calls of getsockopt(2): TCP_INFO and SO_MEMINFO. */
void backlog_read(struct backlog_gauge *gauge, struct backlog *ret);

static inline bool backlog_full(const struct backlog *b)
{
    return b->limit != BACKLOG_UNKNOWN && b->waiting > b->limit;
}

/* The counters of all listeners in this network namespace, under their names in /proc/net/netstat. */
struct backlog_network {
    int64_t listen_overflows; /* ListenOverflows: the accept queue was full */
    int64_t listen_drops;     /* ListenDrops: the same, and SYNs dropped for other reasons */
    int64_t cookies; /* TCPReqQFullDoCookies: the SYN queue was full, and a cookie went out */
    int64_t syn_queue_drops; /* TCPReqQFullDrop: it was, and the SYN was dropped */
};

/* Opens the file that has them; a sandbox may close behind it. Returns a descriptor or -errno, which is as
 * good for backlog_read_network(): it reads nothing then. */
int backlog_open_network(void);

/* Reads them as they are now. */
void backlog_read_network(int fd, struct backlog_network *ret);

/* The same from the text of that file. */
void backlog_parse_network(const char *text, struct backlog_network *ret);

/* net.core.somaxconn of this network namespace, or BACKLOG_UNKNOWN. Opens a file. */
int64_t backlog_somaxconn(void);

#endif
