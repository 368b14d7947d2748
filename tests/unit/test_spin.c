/* test_spin.c -- who spins, for how long, and who does not: on a clock made up.
 *
 * SPDX-License-Identifier: MIT */
#include "io/spin.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define BUDGET (200 * NS_PER_US)
#define SHORT (BUDGET - 1)
#define LONG BUDGET

static struct spin spin;
static int64_t now_ns;

static int reset(void **state __attribute__((unused)))
{
    spin = (struct spin){.budget_ns = BUDGET};
    now_ns = 12345 * NS_PER_S;
    return 0;
}

static void event_after(int64_t gap_ns)
{
    now_ns += gap_ns;
    spin_event(&spin, now_ns);
}

static bool spins(void)
{
    return spin_until(&spin, now_ns, NEVER) > 0;
}

/* An event, and as many short gaps as it takes. */
static void prove(void)
{
    event_after(0);
    for (unsigned i = 0; i < SPIN_PROOF; i++)
        event_after(SHORT);
}

TEST(nobody_spins_without_an_event)
{
    assert_false(spins());
    event_after(0);
    assert_false(spins());
}

/* Nor at once: the first event ends no gap, however young the clock is. */
TEST(short_gaps_are_the_proof)
{
    now_ns = 0;
    event_after(1);
    for (unsigned i = 1; i < SPIN_PROOF; i++) {
        event_after(SHORT);
        assert_false(spins());
    }
    event_after(SHORT);
    assert_true(spins());
    event_after(0);
    assert_true(spins());
}

TEST(the_budget_begins_with_the_latest_event)
{
    int64_t last_ns;

    prove();
    last_ns = now_ns;
    assert_int_equal(spin_until(&spin, now_ns, NEVER), last_ns + BUDGET);
    now_ns += BUDGET / 2; /* something else took so long */
    assert_int_equal(spin_until(&spin, now_ns, NEVER), last_ns + BUDGET);
    now_ns = last_ns + BUDGET - 1;
    assert_true(spins());
    now_ns = last_ns + BUDGET;
    assert_false(spins());
}

/* However often it is asked: a timer that fires for ever is no event. */
TEST(a_spent_budget_stays_spent)
{
    prove();
    now_ns += BUDGET;
    for (int i = 0; i < 100; i++, now_ns += BUDGET / 10)
        assert_false(spins());
}

TEST(a_spin_for_nothing_takes_the_proof_away)
{
    prove();
    event_after(LONG);
    for (unsigned i = 0; i < SPIN_PROOF; i++) {
        assert_false(spins());
        event_after(SHORT);
    }
    assert_true(spins());
}

TEST(who_is_slower_than_the_budget_is_slept_for)
{
    prove();
    for (int i = 0; i < 1000; i++) {
        event_after(LONG + i);
        assert_false(spins());
    }
}

/* Now and then a short gap is no proof. */
TEST(an_uneven_client_is_slept_for)
{
    prove();
    for (int i = 0; i < 1000; i++) {
        event_after(i % (int)SPIN_PROOF ? SHORT : LONG);
        assert_false(spins());
    }
}

TEST(a_deadline_ends_it)
{
    prove();
    assert_int_equal(spin_until(&spin, now_ns, now_ns + 10), now_ns + 10);
    assert_int_equal(spin_until(&spin, now_ns, now_ns + BUDGET + 1), now_ns + BUDGET);
    assert_int_equal(spin_until(&spin, now_ns, now_ns), 0);
    assert_int_equal(spin_until(&spin, now_ns, now_ns - 1), 0);
    assert_int_equal(spin_until(&spin, now_ns, 0), 0);
}

TEST(without_a_budget_nobody_spins)
{
    spin.budget_ns = 0;
    for (int i = 0; i < 100; i++) {
        event_after(i % 2);
        assert_false(spins());
    }
}

#define FACT(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(nobody_spins_without_an_event),
        FACT(short_gaps_are_the_proof),
        FACT(the_budget_begins_with_the_latest_event),
        FACT(a_spent_budget_stays_spent),
        FACT(a_spin_for_nothing_takes_the_proof_away),
        FACT(who_is_slower_than_the_budget_is_slept_for),
        FACT(an_uneven_client_is_slept_for),
        FACT(a_deadline_ends_it),
        FACT(without_a_budget_nobody_spins),
    };

    return cmocka_run_group_tests_name("spin", tests, NULL, NULL);
}
