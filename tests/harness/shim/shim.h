/* shim.h -- system calls and allocations that fail when told to: a library to be preloaded.
 *
 * It stands between a program and libc. Every fallible call that the program itself makes is counted;
 * one of them can be made to fail, or all can be made to work badly, and at the end a report says what
 * was called, what failed, and what was not given back. tests/torture is the driver. The environment
 * says what happens:
 *
 *     SHIM_FAIL=CALL:N:ERROR:once   the Nth CALL fails with the errno ERROR (a number); CALL is a name
 *     SHIM_FAIL=CALL:N:ERROR:twice  in calls.inc, or "alloc" for any allocation. The next one, too,
 *     SHIM_FAIL=CALL:N:ERROR:ever   or every later one
 *     SHIM_STORM=short,eintr=K,eagain   transfers cut to 1..3 bytes; each call interrupted K times
 *                                   before it works; calls that find a ready socket "not ready"
 *     SHIM_SEED=N                   the storms' dice
 *     SHIM_CLOCK=jump               the time of day is an hour ahead and an hour behind, in turn
 *     SHIM_FROM=NAME                count the allocations of the library whose path holds NAME, too
 *     SHIM_REPORT=PATH              where the report goes at exit
 *     SHIM_READY=FD                 the port of each listening socket goes there, a line each
 *
 * A call is the program's when its return address is, so what libc and other libraries do for themselves
 * is left alone. A failing call does not reach the kernel, except that
 *   - close(2) does its work first, as it does in the kernel;
 *   - an error that says the connection is gone (ECONNRESET, EPIPE, ENOTCONN, ETIMEDOUT of recv, send,
 *     shutdown or getpeername) makes it so, with a reset: otherwise the program would be told what cannot be, such
 *     as a peer that is gone and then still waits for our end of the stream.
 * What cannot fail is not counted: a write to, or a read from an eventfd that is not full, or empty, and
 * fcntl(2) where it only asks.
 *
 * Storms do nothing that the kernel does not do, either. Whoever waits in an edge-triggered epoll may
 * take a short read, or EAGAIN, as the proof that there is no more until the next edge. So after each of
 * these the shim sets the descriptor's events again (EPOLL_CTL_MOD), which reports what is ready: to the
 * program the rest came a moment later. accept4 is spared EAGAIN, since nobody joins its queue because
 * he is asked for again; so are blocking sockets. The log is spared short writes: pipe(7) promises lines.
 *
 * For programs that try one address after the other, the host "A+B" has the addresses of both.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALL(name) CALL_##name,
enum call {
#include "calls.inc"
    N_CALLS,
    LAST_ALLOCATION = CALL_cpu_alloc,
};
#undef CALL

/* Who called: for use in an interposed function itself. */
#define HERE __builtin_return_address(0)

/* The function that we stand before. dlsym(3) allocates only when it fails. */
#define NEXT(name)                                      \
    __extension__({                                     \
        static __typeof__(&(name)) next_;               \
        if (!next_)                                     \
            *(void **)&next_ = dlsym(RTLD_NEXT, #name); \
        next_;                                          \
    })

/* --- plan.c: who is counted, and what goes wrong --- */

bool is_programs(const void *caller);
bool is_counted(enum call call, const void *caller);

/* From here on nothing is counted, nothing fails and nothing is noted but what is given back. For a program
 * built to count its coverage, whose counters are written out by calls of its own (tests/counted-exit.c). */
void shim_rest(void);

/* Counts the call; returns whether it has to fail, with errno set. */
bool call_fails(enum call call, const void *caller);

/* The same, and EINTR in a storm. */
bool call_disturbed(enum call call, const void *caller);

/* The same, and EAGAIN in a storm, where neither 'fd' nor the 'flags' of the call let it block. */
bool transfer_disturbed(enum call call, const void *caller, int fd, int flags);

/* How many of 'n' bytes are let through. */
size_t transfer_part(const void *caller, size_t n);

/* The error that was asked for: for calls that return it and leave errno alone. */
int fault_code(void);

/* --- books.c: what was counted, and what was not given back --- */

void books_count(enum call call);
void books_fired(enum call call, const void *caller);
void books_fired_detail(int level, int option);
void block_got(void *block, size_t size, enum call call, const void *caller);
void block_gone(const void *block);
int fd_got(int fd, enum call call, const void *caller);
void fd_gone(int fd);
bool fd_is(int fd, enum call call); /* was it made by such a call? */

void report(bool returned);

extern const char *const call_names[N_CALLS];
extern char shim_main_name[64]; /* the program's name and where it begins, for addresses */
extern uintptr_t shim_main_base;

/* --- clock.c --- */

extern bool shim_clock_jumps;

/* --- sockets.c: for a descriptor that may be in an epoll --- */

void epoll_tell_again(int fd); /* reports again what is ready */
void epoll_forget(int fd);

#endif
