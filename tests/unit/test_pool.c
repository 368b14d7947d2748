/* test_pool.c -- a pool lends what is asked, remembers the last buffer first, and keeps only a few.
 *
 * SPDX-License-Identifier: MIT */
#include "io/pool.h"

#include "io/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define SIZE 1000

static struct pool pool;

static int open_pool(void **state __attribute__((unused)))
{
    pool_init(&pool, SIZE, NULL);
    return 0;
}

static int close_pool(void **state __attribute__((unused)))
{
    pool_done(&pool);
    return 0;
}

TEST(buffer_has_all_its_bytes)
{
    struct io_buf *buf = pool_get(&pool);

    assert_non_null(buf);
    assert_int_equal(buf->cap, SIZE);
    assert_int_equal(buf->len, 0);
    memset(buf->data, 0xa5, SIZE); /* ASan sees one too few */
    pool_put(&pool, buf);
}

TEST(smallest_and_largest_sizes_work)
{
    static const uint32_t sizes[] = {1, 63, 64, 65, 64 << 20};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pool other;
        struct io_buf *buf;

        pool_init(&other, sizes[i], NULL);
        buf = pool_get(&other);
        assert_non_null(buf);
        assert_int_equal(buf->cap, sizes[i]);
        assert_int_equal((uintptr_t)buf->data % 64, 0); /* a cache line */
        buf->data[0] = buf->data[sizes[i] - 1] = 1;
        pool_put(&other, buf);
        pool_done(&other);
    }
}

TEST(last_returned_is_lent_first)
{
    struct io_buf *a = pool_get(&pool), *b = pool_get(&pool), *c = pool_get(&pool);

    pool_put(&pool, b);
    pool_put(&pool, c);
    pool_put(&pool, a);
    assert_ptr_equal(pool_get(&pool), a);
    assert_ptr_equal(pool_get(&pool), c);
    assert_ptr_equal(pool_get(&pool), b);
    pool_put(&pool, a);
    pool_put(&pool, b);
    pool_put(&pool, c);
}

TEST(reused_buffer_is_empty)
{
    struct io_buf *buf = pool_get(&pool);

    buf->len = 17;
    pool_put(&pool, buf);
    assert_ptr_equal(pool_get(&pool), buf);
    assert_int_equal(buf->len, 0);
    assert_int_equal(buf->cap, SIZE);
    pool_put(&pool, buf);
}

TEST(buffers_are_counted)
{
    struct io_buf *a, *b;

    assert_int_equal(pool.lent, 0);
    a = pool_get(&pool);
    b = pool_get(&pool);
    assert_ptr_not_equal(a, b);
    assert_int_equal(pool.lent, 2);
    assert_int_equal(pool.kept, 0);
    pool_put(&pool, a);
    assert_int_equal(pool.lent, 1);
    assert_int_equal(pool.kept, 1);
    pool_put(&pool, b);
    assert_int_equal(pool.lent, 0);
    assert_int_equal(pool.kept, 2);
}

/* What is above the bound goes back to the system, which LeakSanitizer confirms. */
TEST(no_more_than_the_bound_is_kept)
{
    struct io_buf *bufs[3 * POOL_KEEP];

    for (size_t i = 0; i < 3 * POOL_KEEP; i++)
        bufs[i] = pool_get(&pool);
    assert_int_equal(pool.lent, 3 * POOL_KEEP);
    for (size_t i = 0; i < 3 * POOL_KEEP; i++) {
        pool_put(&pool, bufs[i]);
        assert_true(pool.kept <= POOL_KEEP);
    }
    assert_int_equal(pool.kept, POOL_KEEP);
    assert_int_equal(pool.lent, 0);
    for (size_t i = 0; i < POOL_KEEP; i++)
        bufs[i] = pool_get(&pool);
    assert_int_equal(pool.kept, 0);
    for (size_t i = 0; i < POOL_KEEP; i++)
        pool_put(&pool, bufs[i]);
}

/* Large buffers are kept by their bytes, and one of any size. */
TEST(large_buffers_are_not_hoarded)
{
    static const struct {
        uint32_t size, keep;
    } cases[] = {{1, 16}, {64 << 10, 16}, {128 << 10, 8}, {1 << 20, 1}, {64 << 20, 1}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct io_buf *bufs[POOL_KEEP + 2];
        struct pool p;

        pool_init(&p, cases[i].size, NULL);
        for (size_t k = 0; k < POOL_KEEP + 2; k++)
            bufs[k] = pool_get(&p);
        for (size_t k = 0; k < POOL_KEEP + 2; k++)
            pool_put(&p, bufs[k]);
        assert_int_equal(p.kept, cases[i].keep);
        pool_done(&p);
    }
}

TEST(a_budget_ends_with_small_buffers)
{
    enum { LARGE = 64 << 10, MOST = 1000 };
    struct io_budget budget = {.limit = 8 * LARGE};
    struct io_buf *bufs[MOST];
    struct pool p, other;
    size_t n = 0, large = 0;

    pool_init(&p, LARGE, &budget);
    pool_init(&other, LARGE, &budget); /* of another worker */
    while (n < MOST && (bufs[n] = pool_get(n % 2 ? &p : &other))) {
        memset(bufs[n]->data, 0xa5, bufs[n]->cap);
        large += bufs[n++]->cap == LARGE;
    }
    assert_int_equal(large, 3); /* the fourth would take more than half, with its header */
    assert_in_range(n - large, 5 * LARGE / (POOL_SMALL + 128), 5 * LARGE / POOL_SMALL);
    assert_true(budget.taken <= budget.limit);

    n--;
    pool_put(n % 2 ? &p : &other, bufs[n]);
    bufs[n] = pool_get(&p);
    assert_non_null(bufs[n]);
    assert_int_equal(bufs[n]->cap, POOL_SMALL);
    pool_put(&p, bufs[n]);
    while (n-- > 0)
        pool_put(n % 2 ? &p : &other, bufs[n]);
    assert_true(p.kept + other.kept <= large); /* and no small one */
    pool_done(&p);
    pool_done(&other);
    assert_int_equal(budget.taken, 0);
}

/* Where buffers are small anyway, all of the budget is for them. */
TEST(a_budget_of_small_buffers)
{
    struct io_budget budget = {.limit = 10 * (SIZE + 128)};
    struct io_buf *bufs[20];
    size_t n = 0;

    pool_init(&pool, SIZE, &budget);
    while (n < 20 && (bufs[n] = pool_get(&pool)))
        n++;
    assert_in_range(n, 10, 11);
    while (n-- > 0)
        pool_put(&pool, bufs[n]);
    pool_done(&pool);
    assert_int_equal(budget.taken, 0);
    pool_init(&pool, SIZE, NULL); /* the budget ends here */
}

TEST(returning_nothing_is_fine)
{
    pool_put(&pool, NULL);
    assert_int_equal(pool.lent, 0);
    assert_int_equal(pool.kept, 0);
}

#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, open_pool, close_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(buffer_has_all_its_bytes),
        POOL_TEST(smallest_and_largest_sizes_work),
        POOL_TEST(last_returned_is_lent_first),
        POOL_TEST(reused_buffer_is_empty),
        POOL_TEST(buffers_are_counted),
        POOL_TEST(no_more_than_the_bound_is_kept),
        POOL_TEST(large_buffers_are_not_hoarded),
        POOL_TEST(returning_nothing_is_fine),
        POOL_TEST(a_budget_ends_with_small_buffers),
        POOL_TEST(a_budget_of_small_buffers),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
