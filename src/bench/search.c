/* search.c -- see search.h.
 *
 * SPDX-License-Identifier: MIT */
#include "search.h"

#include "../base/err.h"

#include <math.h>
#include <stddef.h>

#define RATE_MIN 1.0
#define RATE_MAX 1e9

struct search {
    struct plan plan; /* the rate of it changes */
    const struct condition *condition;
    search_teller *tell;
    void *user;
    double held, refuted; /* the rates known so far; 0: none */
    struct result *best;  /* of 'held' */
    struct result *last;
    unsigned doubts; /* how often a refuted rate was tried again, */
    double doubted;  /* and which was the last one */
    bool over;       /* interrupted, nobody answers, or a wrong echo */
};

static bool trial_holds(const struct search *s, const struct result *r)
{
    return result_good(r) && result_rate(r) >= 0.99 * s->plan.rate &&
           condition_holds(s->condition, r);
}

static void keep(struct result **place, struct result *r)
{
    if (*place != r)
        result_free(*place);
    *place = r;
}

/* Not for want of speed, so no lower rate makes it good. */
static bool bytes_wrong(const struct result *r)
{
    for (enum trouble_kind kind = TROUBLE_CHANGED; kind < TROUBLE_KINDS; kind++)
        if (r->troubles[kind] > 0)
            return true;
    return false;
}

/* One run; s->last is its result. */
static int try_once(struct search *s, bool *ret_held, struct err *err)
{
    struct result *r = NULL;
    int code = run_plan(&r, &s->plan, NULL, err);

    if (code < 0)
        return code;
    if (s->last == s->best)
        s->last = NULL;
    keep(&s->last, r);
    s->over = r->interrupted || r->total.connections == 0 || bytes_wrong(r);
    *ret_held = trial_holds(s, r);
    if (s->tell && !s->over)
        s->tell(s->user, s->plan.rate, *ret_held, r);
    return 0;
}

/* As many trials as it takes. A result that held is kept as the best. */
static int try_rate(struct search *s, double rate, bool *ret_held, struct err *err)
{
    unsigned held = 0, failed = 0;
    bool good;

    s->plan.rate = rate;
    while (held <= SEARCH_TRIALS / 2 && failed <= SEARCH_TRIALS / 2 && !s->over) {
        int code = try_once(s, &good, err);

        if (code < 0)
            return code;
        held += good;
        failed += !good;
        if (good && held > SEARCH_TRIALS / 2)
            keep(&s->best, s->last);
    }
    *ret_held = held > failed;
    if (s->over)
        return 0;
    *(*ret_held ? &s->held : &s->refuted) = rate;
    if (s->refuted <= s->held)
        s->refuted = 0;
    return 0;
}

/* The next rate to try; 0: the search is over. */
static double next_rate(const struct search *s)
{
    if (s->over)
        return 0;
    if (s->refuted == 0)
        return s->held < RATE_MAX / 2 ? s->held * 2 : 0;
    if (s->held == 0)
        return s->refuted > RATE_MIN * 2 ? s->refuted / 2 : 0;
    return s->refuted / s->held > SEARCH_GAP ? round(sqrt(s->held * s->refuted)) : 0;
}

/* The search has closed in on a rate that did not hold. Was that the server, or a bad moment of the machine? If it holds
 * now, the search goes on upwards from it. */
static double rate_in_doubt(struct search *s)
{
    if (s->over || s->held == 0 || s->refuted == 0 || s->refuted == s->doubted ||
        s->doubts == SEARCH_DOUBTS)
        return 0;
    s->doubts++;
    s->doubted = s->refuted;
    return s->refuted;
}

static double next_step(struct search *s)
{
    double rate = next_rate(s);

    if (rate > 0 && rate != s->held && rate != s->refuted)
        return rate; /* (between small rates there is no whole number) */
    return rate_in_doubt(s);
}

int search_condition(struct condition *ret, const char *text, struct err *err)
{
    char quote[ERR_QUOTE_MAX];
    int r = condition_parse(ret, "--find-max", text, err);

    if (r == 0 && (ret->sign != '<' || ret->metric == METRIC_RATE))
        return err_usage(err,
                         "--find-max: '%s' is nothing that a higher rate ends: a condition such as "
                         "'p99<5ms' is",
                         err_quote(quote, text));
    return r;
}

int search_max(struct result **ret, struct plan *plan, const struct condition *condition,
               search_teller *tell, void *user, struct err *err)
{
    struct search s = {.plan = *plan, .condition = condition, .tell = tell, .user = user};
    double rate = plan->rate > 0 ? plan->rate : SEARCH_FIRST_RATE;
    bool held;
    int code = 0;

    for (; rate > 0 && code == 0; rate = next_step(&s))
        code = try_rate(&s, rate, &held, err);
    if (s.best && !s.over) {
        *ret = s.best;
        if (s.last != s.best)
            result_free(s.last);
    } else {
        *ret = s.last;
        if (s.last != s.best)
            result_free(s.best);
    }
    if (code < 0) {
        result_free(*ret);
        *ret = NULL;
        return code;
    }
    plan->rate = *ret == s.best ? s.held : s.plan.rate;
    (*ret)->plan = plan; /* ours is about to go */
    (*ret)->searched = true;
    (*ret)->found_rate = s.held;
    (*ret)->refuted_rate = s.refuted;
    return 0;
}
