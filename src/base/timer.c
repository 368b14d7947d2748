/* timer.c -- a pairing heap, see timer.h.
 *
 * SPDX-License-Identifier: MIT */
#include "timer.h"

/* Joins two heaps; the later root becomes the first child of the earlier. Either may be NULL. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    struct timer *later;

    if (!a)
        return b;
    if (!b)
        return a;
    if (b->deadline_ns < a->deadline_ns) {
        later = a;
        a = b;
    } else {
        later = b;
    }
    later->next = a->child;
    if (later->next)
        later->next->link = &later->next;
    later->link = &a->child;
    a->child = later;
    return a;
}

/* One heap of a list of siblings: meld them in pairs from left to right, then the pairs from right to
 * left. Both passes are loops, because ten thousand siblings are common. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL, *root = NULL;

    while (first) {
        struct timer *a = first, *b = a->next;

        first = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct timer *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

static void set_root(struct timers *timers, struct timer *root)
{
    timers->root = root;
    if (root) {
        root->next = NULL;
        root->link = &timers->root;
    }
}

void timer_clear(struct timers *timers, struct timer *t)
{
    struct timer *children;

    if (!t->link)
        return;
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    children = meld_siblings(t->child);
    t->child = t->next = NULL;
    t->link = NULL;
    set_root(timers, meld(timers->root, children));
}

void timer_set(struct timers *timers, struct timer *t, int64_t deadline_ns)
{
    if (t->link && t->deadline_ns == deadline_ns)
        return;
    timer_clear(timers, t);
    t->deadline_ns = deadline_ns;
    set_root(timers, meld(timers->root, t));
}

/* The children of each are linked behind the last one, so all are met. */
struct timer *timers_take_all(struct timers *timers)
{
    struct timer *first = timers->root, **end = &timers->root;

    for (struct timer *t = first; t; t = t->next) {
        t->link = NULL;
        while (*end)
            end = &(*end)->next;
        *end = t->child;
        t->child = NULL;
    }
    timers->root = NULL;
    return first;
}
