/* filter.h -- the system calls that a running server makes, and no other.
 *
 * A seccomp filter with an allow list; the table in filter.c says why each call is in it. It suits every
 * engine after the start: nothing is opened, connected, bound, executed or forked any more, no memory
 * becomes executable, threads are started and no processes.
 *
 * What is not in the list fails with EPERM and does not kill. A library has reasons of its own (malloc
 * looks for the number of CPUs in /sys), and what it asks in vain it does without, while a filter that
 * kills turns the next glibc into an outage. An intruder gains nothing by the difference: either way
 * the call did not happen. Two exceptions: clone3(2) fails with ENOSYS, because a filter cannot see
 * its flags and glibc then takes clone(2), whose flags it can see; and a call in the manner of
 * another architecture kills, for no program of ours has one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_FILTER_H
#define BASE_FILTER_H

#include <stdbool.h>

/* Is the filter built in? */
bool filter_built(void);

/* Filters the calls of this thread and those it starts later; with 'sockets' descriptors may be
 * passed over Unix sockets, and the sockets' files moved and removed. Wants no-new-privileges. Returns 0 or -errno (ENOSYS: not built in, or not in this
 * kernel). */
int filter_enter(bool sockets);

#endif
