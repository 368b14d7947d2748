/* task.c -- see task.h. Stacks are kept from run to run; a page below each catches an overflow.
 *
 * SPDX-License-Identifier: MIT */
#include "task.h"

#include "../../src/base/clock.h"
#include "../../src/base/list.h"
#include "../../src/server/worker.h"
#include "choose.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined __SANITIZE_ADDRESS__
#define FIBERS 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define FIBERS 1
#endif
#endif
#ifdef FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

#define TASKS_MAX 256
#define STACK_BYTES (128 * 1024) /* some hundred tasks may live at once */
#define GUARD_BYTES 4096

/* The task that others see, and what is needed to switch to it. */
struct strand {
    struct task task;
    ucontext_t context;
    void *stack;
    void *(*main)(void *);
    void *arg;
    void *fake_stack; /* AddressSanitizer's */
};

static struct strand strands[TASKS_MAX];
static unsigned n_strands;
static struct strand *current; /* NULL: the scheduler runs */
static ucontext_t scheduler;

/* AddressSanitizer wants to know about every change of stacks. */
#ifdef FIBERS
static void *scheduler_fake_stack;
static const void *scheduler_stack;
static size_t scheduler_stack_size;

static void leave_for(struct strand *s, bool for_ever)
{
    void **saved = current ? &current->fake_stack : &scheduler_fake_stack;

    __sanitizer_start_switch_fiber(for_ever ? NULL : saved, s ? s->stack : scheduler_stack,
                                   s ? STACK_BYTES : scheduler_stack_size);
}

static void arrived(void *fake_stack, bool from_scheduler)
{
    const void *stack;
    size_t size;

    __sanitizer_finish_switch_fiber(fake_stack, &stack, &size);
    if (from_scheduler) {
        scheduler_stack = stack;
        scheduler_stack_size = size;
    }
}
#else
static void leave_for(struct strand *s, bool for_ever)
{
    (void)s;
    (void)for_ever;
}

static void arrived(void *fake_stack, bool from_scheduler)
{
    (void)fake_stack;
    (void)from_scheduler;
}
#endif

void tasks_begin(void)
{
    n_strands = 0;
    current = NULL;
}

struct task *task_nth(unsigned i)
{
    return i < n_strands ? &strands[i].task : NULL;
}

struct task *task_self(void)
{
    return current ? &current->task : NULL;
}

static void to_scheduler(bool for_ever)
{
    struct strand *self = current;

    leave_for(NULL, for_ever);
    current = NULL;
    swapcontext(&self->context, &scheduler);
    arrived(self->fake_stack, true);
}

/* Where every task begins. */
static void strand_main(void)
{
    struct strand *self = current;

    arrived(NULL, true);
    self->main(self->arg);
    self->task.state = TASK_DONE;
    to_scheduler(true);
}

struct task *task_create(void *(*main)(void *), void *arg)
{
    struct strand *s;

    if (n_strands == TASKS_MAX)
        fail("the simulation is out of tasks");
    s = &strands[n_strands++];
    if (!s->stack) {
        char *map = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (map == MAP_FAILED || mprotect(map, GUARD_BYTES, PROT_NONE) == -1)
            fail("the simulation is out of memory");
        s->stack = map + GUARD_BYTES;
    }
    s->task = (struct task){.id = n_strands, .ready_ns = world.now_ns};
    s->main = main;
    s->arg = arg;
    s->fake_stack = NULL;
    getcontext(&s->context);
    sigemptyset(&s->context.uc_sigmask);
    s->context.uc_stack.ss_sp = s->stack;
    s->context.uc_stack.ss_size = STACK_BYTES;
    s->context.uc_link = NULL;
    makecontext(&s->context, strand_main, 0);
    return &s->task;
}

void task_resume(struct task *t)
{
    struct strand *s = container_of(t, struct strand, task);

    t->state = TASK_READY;
    t->ready_ns = NEVER;
    leave_for(s, false);
    current = s;
    swapcontext(&scheduler, &s->context);
#ifdef FIBERS
    arrived(scheduler_fake_stack, false);
#endif
}

void task_wait(struct engine *engine)
{
    current->task.state = TASK_WAITING;
    current->task.waits_in = engine;
    to_scheduler(false);
}

static void give_way(void)
{
    current->task.state = TASK_READY;
    to_scheduler(false);
}

void task_preempt(void)
{
    if (!current || !chance(world.faults.preempt))
        return;
    trace("task %u: its turn is over", current->task.id);
    give_way();
}

/* --- in place of the C library's ---------------------------------------------------------------- */

int sim_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*main)(void *), void *arg)
{
    (void)attr;
    if (world_fault(world.faults.thread)) {
        trace("no thread can be had");
        world.start_failed |= !io_thread_per_client(world.server->workers[0]->io);
        return EAGAIN;
    }
    *ret = task_create(main, arg)->id;
    trace("task %u begins", (unsigned)*ret);
    return 0;
}

int sim_pthread_join(pthread_t thread, void **ret)
{
    struct task *t = task_nth((unsigned)thread - 1);

    (void)ret;
    if (!t || t->joined)
        fail("a thread is joined twice");
    t->joined = true;
    while (t->state != TASK_DONE) {
        current->task.state = TASK_JOINING;
        current->task.joins = t;
        to_scheduler(false);
    }
    trace("task %u is put away", t->id);
    return 0;
}

int sim_pthread_mutex_lock(pthread_mutex_t *lock)
{
    task_preempt();
    while (pthread_mutex_trylock(lock) != 0) /* its holder is not done */
        give_way();
    return 0;
}

int sim_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    int r = pthread_mutex_unlock(lock);

    task_preempt();
    return r;
}
