/* escape.h -- make bytes that somebody else chose safe to look at.
 *
 * What a peer sends may hold terminal commands (ESC [ 2 J, OSC 52, C1 controls), text that reorders
 * or hides other text (bidi overrides, zero-width and tag characters), or no valid UTF-8 at all. The
 * filter lets printable UTF-8 pass and shows everything else as "\xNN", byte by byte, so that nothing
 * is lost and nothing acts: what comes out holds no control byte but newline and tab, and those only
 * on request.
 *
 * It is a stream filter: a character may arrive in pieces, and is kept until it is whole.
 *
 *     struct escape e = {.lines = true};
 *     n = escape_feed(&e, out, in, len);      // any number of times
 *     n = escape_end(&e, out);                // what was left unfinished, escaped
 *
 * What passes is decided by code point, not by iswprint(3), which finds U+202E printable.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of output that 'n' bytes of input can become, with what an earlier call left unfinished. */
#define ESCAPE_MAX(n) (4 * ((n) + 3))

struct escape {
    bool lines;            /* newline and tab pass as they are */
    unsigned have;         /* bytes of an unfinished character, */
    unsigned char part[4]; /* and the bytes */
};

/* Filters 'n' bytes from 'in' into 'out', which has room for ESCAPE_MAX(n). Returns the bytes
 * written; no zero byte is appended. */
size_t escape_feed(struct escape *e, char *out, const void *in, size_t n);

/* At the end of the stream (or before something else is printed): writes the unfinished character,
 * escaped; at most ESCAPE_MAX(0) bytes. Returns the bytes written. */
size_t escape_end(struct escape *e, char *out);

/* A whole string, for a message or a log line: nothing but printable text comes out, on one line. At
 * most 'size' bytes including the final zero are written (size is at least 4); a longer one ends in
 * "...", and never within a character or an escape. Returns 'out'. */
const char *escape_text(char *out, size_t size, const char *text);

#endif
