/* environment.c -- see environment.h.
 *
 * SPDX-License-Identifier: MIT */
#include "environment.h"

#include "result.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static FILE *open_below(const char *root, const char *path)
{
    char full[512];

    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return NULL;
    return fopen(full, "re");
}

/* The first line of a file, without its newline; "" when there is none. */
static void read_line(char *out, size_t size, const char *root, const char *path)
{
    FILE *file = open_below(root, path);

    out[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(out, (int)size, file) == NULL)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    fclose(file);
}

static int64_t read_number(const char *root, const char *path)
{
    char line[32], *end;
    long long value;

    read_line(line, sizeof line, root, path);
    errno = 0;
    value = strtoll(line, &end, 10);
    return end == line || errno != 0 ? -1 : value;
}

/* "model name : X" on x86, "cpu : X" on POWER; on 64-bit ARM /proc/cpuinfo names no model. */
static void read_cpu(char *out, size_t size, const char *root)
{
    FILE *file = open_below(root, "/proc/cpuinfo");
    char line[512];

    out[0] = '\0';
    if (file == NULL)
        return;
    while (out[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        size_t key = strcspn(line, "\t:");

        if (value == NULL || !((key == 10 && strncmp(line, "model name", key) == 0) ||
                               (key == 3 && strncmp(line, "cpu", key) == 0)))
            continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, size, "%s", value);
    }
    fclose(file);
}

/* Those of the affinity mask, or those online where the machine has more than a cpu_set_t holds. */
static unsigned usable_cpus(void)
{
    cpu_set_t set;
    long online;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

void environment_read_below(struct environment *ret, const char *root)
{
    struct utsname names;

    memset(ret, 0, sizeof *ret);
    if (uname(&names) == 0) {
        /* with a precision: each is an array of 65 bytes, and the compiler knows */
        snprintf(ret->system, sizeof ret->system, "%.32s %.64s %.32s", names.sysname, names.release,
                 names.machine);
        snprintf(ret->host, sizeof ret->host, "%.63s", names.nodename);
    }
    read_cpu(ret->cpu, sizeof ret->cpu, root);
    ret->cpus = usable_cpus();
    ret->somaxconn = read_number(root, "/proc/sys/net/core/somaxconn");
    ret->syn_linear = (int)read_number(root, "/proc/sys/net/ipv4/tcp_syn_linear_timeouts");
    read_line(ret->clocksource, sizeof ret->clocksource, root,
              "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

void environment_read(struct environment *ret)
{
    environment_read_below(ret, "");
}

uint64_t environment_local_ports(void)
{
    char line[64];
    unsigned low, high;

    read_line(line, sizeof line, "", "/proc/sys/net/ipv4/ip_local_port_range");
    if (sscanf(line, "%u %u", &low, &high) != 2 || high < low)
        return UINT64_MAX;
    return (uint64_t)high - low + 1;
}
