/* test_list.c -- the links of a list stay whole through every way of adding and removing.
 *
 * SPDX-License-Identifier: MIT */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

struct item {
    char before; /* so that the node is not at the item's own address */
    int number;
    struct list node;
};

static struct item items[8];
static struct list head;

static int reset(void **state __attribute__((unused)))
{
    list_init(&head);
    for (int i = 0; i < 8; i++) {
        items[i].number = i;
        list_init(&items[i].node);
    }
    return 0;
}

/* Checks that the ring holds exactly the numbers of 'digits', in both directions. */
static void holds(const struct list *ring, const char *digits)
{
    const struct list *node = ring;

    for (; *digits; digits++) {
        assert_ptr_equal(node->next->prev, node);
        node = node->next;
        assert_ptr_not_equal(node, ring);
        assert_int_equal(container_of(node, struct item, node)->number, *digits - '0');
    }
    assert_ptr_equal(node->next, ring);
    assert_ptr_equal(ring->prev, node);
}

static void append(struct list *ring, int first, int last)
{
    for (int i = first; i <= last; i++)
        list_append(ring, &items[i].node);
}

TEST(new_list_is_empty)
{
    assert_true(list_empty(&head));
    assert_false(list_linked(&items[0].node));
    assert_null(list_pop(&head));
    holds(&head, "");
}

TEST(appended_come_last_prepended_first)
{
    append(&head, 1, 3);
    list_prepend(&head, &items[0].node);
    holds(&head, "0123");
    assert_false(list_empty(&head));
    assert_true(list_linked(&items[2].node));
    list_insert_after(&items[1].node, &items[7].node);
    holds(&head, "01723");
}

TEST(element_can_be_removed_from_anywhere)
{
    append(&head, 0, 4);
    list_remove(&items[2].node);
    holds(&head, "0134");
    list_remove(&items[0].node);
    holds(&head, "134");
    list_remove(&items[4].node);
    holds(&head, "13");
    assert_false(list_linked(&items[2].node));
    list_remove(&items[2].node); /* on no list: stays as it is */
    holds(&head, "13");
    list_remove(&items[1].node);
    list_remove(&items[3].node);
    holds(&head, "");
}

TEST(removed_element_can_be_added_again)
{
    append(&head, 0, 2);
    list_remove(&items[1].node);
    list_append(&head, &items[1].node);
    holds(&head, "021");
}

TEST(pop_takes_the_first)
{
    append(&head, 0, 2);
    for (int i = 0; i < 3; i++) {
        struct list *node = list_pop(&head);

        assert_ptr_equal(node, &items[i].node);
        assert_false(list_linked(node));
    }
    assert_null(list_pop(&head));
}

TEST(moving_all_keeps_the_order)
{
    struct list other;

    list_init(&other);
    append(&head, 0, 2);
    append(&other, 3, 5);
    list_move_all(&head, &other);
    holds(&head, "012345");
    holds(&other, "");
    list_move_all(&head, &other); /* nothing to nothing more */
    holds(&head, "012345");
    list_move_all(&other, &head); /* all to an empty one */
    holds(&other, "012345");
    holds(&head, "");
    list_append(&head, &items[6].node); /* and both can still be used */
    list_append(&other, &items[7].node);
    holds(&head, "6");
    holds(&other, "0123457");
}

#define LIST_TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST_TEST(new_list_is_empty),
        LIST_TEST(appended_come_last_prepended_first),
        LIST_TEST(element_can_be_removed_from_anywhere),
        LIST_TEST(removed_element_can_be_added_again),
        LIST_TEST(pop_takes_the_first),
        LIST_TEST(moving_all_keeps_the_order),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
