/* pool.h -- the buffers that an io lends.
 *
 * A worker with well-behaved clients needs one buffer: bytes come in, go out, and the same hot memory
 * serves the next client. A client that does not read keeps the buffer with its unsent bytes, and only
 * then is another one allocated. Returned buffers are reused last in, first out, because the last one
 * is still in the cache; a few are kept, the rest goes back to the system.
 *
 * So the memory of a pool is: buffers lent (at most one per direction of a socket) + POOL_KEEP buffers,
 * fewer when they are large: POOL_KEEP_BYTES together, or one buffer if that is more.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_POOL_H
#define IO_POOL_H

#include <stdint.h>

struct io_buf;

#define POOL_KEEP 16
#define POOL_KEEP_BYTES (1u << 20)

struct pool {
    uint32_t buf_size;
    uint32_t lent;
    uint32_t kept;
    uint32_t keep;       /* at the most */
    struct io_buf *free; /* the last one returned is the first to be lent */
};

void pool_init(struct pool *pool, uint32_t buf_size);

/* Every buffer must be back (asserted). */
void pool_done(struct pool *pool);

/* A buffer of buf_size bytes with len 0, or NULL when there is no memory. */
struct io_buf *pool_get(struct pool *pool);

/* NULL is fine. */
void pool_put(struct pool *pool, struct io_buf *buf);

#endif
