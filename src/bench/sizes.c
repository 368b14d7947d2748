/* sizes.c -- see sizes.h.
 *
 * SPDX-License-Identifier: MIT */
#include "sizes.h"

#include "../base/err.h"
#include "../base/units.h"
#include "random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One number of the 'len' characters at 'text'. */
static int parse_size(uint32_t *ret, const char *text, size_t len)
{
    char word[32];
    uint64_t value;
    int r;

    if (len >= sizeof word)
        return -EINVAL;
    memcpy(word, text, len);
    word[len] = '\0';
    r = units_bytes(&value, word);
    if (r < 0)
        return r;
    if (value < 1 || value > SIZE_LIMIT)
        return -ERANGE;
    *ret = (uint32_t)value;
    return 0;
}

int sizes_parse(struct sizes *ret, const char *text, struct err *err)
{
    struct sizes sizes = {.range = strchr(text, ':') != NULL};
    const char *at = text;
    char quote[ERR_QUOTE_MAX];

    for (;;) {
        size_t len = strcspn(at, sizes.range ? ":" : ",");

        if (sizes.n == (sizes.range ? 2 : SIZES_MAX) ||
            parse_size(&sizes.list[sizes.n], at, len) < 0)
            break;
        sizes.n++;
        if (at[len] == '\0') {
            if (sizes.range && (sizes.n != 2 || sizes.list[0] > sizes.list[1]))
                break;
            *ret = sizes;
            return 0;
        }
        at += len + 1;
    }
    return err_usage(err,
                     "--size: '%s' is not N, MIN:MAX or a list N,N,... of at most %d numbers of 1 "
                     "to 1g bytes",
                     err_quote(quote, text), SIZES_MAX);
}

uint32_t sizes_next(const struct sizes *sizes, uint64_t *state)
{
    if (sizes->range)
        return sizes->list[0] +
               (uint32_t)random_below(state, (uint64_t)sizes->list[1] - sizes->list[0] + 1);
    return sizes->n == 1 ? sizes->list[0] : sizes->list[random_below(state, sizes->n)];
}

const char *sizes_text(char out[static SIZES_TEXT_MAX], const struct sizes *sizes)
{
    size_t used = 0;

    for (size_t i = 0; i < sizes->n; i++) {
        const char *before = i == 0 ? "" : sizes->range ? " to " : i + 1 < sizes->n ? ", " : " or ";

        used += (size_t)snprintf(out + used, SIZES_TEXT_MAX - used, "%s%" PRIu32, before,
                                 sizes->list[i]);
    }
    snprintf(out + used, SIZES_TEXT_MAX - used, " byte%s",
             sizes->n == 1 && sizes->list[0] == 1 ? "" : "s");
    return out;
}
