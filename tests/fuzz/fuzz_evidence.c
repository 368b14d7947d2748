/* fuzz_evidence.c -- whatever comes back instead of an echo, there is a verdict; and a fault that is planted has its name.
 *
 * Input: a byte that says how, a byte for how many bytes are affected, two bytes for how many follow; then bytes.
 *
 *     how % 4 = 0   the bytes are the evidence, as they are
 *               1   so many bytes are skipped
 *               2   so many bytes come twice
 *               3   so many bytes are changed, by the bytes that follow
 *
 * SPDX-License-Identifier: MIT */
#include "bench/evidence.h"
#include "fuzz.h"

#define OFFSET 1000u
#define US 6u

static struct trouble judge(struct evidence *e, uint64_t sent)
{
    struct trouble t;

    e->sent = sent;
    evidence_judge(&t, e);
    HOLDS(t.connection == US + 1 && t.offset == e->offset + 1);
    HOLDS(t.kind >= TROUBLE_CHANGED && t.kind <= TROUBLE_UNASKED);
    HOLDS(strncmp(t.text, "connection 7: ", 14) == 0 && strlen(t.text) < sizeof t.text - 1);
    return t;
}

/* The stream from 'offset' on comes where that of OFFSET should. */
static void shifted(struct evidence *e, uint64_t offset, size_t len, enum trouble_kind kind)
{
    size_t right;

    stream_fill(e->stream, US, offset, e->got, len);
    right = stream_match(e->stream, US, OFFSET, e->got, len);
    memmove(e->got, e->got + right, len - right); /* (some are right by chance) */
    e->offset = OFFSET + right;
    e->len = len - right;
    if (e->len >= STREAM_FIND_LEN)
        HOLDS(judge(e, UINT64_C(1) << 20).kind == kind);
}

static void changed(struct evidence *e, size_t affected, size_t len, struct bytes in)
{
    stream_fill(e->stream, US, OFFSET, e->got, affected + len);
    for (size_t i = 0; i < affected; i++)
        e->got[i] ^= (unsigned char)(take_byte(&in) | 1);
    e->len = affected + len;
    if (affected < STREAM_FIND_LEN && len >= STREAM_FIND_LEN) {
        enum trouble_kind kind = judge(e, OFFSET + affected + len).kind;

        HOLDS(kind == TROUBLE_CHANGED || kind == TROUBLE_REORDERED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct evidence e;
    static struct stream stream;
    struct bytes in = {data, size};
    unsigned how = take_byte(&in);
    size_t affected = take_byte(&in) + 1u, len = take_byte(&in);

    len += 256u * (take_byte(&in) % 16);
    stream_init(&stream, 42);
    e = (struct evidence){.stream = &stream, .connection = US, .offset = OFFSET};
    switch (how % 4) {
    case 0:
        if (in.n == 0)
            break;
        evidence_add(&e, in.at, in.n);
        (void)judge(&e, OFFSET + affected * (how / 4));
        break;
    case 1:
        shifted(&e, OFFSET + affected, len, TROUBLE_SKIPPED);
        break;
    case 2:
        shifted(&e, OFFSET - affected, len, TROUBLE_DOUBLED);
        break;
    default:
        changed(&e, affected, len, in);
    }
    return 0;
}
