/* counted-exit.c -- only in a build that counts coverage: every way out of a program writes its counters, undisturbed.
 *
 * One that ends by _exit(2) writes them, too: the linker sends calls of _exit here (--wrap). Writing files
 * from a signal handler may deadlock, and is fit for nothing but this. And where the shim (tests/harness/shim/shim.h)
 * makes calls fail, it is told to rest first, since it takes the counters' calls for the program's.
 *
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>

extern void __gcov_dump(void);
extern void __real__exit(int status) __attribute__((noreturn));
extern void __wrap__exit(int status) __attribute__((noreturn));

/* A destructor without a priority runs before that of the counters. */
__attribute__((destructor)) static void let_shim_rest(void)
{
    void (*rest)(void);

    *(void **)&rest = dlsym(RTLD_DEFAULT, "shim_rest");
    if (rest)
        rest();
}

void __wrap__exit(int status)
{
    let_shim_rest();
    __gcov_dump();
    __real__exit(status);
}
