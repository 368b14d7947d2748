/* test_choosing.c -- the contract of io.h: an engine is chosen by name, or because it can do what is asked.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "io/io.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* With "auto" an io comes to be on any kernel; a name that is none is refused by name. */
static void engines_are_chosen_by_name(void **state)
{
    struct io_config any = {.engine = "auto"}, wrong = {.engine = "sundial"};
    struct io *io = NULL;
    struct err err;

    (void)state;
    assert_int_equal(io_create(&io, &any, &err), 0);
    assert_string_equal(io_engine_name(io), io_engines()[0]);
    io_destroy(io);
    io_destroy(NULL);
    assert_int_equal(io_create(&io, &wrong, &err), -EINVAL);
    assert_string_equal(err.text, "there is no engine 'sundial'");
}

/* Who cannot spin says so where it was asked for by name, and is passed over otherwise. */
static void an_engine_that_blocks_cannot_spin(void **state)
{
    struct io_config any = {.spin_ns = 1}, blocks = {.engine = "classic", .spin_ns = 1};
    struct io *io = NULL;
    struct err err;

    (void)state;
    assert_int_equal(io_create(&io, &any, &err), 0);
    io_destroy(io);
    assert_int_equal(io_create(&io, &blocks, &err), -EINVAL);
    assert_string_equal(err.text,
                        "the classic engine cannot spin (--spin): it only knows to block");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_are_chosen_by_name),
        cmocka_unit_test(an_engine_that_blocks_cannot_spin),
    };

    return cmocka_run_group_tests_name("choosing", tests, NULL, NULL);
}
