/* books.c -- see shim.h: what was counted, what failed, what was not given back, and the report of it.
 *
 * Blocks have a lock, which no signal handler of the program takes, because none allocates. Counters and
 * descriptors are atomics.
 *
 * SPDX-License-Identifier: MIT */
#include "shim.h"

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDS_MAX 4096
#define REPORT_FD 900
#define BLOCKS_MAX 16384
#define BUCKETS 4096

#define CALL(name) #name,
const char *const call_names[N_CALLS] = {
#include "calls.inc"
};
#undef CALL

/* --- counters ----------------------------------------------------------------------------------- */

static atomic_uint counts[N_CALLS];
static atomic_uint fired;
static struct {
    enum call call;
    const void *caller;
    int level, option; /* of setsockopt; family and type of socket */
} first_fired;

void books_count(enum call call)
{
    atomic_fetch_add(&counts[call], 1);
}

void books_fired(enum call call, const void *caller)
{
    if (atomic_fetch_add(&fired, 1) > 0)
        return;
    first_fired.call = call;
    first_fired.caller = caller;
}

void books_fired_detail(int level, int option)
{
    if (atomic_load(&fired) != 1)
        return;
    first_fired.level = level;
    first_fired.option = option;
}

/* --- descriptors -------------------------------------------------------------------------------- */

static struct {
    atomic_int call; /* plus 1, so that 0 is none */
    _Atomic(const void *) caller;
} fds[FDS_MAX];

int fd_got(int fd, enum call call, const void *caller)
{
    if (fd >= 0 && fd < FDS_MAX && is_counted(call, caller)) {
        atomic_store(&fds[fd].caller, caller);
        atomic_store(&fds[fd].call, (int)call + 1);
    }
    return fd;
}

void fd_gone(int fd)
{
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&fds[fd].call, 0);
}

bool fd_is(int fd, enum call call)
{
    return fd >= 0 && fd < FDS_MAX && atomic_load(&fds[fd].call) == (int)call + 1;
}

/* --- blocks ------------------------------------------------------------------------------------- */

static struct block {
    const void *at;
    size_t size;
    enum call call;
    const void *caller;
    struct block *next;
} blocks[BLOCKS_MAX], *buckets[BUCKETS], *spare;
static size_t n_blocks, n_lost;
static atomic_flag blocks_taken = ATOMIC_FLAG_INIT;

/* Not a mutex: a sanitizer stands before those, and calls free() when it is not ready for them. */
static void take_blocks(void)
{
    while (atomic_flag_test_and_set(&blocks_taken))
        sched_yield();
}

static void leave_blocks(void)
{
    atomic_flag_clear(&blocks_taken);
}

static struct block **bucket(const void *at)
{
    return &buckets[((uintptr_t)at >> 4) % BUCKETS];
}

void block_got(void *at, size_t size, enum call call, const void *caller)
{
    struct block *b;

    if (!at)
        return;
    take_blocks();
    b = spare;
    if (b)
        spare = b->next;
    else if (n_blocks < BLOCKS_MAX)
        b = &blocks[n_blocks++];
    else
        n_lost++;
    if (b) {
        *b = (struct block){at, size, call, caller, *bucket(at)};
        *bucket(at) = b;
    }
    leave_blocks();
}

void block_gone(const void *at)
{
    struct block **p, *b;

    if (!at)
        return;
    take_blocks();
    for (p = bucket(at); (b = *p); p = &b->next)
        if (b->at == at) {
            *p = b->next;
            b->next = spare;
            spare = b;
            break;
        }
    leave_blocks();
}

/* --- the report --------------------------------------------------------------------------------- */

static int report_fd = -1;

/* At the start, because a sandbox may forbid it later; out of the way of the program's descriptors. */
__attribute__((constructor)) static void open_report(void)
{
    const char *path = getenv("SHIM_REPORT");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    if (fd == -1)
        return;
    report_fd = fcntl(fd, F_DUPFD_CLOEXEC, REPORT_FD);
    close(fd);
}

/* A report goes out in one write(2), because a signal may end the program while it reports already: then
 * there are two, whole ones, and the last one counts. */
struct text {
    size_t used;
    char bytes[32 * 1024];
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *fmt, ...)
{
    size_t room = sizeof text->bytes - text->used;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text->bytes + text->used, room, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < room) /* a line that has no room is left out */
        text->used += (size_t)n;
}

/* An address as addr2line(1) wants it, where it is the program's. */
static const char *place(char out[static 96], const void *caller)
{
    if (is_programs(caller))
        snprintf(out, 96, "%s+0x%zx", shim_main_name, (uintptr_t)caller - shim_main_base);
    else
        snprintf(out, 96, "a library");
    return out;
}

static void report_blocks(struct text *text)
{
    char where[96];

    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct block *b = buckets[i]; b; b = b->next)
            say(text, "block %zu %s %s\n", b->size, call_names[b->call], place(where, b->caller));
    if (n_lost)
        say(text, "lost %zu\n", n_lost);
}

void report(bool returned)
{
    struct text text = {.used = 0};
    char where[96];

    if (report_fd == -1)
        return;
    say(&text, "report\n");
    for (int i = 0; i < N_CALLS; i++)
        if (counts[i])
            say(&text, "calls %s %u\n", call_names[i], counts[i]);
    say(&text, "fired %u", fired);
    if (fired)
        say(&text, " %s %s %d %d", call_names[first_fired.call], place(where, first_fired.caller),
            first_fired.level, first_fired.option);
    say(&text, "\nended by %s\n", returned ? "return" : "_exit");
    for (int i = 0; i < FDS_MAX; i++)
        if (fds[i].call)
            say(&text, "fd %d %s %s\n", i, call_names[fds[i].call - 1],
                place(where, fds[i].caller));
    if (returned) /* who ends with _exit gives nothing back, and may have been in the middle of it */
        report_blocks(&text);
    (void)syscall(SYS_write, report_fd, text.bytes, text.used);
}

__attribute__((destructor)) static void end(void)
{
    report(true);
}
