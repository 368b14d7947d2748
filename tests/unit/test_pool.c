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
    pool_init(&pool, SIZE);
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
    assert_int_equal((uintptr_t)buf->data % 16, 0);
    memset(buf->data, 0xa5, SIZE); /* ASan sees one too few */
    pool_put(&pool, buf);
}

TEST(smallest_and_largest_sizes_work)
{
    static const uint32_t sizes[] = {1, 63, 64, 65, 64 << 20};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pool other;
        struct io_buf *buf;

        pool_init(&other, sizes[i]);
        buf = pool_get(&other);
        assert_non_null(buf);
        assert_int_equal(buf->cap, sizes[i]);
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

        pool_init(&p, cases[i].size);
        for (size_t k = 0; k < POOL_KEEP + 2; k++)
            bufs[k] = pool_get(&p);
        for (size_t k = 0; k < POOL_KEEP + 2; k++)
            pool_put(&p, bufs[k]);
        assert_int_equal(p.kept, cases[i].keep);
        pool_done(&p);
    }
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
        POOL_TEST(buffer_has_all_its_bytes),      POOL_TEST(smallest_and_largest_sizes_work),
        POOL_TEST(last_returned_is_lent_first),   POOL_TEST(reused_buffer_is_empty),
        POOL_TEST(buffers_are_counted),           POOL_TEST(no_more_than_the_bound_is_kept),
        POOL_TEST(large_buffers_are_not_hoarded), POOL_TEST(returning_nothing_is_fine),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
