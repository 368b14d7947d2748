/* evidence.c -- see evidence.h.
 *
 * SPDX-License-Identifier: MIT */
#include "evidence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A run of bytes of one stream. */
struct piece {
    size_t at;  /* where in the evidence, */
    size_t len; /* how long; 0: there is none */
    uint32_t connection;
    uint64_t offset; /* in that stream */
};

void evidence_add(struct evidence *e, const unsigned char *got, size_t len)
{
    size_t room = EVIDENCE_BYTES - e->len;

    if (len > room)
        len = room;
    memcpy(e->got + e->len, got, len);
    e->len += len;
}

/* A piece that begins at 'at', as the fifteen bytes there say. */
static bool piece_at(const struct evidence *e, size_t at, struct piece *ret)
{
    if (e->len - at < STREAM_FIND_LEN ||
        !stream_find(e->stream, e->got + at, &ret->connection, &ret->offset))
        return false;
    ret->at = at;
    ret->len = stream_match(e->stream, ret->connection, ret->offset, e->got + at, e->len - at);
    return true;
}

/* The next piece that begins at 'from' or later; len is 0 when there is none. */
static struct piece next_piece(const struct evidence *e, size_t from)
{
    struct piece p = {.len = 0};

    for (size_t at = from; at < e->len; at++)
        if (piece_at(e, at, &p))
            return p;
    return (struct piece){.at = e->len};
}

/* Are all the bytes those of our stream from 'offset' on, of what was sent? */
static bool is_all_from(const struct evidence *e, uint64_t offset)
{
    return offset + e->len <= e->sent &&
           stream_match(e->stream, e->connection, offset, e->got, e->len) == e->len;
}

/* Of less than fifteen bytes only our own stream can be recognised, and only near by: the fewer they are, the
 * nearer, so that one guess in a thousand is wrong. A single byte is what was sent last, or says nothing. */
static struct piece short_piece(const struct evidence *e)
{
    uint64_t reach = e->len > 3 ? 65536 : e->len == 3 ? 4096 : e->len == 2 ? 16 : 1;

    if (e->len == 1 && e->offset < e->sent)
        reach = 0;
    for (uint64_t d = 1; d <= reach; d++) {
        if (d <= e->offset && is_all_from(e, e->offset - d))
            return (struct piece){0, e->len, e->connection, e->offset - d};
        if (is_all_from(e, e->offset + d))
            return (struct piece){0, e->len, e->connection, e->offset + d};
    }
    return (struct piece){.at = e->len};
}

static struct piece first_piece(const struct evidence *e)
{
    return e->len > 0 && e->len < STREAM_FIND_LEN ? short_piece(e) : next_piece(e, 0);
}

static unsigned char wanted(const struct evidence *e, size_t at)
{
    unsigned char byte;

    stream_fill(e->stream, e->connection, e->offset + at, &byte, 1);
    return byte;
}

/* How many bytes of the evidence have a place in what was sent. */
static size_t expected(const struct evidence *e)
{
    return e->sent - e->offset < e->len ? (size_t)(e->sent - e->offset) : e->len;
}

/* Where in the evidence the last byte that is not in its place ends, when all up to there are those that should be
 * there, only in another order; 0 when they are others. */
static size_t permuted(const struct evidence *e)
{
    size_t end = expected(e);
    int32_t balance[256] = {0};

    while (end > 0 && wanted(e, end - 1) == e->got[end - 1])
        end--;
    for (size_t i = 0; i < end; i++) {
        balance[e->got[i]]++;
        balance[wanted(e, i)]--;
    }
    for (size_t i = 0; i < 256; i++)
        if (balance[i] != 0)
            return 0;
    return end;
}

/* Do the bytes of our stream that 'first' left out come behind it? */
static bool comes_later(const struct evidence *e, const struct piece *first)
{
    if (first->len < e->len && permuted(e))
        return true;
    for (struct piece p = next_piece(e, first->at + first->len); p.len;
         p = next_piece(e, p.at + p.len))
        if (p.connection == e->connection && p.offset >= e->offset && p.offset < first->offset)
            return true;
    return false;
}

static const char *bytes(char out[static 40], uint64_t n)
{
    snprintf(out, 40, "%" PRIu64 " byte%s", n, n == 1 ? "" : "s");
    return out;
}

static void __attribute__((format(printf, 3, 4)))
say(struct trouble *t, enum trouble_kind kind, const char *fmt, ...)
{
    int used = snprintf(t->text, sizeof t->text, "connection %" PRIu64 ": ", t->connection);
    va_list args;

    t->kind = kind;
    va_start(args, fmt);
    vsnprintf(t->text + used, sizeof t->text - (size_t)used, fmt, args);
    va_end(args);
}

static void judge_crossed(struct trouble *t, const struct evidence *e, const struct piece *p)
{
    say(t, TROUBLE_CROSSED,
        "at offset %" PRIu64 " comes what connection %" PRIu32 " sent at offset %" PRIu64,
        e->offset + p->at + 1, p->connection + 1, p->offset + 1);
}

/* The evidence begins with a piece. What comes back cannot be before what was sent: the stream of an offset further
 * on was sent already, unless somebody guesses. */
static void judge_piece(struct trouble *t, const struct evidence *e, const struct piece *p)
{
    uint64_t again = e->offset - p->offset; /* (behind them the stream may go on as it should) */
    char text[40];

    if (p->connection != e->connection)
        judge_crossed(t, e, p);
    else if (p->offset < e->offset)
        say(t, TROUBLE_DOUBLED,
            "at offset %" PRIu64 " %s from offset %" PRIu64 " come a second time", t->offset,
            bytes(text, again < p->len ? again : p->len), p->offset + 1);
    else if (comes_later(e, p))
        say(t, TROUBLE_REORDERED, "%s at offset %" PRIu64 " come after later ones",
            bytes(text, p->offset - e->offset), t->offset);
    else
        say(t, TROUBLE_SKIPPED, "%s at offset %" PRIu64 " are lost, later ones came",
            bytes(text, p->offset - e->offset), t->offset);
}

/* How many of the first bytes are spoilt, when behind them the stream is where it should be: soon eight bytes
 * are right, or all there are. 0: it is not. */
static size_t spoilt(const struct evidence *e)
{
    size_t most = expected(e);

    for (size_t n = 1; n < most; n++) {
        size_t left = most - n < 8 ? most - n : 8;

        if (stream_match(e->stream, e->connection, e->offset + n, e->got + n, left) == left)
            return n;
    }
    return 0;
}

/* The first 'n' bytes came in place of those that should have. */
static void judge_changed(struct trouble *t, const struct evidence *e, size_t n)
{
    size_t wrong = 0;
    char text[40];

    for (size_t i = 0; i < n; i++)
        wrong += wanted(e, i) != e->got[i];
    if (wrong == n)
        say(t, TROUBLE_CHANGED, "%s changed at offset %" PRIu64, bytes(text, n), t->offset);
    else
        say(t, TROUBLE_CHANGED, "%zu of %s changed at offset %" PRIu64, wrong, bytes(text, n),
            t->offset);
}

/* The evidence begins with bytes that are nobody's, and goes on with 'next', if that is one. */
static void judge_foreign(struct trouble *t, const struct evidence *e, const struct piece *next)
{
    size_t in_place = e->offset < e->sent ? spoilt(e) : 0, reordered;
    char text[40], instead[40];

    if (e->offset >= e->sent)
        say(t, TROUBLE_UNASKED, "%s that nobody sent behind offset %" PRIu64, bytes(text, next->at),
            e->offset);
    else if ((reordered = permuted(e)))
        say(t, TROUBLE_REORDERED, "%s at offset %" PRIu64 " come in another order",
            bytes(text, reordered), t->offset);
    else if (in_place && (next->len == 0 || in_place <= next->at))
        judge_changed(t, e, in_place);
    else if (next->len == 0)
        judge_changed(t, e, expected(e));
    else if (next->connection != e->connection)
        judge_crossed(t, e, next);
    else if (next->offset <= e->offset)
        say(t, TROUBLE_UNASKED, "%s that nobody sent before offset %" PRIu64, bytes(text, next->at),
            t->offset);
    else
        say(t, TROUBLE_CHANGED, "%s at offset %" PRIu64 " changed into %s",
            bytes(text, next->offset - e->offset), t->offset, bytes(instead, next->at));
}

void evidence_judge(struct trouble *ret, const struct evidence *e)
{
    struct piece first = first_piece(e);

    *ret = (struct trouble){.connection = e->connection + UINT64_C(1), .offset = e->offset + 1};
    if (first.len && first.at == 0)
        judge_piece(ret, e, &first);
    else
        judge_foreign(ret, e, &first);
}
