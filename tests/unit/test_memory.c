/* test_memory.c -- the limits of memory cgroups, read from a tree of files that looks like a kernel's.
 *
 * SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define V1 "/sys/fs/cgroup/memory"
#define V2 "/sys/fs/cgroup"

static char root[] = "/tmp/meari-memory-XXXXXX";

static int make_root(void **state __attribute__((unused)))
{
    strcpy(root + sizeof root - 7, "XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state __attribute__((unused)))
{
    char command[100];

    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

/* A file below root, and the folders to it. */
static void put(const char *name, const char *text)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static uint64_t limit(const char *groups)
{
    char path[300];

    put("/cgroup", groups);
    snprintf(path, sizeof path, "%s/cgroup", root);
    return memory_limit_of(path, root);
}

TEST(version_1)
{
    put(V1 "/jobs/one/memory.limit_in_bytes", "1000\n");
    put(V1 "/jobs/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(limit("8:pids:/x\n4:memory:/jobs/one\n0::/\n"), 1000);
    assert_int_equal(limit("4:cpu,memory:/jobs/one\n"), 1000);
    assert_int_equal(limit("4:memory_of_old:/jobs/one\n"), UINT64_MAX);
}

TEST(version_2)
{
    put(V2 "/app.slice/memory.max", "2000\n");
    put(V2 "/free.slice/memory.max", "max\n");
    assert_int_equal(limit("0::/app.slice\n"), 2000);
    assert_int_equal(limit("0::/free.slice\n"), UINT64_MAX);
}

TEST(a_limit_above_counts_too)
{
    put(V2 "/a/memory.max", "700\n");
    put(V2 "/a/b/memory.max", "max\n");
    put(V2 "/a/b/c/memory.max", "800\n");
    assert_int_equal(limit("0::/a/b/c\n"), 700);
}

/* In a container: its own group is the root of what is mounted, the path is one of the host. */
TEST(a_path_that_leads_nowhere)
{
    put(V1 "/memory.limit_in_bytes", "3000\n");
    assert_int_equal(limit("4:memory:/docker/0123\n"), 3000);
    assert_int_equal(limit("4:memory:/\n"), 3000);
}

TEST(nothing_to_be_found)
{
    assert_int_equal(limit(""), UINT64_MAX);
    assert_int_equal(limit("0::/a\n"), UINT64_MAX);
    assert_int_equal(limit("no colon\n0::"), UINT64_MAX);
    assert_int_equal(memory_limit_of("/nonexistent", root), UINT64_MAX);
}

TEST(this_machine_has_some)
{
    assert_in_range(memory_limit(), 1 << 20, UINT64_MAX - 1);
}

#define MEMORY_TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(version_1),
        MEMORY_TEST(version_2),
        MEMORY_TEST(a_limit_above_counts_too),
        MEMORY_TEST(a_path_that_leads_nowhere),
        MEMORY_TEST(nothing_to_be_found),
        MEMORY_TEST(this_machine_has_some),
    };

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
