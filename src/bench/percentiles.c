/* percentiles.c -- see percentiles.h.
 *
 * SPDX-License-Identifier: MIT */
#include "percentiles.h"

#include "../base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One word of the list: a plain decimal number, not all that strtod(3) takes. */
static int parse_percent(double *ret, const char *word, size_t len)
{
    char text[24], *end;

    if (len == 0 || len >= sizeof text || strspn(word, "0123456789.") < len || word[0] == '.')
        return -EINVAL;
    memcpy(text, word, len);
    text[len] = '\0';
    *ret = strtod(text, &end);
    return *end != '\0' || *ret > 100 ? -EINVAL : 0;
}

static bool holds(const struct percentiles *p, double percent)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i] == percent)
            return true;
    return false;
}

int percentiles_parse(struct percentiles *ret, const char *text, struct err *err)
{
    struct percentiles found = {.n = 0};

    for (const char *word = text;; word++) {
        size_t len = strcspn(word, ",");
        char quote[ERR_QUOTE_MAX];
        double percent;

        if (len == 3 && strncmp(word, "max", len) == 0)
            ;
        else if (parse_percent(&percent, word, len) < 0)
            return err_usage(err, "--percentiles: '%s' is no list of percentiles, like %s",
                             err_quote(quote, text), PERCENTILES_DEFAULT);
        else if (found.n == PERCENTILES_MAX)
            return err_usage(err, "--percentiles: '%s' has more than %d", err_quote(quote, text),
                             PERCENTILES_MAX);
        else if (!holds(&found, percent)) /* twice is once: each has one place in a report */
            found.list[found.n++] = percent;
        word += len;
        if (*word == '\0')
            break;
    }
    *ret = found;
    return 0;
}

const char *percentile_text(char out[static FIGURE_MAX], double percent)
{
    snprintf(out, FIGURE_MAX, "p%.12g", percent);
    return out;
}

bool percentile_thin(uint64_t count, double percent)
{
    return (double)count * (100 - percent) / 100 < 10;
}
