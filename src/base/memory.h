/* memory.h -- how much memory this process may use.
 *
 * The kernel does not refuse memory, it kills who uses too much; so a limit has to be known beforehand.
 * It is the smallest of the machine's memory and what the memory cgroups of the process allow, its own
 * and those above it, of either version.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

/* In bytes; UINT64_MAX when nothing can be found out. */
uint64_t memory_limit(void);

/* As above, from the text of a /proc/self/cgroup and from cgroup file systems that are mounted below
 * 'root' as usual: the limit of the cgroups alone. */
uint64_t memory_limit_of(const char *cgroup_path, const char *root);

#endif
