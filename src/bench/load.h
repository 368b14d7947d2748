/* load.h -- one thread of the bench: an io, its connections, its part of the schedule, its notes.
 *
 *     CONNECTING ─▶ READY ─▶ SENDING ─▶ SETTLING ─▶ PROBING ─▶ FINISHING ─▶ DONE
 *
 * CONNECTING makes all connections. READY waits until every thread has, so that all begin on the same instant. SENDING
 * lasts as long as the plan says. SETTLING waits for what is in flight, PROBING sends one message through each
 * silent connection, FINISHING closes and looks for bytes too many. All phases are one loop: take an event,
 * call the handler it names, begin messages that are due, look whether the phase is over.
 *
 * A thread shares nothing with another but what struct run says; to the one who reports it posts a record at
 * the end of each interval.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "../base/list.h"
#include "../net/sock.h"
#include "flow.h"
#include "record.h"
#include "schedule.h"

#include <pthread.h>

struct run;

enum load_phase {
    LOAD_CONNECTING,
    LOAD_READY,
    LOAD_SENDING,
    LOAD_SETTLING,
    LOAD_PROBING,
    LOAD_FINISHING,
    LOAD_DONE,
};

struct load {
    struct run *run;
    const struct plan *plan;
    unsigned index; /* of plan->threads */
    struct io *io;
    struct timers timers;
    struct stream stream;
    struct schedule schedule;
    enum load_phase phase;
    int64_t until_ns; /* when the phase ends at the latest */

    struct flow **flows; /* those that send, then the silent ones */
    size_t n_flows, n_sending;
    struct list free;     /* flows with a place, the one that has waited longest first */
    size_t dialled;       /* of 'flows', by now */
    size_t connecting;    /* under way */
    size_t open;          /* made, and not closed yet; */
    size_t sending;       /* of these, those that are not silent */
    uint64_t in_flight;   /* messages */
    uint64_t connections; /* numbers given out */
    uint64_t quota;       /* messages that may still begin in the measurement */
    size_t addr;          /* which of the plan's addresses answered */

    int64_t dial_ns;     /* when the next connection is due (--connect-rate) */
    int64_t start_ns;    /* of SENDING, */
    int64_t zero_ns;     /* of the measurement, */
    int64_t end_ns;      /* and of SENDING, as planned and then as it was */
    int64_t boundary_ns; /* of the interval */
    int64_t moved_ns;    /* when bytes came back, or the only message in flight began */
    int64_t last_ns;     /* when the latest message was back */
    bool begun;          /* the measurement */

    struct record *record; /* the one being written */
    struct record *other;  /* posted, while 'posted' is set; the lock is the run's */
    bool posted;
    bool over;       /* nothing more will be posted after that; likewise */
    int64_t told_ns; /* up to when records were taken; the reporter's own */

    /* Read by others when the thread is DONE. */
    struct trouble kept[TROUBLES_KEPT];
    size_t n_kept;
    uint64_t lost_messages, unsent, idle_right, retransmits;
    int64_t cpu_ns, cpu_user_ns, spun_ns, waited_ns; /* in the measurement */
    char congestion[SOCK_CONGESTION_MAX];
    int broken; /* -errno of an engine that failed */

    pthread_t thread;
};

int load_create(struct load **ret, struct run *run, unsigned index, struct err *err);
void load_destroy(struct load *l);

/* The thread's main. */
void load_run(struct load *l);

/* What flows report. */
uint32_t load_next_connection(struct load *l);
void load_connected(struct load *l, struct flow *f, uint32_t syn_retries);
void load_not_connected(struct load *l, uint32_t syn_retries); /* load_ended() follows */
void load_progress(struct load *l);                            /* bytes came back that are right */
void load_message_back(struct load *l, struct flow *f, const struct message *m);
void load_echoed(struct load *l, struct flow *f); /* after one or more messages came back */
void load_message_lost(struct load *l, const struct message *m);
void load_ended(struct load *l, struct flow *f);  /* closed, for whatever reason */
void load_rested(struct load *l, struct flow *f); /* its pause after a failure is over */
void load_trouble(struct load *l, const struct trouble *t);

int64_t load_now(const struct load *l);

#endif
