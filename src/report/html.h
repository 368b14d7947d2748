/* html.h -- text and figures into a page of HTML or SVG, where they can be nothing but that.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Writes 'text' so that it is what it says, in an element and in a quoted attribute alike: the five characters that
 * HTML knows become references, and what is unprintable or no UTF-8 is shown as base/escape.h shows it. */
void html_text(FILE *out, const char *text);

/* As time_text() of figures.h has it, with the letter that is meant: "1.23 µs". */
void html_time(FILE *out, int64_t span_ns);

/* A row of a table: 'label' is ours and written as it is, the value is text from anywhere. */
void html_row(FILE *out, const char *label, const char *value);
void html_row_of(FILE *out, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
