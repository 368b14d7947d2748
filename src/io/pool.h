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
 * Several pools may share a budget. When half of it is taken, new buffers have POOL_SMALL bytes only and
 * none is kept: thousands of clients that do not read may then hold one each, and there is still enough
 * for those who do. When all of it is taken, none is lent.
 *
 * SPDX-License-Identifier: MIT */
#ifndef IO_POOL_H
#define IO_POOL_H

#include <stdint.h>

struct io_buf;
struct io_budget;

#define POOL_KEEP 16
#define POOL_KEEP_BYTES (1u << 20)
#define POOL_SMALL 4096u

struct pool {
    uint32_t buf_size;
    uint32_t lent;
    uint32_t kept;
    uint32_t keep;       /* at the most */
    struct io_buf *free; /* the last one returned is the first to be lent */
    struct io_budget *budget;
};

/* 'budget' may be NULL. */
void pool_init(struct pool *pool, uint32_t buf_size, struct io_budget *budget);

/* Every buffer must be back (asserted). */
void pool_done(struct pool *pool);

/* A buffer of buf_size bytes, or perhaps of POOL_SMALL, with len 0; NULL when there is no memory. */
struct io_buf *pool_get(struct pool *pool);

/* NULL is fine. */
void pool_put(struct pool *pool, struct io_buf *buf);

#endif
