/* calls.c -- see shim.h: descriptors and files, and the few other calls that may fail.
 *
 * As in sockets.c; some of these have a second name for large files, too.
 *
 * SPDX-License-Identifier: MIT */
#include "shim.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

/* libc's other names for these, which its headers declare only in some modes, or not at all */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);

/* libseccomp's, which may not be installed */
void *seccomp_init(uint32_t action);
int seccomp_load(const void *filter);

/* --- descriptors -------------------------------------------------------------------------------- */

int eventfd(unsigned initial, int flags)
{
    if (call_fails(CALL_eventfd, HERE))
        return -1;
    return fd_got(NEXT(eventfd)(initial, flags), CALL_eventfd, HERE);
}

static ssize_t read_from(const void *caller, int fd, void *buf, size_t n)
{
    if (fd_is(fd, CALL_eventfd))
        return NEXT(read)(fd, buf, n);
    if (transfer_disturbed(CALL_read, caller, fd, 0))
        return -1;
    return NEXT(read)(fd, buf, transfer_part(caller, n));
}

ssize_t read(int fd, void *buf, size_t n)
{
    return read_from(HERE, fd, buf, n);
}

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
    (void)room;
    return read_from(HERE, fd, buf, n);
}

ssize_t write(int fd, const void *buf, size_t n)
{
    if (fd_is(fd, CALL_eventfd))
        return NEXT(write)(fd, buf, n);
    if (call_disturbed(CALL_write, HERE))
        return -1;
    return NEXT(write)(fd, buf, fd == STDOUT_FILENO ? transfer_part(HERE, n) : n);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    if (call_disturbed(CALL_writev, HERE))
        return -1;
    return NEXT(writev)(fd, parts, n);
}

static int open_it(const void *caller, const char *path, int flags, mode_t mode)
{
    if (call_disturbed(CALL_open, caller))
        return -1;
    return fd_got(NEXT(open)(path, flags, mode), CALL_open, caller);
}

/* Without O_CREAT nobody looks at the mode. */
#define OPEN(path, flags)                                                        \
    va_list args;                                                                \
    int fd;                                                                      \
                                                                                 \
    va_start(args, flags);                                                       \
    fd = open_it(HERE, path, flags, flags & O_CREAT ? va_arg(args, mode_t) : 0); \
    va_end(args);                                                                \
    return fd

int open(const char *path, int flags, ...)
{
    OPEN(path, flags);
}

int open64(const char *path, int flags, ...)
{
    OPEN(path, flags);
}

int __open_2(const char *path, int flags)
{
    return open_it(HERE, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return open_it(HERE, path, flags, 0);
}

static int control(const void *caller, int fd, int command, void *argument)
{
    bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    int r;

    if ((duplicates || command == F_SETFL) && call_fails(CALL_fcntl, caller))
        return -1;
    r = NEXT(fcntl)(fd, command, argument);
    return duplicates ? fd_got(r, CALL_fcntl, caller) : r;
}

/* As libc does: whatever the argument is, it fits a pointer. */
#define FCNTL(fd, command)           \
    va_list args;                    \
    void *argument;                  \
                                     \
    va_start(args, command);         \
    argument = va_arg(args, void *); \
    va_end(args);                    \
    return control(HERE, fd, command, argument)

int fcntl(int fd, int command, ...)
{
    FCNTL(fd, command);
}

int fcntl64(int fd, int command, ...)
{
    FCNTL(fd, command);
}

int dup(int fd)
{
    if (call_fails(CALL_dup, HERE))
        return -1;
    return fd_got(NEXT(dup)(fd), CALL_dup, HERE);
}

int close(int fd)
{
    int r;

    fd_gone(fd);
    epoll_forget(fd);
    r = NEXT(close)(fd);
    return call_disturbed(CALL_close, HERE) ? -1 : r;
}

int fstat(int fd, struct stat *st)
{
    if (call_fails(CALL_fstat, HERE))
        return -1;
    return NEXT(fstat)(fd, st);
}

int fstat64(int fd, struct stat64 *st)
{
    if (call_fails(CALL_fstat, HERE))
        return -1;
    return NEXT(fstat64)(fd, st);
}

/* --- files, for the history --------------------------------------------------------------------- */

FILE *fopen(const char *path, const char *mode)
{
    return call_fails(CALL_fopen, HERE) ? NULL : NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    return call_fails(CALL_fopen, HERE) ? NULL : NEXT(fopen64)(path, mode);
}

/* From here on the stream owns the descriptor. */
FILE *fdopen(int fd, const char *mode)
{
    FILE *file = call_fails(CALL_fdopen, HERE) ? NULL : NEXT(fdopen)(fd, mode);

    if (file)
        fd_gone(fd);
    return file;
}

int mkdir(const char *path, mode_t mode)
{
    return call_fails(CALL_mkdir, HERE) ? -1 : NEXT(mkdir)(path, mode);
}

int rename(const char *from, const char *to)
{
    return call_fails(CALL_rename, HERE) ? -1 : NEXT(rename)(from, to);
}

/* --- limits and threads ----------------------------------------------------------------------------------- */

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (call_fails(CALL_mmap, HERE))
        return MAP_FAILED;
    return NEXT(mmap)(at, n, protection, flags, fd, offset);
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
    return call_fails(CALL_getrlimit, HERE) ? -1 : NEXT(getrlimit)(resource, limit);
}

int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit)
{
    return call_fails(CALL_getrlimit, HERE) ? -1 : NEXT(getrlimit64)(resource, limit);
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    return call_fails(CALL_setrlimit, HERE) ? -1 : NEXT(setrlimit)(resource, limit);
}

int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    return call_fails(CALL_setrlimit, HERE) ? -1 : NEXT(setrlimit64)(resource, limit);
}

int sched_getaffinity(pid_t pid, size_t n, cpu_set_t *set)
{
    if (call_fails(CALL_sched_getaffinity, HERE))
        return -1;
    return NEXT(sched_getaffinity)(pid, n, set);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument)
{
    if (call_fails(CALL_pthread_create, HERE))
        return fault_code();
    return NEXT(pthread_create)(ret, attributes, start, argument);
}

int tcgetattr(int fd, struct termios *modes)
{
    return call_fails(CALL_tcgetattr, HERE) ? -1 : NEXT(tcgetattr)(fd, modes);
}

int tcsetattr(int fd, int when, const struct termios *modes)
{
    return call_fails(CALL_tcsetattr, HERE) ? -1 : NEXT(tcsetattr)(fd, when, modes);
}

/* --- giving up privileges ----------------------------------------------------------------------- */

int prctl(int what, ...)
{
    unsigned long a, b, c, d;
    va_list args;

    va_start(args, what);
    a = va_arg(args, unsigned long);
    b = va_arg(args, unsigned long);
    c = va_arg(args, unsigned long);
    d = va_arg(args, unsigned long);
    va_end(args);
    if ((what == PR_SET_NO_NEW_PRIVS || what == PR_CAPBSET_DROP) && call_fails(CALL_prctl, HERE))
        return -1;
    return NEXT(prctl)(what, a, b, c, d);
}

/* Not counted where it is called in order to fail. */
long syscall(long number, ...)
{
    long a[6], r;
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_execveat && call_fails(CALL_syscall, HERE))
        return -1;
    r = NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_landlock_create_ruleset && a[0]) /* without, it only tells its version */
        fd_got((int)r, CALL_syscall, HERE);
    return r;
}

int setgroups(size_t n, const gid_t *groups)
{
    return call_fails(CALL_setgroups, HERE) ? -1 : NEXT(setgroups)(n, groups);
}

int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    return call_fails(CALL_setresgid, HERE) ? -1 : NEXT(setresgid)(real, effective, saved);
}

/* Who tries to become root again wants it to fail. */
int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    return real != 0 && call_fails(CALL_setresuid, HERE) ? -1
                                                         : NEXT(setresuid)(real, effective, saved);
}

void *seccomp_init(uint32_t action)
{
    return call_fails(CALL_seccomp_init, HERE) ? NULL : NEXT(seccomp_init)(action);
}

int seccomp_load(const void *filter)
{
    return call_fails(CALL_seccomp_load, HERE) ? -fault_code() : NEXT(seccomp_load)(filter);
}

/* --- the rest ----------------------------------------------------------------------------------- */

char *setlocale(int category, const char *locale)
{
    return call_fails(CALL_setlocale, HERE) ? NULL : NEXT(setlocale)(category, locale);
}

void _exit(int code)
{
    report(false);
    NEXT(_exit)(code);
    __builtin_unreachable();
}
