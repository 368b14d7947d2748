/* landlock.h -- no file, no TCP connection and no other process is ours to touch from now on.
 *
 * Landlock (landlock(7)) is asked by system calls of our own, with what the kernel headers of the day
 * lack defined in landlock.c. A kernel gets the rules it knows: from ABI 1 on all of the file system is
 * closed, from ABI 4 on bind(2) and connect(2) for TCP, from ABI 6 on signals to, and abstract Unix
 * sockets of, processes outside. What is open already stays usable: descriptors are not asked again.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

#include <stddef.h>

/* Closes all of it for this thread and those it starts later; Unix sockets may still be made, renamed
 * and removed in the 'n' directories. Wants no-new-privileges. Returns the ABI in force, at least 1, or
 * -errno (ENOSYS: the kernel has none of it; EOPNOTSUPP: it was disabled at boot). */
int landlock_enter(const char *const *socket_dirs, size_t n);

#endif
