/* pool.c -- see pool.h.
 *
 * SPDX-License-Identifier: MIT */
#include "pool.h"

#include "io.h"

#include <assert.h>
#include <stdlib.h>

#define CACHE_LINE 64

/* How many unused buffers of this size may stay. */
static uint32_t worth_keeping(uint32_t buf_size)
{
    uint32_t n = POOL_KEEP_BYTES / buf_size;

    return n < 1 ? 1 : n > POOL_KEEP ? POOL_KEEP : n;
}

void pool_init(struct pool *pool, uint32_t buf_size, struct io_budget *budget)
{
    pool->buf_size = buf_size;
    pool->lent = pool->kept = 0;
    pool->keep = worth_keeping(buf_size);
    pool->free = NULL;
    pool->budget = budget;
}

/* --- the budget --------------------------------------------------------------------------------- */

/* Header and bytes are one block; the bytes begin on a cache line of their own. (16 bytes behind the beginning of one,
 * where malloc(3) likes to put large blocks, 16 KiB cost 1.9 times as much to echo: docs/performance.md.) */
static size_t header_size(void)
{
    return (sizeof(struct io_buf) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* Takes a buffer of this size out of the budget, if that leaves 'reserve'. */
static bool charge(struct pool *pool, uint32_t size, uint64_t reserve)
{
    struct io_budget *budget = pool->budget;
    uint64_t cost = header_size() + size;

    if (!budget)
        return true;
    if (atomic_fetch_add(&budget->taken, cost) + cost + reserve <= budget->limit)
        return true;
    atomic_fetch_sub(&budget->taken, cost);
    return false;
}

static void refund(struct pool *pool, uint32_t size)
{
    if (pool->budget)
        atomic_fetch_sub(&pool->budget->taken, header_size() + size);
}

static bool running_short(const struct pool *pool)
{
    const struct io_budget *budget = pool->budget;

    return budget && atomic_load_explicit(&budget->taken, memory_order_relaxed) > budget->limit / 2;
}

/* --- buffers ------------------------------------------------------------------------------------ */

static struct io_buf *buf_create(struct pool *pool)
{
    uint32_t size = pool->buf_size;
    struct io_buf *buf;
    void *memory;

    if (size > POOL_SMALL && !charge(pool, size, pool->budget ? pool->budget->limit / 2 : 0))
        size = POOL_SMALL;
    if (size <= POOL_SMALL && !charge(pool, size, 0))
        return NULL;
    if (posix_memalign(&memory, CACHE_LINE, header_size() + size) != 0) {
        refund(pool, size);
        return NULL;
    }
    buf = memory;
    buf->data = (unsigned char *)buf + header_size();
    buf->cap = size;
    return buf;
}

static void buf_destroy(struct pool *pool, struct io_buf *buf)
{
    refund(pool, buf->cap);
    free(buf);
}

void pool_done(struct pool *pool)
{
    struct io_buf *buf;

    assert(pool->lent == 0);
    while ((buf = pool->free)) {
        pool->free = buf->next;
        buf_destroy(pool, buf);
    }
}

struct io_buf *pool_get(struct pool *pool)
{
    struct io_buf *buf = pool->free;

    if (buf) {
        pool->free = buf->next;
        pool->kept--;
    } else {
        buf = buf_create(pool);
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
    if (pool->kept == pool->keep || buf->cap < pool->buf_size || running_short(pool)) {
        buf_destroy(pool, buf);
        return;
    }
    pool->kept++;
    buf->next = pool->free;
    pool->free = buf;
}
