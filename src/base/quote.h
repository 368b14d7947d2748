/* quote.h -- the beginning of somebody's bytes, in quotes, as C would write them: "hello\n".
 *
 * Printable UTF-8 stays; newline, tab, carriage return, quote and backslash have their letter, everything else is
 * \xNN (escape.h says what counts as printable). So what comes out can be read back without doubt, and acts on no
 * terminal. What does not fit is cut between two of these pieces, and three dots behind the quotes say so.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

#include <stddef.h>

/* Room for 'columns' of text: a column takes at most four bytes of UTF-8. */
#define QUOTE_MAX(columns) (4 * (columns) + sizeof "\"\"...")

/* At most 'columns' columns between the quotes; 'out' has room for QUOTE_MAX(columns). Returns 'out'. */
const char *quote(char *out, size_t columns, const void *data, size_t n);

/* How many columns a terminal uses for this text. Characters of three or more bytes, which are those of East Asia
 * above all, are taken to be two wide: near enough to align a table without a locale. */
size_t quote_columns(const char *text);

#endif
