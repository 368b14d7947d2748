/* process.c -- see process.h.
 *
 * SPDX-License-Identifier: MIT */
#include "process.h"

#include "clock.h"
#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int process_guard_stdio(struct err *err)
{
    for (int fd = 0; fd <= 2; fd++) {
        int got;

        if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
            continue;
        /* the lowest free number is taken, and all below are open by now */
        got = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        if (got == -1)
            return err_set(err, errno, "cannot open '/dev/null' in place of a closed descriptor %d",
                           fd);
    }
    return 0;
}

uint64_t process_raise_nofile(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return 1024;
    if (limit.rlim_cur != limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

unsigned process_cpus(void)
{
    int n = 0;

    /* the kernel refuses a set smaller than its own (sched_setaffinity(2)), so try larger ones */
    for (size_t room = 1024; n == 0 && room <= 1 << 20; room *= 4) {
        cpu_set_t *set = CPU_ALLOC(room);

        if (!set)
            break;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(room), set) == 0)
            n = CPU_COUNT_S(CPU_ALLOC_SIZE(room), set);
        CPU_FREE(set);
    }
    return n > 0 ? (unsigned)n : 1;
}

static int64_t of_timeval(const struct timeval *t)
{
    return (int64_t)t->tv_sec * NS_PER_S + (int64_t)t->tv_usec * NS_PER_US;
}

void process_thread_cpu_ns(int64_t *ret_ns, int64_t *ret_user_ns)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    *ret_user_ns = of_timeval(&usage.ru_utime);
    *ret_ns = *ret_user_ns + of_timeval(&usage.ru_stime);
}

int64_t process_thread_waited_ns(void)
{
    FILE *in = fopen("/proc/thread-self/schedstat", "re");
    long long waited_ns = 0;

    if (!in)
        return 0;
    if (fscanf(in, "%*s %lld", &waited_ns) != 1)
        waited_ns = 0;
    fclose(in);
    return waited_ns;
}

int64_t process_cpu_of_ns(int pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) == -1)
        return -1;
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

void process_wake_punctually(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
}

void process_on_signal(int signo, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigfillset(&action.sa_mask); /* one handler at a time */
    sigaction(signo, &action, NULL);
}

void process_ignore(const int *signals)
{
    process_on_signal(SIGPIPE, SIG_IGN);
    for (; *signals; signals++)
        process_on_signal(*signals, SIG_IGN);
}
