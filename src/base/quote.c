/* quote.c -- see quote.h.
 *
 * SPDX-License-Identifier: MIT */
#include "quote.h"

#include "escape.h"

#include <string.h>

/* The width of the character that begins with this byte of UTF-8; 0 within a character. */
static size_t width(unsigned char byte)
{
    if (byte < 0x80)
        return 1;
    if (byte < 0xc0)
        return 0;
    return byte < 0xe0 ? 1 : 2;
}

size_t quote_columns(const char *text)
{
    size_t columns = 0;

    for (; *text; text++)
        columns += width((unsigned char)*text);
    return columns;
}

/* What one more byte adds to the text; nothing while its character is unfinished. Returns the length. */
static size_t next_piece(struct escape *e, char piece[static ESCAPE_MAX(1)], unsigned char byte)
{
    static const char meant[] = "\n\t\r\"\\", letters[] = "ntr\"\\";
    const char *at = byte ? strchr(meant, byte) : NULL;
    size_t n;

    if (!at)
        return escape_feed(e, piece, &byte, 1);
    n = escape_end(e, piece);
    piece[n++] = '\\';
    piece[n++] = letters[at - meant];
    return n;
}

const char *quote(char *out, size_t columns, const void *data, size_t n)
{
    const unsigned char *bytes = data;
    struct escape e = {0};
    char piece[ESCAPE_MAX(1) + 1];
    size_t used = 0, width = 0;
    const char *end = "\"";

    out[used++] = '"';
    for (size_t i = 0; i <= n;
         i++) { /* once more than there are bytes, for an unfinished character */
        size_t len = i < n ? next_piece(&e, piece, bytes[i]) : escape_end(&e, piece);

        piece[len] = '\0';
        if (width + quote_columns(piece) > columns) {
            end = "\"...";
            break;
        }
        width += quote_columns(piece);
        memcpy(out + used, piece, len);
        used += len;
    }
    strcpy(out + used, end);
    return out;
}
