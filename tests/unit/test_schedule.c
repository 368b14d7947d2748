/* test_schedule.c -- when messages should leave: exactly at k / rate, or in a Poisson process, however many threads.
 *
 * What is random is seeded; its bounds are six standard deviations of what it should be.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/schedule.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define START (123 * NS_PER_S)
#define THREADS_MAX 64

static struct plan plan;
static struct schedule threads[THREADS_MAX];

static void begin(double rate, enum arrival arrival, unsigned n)
{
    plan = (struct plan){.rate = rate, .arrival = arrival, .threads = n, .seed = 42};
    for (unsigned i = 0; i < n; i++)
        schedule_init(&threads[i], &plan, i, START);
}

/* The thread whose message is due next. */
static unsigned first(unsigned n)
{
    unsigned best = 0;

    for (unsigned i = 1; i < n; i++)
        if (threads[i].due_ns < threads[best].due_ns)
            best = i;
    return best;
}

TEST(a_closed_loop_is_due_at_once)
{
    begin(0, ARRIVAL_CONSTANT, 2);
    assert_false(threads[1].open);
    for (int64_t now = START; now < START + 100; now++) {
        assert_true(threads[1].due_ns <= now);
        assert_int_equal(schedule_take(&threads[1], now), now);
    }
    assert_int_equal(schedule_left(&threads[1], NEVER), 0);
}

/* Message k of the whole run is due at k / rate, and it is thread k mod n's: to the nanosecond that a double
 * rounds to. */
TEST(message_k_is_due_at_k_by_rate)
{
    static const double rates[] = {1, 3, 7, 1000, 50000, 99999, 1e6, 1e9};
    static const unsigned counts[] = {1, 2, 3, 7, 64};

    for (size_t r = 0; r < LENGTH(rates); r++) {
        for (size_t c = 0; c < LENGTH(counts); c++) {
            unsigned n = counts[c];

            begin(rates[r], ARRIVAL_CONSTANT, n);
            for (uint64_t k = 0; k < 5000; k++) {
                struct schedule *s = &threads[k % n];
                int64_t want = START + (int64_t)k * NS_PER_S / (int64_t)rates[r];
                int64_t due = s->due_ns, said = schedule_take(s, START);

                assert_int_equal(due, said);
                assert_in_range(due - want + 1, 0, 2);
            }
        }
    }
}

/* No error adds up: after 100 days it is still the nanosecond. */
TEST(message_k_is_due_at_k_by_rate_after_a_long_time)
{
    const uint64_t k = UINT64_C(100) * 86400 * 1000;

    begin(1000, ARRIVAL_CONSTANT, 1);
    threads[0].count = k - 1;
    schedule_take(&threads[0], START);
    assert_int_equal(threads[0].due_ns, START + (int64_t)k * NS_PER_MS);
}

/* Whether anybody is in time does not matter: the schedule waits for nobody. */
TEST(the_schedule_does_not_wait)
{
    begin(1000, ARRIVAL_CONSTANT, 1);
    for (int k = 0; k < 1000; k++)
        assert_int_equal(schedule_take(&threads[0], START + 77 * NS_PER_S), START + k * NS_PER_MS);
}

/* Gaps of the merged threads: exponential, so mean and standard deviation are both 1 / rate. */
static void check_gaps(double rate, unsigned n, int draws)
{
    double sum = 0, squares = 0, mean_ns = 1e9 / rate, mean, deviation;
    uint64_t longer = 0; /* than the mean: e^-1 of all */
    int64_t last = START;

    begin(rate, ARRIVAL_POISSON, n);
    for (int i = 0; i < draws; i++) {
        int64_t due = schedule_take(&threads[first(n)], START);
        double gap = (double)(due - last);

        assert_true(due >= last);
        last = due;
        sum += gap;
        squares += gap * gap;
        longer += gap > mean_ns;
    }
    mean = sum / draws;
    deviation = sqrt(squares / draws - mean * mean);
    assert_true(fabs(mean - mean_ns) < 6 * mean_ns / sqrt(draws) + 1);
    assert_true(fabs(deviation - mean_ns) < 6 * mean_ns * sqrt(2.0 / draws) + 1);
    assert_true(fabs((double)longer / draws - exp(-1)) < 6 * sqrt(0.2325 / draws));
}

TEST(poisson_gaps_are_exponential)
{
    check_gaps(1, 1, 20000);
    check_gaps(50000, 1, 200000);
    check_gaps(1e6, 1, 200000);
}

/* The parts of several threads make one process again. */
TEST(poisson_threads_add_up)
{
    check_gaps(50000, 2, 200000);
    check_gaps(50000, 7, 200000);
    check_gaps(1000, 64, 100000);
}

/* ... in which they are independent: no two threads have the same gaps. */
TEST(poisson_threads_differ)
{
    uint64_t same = 0;

    begin(1000, ARRIVAL_POISSON, 2);
    for (int i = 0; i < 1000; i++)
        same += schedule_take(&threads[0], START) == schedule_take(&threads[1], START);
    assert_int_equal(same, 0);
}

TEST(poisson_can_be_repeated)
{
    struct schedule again;

    begin(1000, ARRIVAL_POISSON, 2);
    schedule_init(&again, &plan, 1, START);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(schedule_take(&threads[1], START), schedule_take(&again, START));
}

/* What schedule_left() says is how many could be taken, and asking takes none. */
static void check_left(int64_t end)
{
    struct schedule *s = &threads[0];
    uint64_t left = schedule_left(s, end), taken = 0;

    assert_int_equal(schedule_left(s, end), left);
    while (s->due_ns < end) {
        schedule_take(s, START);
        taken++;
    }
    assert_int_equal(left, taken);
    assert_int_equal(schedule_left(s, end), 0);
}

TEST(tells_how_many_are_left)
{
    for (int arrival = ARRIVAL_CONSTANT; arrival <= ARRIVAL_POISSON; arrival++) {
        begin(1000, (enum arrival)arrival, 3);
        check_left(START - 1);
        check_left(START);
        check_left(START + 1);
        check_left(START + 10 * NS_PER_S);
        check_left(START + 10 * NS_PER_S);
        check_left(START + 100 * NS_PER_S + 1);
    }
    begin(1000, ARRIVAL_CONSTANT, 1);
    assert_int_equal(schedule_left(&threads[0], START), 0);
    assert_int_equal(schedule_left(&threads[0], START + 1), 1);
    assert_int_equal(schedule_left(&threads[0], START + NS_PER_S), 1000);
    assert_int_equal(schedule_left(&threads[0], START + NS_PER_S + 1), 1001);
}

/* A server that is hopelessly behind leaves billions: they are told at once, to 1 % where they are random. */
TEST(tells_how_many_billions_are_left)
{
    begin(1e9, ARRIVAL_CONSTANT, 1);
    assert_int_equal(schedule_left(&threads[0], START + 3600 * NS_PER_S),
                     3600 * UINT64_C(1000000000));
    begin(1e9, ARRIVAL_POISSON, 1);
    assert_true(fabs((double)schedule_left(&threads[0], START + 3600 * NS_PER_S) / 3600e9 - 1) <
                0.01);
}

TEST(one_a_second)
{
    begin(1, ARRIVAL_CONSTANT, 1);
    assert_int_equal(schedule_left(&threads[0], START + NS_PER_S / 2), 1);
    assert_int_equal(schedule_take(&threads[0], START), START);
    assert_int_equal(threads[0].due_ns, START + NS_PER_S);
    assert_int_equal(schedule_left(&threads[0], START + NS_PER_S / 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop_is_due_at_once),
        cmocka_unit_test(message_k_is_due_at_k_by_rate),
        cmocka_unit_test(message_k_is_due_at_k_by_rate_after_a_long_time),
        cmocka_unit_test(the_schedule_does_not_wait),
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(poisson_threads_add_up),
        cmocka_unit_test(poisson_threads_differ),
        cmocka_unit_test(poisson_can_be_repeated),
        cmocka_unit_test(tells_how_many_are_left),
        cmocka_unit_test(tells_how_many_billions_are_left),
        cmocka_unit_test(one_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
