/* test_timer.c -- timers come due in order, each once, and never before their time.
 *
 * The pairing heap is checked against a model too simple to be wrong, an array that is searched from
 * end to end, over random operations from a seed. After each step the heap's own links are walked:
 * a damaged one shows at once, not when it is used next.
 *
 * SPDX-License-Identifier: MIT */
#include "base/timer.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define MANY 10000

static struct timers timers;
static struct timer pool[MANY];

static int reset(void **state __attribute__((unused)))
{
    memset(&timers, 0, sizeof timers);
    memset(pool, 0, sizeof pool);
    return 0;
}

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers everywhere. */
static uint64_t seed;

static uint64_t next_random(void)
{
    uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Checks order and back links below 'first', whose parent is at 'least'. Returns how many there are. */
static size_t walk(struct timer *const *link, int64_t least)
{
    size_t n = 0;

    for (; *link; link = &(*link)->next) {
        assert_ptr_equal((*link)->link, link);
        assert_true((*link)->deadline_ns >= least);
        n += 1 + walk(&(*link)->child, (*link)->deadline_ns);
    }
    return n;
}

static size_t armed_in_heap(void)
{
    assert_true(!timers.root || !timers.root->next);
    return walk(&timers.root, INT64_MIN);
}

TEST(no_timer_is_never_due)
{
    assert_int_equal(timers_next(&timers), NEVER);
    assert_null(timers_due(&timers, 0));
    assert_null(timers_due(&timers, NEVER));
}

TEST(timers_come_due_in_order)
{
    static const int64_t deadlines[] = {50, 10, 40, 20, 30, -5, 0};
    static const size_t order[] = {5, 6, 1, 3, 4, 2, 0};

    for (size_t i = 0; i < 7; i++)
        timer_set(&timers, &pool[i], deadlines[i]);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(timers_next(&timers), deadlines[order[i]]);
        assert_null(timers_due(&timers, deadlines[order[i]] - 1));
        assert_ptr_equal(timers_due(&timers, deadlines[order[i]]), &pool[order[i]]);
        assert_false(timer_armed(&pool[order[i]]));
    }
    assert_int_equal(timers_next(&timers), NEVER);
}

TEST(equal_deadlines_all_come_due)
{
    bool seen[100] = {false};

    for (size_t i = 0; i < 100; i++)
        timer_set(&timers, &pool[i], 7);
    assert_null(timers_due(&timers, 6));
    for (size_t i = 0; i < 100; i++) {
        struct timer *t = timers_due(&timers, 7);

        assert_non_null(t);
        assert_false(seen[t - pool]);
        seen[t - pool] = true;
    }
    assert_null(timers_due(&timers, 7));
}

TEST(cleared_timer_does_not_come_due)
{
    for (size_t i = 0; i < 5; i++)
        timer_set(&timers, &pool[i], (int64_t)i);
    timer_clear(&timers, &pool[0]); /* the root, */
    timer_clear(&timers, &pool[3]); /* one below it, */
    timer_clear(&timers, &pool[3]); /* again, */
    timer_clear(&timers, &pool[9]); /* and one that never was armed */
    assert_false(timer_armed(&pool[0]));
    assert_false(timer_armed(&pool[3]));
    assert_true(timer_armed(&pool[1]));
    assert_int_equal(armed_in_heap(), 3);
    assert_ptr_equal(timers_due(&timers, 100), &pool[1]);
    assert_ptr_equal(timers_due(&timers, 100), &pool[2]);
    assert_ptr_equal(timers_due(&timers, 100), &pool[4]);
    assert_null(timers_due(&timers, 100));
}

TEST(moved_timer_counts_once_and_at_its_new_time)
{
    timer_set(&timers, &pool[0], 10);
    timer_set(&timers, &pool[1], 20);
    timer_set(&timers, &pool[0], 30); /* later */
    assert_int_equal(timers_next(&timers), 20);
    timer_set(&timers, &pool[0], 5); /* earlier */
    assert_int_equal(timers_next(&timers), 5);
    timer_set(&timers, &pool[0], 5); /* and not at all */
    assert_int_equal(armed_in_heap(), 2);
    assert_ptr_equal(timers_due(&timers, 100), &pool[0]);
    assert_ptr_equal(timers_due(&timers, 100), &pool[1]);
    assert_null(timers_due(&timers, 100));
}

TEST(never_is_kept_and_does_not_come_due)
{
    timer_set(&timers, &pool[0], NEVER);
    assert_true(timer_armed(&pool[0]));
    assert_int_equal(timers_next(&timers), NEVER);
    timer_set(&timers, &pool[0], 10);
    timer_set(&timers, &pool[1], 20);
    timer_set(&timers, &pool[0], NEVER);
    assert_int_equal(armed_in_heap(), 2);
    assert_int_equal(timers_next(&timers), 20);
    assert_ptr_equal(timers_due(&timers, NEVER), &pool[1]);
    assert_null(timers_due(&timers, NEVER));
    assert_int_equal(armed_in_heap(), 1);
    timer_clear(&timers, &pool[0]);
    assert_false(timer_armed(&pool[0]));
}

/* From an empty heap, from one root, and from heaps of all shapes. */
TEST(all_are_taken_out_at_once)
{
    seed = 5;
    for (size_t n = 0; n < 200; n++) {
        size_t taken = 0;
        struct timer *t, *next;

        for (size_t i = 0; i < n + 3; i++)
            timer_set(&timers, &pool[i], (int64_t)(next_random() % 50));
        for (size_t i = 0; i < 3; i++)
            timer_clear(&timers, timers.root); /* which gives it depth */
        for (t = timers_take_all(&timers); t; t = next, taken++) {
            next = t->next;
            assert_false(timer_armed(t));
            assert_null(timers.root);
        }
        assert_int_equal(taken, n);
        memset(pool, 0, sizeof *pool * (n + 3));
    }
}

TEST(what_was_taken_out_can_be_armed_again)
{
    int64_t before = INT64_MIN;
    struct timer *t, *next;

    seed = 7;
    for (size_t i = 0; i < 1000; i++)
        timer_set(&timers, &pool[i], (int64_t)(next_random() % 500));
    timer_clear(&timers, timers.root);
    for (t = timers_take_all(&timers); t; t = next) {
        next = t->next;
        timer_set(&timers, t, 1000 - t->deadline_ns);
    }
    assert_int_equal(armed_in_heap(), 999);
    while ((t = timers_due(&timers, 1000))) {
        assert_true(t->deadline_ns >= before);
        before = t->deadline_ns;
    }
    assert_null(timers.root);
}

TEST(due_timer_can_be_armed_again_at_once)
{
    timer_set(&timers, &pool[0], 10);
    timer_set(&timers, &pool[1], 11);
    assert_ptr_equal(timers_due(&timers, 11), &pool[0]);
    timer_set(&timers, &pool[0],
              10); /* the same deadline as before: not taken for "already armed" */
    assert_true(timer_armed(&pool[0]));
    assert_ptr_equal(timers_due(&timers, 11), &pool[0]);
    timer_set(&timers, &pool[0], 12);
    assert_ptr_equal(timers_due(&timers, 11), &pool[1]);
    assert_null(timers_due(&timers, 11));
    assert_int_equal(timers_next(&timers), 12);
}

TEST(ends_of_the_clock_are_deadlines_too)
{
    timer_set(&timers, &pool[0], NEVER - 1);
    timer_set(&timers, &pool[1], INT64_MIN);
    timer_set(&timers, &pool[2], 0);
    assert_ptr_equal(timers_due(&timers, INT64_MIN), &pool[1]);
    assert_null(timers_due(&timers, -1));
    assert_ptr_equal(timers_due(&timers, NEVER - 2), &pool[2]);
    assert_null(timers_due(&timers, NEVER - 2));
    assert_ptr_equal(timers_due(&timers, NEVER - 1), &pool[0]);
}

/* Ten thousand siblings, and then a chain: neither pass may recurse. */
TEST(many_timers_need_no_deep_stack)
{
    for (int64_t i = 0; i < MANY; i++)
        timer_set(&timers, &pool[i], i); /* all below the first one */
    for (int64_t i = 0; i < MANY; i++)
        assert_ptr_equal(timers_due(&timers, MANY), &pool[i]);
    for (int64_t i = 0; i < MANY; i++)
        timer_set(&timers, &pool[i], MANY - i); /* each above all before it */
    for (int64_t i = MANY - 1; i >= 0; i--)
        assert_ptr_equal(timers_due(&timers, MANY), &pool[i]);
    assert_null(timers.root);
}

#define MODELLED 64

static int64_t model[MODELLED];
static bool in_model[MODELLED];

static int64_t model_next(size_t *ret_n)
{
    int64_t next = NEVER;

    *ret_n = 0;
    for (size_t i = 0; i < MODELLED; i++) {
        if (model[i] < next)
            next = model[i];
        *ret_n += in_model[i];
    }
    return next;
}

/* Takes out all that are due, in both; they must be the same. */
static void expire(int64_t now_ns)
{
    int64_t before = INT64_MIN;
    struct timer *t;

    while ((t = timers_due(&timers, now_ns))) {
        size_t i = (size_t)(t - pool);

        assert_true(i < MODELLED);
        assert_int_equal(t->deadline_ns, model[i]);
        assert_true(model[i] <= now_ns);
        assert_true(model[i] >= before);
        before = model[i];
        model[i] = NEVER;
        in_model[i] = false;
    }
    for (size_t i = 0; i < MODELLED; i++)
        assert_true(model[i] > now_ns);
}

TEST(random_operations_agree_with_the_model)
{
    int64_t now = 0;

    seed = 3;
    for (size_t i = 0; i < MODELLED; i++)
        model[i] = NEVER;
    for (int step = 0; step < 10000; step++) {
        size_t i = (size_t)(next_random() % MODELLED), n;
        int64_t deadline = now + (int64_t)(next_random() % 50) - 5; /* often equal, some past */

        switch (next_random() % 8) {
        case 0:
            timer_clear(&timers, &pool[i]);
            model[i] = NEVER;
            in_model[i] = false;
            break;
        case 1:
            timer_set(&timers, &pool[i], NEVER);
            model[i] = NEVER;
            in_model[i] = true;
            break;
        case 2:
            now += (int64_t)(next_random() % 4);
            expire(now);
            break;
        default:
            timer_set(&timers, &pool[i], deadline);
            model[i] = deadline;
            in_model[i] = true;
            break;
        }
        assert_int_equal(timers_next(&timers), model_next(&n));
        assert_int_equal(armed_in_heap(), n);
        assert_int_equal(timer_armed(&pool[i]), in_model[i]);
    }
}

#define TIMER_TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMER_TEST(no_timer_is_never_due),
        TIMER_TEST(timers_come_due_in_order),
        TIMER_TEST(equal_deadlines_all_come_due),
        TIMER_TEST(cleared_timer_does_not_come_due),
        TIMER_TEST(moved_timer_counts_once_and_at_its_new_time),
        TIMER_TEST(never_is_kept_and_does_not_come_due),
        TIMER_TEST(all_are_taken_out_at_once),
        TIMER_TEST(what_was_taken_out_can_be_armed_again),
        TIMER_TEST(due_timer_can_be_armed_again_at_once),
        TIMER_TEST(ends_of_the_clock_are_deadlines_too),
        TIMER_TEST(many_timers_need_no_deep_stack),
        TIMER_TEST(random_operations_agree_with_the_model),
    };

    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
