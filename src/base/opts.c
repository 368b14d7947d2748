/* opts.c -- see opts.h. getopt_long(3) does the parsing; the table says what it means.
 *
 * SPDX-License-Identifier: MIT */
#include "opts.h"

#include "err.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* getopt_long's return values: the table's index above these, so that letters need no second look-up. */
enum { VAL_HELP = 256, VAL_VERSION, VAL_TABLE };

struct reading {
    const struct opts *opts;
    bool given[OPTS_MAX]; /* by now: nothing that comes later counts */
    char shorts[3 * OPTS_MAX + 8];
    struct option longs[OPTS_MAX + 3];
    struct err *err;
};

/* Where a value came from, for the blame. */
struct source {
    const char *prefix; /* "--" or "MEARI_" */
    const char *name;   /* as the user wrote it */
};

static const struct opt *find_name(const struct opts *opts, const char *name)
{
    for (size_t i = 0; i < opts->n; i++)
        if (strcmp(opts->table[i].name, name) == 0)
            return &opts->table[i];
    return NULL;
}

static int bad_value(const struct source *from, const char *text, const char *want, struct err *err)
{
    char quote[ERR_QUOTE_MAX];

    return err_usage(err, "%s%s: '%s' is not %s", from->prefix, from->name, err_quote(quote, text),
                     want);
}

static const char *wanted(const struct opt *opt)
{
    switch (opt->kind) {
    case OPT_DURATION:
        return "a duration such as 500ms, 10s or 5m";
    case OPT_BYTES:
        return "a number of bytes such as 4096, 64k or 1m";
    case OPT_COUNT:
    case OPT_LEVEL:
    case OPT_SWITCH:
    case OPT_CHOICE:
    case OPT_TEXT:
    case OPT_TEXTS:
        break;
    }
    return "a whole number";
}

/* Too large or too small, and than what, where there is a bound of ours. */
static int out_of_range(const struct opt *opt, const struct source *from, const char *text,
                        const char *words, uint64_t bound, struct err *err)
{
    char quote[ERR_QUOTE_MAX], limit[UNITS_TEXT_MAX];

    err_quote(quote, text);
    if (bound == 0)
        return err_usage(err, "%s%s: '%s' is too large", from->prefix, from->name, quote);
    if (opt->kind == OPT_DURATION)
        units_duration_option(limit, (int64_t)bound);
    else
        snprintf(limit, sizeof limit, "%" PRIu64, bound);
    return err_usage(err, "%s%s: '%s' is too %s %s", from->prefix, from->name, quote, words, limit);
}

static int set_number(const struct opt *opt, const struct source *from, const char *text,
                      struct err *err)
{
    uint64_t value = 0;
    int64_t span_ns = 0;
    int r;

    if (opt->kind == OPT_DURATION) {
        r = units_duration(&span_ns, text);
        value = (uint64_t)span_ns;
    } else {
        r = opt->kind == OPT_BYTES ? units_bytes(&value, text) : units_count(&value, text);
    }
    if (r == -EINVAL)
        return bad_value(from, text, wanted(opt), err);
    if (r == -ERANGE || (opt->max && value > opt->max))
        return out_of_range(opt, from, text, "large: at most", opt->max, err);
    if (value < opt->min)
        return out_of_range(opt, from, text, "small: at least", opt->min, err);
    if (opt->kind == OPT_DURATION)
        *(int64_t *)opt->value = span_ns;
    else
        *(uint64_t *)opt->value = value;
    return 0;
}

static int set_choice(const struct opt *opt, const struct source *from, const char *text,
                      struct err *err)
{
    char want[200] = "one of";

    for (int i = 0; opt->choices[i]; i++) {
        if (strcmp(opt->choices[i], text) == 0) {
            *(int *)opt->value = i;
            return 0;
        }
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s %s", i ? "," : "",
                 opt->choices[i]);
    }
    return bad_value(from, text, want, err);
}

static int add_text(const struct opt *opt, const struct source *from, const char *text,
                    struct err *err)
{
    struct opt_texts *texts = opt->value;

    if (texts->n == OPT_TEXTS_MAX)
        return err_usage(err, "%s%s: at most %d of them", from->prefix, from->name, OPT_TEXTS_MAX);
    texts->list[texts->n++] = text;
    return 0;
}

static int set_value(const struct opt *opt, const struct source *from, const char *text,
                     struct err *err)
{
    switch (opt->kind) {
    case OPT_SWITCH:
        *(bool *)opt->value = true;
        return 0;
    case OPT_LEVEL:
        ++*(uint64_t *)opt->value;
        return 0;
    case OPT_COUNT:
    case OPT_BYTES:
    case OPT_DURATION:
        return set_number(opt, from, text, err);
    case OPT_CHOICE:
        return set_choice(opt, from, text, err);
    case OPT_TEXT:
        *(const char **)opt->value = text;
        return 0;
    case OPT_TEXTS:
        return add_text(opt, from, text, err);
    }
    return 0;
}

/* What a switch stands for: each of its options that nobody gave explicitly. */
static int apply_preset(struct reading *r, const struct opt *preset)
{
    for (const char *const *pair = preset->preset; *pair; pair += 2) {
        const struct opt *opt = find_name(r->opts, pair[0]);
        size_t i = (size_t)(opt - r->opts->table);
        int result;

        if (r->given[i])
            continue;
        r->given[i] = true;
        result = set_value(opt, &(struct source){"--", preset->name}, pair[1], r->err);
        if (result < 0)
            return result;
    }
    return 0;
}

static int apply_presets(struct reading *r)
{
    for (size_t i = 0; i < r->opts->n; i++) {
        const struct opt *opt = &r->opts->table[i];
        int result = 0;

        if (opt->preset && *(bool *)opt->value)
            result = apply_preset(r, opt);
        if (result < 0)
            return result;
    }
    return 0;
}

/* May the argument be left out? */
static bool optional(const struct opt *opt)
{
    return opt->arg && opt->arg[0] == '[';
}

/* The value of an option that was given; "-J=FILE" means the same as "-JFILE". */
static const char *argument(const struct opt *opt, const char *text)
{
    if (!opt->arg)
        return NULL;
    if (!text)
        return "-";
    return optional(opt) && text[0] == '=' ? text + 1 : text;
}

static int argument_kind(const struct opt *opt)
{
    if (!opt->arg)
        return no_argument;
    return optional(opt) ? optional_argument : required_argument;
}

static void prepare(struct reading *r)
{
    const struct opts *opts = r->opts;
    char *s = r->shorts;
    size_t i;

    *s++ = ':'; /* tell a missing argument from an unknown option */
    *s++ = 'h';
    *s++ = 'V';
    for (i = 0; i < opts->n; i++) {
        const struct opt *opt = &opts->table[i];

        r->longs[i] = (struct option){opt->name, argument_kind(opt), NULL, VAL_TABLE + (int)i};
        if (!opt->letter)
            continue;
        *s++ = opt->letter;
        if (opt->arg)
            *s++ = ':';
        if (optional(opt))
            *s++ = ':';
    }
    *s = '\0';
    r->longs[i++] = (struct option){"help", no_argument, NULL, VAL_HELP};
    r->longs[i++] = (struct option){"version", no_argument, NULL, VAL_VERSION};
    r->longs[i] = (struct option){NULL, 0, NULL, 0};
}

/* The table's entry for what getopt_long returned, which is a letter or VAL_TABLE and up. */
static const struct opt *find_val(const struct opts *opts, int val)
{
    if (val >= VAL_TABLE)
        return &opts->table[val - VAL_TABLE];
    for (size_t i = 0; i < opts->n; i++)
        if (opts->table[i].letter == val)
            return &opts->table[i];
    return NULL;
}

/* The same for the long name of a value that is no letter. */
static const char *long_name(const struct opts *opts, int val)
{
    return val == VAL_HELP ? "help" : val == VAL_VERSION ? "version" : find_val(opts, val)->name;
}

/* getopt_long accepts any unambiguous beginning of a long name; we do not, lest a script breaks when
 * an option is added. 'word' is the argument it came from. */
static bool abbreviated(const char *word, const char *name)
{
    size_t n = strcspn(word + 2, "=");

    return strlen(name) != n || strncmp(word + 2, name, n) != 0;
}

static int unknown(const char *word, struct err *err)
{
    char quote[ERR_QUOTE_MAX];

    return err_usage(err, "unknown option '%s' (try --help)", err_quote(quote, word));
}

/* getopt_long gave up: say on what. */
static int refuse(struct reading *r, int val, char **argv)
{
    const char *word = argv[optind - 1];
    char letter[3] = {'-', (char)optopt, '\0'};

    if (optopt >= VAL_HELP && abbreviated(word, long_name(r->opts, optopt)))
        return unknown(word, r->err);
    if (val == ':')
        return err_usage(r->err, "option '%s' needs an argument (try --help)",
                         optopt >= VAL_HELP ? word : letter);
    if (optopt >= VAL_HELP)
        return err_usage(r->err, "option '--%.*s' takes no argument", (int)strcspn(word + 2, "="),
                         word + 2);
    return unknown(optopt ? letter : word, r->err);
}

static int read_line(struct reading *r, int argc, char **argv)
{
    int val, result;

    optind = 0; /* a fresh start, also in a second call */
    opterr = 0;
    while ((val = getopt_long(argc, argv, r->shorts, r->longs, NULL)) != -1) {
        const struct opt *opt;
        const char *word = argv[optind - 1];

        if (val == '?' || val == ':')
            return refuse(r, val, argv);
        if (val == 'h' || val == 'V')
            return val;
        opt = val == VAL_HELP || val == VAL_VERSION ? NULL : find_val(r->opts, val);
        if (opt && opt->arg && optarg == word)
            word = argv[optind - 2]; /* the argument stood apart */
        if (val >= VAL_HELP && abbreviated(word, long_name(r->opts, val)))
            return unknown(word, r->err);
        if (!opt)
            return val == VAL_HELP ? 'h' : 'V';
        if (r->given[opt - r->opts->table] && opt->arg && opt->kind != OPT_TEXTS)
            return err_usage(r->err, "option '--%s' is given twice", opt->name);
        r->given[opt - r->opts->table] = true;
        result = set_value(opt, &(struct source){"--", opt->name}, argument(opt, optarg), r->err);
        if (result < 0)
            return result;
    }
    return 0;
}

/* MEARI_IDLE_TIMEOUT for "idle-timeout". Not with toupper(3), which leaves a Turkish i alone. */
static void env_name(char *out, size_t size, const char *name)
{
    size_t i;

    for (i = 0; name[i] && i + 1 < size; i++)
        out[i] = name[i] == '-' ? '_' : name[i] >= 'a' ? (char)(name[i] - 'a' + 'A') : name[i];
    out[i] = '\0';
}

static int read_env(struct reading *r)
{
    for (size_t i = 0; i < r->opts->n; i++) {
        const struct opt *opt = &r->opts->table[i];
        struct source from = {"MEARI_", NULL};
        char full[64] = "MEARI_";
        const char *text;
        int result = 0;

        env_name(full + 6, sizeof full - 6, opt->name);
        text = getenv(full);
        if (r->given[i] || !text)
            continue;
        r->given[i] = true;
        from.name = full + 6;
        if (opt->kind == OPT_LEVEL)
            result = set_number(opt, &from, text, r->err);
        else if (opt->kind != OPT_SWITCH || strcmp(text, "1") == 0)
            result = set_value(opt, &from, text, r->err);
        else if (strcmp(text, "0") != 0)
            result = bad_value(&from, text, "1 or 0", r->err);
        if (result < 0)
            return result;
    }
    return 0;
}

static void print_option(FILE *out, char letter, const char *name, const char *arg,
                         const char *help)
{
    char left[40];
    const char *end;

    snprintf(left, sizeof left, letter ? "-%c, --%s%s%s" : "%c   --%s%s%s", letter ? letter : ' ',
             name, arg && arg[0] != '[' ? " " : "", arg ? arg : "");
    fprintf(out, "  %-26s", left);
    if (strlen(left) > 25)
        fprintf(out, "\n%28s", "");
    for (; (end = strchr(help, '\n')); help = end + 1)
        fprintf(out, "%.*s\n%28s", (int)(end - help), help, "");
    fprintf(out, "%s\n", help);
}

static void print_help(const struct opts *opts, FILE *out)
{
    fprintf(out, "usage: %s %s\n\n%s\n\noptions:\n", opts->program, opts->synopsis, opts->about);
    for (size_t i = 0; i < opts->n; i++)
        print_option(out, opts->table[i].letter, opts->table[i].name, opts->table[i].arg,
                     opts->table[i].help);
    print_option(out, 'h', "help", NULL, "show this");
    print_option(out, 'V', "version", NULL, "show the version and what is built in");
    fprintf(out, "\n%s", opts->notes);
}

/* --help and --version are results: one that nobody can read is a failure. */
static int print_and_check(const struct opts *opts, int what, struct err *err)
{
    if (what == 'h')
        print_help(opts, stdout);
    else
        printf("%s %s\n", opts->program, opts->version);
    if (fflush(stdout) == EOF || ferror(stdout))
        return err_set(err, errno, "cannot write to standard output");
    return 1;
}

int opts_read(const struct opts *opts, int argc, char **argv, int *ret_operand, struct err *err)
{
    struct reading r = {.opts = opts, .err = err};
    int result;

    prepare(&r);
    result = read_line(&r, argc, argv);
    if (result > 0)
        return print_and_check(opts, result, err);
    if (result == 0)
        result = apply_presets(&r);
    if (result == 0)
        result = read_env(&r);
    if (result == 0)
        result = apply_presets(&r); /* one from the environment */
    if (result < 0)
        return result;
    *ret_operand = optind;
    return 0;
}
