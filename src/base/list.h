/* list.h -- a doubly linked list whose links live in its elements.
 *
 * A struct list is a ring: the head is one of its nodes, and an element on no list is a ring of its
 * own. So adding, removing and asking "is it on a list?" need no allocation and no special case:
 *
 *     struct conn { struct list node; ... };
 *     list_append(&worker->conns, &conn->node);
 *     struct conn *first = container_of(worker->conns.next, struct conn, node);
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct list {
    struct list *next;
    struct list *prev;
};

/* Makes 'node' an empty list, or an element on no list: the two are the same thing. */
static inline void list_init(struct list *node)
{
    node->next = node->prev = node;
}

static inline bool list_empty(const struct list *node)
{
    return node->next == node;
}

/* Is this element on a list? */
static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_after(struct list *at, struct list *node)
{
    node->next = at->next;
    node->prev = at;
    at->next->prev = node;
    at->next = node;
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_insert_after(head, node);
}

static inline void list_append(struct list *head, struct list *node)
{
    list_insert_after(head->prev, node);
}

/* Takes 'node' off its list; one on no list stays as it is. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Takes the first element off and returns it, or NULL from an empty list. */
static inline struct list *list_pop(struct list *head)
{
    struct list *node = head->next;

    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

/* Moves all elements of 'from' behind those of 'to'; 'from' is empty afterwards. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
