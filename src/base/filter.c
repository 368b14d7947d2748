/* filter.c -- see filter.h. The table is the policy; what an engine or a feature wants is added there,
 * with the reason beside it.
 *
 * SPDX-License-Identifier: MIT */
#include "filter.h"

#include <errno.h>

#ifndef HAVE_LIBSECCOMP

bool filter_built(void)
{
    return false;
}

int filter_enter(bool sockets)
{
    (void)sockets;
    return -ENOSYS;
}

#else

#include <linux/io_uring.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls that are allowed whatever their arguments: for these the kernel has a bitmap (since 5.11), and
 * does not run the filter at all. An older one compares in this order, so what a message costs comes
 * first. */
static const int calls[] = {
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(io_uring_enter), /* of a ring restricted to what the engine does */
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), /* where there is no epoll_wait, as on arm64 */
    SCMP_SYS(poll),        /* the classic engine, and a log that cannot be opened again */
    SCMP_SYS(ppoll),       /* where there is no poll */
    SCMP_SYS(futex),       /* locks; pthread_join */

    /* a connection, from accept to close */
    SCMP_SYS(accept4),
    SCMP_SYS(getpeername),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(
        getsockopt), /* TCP_INFO: did a slow reader read? who waits in the backlog? SO_MEMINFO: who had to go? */
    SCMP_SYS(close),

    /* wake-ups through an eventfd, and the log */
    SCMP_SYS(eventfd2), /* the classic engine: one per client */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(pread64), /* the counters of the network, in a file opened before */
    SCMP_SYS(writev),  /* the C library's last words, such as "stack smashing detected" */

    /* time, where the vDSO has to ask the kernel: some virtual machines */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),

    /* memory; mmap and mprotect are below */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),           /* a thread's stack, given back */
    SCMP_SYS(sched_getaffinity), /* malloc, to know how many arenas are worth it */
    SCMP_SYS(getrandom),         /* newer C libraries' malloc */

    /* a thread's beginning and end, and the process's */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),

    /* signals: masks around thread creation, SIGTERM ignored at the end; returning from a handler, and
     * to a call that it interrupted */
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),

    /* abort(3), which wants tgkill (below), too */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
};

/* The same for what talks through a Unix socket, passes descriptors there, and puts the socket's file in its
 * place or removes it (server/takeover.h). The socket itself is made before. */
static const int socket_calls[] = {
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    /* is the file still ours? */
    SCMP_SYS(newfstatat),
    SCMP_SYS(lstat),
    SCMP_SYS(lstat64),
    SCMP_SYS(fstatat64),
    SCMP_SYS(statx),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
};

/* clone(2) has its arguments in another order on s390. */
#if defined(__s390__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* What tells a new thread from a new process, and from one in namespaces of its own. */
#define CLONE_MASK                                                                                \
    (CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
     CLONE_NEWPID | CLONE_NEWNET)

#ifdef INSTRUMENTED
#define DEFAULT_ACTION SCMP_ACT_ALLOW
#else
#define DEFAULT_ACTION SCMP_ACT_ERRNO(EPERM)
#endif

/* Allows a call, if there is one of this name here; with 'when' only if an argument is as it says. */
static int allow(scmp_filter_ctx filter, int call, const struct scmp_arg_cmp *when)
{
    int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, when ? 1 : 0, when);

    /* this is what the library says to a rule that repeats the default */
    return r == -EACCES && DEFAULT_ACTION == SCMP_ACT_ALLOW ? 0 : r;
}

static int allow_all(scmp_filter_ctx filter, const int *numbers, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        r = seccomp_syscall_priority(filter, numbers[i], (uint8_t)(UINT8_MAX - i));
        if (r == 0)
            r = allow(filter, numbers[i], NULL);
    }
    return r;
}

/* The calls whose arguments matter. */
static int allow_conditionals(scmp_filter_ctx filter)
{
    const struct {
        int call;
        struct scmp_arg_cmp when;
    } rules[] = {
        /* memory, but none that becomes code */
        {SCMP_SYS(mmap), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
        {SCMP_SYS(mmap2), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}}, /* 32 bits */
        {SCMP_SYS(mprotect), {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
        /* our FIN. Shut down for reading, a listener is a fresh socket, and sendto(2) with MSG_FASTOPEN
         * connects it: no rule about connect(2), of ours or of landlock, sees that */
        {SCMP_SYS(shutdown), {1, SCMP_CMP_EQ, SHUT_WR, 0}},
        /* threads, but no processes */
        {SCMP_SYS(clone), {CLONE_FLAGS_ARG, SCMP_CMP_MASKED_EQ, CLONE_MASK, CLONE_THREAD}},
        /* the name of the interface behind a link-local address */
        {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, SIOCGIFNAME, 0}},
        /* the width of the terminal that shows --stats */
        {SCMP_SYS(ioctl), {1, SCMP_CMP_EQ, TIOCGWINSZ, 0}},
        /* each worker enables its ring, and names it to the kernel for as long as it has it */
        {SCMP_SYS(io_uring_register), {1, SCMP_CMP_EQ, IORING_REGISTER_ENABLE_RINGS, 0}},
        {SCMP_SYS(io_uring_register), {1, SCMP_CMP_EQ, IORING_REGISTER_RING_FDS, 0}},
        {SCMP_SYS(io_uring_register), {1, SCMP_CMP_EQ, IORING_UNREGISTER_RING_FDS, 0}},
        /* abort(3) */
        {SCMP_SYS(tgkill), {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0}},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof rules / sizeof *rules && r == 0; i++)
        r = allow(filter, rules[i].call, &rules[i].when);
    return r;
}

static int fill(scmp_filter_ctx filter, bool sockets)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
#ifdef INSTRUMENTED
    if (r == 0) /* verify() wants one call that is forbidden */
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(execveat), 0);
#endif
    if (r == 0)
        r = allow_all(filter, calls, sizeof calls / sizeof *calls);
    if (r == 0)
        r = allow_conditionals(filter);
    if (r == 0 && sockets)
        r = allow_all(filter, socket_calls, sizeof socket_calls / sizeof *socket_calls);
    return r;
}

/* Is it in force? Some filter may be (a container's), so what tells is a call that only ours forbids;
 * without it this one fails with EFAULT. */
static int verify(void)
{
    if (syscall(SYS_execveat, -1, NULL, NULL, NULL, 0) != -1 || errno != EPERM)
        return -EPERM;
    return 0;
}

bool filter_built(void)
{
    return true;
}

int filter_enter(bool sockets)
{
    scmp_filter_ctx filter = seccomp_init(DEFAULT_ACTION);
    int r;

    if (!filter)
        return -ENOMEM;
    r = fill(filter, sockets);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r == 0 ? verify() : r;
}

#endif
