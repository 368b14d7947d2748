/* uring_kept.c -- what was received and not asked for yet, and the buffers of the ring that it is in.
 *
 * What comes before it is asked for is kept for the next io_recv(). A connection that is PREFETCH buffers ahead is disarmed;
 * what the kernel still completes until it has noticed comes on top.
 *
 * A buffer of the ring belongs to everybody and is *lent* while somebody has it. Who may have it for long, because a client does
 * not read, gets a copy instead, in a buffer of the pool.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include <string.h>

#define PREFETCH 4u /* buffers that may wait for io_recv() */

void lent_return(struct uring_state *s, struct io_buf *buf)
{
    s->lent--;
    ring_give(&s->ring, buf);
}

struct io_buf *lent_copy_out(struct io *io, struct io_buf *buf)
{
    struct uring_state *s = state_of(io);
    struct io_buf *copy;

    if (!ring_owns(&s->ring, buf))
        return buf;
    copy = pool_get(&io->pool);
    if (!copy || copy->cap < buf->len) {
        pool_put(&io->pool, copy);
        return buf;
    }
    memcpy(copy->data, buf->data, buf->len);
    copy->len = buf->len;
    copy->next = buf->next;
    lent_return(s, buf);
    return copy;
}

void kept_add(struct io_sock *sock, struct io_buf *buf)
{
    struct io_buf **last = kept_by(sock);

    buf->next = *last ? (*last)->next : buf;
    if (*last)
        (*last)->next = buf;
    *last = buf;
}

struct io_buf *kept_take(struct io_sock *sock)
{
    struct io_buf **last = kept_by(sock), *first = (*last)->next;

    if (first == *last)
        *last = NULL;
    else
        (*last)->next = first->next;
    return first;
}

bool kept_is_enough(struct io_sock *sock)
{
    const struct io_buf *last = *kept_by(sock), *buf = last;
    uint32_t n = 1;

    while (n < PREFETCH && (buf = buf->next) != last)
        n++;
    return n == PREFETCH;
}

void kept_copy_out(struct io *io, struct io_sock *sock)
{
    const struct io_buf *last = *kept_by(sock);
    struct io_buf *buf;

    if (!last)
        return;
    do {
        buf = kept_take(sock);
        kept_add(sock, lent_copy_out(io, buf));
    } while (buf != last);
}

void kept_drop(struct io *io, struct io_sock *sock)
{
    struct uring_state *s = state_of(io);
    struct io_buf *buf;

    while (*kept_by(sock)) {
        buf = kept_take(sock);
        if (ring_owns(&s->ring, buf))
            lent_return(s, buf);
        else
            pool_put(&io->pool, buf);
    }
}
