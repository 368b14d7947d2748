/* congestion.h -- may sockets of ours have the congestion control that the user names?
 *
 * What a kernel has depends on its build and on the modules that are loaded, and what a process may use on its
 * privileges. So it is tried, on a socket that goes nowhere, before anything else has happened; on a refusal the user
 * hears what there is.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_CONGESTION_H
#define NET_CONGESTION_H

struct err;

/* 'name' is what --congestion was given; NULL: nothing was, and nothing is tried. Returns 0 or -errno. */
int congestion_check(const char *name, struct err *err);

#endif
