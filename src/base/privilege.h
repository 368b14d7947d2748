/* privilege.h -- give up who we were, for good.
 *
 * Who starts a server may be root, for the sake of a port below 1024; who serves strangers should be
 * nobody. privilege_give_up() does the steps in the one order that works (the bounding set while there
 * is the capability to shrink it; groups, group, user; capabilities; no-new-privileges) and then does
 * not believe any of it: it reads everything back and tries to become root again. A system call that
 * claims success and changed nothing is a failure here, since servers have run as root for years
 * behind one (CVE-2023-40303, CVE-2013-4342, CVE-2015-0278).
 *
 * PR_SET_DUMPABLE is left alone. The kernel clears it when the user changes (fs.suid_dumpable says
 * whether there are core dumps then); without such a change it protects from nobody but the operator's
 * own debugger.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_PRIVILEGE_H
#define BASE_PRIVILEGE_H

#include <sys/types.h>

struct err;

struct identity {
    uid_t uid;
    gid_t gid;
};

/* Reads NAME[:GROUP], names or numbers. Without GROUP it is the user's own. Asks the system's data
 * bases, so it comes before any sandbox. Returns 0, or -EINVAL with 'err' saying what is wrong. */
int privilege_parse(struct identity *ret, const char *text, struct err *err);

/* Becomes 'who', without supplementary groups (NULL: stays who we are), and gives up all capabilities
 * and the hope for new ones. To be called while the process has one thread. Returns 0; or -errno, and
 * the process is in no state to serve. */
int privilege_give_up(const struct identity *who, struct err *err);

/* The name of the user we are, or the number. Returns 'out'. */
#define PRIVILEGE_NAME_MAX 64
const char *privilege_name(char out[static PRIVILEGE_NAME_MAX]);

#endif
