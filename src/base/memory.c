/* memory.c -- see memory.h.
 *
 * SPDX-License-Identifier: MIT */
#include "memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line of /proc/self/cgroup holds a path of at most PATH_MAX; two are joined here. */
#define PATH_ROOM 8192

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number in a file. "max" is none, and so is a file that is not there. */
static uint64_t read_limit(const char *path)
{
    FILE *f = fopen(path, "re");
    uint64_t limit = UINT64_MAX;

    if (!f)
        return UINT64_MAX;
    if (fscanf(f, "%" SCNu64, &limit) != 1)
        limit = UINT64_MAX;
    fclose(f);
    return limit;
}

/* The smallest limit from the group up to the root. In a container the path may be that of the world
 * outside and lead nowhere; then its root is the group. */
static uint64_t limit_upwards(const char *mount, const char *group, const char *file)
{
    char path[PATH_ROOM];
    size_t top = strlen(mount);
    uint64_t limit = UINT64_MAX;
    char *slash;

    if (snprintf(path, sizeof path, "%s%s/%s", mount, group, file) >= (int)sizeof path)
        return UINT64_MAX;
    for (;;) {
        limit = smaller(limit, read_limit(path));
        slash = strrchr(path, '/');
        *slash = '\0';
        slash = strrchr(path, '/');
        if (!slash || (size_t)(slash - path) < top)
            return limit;
        snprintf(slash, sizeof path - (size_t)(slash - path), "/%s", file);
    }
}

/* Is "memory" among the controllers "cpu,cpuacct"? */
static bool has_memory(char *controllers)
{
    for (char *name, *rest = controllers; (name = strsep(&rest, ","));)
        if (strcmp(name, "memory") == 0)
            return true;
    return false;
}

/* A line is ID:CONTROLLERS:PATH; the unified hierarchy is 0::PATH (cgroups(7)). */
static uint64_t limit_of_line(char *line, const char *root)
{
    char mount[PATH_ROOM / 2];
    char *id = strsep(&line, ":"), *controllers = strsep(&line, ":");
    bool unified;

    if (!line)
        return UINT64_MAX;
    unified = strcmp(id, "0") == 0 && !*controllers;
    if (!unified && !has_memory(controllers))
        return UINT64_MAX;
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "/") == 0)
        line = "";
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, unified ? "" : "/memory");
    return limit_upwards(mount, line, unified ? "memory.max" : "memory.limit_in_bytes");
}

uint64_t memory_limit_of(const char *cgroup_path, const char *root)
{
    FILE *f = fopen(cgroup_path, "re");
    uint64_t limit = UINT64_MAX;
    char line[PATH_ROOM / 2];

    if (!f)
        return UINT64_MAX;
    while (fgets(line, sizeof line, f))
        limit = smaller(limit, limit_of_line(line, root));
    fclose(f);
    return limit;
}

uint64_t memory_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;

    return smaller(machine, memory_limit_of("/proc/self/cgroup", ""));
}
