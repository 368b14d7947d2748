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
    list_init(&pool->free);
}

void pool_done(struct pool *pool)
{
    struct list *node;

    assert(pool->lent == 0);
    while ((node = list_pop(&pool->free)))
        free(container_of(node, struct io_buf, node));
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
    list_init(&buf->node);
    return buf;
}

struct io_buf *pool_get(struct pool *pool)
{
    struct list *node = list_pop(&pool->free);
    struct io_buf *buf;

    if (node) {
        pool->kept--;
        buf = container_of(node, struct io_buf, node);
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
    list_prepend(&pool->free, &buf->node);
}
