/* fuzz_hdrlog.c -- an interval log of anybody's. Whatever the bytes are, they are read to their end or refused in one
 * clean line; each histogram that comes out is one that we could have recorded, and survives being written and read.
 *
 * The input is the log; or, after the letter Z, a histogram before it is compressed, since no mutation hits the
 * checksum of a compressed one.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/err.h"
#include "hdr/hdrlog.h"
#include "hdr/hdrtext.h"

#include <errno.h>
#include <zlib.h>

static void write_and_read(const struct hist *h)
{
    struct hist *again = calloc(1, sizeof *again);
    const char *why;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    HOLDS(again && out);
    HOLDS(hdrtext_write(out, h) == 0);
    HOLDS(fclose(out) == 0);
    HOLDS(hdrtext_read(again, text, n, &why) == 0);
    HOLDS(again->count == h->count);
    HOLDS(memcmp(again->slots, h->slots, sizeof h->slots) == 0);
    free(text);
    free(again);
}

static int take(void *user, const struct hdrlog_interval *i, struct err *err)
{
    const struct hist *h = i->hist;
    uint64_t count = 0;

    (void)user;
    (void)err;
    for (uint32_t slot = 0; slot < HIST_SLOTS; slot++) {
        HOLDS(h->slots[slot] == 0 ||
              (slot >= hist_slot(h->min_ns) && slot <= hist_slot(h->max_ns)));
        count += h->slots[slot];
    }
    HOLDS(h->count == count);
    HOLDS(h->min_ns >= 0 && h->min_ns <= h->max_ns && h->max_ns <= HIST_MAX_NS);
    HOLDS(i->length_ns >= 0 && strlen(i->tag) <= HDRLOG_TAG_MAX && !strpbrk(i->tag, ", \n"));
    HOLDS(strlen(i->text) == i->text_length);
    write_and_read(h);
    return 0;
}

static void read_log(const void *bytes, size_t n)
{
    FILE *in = fmemopen((void *)(uintptr_t)bytes, n, "r");
    struct err err = {.code = 0};
    int r;

    HOLDS(in);
    r = hdrlog_read(in, "fuzz", take, NULL, &err);
    HOLDS(r == 0 || r == -EINVAL);
    HOLDS(r == 0 || (err.code == EINVAL && is_clean(err.text)));
    fclose(in);
}

static void put_base64(FILE *out, const unsigned char *in, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    HOLDS(n % 3 == 0);
    for (size_t i = 0; i < n; i += 3) {
        unsigned bits = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

        for (unsigned shift = 24; shift > 0; shift -= 6)
            putc(digits[bits >> (shift - 6) & 63], out);
    }
}

/* A log of one line, with the bytes as its histogram. */
static void read_packed(const uint8_t *data, size_t size)
{
    uLongf n = compressBound(size);
    unsigned char *packed = calloc(1, 8 + n + 2);
    char *text = NULL;
    size_t n_text = 0;
    FILE *out = open_memstream(&text, &n_text);

    HOLDS(packed && out);
    HOLDS(compress(packed + 8, &n, data, size) == Z_OK);
    memcpy(packed, "\x1c\x84\x93\x14", 4);
    for (unsigned i = 0; i < 4; i++)
        packed[4 + i] = (unsigned char)(n >> (24 - 8 * i));
    fputs("0,1,0.5,", out);
    put_base64(out, packed, (8 + n + 2) / 3 * 3); /* what follows the stream does not matter */
    HOLDS(fclose(out) == 0);
    read_log(text, n_text);
    free(text);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 && data[0] == 'Z')
        read_packed(data + 1, size - 1);
    else if (size > 0)
        read_log(data, size);
    return 0;
}
