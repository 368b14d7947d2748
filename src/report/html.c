/* html.c -- see html.h.
 *
 * SPDX-License-Identifier: MIT */
#include "html.h"

#include "../base/escape.h"
#include "../base/figures.h"

#include <stdarg.h>
#include <string.h>

void html_text(FILE *out, const char *text)
{
    char safe[1024];

    for (const char *c = escape_text(safe, sizeof safe, text); *c != '\0'; c++) {
        switch (*c) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*c, out);
        }
    }
}

/* "1.23 us" with the letter that is meant. */
void html_time(FILE *out, int64_t span_ns)
{
    char text[FIGURE_MAX];
    size_t len;

    time_text(text, span_ns);
    len = strlen(text);
    if (len > 2 && strcmp(text + len - 2, "us") == 0)
        fprintf(out, "%.*sµs", (int)len - 2, text);
    else
        fputs(text, out);
}

void html_row(FILE *out, const char *label, const char *value)
{
    fprintf(out, "<tr><th scope=\"row\">%s</th><td>", label);
    html_text(out, value);
    fputs("</td></tr>\n", out);
}

void html_row_of(FILE *out, const char *label, const char *format, ...)
{
    char text[512];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    html_row(out, label, text);
}
