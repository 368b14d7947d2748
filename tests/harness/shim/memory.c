/* memory.c -- see shim.h: the functions that allocate, and those that give back.
 *
 * A block is noted whoever frees it. Those that libc makes for the program (asprintf, getline, ...) are
 * noted as its own.
 *
 * SPDX-License-Identifier: MIT */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libc's other names for these, which its headers declare only in some modes, or not at all */
int __asprintf_chk(char **ret, int flag, const char *fmt, ...);
ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *file);

static void *got(void *block, size_t size, enum call call, const void *caller)
{
    if (is_counted(call, caller))
        block_got(block, size, call, caller);
    return block;
}

void *malloc(size_t size)
{
    return call_fails(CALL_malloc, HERE) ? NULL : got(NEXT(malloc)(size), size, CALL_malloc, HERE);
}

void *calloc(size_t n, size_t size)
{
    return call_fails(CALL_calloc, HERE) ? NULL
                                         : got(NEXT(calloc)(n, size), n * size, CALL_calloc, HERE);
}

/* Whether it moved the block or not, the old one is gone and there is a new one. */
static void *moved(void *old, void *block, size_t size, enum call call, const void *caller)
{
    if (!block)
        return NULL;
    block_gone(old);
    return got(block, size, call, caller);
}

void *realloc(void *block, size_t size)
{
    return call_fails(CALL_realloc, HERE)
               ? NULL
               : moved(block, NEXT(realloc)(block, size), size, CALL_realloc, HERE);
}

void *reallocarray(void *block, size_t n, size_t size)
{
    return call_fails(CALL_reallocarray, HERE) ? NULL
                                               : moved(block, NEXT(reallocarray)(block, n, size),
                                                       n * size, CALL_reallocarray, HERE);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    int r;

    if (call_fails(CALL_posix_memalign, HERE))
        return fault_code();
    r = NEXT(posix_memalign)(ret, alignment, size);
    if (r == 0)
        got(*ret, size, CALL_posix_memalign, HERE);
    return r;
}

/* dlsym(3) itself may free something, the message of an earlier failure, which then stays. */
void free(void *block)
{
    static void (*next)(void *);
    static bool asked;

    block_gone(block);
    if (!next && !asked) {
        asked = true;
        *(void **)&next = dlsym(RTLD_NEXT, "free");
    }
    if (next)
        next(block);
}

char *strdup(const char *text)
{
    return call_fails(CALL_strdup, HERE)
               ? NULL
               : got(NEXT(strdup)(text), strlen(text) + 1, CALL_strdup, HERE);
}

static int print(const void *caller, char **ret, const char *fmt, va_list args)
{
    int n;

    if (call_fails(CALL_asprintf, caller))
        return -1;
    n = vasprintf(ret, fmt, args);
    if (n >= 0)
        got(*ret, (size_t)n + 1, CALL_asprintf, caller);
    return n;
}

#define PRINT(ret, fmt)              \
    va_list args;                    \
    int n;                           \
                                     \
    va_start(args, fmt);             \
    n = print(HERE, ret, fmt, args); \
    va_end(args);                    \
    return n

int asprintf(char **ret, const char *fmt, ...)
{
    PRINT(ret, fmt);
}

int __asprintf_chk(char **ret, int flag, const char *fmt, ...)
{
    (void)flag;
    PRINT(ret, fmt);
}

static ssize_t get(const void *caller, char **line, size_t *size, int delimiter, FILE *file)
{
    const char *before = *line;
    ssize_t n;

    if (call_fails(CALL_getdelim, caller))
        return -1;
    n = NEXT(getdelim)(line, size, delimiter, file);
    if (*line != before)
        moved((void *)before, *line, *size, CALL_getdelim, caller);
    return n;
}

ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *file)
{
    return get(HERE, line, size, delimiter, file);
}

ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *file)
{
    return get(HERE, line, size, delimiter, file);
}

ssize_t getline(char **line, size_t *size, FILE *file)
{
    return get(HERE, line, size, '\n', file);
}

/* CPU_ALLOC */
cpu_set_t *__sched_cpualloc(size_t n)
{
    return call_fails(CALL_cpu_alloc, HERE)
               ? NULL
               : got(NEXT(__sched_cpualloc)(n), CPU_ALLOC_SIZE(n), CALL_cpu_alloc, HERE);
}
