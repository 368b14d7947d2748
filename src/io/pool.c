/* pool.c -- see pool.h. A buffer and its bytes are one allocation.
 *
 * SPDX-License-Identifier: MIT */
#include "pool.h"

#include "io.h"

#include <assert.h>
#include <stdlib.h>

/* How many unused buffers of this size may stay. */
static uint32_t worth_keeping(uint32_t buf_size)
{
    uint32_t n = POOL_KEEP_BYTES / buf_size;

    return n < 1 ? 1 : n > POOL_KEEP ? POOL_KEEP : n;
}

void pool_init(struct pool *pool, uint32_t buf_size)
{
    pool->buf_size = buf_size;
    pool->lent = pool->kept = 0;
    pool->keep = worth_keeping(buf_size);
    pool->free = NULL;
}

void pool_done(struct pool *pool)
{
    struct io_buf *buf;

    assert(pool->lent == 0);
    while ((buf = pool->free)) {
        pool->free = buf->next;
        free(buf);
    }
}

/* Header and bytes in one block; the bytes begin on a cache line of their own. */
static struct io_buf *buf_create(uint32_t size)
{
    const size_t header = (sizeof(struct io_buf) + 63) & ~(size_t)63;
    struct io_buf *buf = malloc(header + size);

    if (!buf)
        return NULL;
    buf->data = (unsigned char *)buf + header;
    buf->cap = size;
    return buf;
}

struct io_buf *pool_get(struct pool *pool)
{
    struct io_buf *buf = pool->free;

    if (buf) {
        pool->free = buf->next;
        pool->kept--;
    } else {
        buf = buf_create(pool->buf_size);
        if (!buf)
            return NULL;
    }
    pool->lent++;
    buf->len = 0;
    return buf;
}

void pool_put(struct pool *pool, struct io_buf *buf)
{
    if (!buf)
        return;
    assert(pool->lent > 0);
    pool->lent--;
    if (pool->kept == pool->keep) {
        free(buf);
        return;
    }
    pool->kept++;
    buf->next = pool->free;
    pool->free = buf;
}
