/* flow.c -- see flow.h.
 *
 * SPDX-License-Identifier: MIT */
#include "flow.h"

#include "../net/sock.h"
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_NS (200 * NS_PER_MS)    /* a wrong echo is judged when nothing came for so long */
#define EXAMINE_NS (1000 * NS_PER_MS) /* and at the latest so long after the first wrong byte */
#define FINISH_NS (1000 * NS_PER_MS)  /* how long to wait for the server's FIN */

struct flow *flow_create(struct load *load, uint32_t connection)
{
    struct flow *f = calloc(1, sizeof *f + load->plan->depth * sizeof *f->ring);

    if (!f)
        return NULL;
    f->load = load;
    f->random = load->plan->seed ^ (connection + UINT64_C(1)) * UINT64_C(0xd1342543de82ef95);
    f->sock.fd = -1;
    list_init(&f->node);
    return f;
}

void flow_destroy(struct flow *f)
{
    if (!f)
        return;
    free(f->evidence);
    free(f);
}

static void __attribute__((format(printf, 3, 4)))
complain(struct flow *f, enum trouble_kind kind, const char *fmt, ...)
{
    struct trouble t = {.kind = kind, .connection = f->connection + UINT64_C(1)};
    int used = snprintf(t.text, sizeof t.text, "connection %" PRIu64 ": ", t.connection);
    va_list args;

    va_start(args, fmt);
    vsnprintf(t.text + used, sizeof t.text - (size_t)used, fmt, args);
    va_end(args);
    load_trouble(f->load, &t);
}

/* --- the end ------------------------------------------------------------------------------------ */

static void drop_messages(struct flow *f)
{
    for (; f->in_flight; f->in_flight--) {
        load_message_lost(f->load, &f->ring[f->head]);
        f->head = (f->head + 1) % (uint32_t)f->load->plan->depth;
    }
    f->on_the_way = 0;
}

/* Closes, as soon as nothing is outstanding: until then events of what was cancelled come back here. */
static void close_flow(struct flow *f)
{
    struct load *l = f->load;

    f->state = FLOW_CLOSING;
    list_remove(&f->node);
    timer_clear(&l->timers, &f->timer);
    if (f->sock.in != IO_IDLE || f->sock.out != IO_IDLE) {
        io_cancel(l->io, &f->sock);
        return;
    }
    drop_messages(f);
    l->retransmits += io_retransmits(l->io, &f->sock);
    io_close(l->io, &f->sock);
    f->state = FLOW_CLOSED;
    free(f->evidence);
    f->evidence = NULL;
    load_ended(l, f);
}

void flow_finish(struct flow *f)
{
    struct load *l = f->load;

    list_remove(&f->node);
    f->state = FLOW_FINISHING;
    timer_set(&l->timers, &f->timer, clock_after(load_now(l), FINISH_NS));
    if (f->sock.out == IO_IDLE) /* else when its event is there */
        io_shutdown(l->io, &f->sock);
}

static void judge(struct flow *f)
{
    struct trouble t;

    evidence_judge(&t, f->evidence);
    load_trouble(f->load, &t);
    close_flow(f);
}

void flow_abandon(struct flow *f)
{
    switch (f->state) {
    case FLOW_CONNECTING:
        complain(f, TROUBLE_CONNECT, "did not connect in time");
        load_not_connected(f->load, io_retransmits(f->load->io, &f->sock));
        close_flow(f);
        break;
    case FLOW_OPEN:
        if (f->in_flight > 0)
            complain(f, TROUBLE_MISSING, "%" PRIu64 " bytes did not come back in time",
                     f->begun - f->echoed);
        close_flow(f);
        break;
    case FLOW_EXAMINING: /* it has its verdict */
        judge(f);
        break;
    case FLOW_CLOSED:
    case FLOW_FINISHING:
    case FLOW_CLOSING:
        break;
    }
}

void flow_cancel(struct flow *f)
{
    if (f->state != FLOW_CLOSED)
        close_flow(f);
}

/* Its peer has ended it, with or without a word, before we did. */
static void lose(struct flow *f, int result)
{
    char words[96];

    if (result == 0)
        snprintf(words, sizeof words, "closed by the server");
    else
        snprintf(words, sizeof words, "%s", strerror(-result));
    if (f->begun > f->echoed)
        complain(f, TROUBLE_LOST, "%s with %" PRIu64 " bytes outstanding", words,
                 f->begun - f->echoed);
    else
        complain(f, TROUBLE_LOST, "%s", words);
    close_flow(f);
}

/* --- the beginning ------------------------------------------------------------------------------ */

static void dial_failed(struct flow *f, int code, uint32_t syn_retries);

void flow_dial(struct flow *f)
{
    struct load *l = f->load;
    const struct plan *plan = l->plan;
    const struct addr *to = &plan->addrs[f->addr];
    int fd;

    f->connection = load_next_connection(l);
    f->begun = f->sent = f->echoed = 0;
    f->made = false;
    f->dialled_ns = load_now(l);
    fd = plan_socket(plan, to, f->connection);
    if (fd < 0) {
        dial_failed(f, -fd, 0);
        return;
    }
    io_sock_init(&f->sock, fd);
    f->state = FLOW_CONNECTING;
    timer_set(&l->timers, &f->timer, clock_after(f->dialled_ns, plan->connect_timeout_ns));
    io_connect(l->io, &f->sock, to);
}

/* Another address may answer; when none does, the last one's reason is the reason. */
static void dial_failed(struct flow *f, int code, uint32_t syn_retries)
{
    struct load *l = f->load;

    if (++f->tried < l->plan->n_addrs) {
        f->addr = (f->addr + 1) % l->plan->n_addrs;
        flow_dial(f);
        return;
    }
    if (code == EADDRNOTAVAIL)
        complain(f, TROUBLE_CONNECT, "no local port is free any more (see --bind)");
    else if (code == ETIMEDOUT && syn_retries > 0)
        complain(f, TROUBLE_CONNECT, "cannot connect: %s, with %" PRIu32 " SYNs unanswered",
                 strerror(code), syn_retries + 1);
    else
        complain(f, TROUBLE_CONNECT, "cannot connect: %s", strerror(code));
    if (code == ETIMEDOUT)
        load_not_connected(l, syn_retries);
    f->state = FLOW_CLOSED;
    f->tried = 0;
    load_ended(l, f);
}

void flow_connected(struct flow *f, int result)
{
    struct load *l = f->load;
    uint32_t syn_retries;

    if (f->state == FLOW_CLOSING) {
        close_flow(f);
        return;
    }
    timer_clear(&l->timers, &f->timer);
    syn_retries = io_retransmits(l->io, &f->sock); /* nothing but SYNs so far */
    if (result == 0 && sock_reached_itself(f->sock.fd, &l->plan->addrs[f->addr]))
        result = -ECONNREFUSED;
    if (result < 0) {
        io_close(l->io, &f->sock);
        dial_failed(f, result == -ECANCELED ? ETIMEDOUT : -result, syn_retries);
        return;
    }
    if (l->congestion[0] == '\0')
        sock_congestion(l->congestion, f->sock.fd);
    l->addr = f->addr;
    f->tried = 0;
    f->made = true;
    f->state = FLOW_OPEN;
    f->free_ns = load_now(l);
    io_recv(l->io, &f->sock);
    load_connected(l, f, syn_retries);
}

/* --- messages ----------------------------------------------------------------------------------- */

bool flow_has_place(const struct flow *f)
{
    return f->state == FLOW_OPEN && f->in_flight < f->load->plan->depth;
}

void flow_begin(struct flow *f, int64_t intended_ns, bool counts)
{
    const struct plan *plan = f->load->plan;
    struct message *m = &f->ring[(f->head + f->in_flight++) % (uint32_t)plan->depth];
    uint32_t size = sizes_next(&plan->sizes, &f->random);

    f->begun += size;
    *m = (struct message){
        .end = f->begun, .size = size, .counts = counts, .intended_ns = intended_ns};
}

/* Notes when the messages left whose first byte is before 'offset'. */
static void note_sent(struct flow *f, uint64_t offset)
{
    int64_t now_ns = load_now(f->load);

    for (; f->on_the_way < f->in_flight; f->on_the_way++) {
        struct message *m = &f->ring[(f->head + f->on_the_way) % (uint32_t)f->load->plan->depth];

        if (m->end - m->size >= offset)
            return;
        m->sent_ns = now_ns;
    }
}

void flow_push(struct flow *f)
{
    struct load *l = f->load;
    struct io_buf *buf;
    uint64_t left = f->begun - f->sent;

    if (left == 0 || f->sock.out != IO_IDLE || f->state != FLOW_OPEN)
        return;
    buf = io_buf_get(l->io);
    if (!buf) {
        lose(f, -ENOMEM);
        return;
    }
    buf->len = left < buf->cap ? (uint32_t)left : buf->cap;
    stream_fill(&l->stream, f->connection, f->sent, buf->data, buf->len);
    f->sent += buf->len;
    note_sent(f, f->sent);
    if (f->sent == f->begun)
        io_send_relaxed(l->io, &f->sock, buf);
    else
        io_send(l->io, &f->sock, buf);
}

void flow_sent(struct flow *f, int result)
{
    if (f->state == FLOW_CLOSING)
        close_flow(f);
    else if (result < 0 && f->state == FLOW_OPEN)
        lose(f, result);
    else if (f->state == FLOW_FINISHING)
        io_shutdown(f->load->io, &f->sock);
    else
        flow_push(f);
}

/* --- the echo ----------------------------------------------------------------------------------- */

/* The messages whose last byte is back. */
static void take_back(struct flow *f)
{
    bool any = false;

    while (f->in_flight && f->ring[f->head].end <= f->echoed) {
        load_message_back(f->load, f, &f->ring[f->head]);
        f->head = (f->head + 1) % (uint32_t)f->load->plan->depth;
        f->in_flight--;
        f->on_the_way--;
        any = true;
    }
    if (any)
        load_echoed(f->load, f);
}

static void collect(struct flow *f, const unsigned char *got, size_t len)
{
    struct load *l = f->load;
    int64_t quiet_ns = load_now(l) + QUIET_NS;

    evidence_add(f->evidence, got, len);
    timer_set(&l->timers, &f->timer, quiet_ns < f->judged_ns ? quiet_ns : f->judged_ns);
    if (f->evidence->len == EVIDENCE_BYTES)
        judge(f);
    else
        io_recv(l->io, &f->sock);
}

/* 'got' is not what should come; what came before it was right. */
static void examine(struct flow *f, const unsigned char *got, size_t len)
{
    struct load *l = f->load;

    f->state = FLOW_EXAMINING;
    list_remove(&f->node);
    take_back(f);
    f->judged_ns = load_now(l) + EXAMINE_NS;
    f->evidence = malloc(sizeof *f->evidence);
    if (!f->evidence) {
        complain(f, TROUBLE_CHANGED, "bytes changed at offset %" PRIu64, f->echoed + 1);
        close_flow(f);
        return;
    }
    f->evidence->stream = &l->stream;
    f->evidence->connection = f->connection;
    f->evidence->offset = f->echoed;
    f->evidence->sent = f->sent;
    f->evidence->len = 0;
    collect(f, got, len);
}

/* Compares what came with what should come, and takes note of the messages that are back. */
static void check(struct flow *f, struct io_buf *buf)
{
    struct load *l = f->load;
    uint64_t outstanding = f->sent - f->echoed;
    size_t most = buf->len < outstanding ? buf->len : (size_t)outstanding;
    size_t right = stream_match(&l->stream, f->connection, f->echoed, buf->data, most);

    f->echoed += right;
    load_progress(l);
    if (right < buf->len) {
        examine(f, buf->data + right, buf->len - right);
        io_buf_put(l->io, buf);
        return;
    }
    io_buf_put(l->io, buf); /* it is hot, and serves the next send */
    io_recv(l->io, &f->sock);
    take_back(f);
}

/* Bytes came. */
static void got_some(struct flow *f, struct io_buf *buf)
{
    if (f->state == FLOW_OPEN || f->state == FLOW_FINISHING) {
        check(f, buf);
        return;
    }
    if (f->state == FLOW_EXAMINING)
        collect(f, buf->data, buf->len);
    else
        close_flow(f);
    io_buf_put(f->load->io, buf);
}

void flow_received(struct flow *f, int result, struct io_buf *buf)
{
    if (result > 0)
        got_some(f, buf);
    else if (f->state == FLOW_OPEN)
        lose(f, result);
    else if (f->state == FLOW_EXAMINING)
        judge(f);
    else
        close_flow(f);
}

void flow_expired(struct flow *f)
{
    switch (f->state) {
    case FLOW_CONNECTING:
        io_cancel(f->load->io, &f->sock);
        break;
    case FLOW_EXAMINING:
        judge(f);
        break;
    case FLOW_FINISHING:
        close_flow(f);
        break;
    case FLOW_CLOSED:
        load_rested(f->load, f);
        break;
    case FLOW_OPEN:
    case FLOW_CLOSING:
        break;
    }
}
