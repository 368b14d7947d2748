/* replace.h -- what the code under test gets in place of the C library.
 *
 * Included before anything else in each file of src/ that is simulated (-include), and nowhere else. It
 * turns calls into calls of the simulation: memory (memory.c), threads and locks (task.c), the clock and
 * the log's output (world.c). Besides, every atomic operation is a moment at which another thread may get
 * its turn: what threads share is behind locks and atomics, so these are the moments at which it matters
 * who comes first.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_REPLACE_H
#define SIM_REPLACE_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void *sim_malloc(size_t size);
void *sim_calloc(size_t n, size_t size);
void *sim_reallocarray(void *memory, size_t n, size_t size);
int sim_posix_memalign(void **ret, size_t alignment, size_t size);
void sim_free(void *memory);
#define malloc(size) sim_malloc(size)
#define calloc(n, size) sim_calloc(n, size)
#define realloc(memory, size) sim_reallocarray(memory, 1, size)
#define reallocarray(memory, n, size) sim_reallocarray(memory, n, size)
#define posix_memalign(ret, alignment, size) sim_posix_memalign(ret, alignment, size)
#define free(memory) sim_free(memory)

int sim_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*main)(void *),
                       void *arg);
int sim_pthread_join(pthread_t thread, void **ret);
int sim_pthread_mutex_lock(pthread_mutex_t *lock);
int sim_pthread_mutex_unlock(pthread_mutex_t *lock);
#define pthread_create(ret, attr, main, arg) sim_pthread_create(ret, attr, main, arg)
#define pthread_join(thread, ret) sim_pthread_join(thread, ret)
#define pthread_mutex_lock(lock) sim_pthread_mutex_lock(lock)
#define pthread_mutex_unlock(lock) sim_pthread_mutex_unlock(lock)

int sim_clock_gettime(clockid_t clock, struct timespec *ret);
ssize_t sim_write(int fd, const void *data, size_t n);
int sim_poll(struct pollfd *polls, nfds_t n, int timeout_ms);
#define clock_gettime(clock, ret) sim_clock_gettime(clock, ret)
#define write(fd, data, n) sim_write(fd, data, n)
#define poll(polls, n, timeout_ms) sim_poll(polls, n, timeout_ms)

void task_preempt(void);

#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#define atomic_load(p) (task_preempt(), atomic_load_explicit(p, memory_order_seq_cst))
#define atomic_store(p, value) \
    (task_preempt(), atomic_store_explicit(p, value, memory_order_seq_cst))
#define atomic_exchange(p, value) \
    (task_preempt(), atomic_exchange_explicit(p, value, memory_order_seq_cst))
#define atomic_fetch_add(p, value) \
    (task_preempt(), atomic_fetch_add_explicit(p, value, memory_order_seq_cst))
#define atomic_fetch_sub(p, value) \
    (task_preempt(), atomic_fetch_sub_explicit(p, value, memory_order_seq_cst))

#endif
