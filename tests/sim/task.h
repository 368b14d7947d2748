/* task.h -- the threads of the server, one at a time.
 *
 * pthread_create() and pthread_join() are replaced (replace.h): a thread is a task with a stack of its own, switched to and from by hand (ucontext), all in one real thread. A task runs until
 * it waits: in the engine for an event, or for another task to end; or until its turn is over, which may
 * be at every lock and at every atomic operation (replace.h). Then the scheduler (world.c) picks who goes
 * on. So a run is the same whenever its choices are, and a switch costs no system call that waits for
 * another CPU.
 *
 * What this cannot show is a data race between two of these moments, or what a CPU may reorder;
 * ThreadSanitizer looks for those.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_TASK_H
#define SIM_TASK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum task_state {
    TASK_READY,   /* just created, or its turn was over, or it has it */
    TASK_WAITING, /* in the engine, see 'waits_in' */
    TASK_JOINING, /* for 'joins' to end */
    TASK_DONE,
};

struct engine;

struct task {
    unsigned id; /* from 1 on; the first runs the server */
    enum task_state state;
    struct engine *waits_in;
    struct task *joins;
    bool joined;
    int64_t ready_ns; /* since when it could go on; NEVER: it cannot */
};

/* Forgets all tasks of the run before. */
void tasks_begin(void);

/* For the scheduler. */
struct task *task_create(void *(*main)(void *), void *arg);
void task_resume(struct task *t);
struct task *task_nth(unsigned i); /* NULL beyond the last */

/* For the one that runs: the task itself, or NULL in the scheduler; and back to the scheduler. */
struct task *task_self(void);
void task_wait(struct engine *engine);
void task_preempt(void); /* perhaps */

/* In place of the C library's, by way of replace.h. */
int sim_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*main)(void *),
                       void *arg);
int sim_pthread_join(pthread_t thread, void **ret);
int sim_pthread_mutex_lock(pthread_mutex_t *lock);
int sim_pthread_mutex_unlock(pthread_mutex_t *lock);

#endif
