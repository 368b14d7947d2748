/* uring_slots.c -- the slots: a table that grows, and a list of those that are free.
 *
 * A socket gets its slot with its first operation and gives it up when it is closed, or when the kernel has let go of
 * the last operation, whichever is later.
 *
 * SPDX-License-Identifier: MIT */
#include "uring.h"

#include <sys/mman.h>

#define SLOTS_MIN 256u /* a page of them */

uint64_t slot_name(const struct uring_state *s, const struct slot *slot, enum kind kind)
{
    return (uint64_t)(slot - s->slots) << 32 | kind;
}

uint32_t slot_link(const struct uring_state *s, const struct slot *slot)
{
    return (uint32_t)(slot - s->slots) + 1;
}

/* Twice as many. By mremap(2): realloc(3) may leave behind what it moved from, which was touched, and counts. */
static int more_slots(struct uring_state *s)
{
    size_t size = s->n_slots * sizeof *s->slots;
    void *p;

    if (size == 0)
        p = mmap(NULL, SLOTS_MIN * sizeof *s->slots, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        p = mremap(s->slots, size, 2 * size, MREMAP_MAYMOVE);
    if (p == MAP_FAILED)
        return -ENOMEM;
    s->slots = p;
    s->n_slots = size == 0 ? SLOTS_MIN : 2 * s->n_slots;
    return 0;
}

/* Puts one more slot on the list of free ones. */
static int add_slot(struct uring_state *s)
{
    if (s->n_used == s->n_slots && more_slots(s) < 0)
        return -ENOMEM;
    s->slots[s->n_used] = (struct slot){.next = s->free_slot};
    s->free_slot = ++s->n_used;
    return 0;
}

int slot_enter(struct uring_state *s, struct io_sock *sock)
{
    struct slot *slot;

    if (sock->flags)
        return 0;
    if (!s->free_slot && add_slot(s) < 0)
        return -ENOMEM;
    sock->flags = s->free_slot;
    slot = &s->slots[s->free_slot - 1];
    s->free_slot = slot->next;
    *slot = (struct slot){.sock = sock};
    return 0;
}

void slot_leave(struct uring_state *s, struct slot *slot)
{
    if (slot->state & (WITH_KERNEL | FRESH))
        return;
    slot->next = s->free_slot;
    s->free_slot = slot_link(s, slot);
}

void slots_free(struct uring_state *s)
{
    if (s->slots)
        munmap(s->slots, s->n_slots * sizeof *s->slots);
}
