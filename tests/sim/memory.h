/* memory.h -- the server's memory: every block in the books, and never enough of it when a seed says so.
 *
 * malloc() and its kin are replaced for the code under test (replace.h). A block that is
 * freed is overwritten and kept until the end of the run, so whoever uses it on reads nonsense, the
 * same nonsense every time. With AddressSanitizer it is freed at once instead, because that sees more.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

void memory_begin(void);

/* The run is over: fails when a block was not freed. */
void memory_end(void);

/* In place of the C library's, by way of replace.h. */
void *sim_malloc(size_t size);
int sim_posix_memalign(void **ret, size_t alignment, size_t size);
void *sim_calloc(size_t n, size_t size);
void *sim_reallocarray(void *memory, size_t n, size_t size);
void sim_free(void *memory);

#endif
