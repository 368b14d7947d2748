/* memory.c -- see memory.h.
 *
 * SPDX-License-Identifier: MIT */
#include "memory.h"

#include "../../src/base/list.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__
#define FREE_AT_ONCE 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define FREE_AT_ONCE 1
#endif
#endif

enum { LIVE = 0x11feb10c, DEAD = 0x0dead0b5 };

/* Stands before each block. */
struct block {
    alignas(max_align_t) struct list node;
    size_t size;
    uint32_t mark;
};

static struct list live, dead;

static void release_all(struct list *blocks)
{
    struct list *node;

    while ((node = list_pop(blocks)))
        free(container_of(node, struct block, node));
}

void memory_begin(void)
{
    if (!live.next) {
        list_init(&live);
        list_init(&dead);
    }
    release_all(&live);
    release_all(&dead);
}

void memory_end(void)
{
    size_t n = 0, bytes = 0;

    for (struct list *node = live.next; node != &live; node = node->next) {
        n++;
        bytes += container_of(node, struct block, node)->size;
    }
    if (n)
        fail("%zu blocks with %zu bytes were never freed", n, bytes);
    release_all(&dead);
}

static void *get(size_t size, int fill)
{
    struct block *b;

    if (world_fault(world.faults.memory) || world_out_of_memory()) {
        trace("no memory for %zu bytes", size);
        errno = ENOMEM;
        return NULL;
    }
    b = malloc(sizeof *b + size);
    if (!b)
        fail("the simulation is out of memory");
    b->size = size;
    b->mark = LIVE;
    list_append(&live, &b->node);
    memset(b + 1, fill, size);
    return b + 1;
}

static void put(void *memory)
{
    struct block *b;

    if (!memory)
        return;
    b = (struct block *)memory - 1;
    if (b->mark != LIVE)
        fail(b->mark == DEAD ? "a block is freed twice" : "something is freed that is no block");
    list_remove(&b->node);
    b->mark = DEAD;
#ifdef FREE_AT_ONCE
    free(b);
#else
    memset(memory, 0xdd, b->size);
    list_append(&dead, &b->node);
#endif
}

/* --- in place of the C library's ---------------------------------------------------------------- */

void *sim_malloc(size_t size)
{
    return get(size, 0xaa);
}

/* The alignment is a matter of speed only. */
int sim_posix_memalign(void **ret, size_t alignment, size_t size)
{
    (void)alignment;
    *ret = get(size, 0xaa);
    return *ret ? 0 : ENOMEM;
}

void *sim_calloc(size_t n, size_t size)
{
    return get(n * size, 0);
}

void *sim_reallocarray(void *memory, size_t n, size_t each)
{
    size_t size = n * each;
    size_t old = memory ? ((struct block *)memory - 1)->size : 0;
    void *more = get(size, 0xaa);

    if (!more)
        return NULL;
    if (memory)
        memcpy(more, memory, old < size ? old : size);
    put(memory);
    return more;
}

void sim_free(void *memory)
{
    put(memory);
}
