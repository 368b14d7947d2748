/* run.c -- see run.h.
 *
 * SPDX-License-Identifier: MIT */
#include "run.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "environment.h"
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between the word "go" and the first message, so that every thread hears it. */
#define LEAD_NS (2 * NS_PER_MS)

static _Atomic(struct run *) running;
static atomic_bool interrupted; /* the program was: no run goes on or begins */

static void wake_all(struct run *run)
{
    for (unsigned i = 0; i < run->n_loads; i++)
        io_wake(run->loads[i]->io);
}

void run_stop(struct run *run)
{
    atomic_store(&run->stop, true);
    wake_all(run);
}

void run_interrupt(void)
{
    struct run *run = atomic_load(&running);

    atomic_store(&interrupted, true);
    if (run)
        run_stop(run);
}

/* --- the result --------------------------------------------------------------------------------- */

void result_free(struct result *r)
{
    if (!r)
        return;
    free(r->response);
    free(r->service);
    free(r->connect);
    free(r->lag);
    free(r->intervals);
    free(r);
}

static int create_result(struct result **ret, const struct plan *plan, struct err *err)
{
    struct result *r = calloc(1, sizeof *r);

    if (r) {
        r->plan = plan;
        r->server_cpu_ns = -1;
        environment_read(&r->env);
        r->response = calloc(1, sizeof *r->response);
        r->service = calloc(1, sizeof *r->service);
        r->connect = calloc(1, sizeof *r->connect);
        r->lag = calloc(1, sizeof *r->lag);
    }
    if (!r || !r->response || !r->service || !r->connect || !r->lag) {
        result_free(r);
        return err_set(err, ENOMEM, "cannot keep the result");
    }
    *ret = r;
    return 0;
}

static void add_counts(struct counts *to, const struct counts *from)
{
    to->messages += from->messages;
    to->bytes += from->bytes;
    to->late += from->late;
    to->blocked += from->blocked;
    to->connections += from->connections;
}

/* --- intervals ---------------------------------------------------------------------------------- */

static void clear_record(struct record *r)
{
    memset(&r->counts, 0, sizeof r->counts);
    memset(r->troubles, 0, sizeof r->troubles);
    hist_clear(&r->response);
    hist_clear(&r->service);
    hist_clear(&r->connect);
    memset(&r->syns, 0, sizeof r->syns);
    hist_clear(&r->lag);
}

static void add_record(struct record *to, const struct record *from, bool open)
{
    if (to->end_ns == 0 || from->begin_ns < to->begin_ns)
        to->begin_ns = from->begin_ns;
    if (from->end_ns > to->end_ns)
        to->end_ns = from->end_ns;
    to->warm_up = from->warm_up;
    add_counts(&to->counts, &from->counts);
    hist_add(&to->service, &from->service);
    hist_add(&to->response, open ? &from->response : &from->service);
    hist_add(&to->connect, &from->connect);
    hist_add(&to->lag, &from->lag);
}

/* Connections and troubles count whenever they were there, messages when they are of the measurement. */
static void add_to_result(struct result *r, const struct record *from, bool open)
{
    for (int kind = 0; kind < TROUBLE_KINDS; kind++)
        r->troubles[kind] += from->troubles[kind];
    hist_add(r->connect, &from->connect);
    syns_add(&r->syns, &from->syns);
    if (from->warm_up) {
        r->total.connections += from->counts.connections;
        return;
    }
    add_counts(&r->total, &from->counts);
    hist_add(r->service, &from->service);
    hist_add(r->response, open ? &from->response : &from->service);
    hist_add(r->lag, &from->lag);
}

/* Without memory for one more the timeline has a gap; the totals do not. */
static bool add_interval(struct result *r, const struct record *sum, int64_t zero_ns)
{
    struct interval *more = reallocarray(r->intervals, r->n_intervals + 1, sizeof *r->intervals);

    if (!more)
        return false;
    r->intervals = more;
    r->intervals[r->n_intervals++] = (struct interval){
        .begin_ns = sum->begin_ns - zero_ns,
        .length_ns = sum->end_ns - sum->begin_ns,
        .counts = sum->counts,
        .p50_ns = hist_percentile(&sum->response, 50),
        .p99_ns = hist_percentile(&sum->response, 99),
        .max_ns = sum->response.max_ns,
    };
    return true;
}

/* Has this one nothing more that begins before 'until_ns'? */
static bool is_told(const struct load *l, int64_t until_ns)
{
    return l->told_ns >= until_ns || (l->over && !l->posted) ||
           (l->posted && l->other->begin_ns >= until_ns);
}

/* A thread whose next record is there and begins before 'until_ns'; waits for those that are still to come. NULL: all
 * was taken. */
static struct load *await_record(struct run *run, int64_t until_ns)
{
    struct load *found = NULL;

    pthread_mutex_lock(&run->lock);
    for (unsigned i = 0; i < run->n_loads && !found;) {
        struct load *l = run->loads[i];

        if (is_told(l, until_ns))
            i++;
        else if (l->posted)
            found = l;
        else
            pthread_cond_wait(&run->told, &run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    return found;
}

/* The one whose record begins first, where all left a part of the warm-up out (load.c: forget_warm_up). */
static struct load *earliest_record(struct run *run)
{
    struct load *found = NULL;

    pthread_mutex_lock(&run->lock);
    for (unsigned i = 0; i < run->n_loads; i++) {
        struct load *l = run->loads[i];

        if (l->posted && (!found || l->other->begin_ns < found->other->begin_ns))
            found = l;
    }
    pthread_mutex_unlock(&run->lock);
    return found;
}

static void give_back(struct run *run, struct load *l)
{
    clear_record(l->other);
    pthread_mutex_lock(&run->lock);
    l->posted = false;
    pthread_cond_broadcast(&run->told);
    pthread_mutex_unlock(&run->lock);
}

/* Takes one interval's records from all threads. One that was busy may have put two into one; then it takes two from
 * the others as well. Returns false when there was nothing left to take. */
static bool take_records(struct run *run, struct result *r, struct record *sum)
{
    bool open = run->plan->rate > 0;
    struct load *l = await_record(run, ++run->told_ns);

    clear_record(sum);
    sum->begin_ns = sum->end_ns = 0;
    if (!l)
        l = earliest_record(run);
    if (!l)
        return false;
    if (l->other->begin_ns >= run->told_ns)
        run->told_ns = l->other->begin_ns + 1;
    for (; l; l = await_record(run, run->told_ns)) {
        l->told_ns = l->other->end_ns;
        if (!l->over && l->told_ns > run->told_ns)
            run->told_ns = l->told_ns;
        add_record(sum, l->other, open);
        add_to_result(r, l->other, open);
        give_back(run, l);
    }
    return true;
}

/* --- the course of a run ------------------------------------------------------------------------ */

static void *thread_main(void *load)
{
    load_run(load);
    return NULL;
}

static int create_loads(struct run *run, struct err *err)
{
    run->loads = calloc(run->plan->threads, sizeof(struct load *));
    if (!run->loads)
        return err_set(err, ENOMEM, "cannot create threads");
    while (run->n_loads < run->plan->threads) {
        int r = load_create(&run->loads[run->n_loads], run, run->n_loads, err);

        if (r < 0)
            return r;
        run->n_loads++;
    }
    return 0;
}

/* With fewer threads than asked for the plan does not hold: then there is no run. */
static int start_threads(struct run *run, unsigned *ret_started, struct err *err)
{
    for (*ret_started = 0; *ret_started < run->n_loads; ++*ret_started) {
        struct load *l = run->loads[*ret_started];
        int r = pthread_create(&l->thread, NULL, thread_main, l);

        if (r != 0)
            return err_set(err, r, "cannot start a thread");
    }
    return 0;
}

static void wait_until_ready(struct run *run)
{
    pthread_mutex_lock(&run->lock);
    while (run->ready < run->n_loads && run->done == 0)
        pthread_cond_wait(&run->told, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

/* Tells all threads when to begin: soon, or at the time that was asked for. (All are ready: run->open is final.) */
static void say_go(struct run *run, struct result *r)
{
    int64_t now_ns = clock_now_ns(), real_ns = clock_real_ns();

    if (run->open == 0 && !run->plan->crr)
        atomic_store(&run->stop, true);
    run->start_ns = now_ns + LEAD_NS;
    if (run->plan->start_at_real_ns > real_ns)
        run->start_ns = now_ns + (run->plan->start_at_real_ns - real_ns);
    r->begun_real_ns = real_ns + (run->start_ns - now_ns) + run->plan->omit_ns;
    atomic_store(&run->go, true);
    wake_all(run);
}

static void collect(struct run *run, struct result *r, struct record *sum,
                    const struct observer *observer)
{
    int64_t zero_ns = clock_after(run->start_ns, run->plan->omit_ns);

    run->told_ns = run->start_ns;
    while (take_records(run, r, sum)) {
        if (sum->end_ns <= sum->begin_ns)
            continue; /* of a run that never began to send */
        if (add_interval(r, sum, zero_ns) && observer && observer->interval)
            observer->interval(observer->user, r, sum);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct trouble *x = a, *y = b;

    return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* Adds the troubles that a thread kept in words; of all of them the first few stay. */
static void add_troubles(struct result *r, const struct load *l)
{
    struct trouble all[2 * TROUBLES_KEPT];
    size_t n = r->n_kept + l->n_kept;

    memcpy(all, r->kept, r->n_kept * sizeof *all);
    memcpy(all + r->n_kept, l->kept, l->n_kept * sizeof *all);
    qsort(all, n, sizeof *all, by_time);
    r->n_kept = n < TROUBLES_KEPT ? n : TROUBLES_KEPT;
    memcpy(r->kept, all, r->n_kept * sizeof *all);
}

/* Did a thread end before it did what the plan says? */
static bool ended_early(const struct load *l)
{
    return l->quota > 0 && l->end_ns < clock_after(l->zero_ns, l->plan->duration_ns);
}

static void sum_up(struct result *r, const struct run *run)
{
    int64_t end_ns = 0, most_ns = -1, zero_ns = run->loads[0]->zero_ns;

    for (unsigned i = 0; i < run->n_loads; i++) {
        const struct load *l = run->loads[i];
        int64_t spun_ns = l->spun_ns < l->cpu_ns ? l->spun_ns : l->cpu_ns; /* but for preemptions */
        int64_t ended_ns = l->quota == 0 && l->last_ns ? l->last_ns : l->end_ns;

        add_troubles(r, l);
        r->lost_messages += l->lost_messages;
        r->unsent += l->unsent;
        r->idle_right += l->idle_right;
        r->retransmits += l->retransmits;
        r->cpu_ns += l->cpu_ns;
        r->cpu_user_ns += l->cpu_user_ns;
        if (l->cpu_ns - spun_ns + l->waited_ns > most_ns) {
            most_ns = l->cpu_ns - spun_ns + l->waited_ns;
            r->busiest_ns = l->cpu_ns;
            r->busiest_spun_ns = spun_ns;
            r->busiest_waited_ns = l->waited_ns;
        }
        if (l->congestion[0])
            snprintf(r->env.congestion, sizeof r->env.congestion, "%s", l->congestion);
        if (l->begun && ended_ns > end_ns)
            end_ns = ended_ns;
        r->cut_short |= run->plan->count && ended_early(l);
    }
    r->engine = io_engine_name(run->loads[0]->io);
    r->elapsed_ns = end_ns > zero_ns ? end_ns - zero_ns : 0;
    if (run->server_from_ns > 0 && run->server_to_ns > 0)
        r->server_cpu_ns = run->server_to_ns - run->server_from_ns;
    r->cut_short |= !run->plan->count && r->elapsed_ns < run->plan->duration_ns;
    r->interrupted = atomic_load(&interrupted);
    r->cut_short &= !r->interrupted;
}

/* Was it the bench that could do no more? Then its figures are its own and not the server's. */
static void judge_ourselves(struct result *r)
{
    double elapsed_ns = (double)r->elapsed_ns;
    double busy = (double)(r->busiest_ns - r->busiest_spun_ns) / elapsed_ns;
    double waited = (double)r->busiest_waited_ns / elapsed_ns;
    int64_t lag_ns = hist_percentile(r->lag, 99);

    if (waited > 0.1)
        snprintf(
            r->limited, sizeof r->limited,
            "a thread of this bench was ready but had no CPU for %.0f %% of the time: the machine "
            "is busy",
            100 * waited);
    else if (busy > 0.95)
        snprintf(r->limited, sizeof r->limited,
                 "a thread of this bench used %.0f %% of a CPU: try more threads (-t)", 100 * busy);
    else if (r->plan->rate > 0 && lag_ns > LATE_NS)
        snprintf(r->limited, sizeof r->limited,
                 "1 %% of the messages left %.1f ms or more too late though a connection was free",
                 (double)lag_ns / 1e6);
}

/* The loads from 'first' on have no thread: nothing will come of them, nor of the run. */
static void leave_out(struct run *run, unsigned first)
{
    pthread_mutex_lock(&run->lock);
    for (unsigned i = first; i < run->n_loads; i++)
        run->loads[i]->over = true;
    run->ready += run->n_loads - first;
    pthread_mutex_unlock(&run->lock);
    run_stop(run);
}

/* The threads run: from here on a result comes of it, whatever happens. */
static int conduct(struct run *run, struct result *r, const struct observer *observer,
                   struct err *err)
{
    struct record *sum = calloc(1, sizeof *sum);
    unsigned started;
    int code;

    if (!sum)
        return err_set(err, ENOMEM, "cannot keep the result");
    code = start_threads(run, &started, err);
    if (code < 0)
        leave_out(run, started);
    if (started > 0) {
        wait_until_ready(run);
        say_go(run, r);
        if (observer && observer->connected)
            observer->connected(observer->user, run->open, run->start_ns - clock_now_ns());
        collect(run, r, sum, observer);
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(run->loads[i]->thread, NULL);
        if (run->loads[i]->broken && code == 0)
            code = err_set(err, -run->loads[i]->broken, "the %s engine failed",
                           io_engine_name(run->loads[i]->io));
    }
    free(sum);
    return code;
}

int run_plan(struct result **ret, const struct plan *plan, const struct observer *observer,
             struct err *err)
{
    struct run run = {
        .plan = plan, .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};
    struct result *result = NULL;
    int r = create_result(&result, plan, err);

    if (r == 0)
        r = create_loads(&run, err);
    if (r == 0) {
        atomic_store(&running, &run);
        if (atomic_load(&interrupted))
            atomic_store(&run.stop, true);
        r = conduct(&run, result, observer, err);
        atomic_store(&running, NULL);
    }
    if (r == 0) {
        sum_up(result, &run);
        if (result->elapsed_ns > 0)
            judge_ourselves(result);
        *ret = result;
    } else {
        result_free(result);
    }
    for (unsigned i = 0; i < run.n_loads; i++)
        load_destroy(run.loads[i]);
    free(run.loads);
    return r;
}
