/* landlock.c -- see landlock.h.
 *
 * SPDX-License-Identifier: MIT */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What came after the oldest headers that we compile with (include/uapi/linux/landlock.h). */
#define FS_TRUNCATE (1ull << 14)        /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15)       /* ABI 5 */
#define NET_BIND_TCP (1ull << 0)        /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)     /* ABI 4 */
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ull << 1)        /* ABI 6 */

/* struct landlock_ruleset_attr as of ABI 6; an older kernel takes the beginning it knows, provided the
 * rest is zero. */
struct ruleset_attr {
    uint64_t fs, net, scoped;
};

static int create_ruleset(const struct ruleset_attr *attr, size_t size, uint32_t flags)
{
    long r = syscall(SYS_landlock_create_ruleset, attr, size, flags);

    return r == -1 ? -errno : (int)r;
}

/* Everything that the kernel can forbid. */
static struct ruleset_attr all_of(int abi)
{
    struct ruleset_attr attr = {.fs = LANDLOCK_ACCESS_FS_REFER - 1}; /* all of ABI 1 */

#ifdef INSTRUMENTED
    /* coverage writes files at the end, and sanitizers read them: what nobody does must do */
    attr.fs = LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_CHAR;
#else
    if (abi >= 2)
        attr.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        attr.fs |= FS_TRUNCATE;
    if (abi >= 5)
        attr.fs |= FS_IOCTL_DEV;
#endif
    if (abi >= 4)
        attr.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return attr;
}

/* Renaming within a directory takes the rights to make and to remove there, and no other. */
static int allow_sockets(int ruleset, const char *dir, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = handled & (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE),
        .parent_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
    };
    int r = 0;

    if (rule.parent_fd == -1)
        return -errno;
    /* the kernel refuses a rule about nothing */
    if (rule.allowed_access &&
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == -1)
        r = -errno;
    close(rule.parent_fd);
    return r;
}

/* Is it in force? The root folder, which everyone may list, must be closed. */
static int verify(void)
{
#ifndef INSTRUMENTED
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd != -1) {
        close(fd);
        return -EPERM;
    }
#endif
    return 0;
}

int landlock_enter(const char *const *socket_dirs, size_t n)
{
    int abi = create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset_attr attr;
    int ruleset, r = 0;

    if (abi < 0)
        return abi;
    if (abi < 1)
        return -ENOSYS;
    attr = all_of(abi);
    ruleset = create_ruleset(&attr, sizeof attr, 0);
    if (ruleset < 0)
        return ruleset;
    for (size_t i = 0; i < n && r == 0; i++)
        r = allow_sockets(ruleset, socket_dirs[i], attr.fs);
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
        r = -errno;
    close(ruleset);
    if (r == 0)
        r = verify();
    return r < 0 ? r : abi;
}
