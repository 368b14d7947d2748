/* condition.c -- see condition.h.
 *
 * SPDX-License-Identifier: MIT */
#include "condition.h"

#include "../base/err.h"
#include "../base/figures.h"
#include "../base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum metric metric;
} names[] = {
    {"min", METRIC_MIN},   {"max", METRIC_MAX},   {"mean", METRIC_MEAN},
    {"rate", METRIC_RATE}, {"lost", METRIC_LOST}, {"late", METRIC_LATE},
};

static bool is_time(enum metric metric)
{
    return metric != METRIC_RATE && metric != METRIC_LOST && metric != METRIC_LATE;
}

/* "99.9" of "p99.9": digits and a point, 0 to 100. */
static bool parse_percent(double *ret, const char *text, size_t len)
{
    char word[16];
    char *end;

    if (len == 0 || len >= sizeof word || strspn(text, "0123456789.") < len)
        return false;
    memcpy(word, text, len);
    word[len] = '\0';
    *ret = strtod(word, &end);
    return *end == '\0' && *ret <= 100;
}

static bool parse_metric(struct condition *c, const char *text, size_t len)
{
    if (len > 1 && text[0] == 'p' && parse_percent(&c->percent, text + 1, len - 1)) {
        c->metric = METRIC_PERCENTILE;
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) != len || memcmp(names[i].name, text, len) != 0)
            continue;
        c->metric = names[i].metric;
        return true;
    }
    return false;
}

static bool parse_value(struct condition *c, const char *text)
{
    int64_t span_ns;
    uint64_t count;

    if (is_time(c->metric)) {
        if (units_duration(&span_ns, text) < 0)
            return false;
        c->value = (double)span_ns;
        return true;
    }
    if (units_count(&count, text) < 0)
        return false;
    c->value = (double)count;
    return true;
}

int condition_parse(struct condition *ret, const char *option, const char *text, struct err *err)
{
    struct condition c = {.text = text};
    size_t len = strcspn(text, "<>");
    const char *value = text + len;
    char quote[ERR_QUOTE_MAX];

    if (*value) {
        c.sign = *value++;
        c.or_equal = *value == '=';
        value += c.or_equal;
    }
    if (!c.sign || !parse_metric(&c, text, len) || !parse_value(&c, value))
        return err_usage(err,
                         "%s: '%s' is not a condition such as 'p99>5ms', 'max>=1s', 'rate<10k' or "
                         "'lost>0'",
                         option, err_quote(quote, text));
    *ret = c;
    return 0;
}

static double value_of(const struct condition *c, const struct result *r)
{
    switch (c->metric) {
    case METRIC_PERCENTILE:
        return (double)hist_percentile(r->response, c->percent);
    case METRIC_MIN:
        return (double)r->response->min_ns;
    case METRIC_MAX:
        return (double)r->response->max_ns;
    case METRIC_MEAN:
        return hist_mean_ns(r->response);
    case METRIC_RATE:
        return result_rate(r);
    case METRIC_LOST:
        return (double)r->lost_messages;
    case METRIC_LATE:
        return (double)r->total.late;
    }
    return 0;
}

bool condition_holds(const struct condition *c, const struct result *r)
{
    double value = value_of(c, r);

    if (is_time(c->metric) && r->response->count == 0)
        return false;
    if (c->or_equal && value == c->value)
        return true;
    return c->sign == '<' ? value < c->value : value > c->value;
}

const char *condition_found(char out[static CONDITION_TEXT_MAX], const struct condition *c,
                            const struct result *r)
{
    int len = (int)strcspn(c->text, "<>");
    char text[FIGURE_MAX];

    if (!is_time(c->metric))
        snprintf(out, CONDITION_TEXT_MAX, "%.*s is %.0f", len, c->text, value_of(c, r));
    else if (r->response->count == 0)
        snprintf(out, CONDITION_TEXT_MAX, "there is no %.*s: no message came back", len, c->text);
    else
        snprintf(out, CONDITION_TEXT_MAX, "%.*s is %s", len, c->text,
                 time_text(text, (int64_t)value_of(c, r)));
    return out;
}
