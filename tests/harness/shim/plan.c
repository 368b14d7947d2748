/* plan.c -- see shim.h: whose calls are counted, which one fails, and how badly the others work.
 *
 * Only atomics here: a call may come from a signal handler.
 *
 * SPDX-License-Identifier: MIT */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RANGES_MAX 8
#define PART_MAX 3       /* bytes that a short transfer moves */
#define NOT_READY_MAX 3u /* how often in a row a ready socket says that it is not */

char shim_main_name[64];
uintptr_t shim_main_base;

static struct {
    const char *begin, *end;
} ranges[RANGES_MAX]; /* the first are the program's, then the library's of SHIM_FROM */
static size_t n_ranges, n_main_ranges;

static struct {
    bool armed, any_allocation, ever;
    enum call call;
    unsigned long nth, last; /* of the calls that fail */
    int code;
} fault;
static atomic_ulong seen; /* calls of the kind that is to fail */
static atomic_bool resting;

static struct {
    bool shortened, not_ready;
    unsigned interrupts;
} storm;
static atomic_uint_fast64_t seeds;

/* --- reading what is wanted --------------------------------------------------------------------- */

static void add_code(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum && n_ranges < RANGES_MAX; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        ranges[n_ranges].begin = (const char *)info->dlpi_addr + p->p_vaddr;
        ranges[n_ranges].end = ranges[n_ranges].begin + p->p_memsz;
        n_ranges++;
    }
}

/* The program comes first, and has no name here. */
static int look_at_object(struct dl_phdr_info *info, size_t size, void *wanted)
{
    (void)size;
    if (n_main_ranges == 0) {
        shim_main_base = info->dlpi_addr;
        add_code(info);
        n_main_ranges = n_ranges;
    } else if (wanted && strstr(info->dlpi_name, wanted)) {
        add_code(info);
    }
    return 0;
}

static void give_up(const char *what)
{
    fprintf(stderr, "shim: %s makes no sense\n", what);
    _Exit(125);
}

static void read_fault(const char *text)
{
    char name[32], when[8];
    size_t i = 0;

    if (sscanf(text, "%31[a-z0-9_]:%lu:%d:%7s", name, &fault.nth, &fault.code, when) != 4)
        give_up("SHIM_FAIL");
    fault.ever = strcmp(when, "ever") == 0;
    fault.last = fault.nth + (strcmp(when, "twice") == 0);
    fault.any_allocation = strcmp(name, "alloc") == 0;
    while (i < N_CALLS && strcmp(call_names[i], name) != 0)
        i++;
    if (i == N_CALLS && !fault.any_allocation)
        give_up("the call in SHIM_FAIL");
    fault.call = (enum call)i;
    fault.armed = true;
}

static void read_storm(const char *text)
{
    const char *interrupts = strstr(text, "eintr=");

    storm.shortened = strstr(text, "short") != NULL;
    storm.not_ready = strstr(text, "eagain") != NULL;
    storm.interrupts = interrupts ? (unsigned)strtoul(interrupts + 6, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SHIM_FAIL");

    snprintf(shim_main_name, sizeof shim_main_name, "%s", program_invocation_short_name);
    dl_iterate_phdr(look_at_object, getenv("SHIM_FROM"));
    if (text)
        read_fault(text);
    text = getenv("SHIM_STORM");
    if (text)
        read_storm(text);
    shim_clock_jumps = getenv("SHIM_CLOCK") != NULL;
    text = getenv("SHIM_SEED");
    atomic_store(&seeds, text ? strtoull(text, NULL, 10) : 1);
}

/* --- deciding ----------------------------------------------------------------------------------- */

static bool within(const void *caller, size_t n)
{
    const char *c = caller;

    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].begin && c < ranges[i].end)
            return true;
    return false;
}

bool is_programs(const void *caller)
{
    return within(caller, n_main_ranges);
}

void shim_rest(void)
{
    atomic_store(&resting, true);
}

static bool is_allocation(enum call call)
{
    return call <= LAST_ALLOCATION;
}

bool is_counted(enum call call, const void *caller)
{
    return !atomic_load(&resting) && within(caller, is_allocation(call) ? n_ranges : n_main_ranges);
}

int fault_code(void)
{
    return fault.code;
}

static bool is_its_turn(enum call call)
{
    unsigned long n;

    if (!fault.armed || !(fault.any_allocation ? is_allocation(call) : call == fault.call))
        return false;
    n = atomic_fetch_add(&seen, 1) + 1;
    return n >= fault.nth && (fault.ever || n <= fault.last);
}

bool call_fails(enum call call, const void *caller)
{
    if (!is_counted(call, caller))
        return false;
    books_count(call);
    if (!is_its_turn(call))
        return false;
    books_fired(call, caller);
    errno = fault.code;
    return true;
}

/* --- storms ------------------------------------------------------------------------------------- */

/* xorshift64 (G. Marsaglia, Journal of Statistical Software 8(14), 2003), one per thread. */
static unsigned dice(unsigned sides)
{
    static _Thread_local uint64_t x;

    if (x == 0)
        x = (atomic_fetch_add(&seeds, 1) + 1) * 0x9e3779b97f4a7c15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (unsigned)(x >> 33) % sides;
}

/* Each thread's calls of a kind are interrupted so often, and then work once. */
static bool is_interrupted(enum call call)
{
    static _Thread_local unsigned times[N_CALLS];

    if (times[call] < storm.interrupts) {
        times[call]++;
        errno = EINTR;
        return true;
    }
    times[call] = 0;
    return false;
}

static bool cannot_block(int fd, int flags)
{
    return flags & MSG_DONTWAIT || fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static bool says_not_ready(int fd, int flags)
{
    static _Thread_local unsigned times;

    if (!storm.not_ready || times >= NOT_READY_MAX || !cannot_block(fd, flags) || dice(2)) {
        times = 0;
        return false;
    }
    times++;
    epoll_tell_again(fd);
    errno = EAGAIN;
    return true;
}

bool call_disturbed(enum call call, const void *caller)
{
    return call_fails(call, caller) || (is_counted(call, caller) && is_interrupted(call));
}

bool transfer_disturbed(enum call call, const void *caller, int fd, int flags)
{
    return call_disturbed(call, caller) || (is_counted(call, caller) && says_not_ready(fd, flags));
}

size_t transfer_part(const void *caller, size_t n)
{
    size_t part;

    if (!storm.shortened || !is_programs(caller))
        return n;
    part = 1 + dice(PART_MAX);
    return part < n ? part : n;
}
