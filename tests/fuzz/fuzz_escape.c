/* fuzz_escape.c -- the filter between a peer's bytes and a terminal.
 *
 * The first byte says whether lines pass, and seeds the places where the rest is cut into pieces; the C
 * library's decoder of UTF-8 is the second opinion about what is a character.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <locale.h>
#include <stdbool.h>
#include <wchar.h>

/* Code points that must never pass, from the standards that name them: C0, DEL and C1 controls
 * (ISO 6429), the bidi controls of UAX #9, zero-width and tag characters, separators of lines. */
static bool acts_or_hides(wchar_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           (c >= 0x200b && c <= 0x200d) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           (c >= 0xe0000 && c <= 0xe007f);
}

/* What surely is harmless text: printable ASCII, Latin-1 letters, Hangul syllables. */
static bool surely_passes(wchar_t c)
{
    return (c >= 0x20 && c < 0x7f) || (c >= 0xc0 && c <= 0xff) || (c >= 0xac00 && c <= 0xd7a3);
}

/* Walks along input and output together: each character came out as it is, or each of its bytes as
 * "\xNN"; nothing is lost, added or out of order. */
static void check_walk(const uint8_t *in, size_t n, const char *out, size_t length, bool lines)
{
    while (n > 0) {
        mbstate_t state = {0};
        wchar_t c = 0;
        size_t bytes = mbrtowc(&c, (const char *)in, n, &state);
        bool whole = bytes != (size_t)-1 && bytes != (size_t)-2;
        size_t count = !whole ? 1 : bytes == 0 ? 1 : bytes; /* a NUL counts as 0 */
        bool as_it_is = length >= count && memcmp(in, out, count) == 0;
        bool line_byte = lines && (*in == '\n' || *in == '\t');

        if (!whole || (acts_or_hides(c) && !line_byte))
            as_it_is = false;
        else if (surely_passes(c) || line_byte)
            HOLDS(as_it_is);
        for (size_t i = 0; i < count; i++) {
            char shown[5];

            snprintf(shown, sizeof shown, "\\x%02x", in[i]);
            if (as_it_is) {
                HOLDS((uint8_t)*out == in[i]);
                out++;
                length--;
            } else {
                HOLDS(length >= 4 && memcmp(out, shown, 4) == 0);
                out += 4;
                length -= 4;
            }
        }
        in += count;
        n -= count;
    }
    HOLDS(length == 0);
}

/* In one piece, into a buffer of exactly the size promised. Returns it; the caller frees it. */
static char *filter_whole(const uint8_t *in, size_t n, bool lines, size_t *ret_length)
{
    struct escape e = {.lines = lines};
    char *out = malloc(ESCAPE_MAX(n));

    HOLDS(out);
    *ret_length = escape_feed(&e, out, in, n);
    *ret_length += escape_end(&e, out + *ret_length);
    HOLDS(*ret_length <= ESCAPE_MAX(n) && e.have == 0);
    return out;
}

/* However it is cut, the same comes out. */
static void check_pieces(const uint8_t *in, size_t n, bool lines, unsigned seed, const char *wanted,
                         size_t length)
{
    struct escape e = {.lines = lines};
    char last[ESCAPE_MAX(0)];
    size_t used = 0, end;

    while (n > 0) {
        size_t piece = 1 + seed % 7 < n ? 1 + seed % 7 : n;
        char *out = malloc(ESCAPE_MAX(piece));
        size_t got;

        HOLDS(out);
        got = escape_feed(&e, out, in, piece);
        HOLDS(got <= ESCAPE_MAX(piece) && used + got <= length);
        HOLDS(memcmp(out, wanted + used, got) == 0);
        free(out);
        used += got;
        in += piece;
        n -= piece;
        seed = seed * 1103515245u + 12345u;
    }
    end = escape_end(&e, last);
    HOLDS(end <= sizeof last && used + end == length && memcmp(last, wanted + used, end) == 0);
    HOLDS(escape_end(&e, last) == 0);
}

/* What came out once passes as it is. */
static void check_again(const char *out, size_t length, bool lines)
{
    size_t again;
    char *same = filter_whole((const uint8_t *)out, length, lines, &again);

    HOLDS(again == length && memcmp(same, out, length) == 0);
    free(same);
}

/* escape_text: the same text as far as there is room, or its beginning and three dots. */
static void check_text(const uint8_t *in, size_t n, unsigned seed)
{
    char *text = copy_string(in, n), *whole, *out;
    size_t size = 4 + seed % 80, length;

    whole = filter_whole((const uint8_t *)text, strlen(text), false, &length);
    out = malloc(size);
    HOLDS(out);
    HOLDS(escape_text(out, size, text) == out && strlen(out) < size && is_clean(out));
    if (length < size) {
        HOLDS(strlen(out) == length && memcmp(out, whole, length) == 0);
    } else {
        size_t kept = strlen(out) - 3;

        HOLDS(strlen(out) >= 3 && strcmp(out + kept, "...") == 0 && memcmp(out, whole, kept) == 0);
        HOLDS(size - 4 - kept <
              16); /* at most one escaped character less than there was room for */
    }
    free(out);
    free(whole);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    unsigned seed = take_byte(&in);
    bool lines = seed & 1;
    size_t length;
    char *out;

    HOLDS(setlocale(LC_CTYPE, "C.UTF-8"));
    out = filter_whole(in.at, in.n, lines, &length);
    check_walk(in.at, in.n, out, length, lines);
    check_pieces(in.at, in.n, lines, seed, out, length);
    check_again(out, length, lines);
    check_text(in.at, in.n, seed);
    free(out);
    return 0;
}
