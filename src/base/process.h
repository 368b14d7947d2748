/* process.h -- what every program settles about its process before anything else.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdint.h>

struct err;

/* Makes sure that descriptors 0, 1 and 2 are open, so that no socket becomes one of them and no log
 * line ends up at a client. A closed one is opened on /dev/null the wrong way round (input for
 * writing, output for reading): whoever uses it still gets EBADF and says so. Returns 0 or -errno. */
int process_guard_stdio(struct err *err);

/* Raises the soft limit of open descriptors to the hard one and returns the limit now in force;
 * UINT64_MAX for none. */
uint64_t process_raise_nofile(void);

/* CPUs that this process may use; at least 1. */
unsigned process_cpus(void);

/* CPU time of the calling thread so far, and how much of it was spent in user mode. */
void process_thread_cpu_ns(int64_t *ret_ns, int64_t *ret_user_ns);

/* How long the calling thread was ready to run and had no CPU (sched-stats.rst: schedstat, the second number); 0
 * where it cannot be told. */
int64_t process_thread_waited_ns(void);

/* CPU time of all threads of process 'pid' so far, -1 when it cannot be told. */
int64_t process_cpu_of_ns(int pid);

/* Lets the calling thread wake up when it asked to, not up to 50 us later (prctl(2), PR_SET_TIMERSLACK). */
void process_wake_punctually(void);

/* Runs 'handler' on 'signo'. Calls it interrupts are restarted where the kernel can. */
void process_on_signal(int signo, void (*handler)(int));

/* Ignores SIGPIPE, and the signals in the 0-ended list. */
void process_ignore(const int *signals);

#endif
