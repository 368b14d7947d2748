/* test_environment.c -- what is read of the machine, from a made-up /proc and /sys and from the real one.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/environment.h"

#include "bench/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

static char root[64];

/* Makes the file, and the folders above it. */
static void put(const char *path, const char *text)
{
    char full[256];
    FILE *file;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s", "/tmp/test_environment.XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

TEST(a_pc_is_read)
{
    struct environment env;
    struct utsname names;

    put("/proc/cpuinfo", "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.50GHz\n"
                         "processor\t: 1\nmodel name\t: Another\n");
    put("/proc/sys/net/core/somaxconn", "4096\n");
    put("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "4\n");
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    environment_read_below(&env, root);
    assert_string_equal(env.cpu, "Some CPU @ 2.50GHz");
    assert_int_equal(env.somaxconn, 4096);
    assert_int_equal(env.syn_linear, 4);
    assert_string_equal(env.clocksource, "tsc");
    assert_string_equal(env.congestion, "");
    assert_int_equal(uname(&names), 0);
    assert_string_equal(env.host, names.nodename);
    assert_non_null(strstr(env.system, names.release));
}

TEST(a_power_machine_names_its_cpu_otherwise)
{
    struct environment env;

    put("/proc/cpuinfo", "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n");
    environment_read_below(&env, root);
    assert_string_equal(env.cpu, "POWER9, altivec supported");
}

TEST(what_is_not_there_is_empty)
{
    struct environment env;

    memset(&env, 'x', sizeof env);
    environment_read_below(&env, root);
    assert_string_equal(env.cpu, "");
    assert_string_equal(env.clocksource, "");
    assert_int_equal(env.somaxconn, -1);
    assert_int_equal(env.syn_linear, -1);
    assert_true(env.cpus >= 1);
}

TEST(strange_contents_do_no_harm)
{
    struct environment env;
    char line[2048];

    memset(line, 'y', sizeof line);
    memcpy(line, "model name\t: ", 13);
    line[sizeof line - 1] = '\0';
    put("/proc/cpuinfo", line);
    put("/proc/sys/net/core/somaxconn", "many\n");
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "");
    environment_read_below(&env, root);
    assert_int_equal(strlen(env.cpu), sizeof env.cpu - 1);
    assert_int_equal(env.somaxconn, -1);
    assert_string_equal(env.clocksource, "");
}

TEST(this_machine_has_a_kernel_and_a_cpu)
{
    struct environment env;

    environment_read(&env);
    assert_non_null(strstr(env.system, "Linux"));
    assert_true(env.cpus >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pc_is_read, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_power_machine_names_its_cpu_otherwise, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_empty, make_root, remove_root),
        cmocka_unit_test_setup_teardown(strange_contents_do_no_harm, make_root, remove_root),
        cmocka_unit_test(this_machine_has_a_kernel_and_a_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
