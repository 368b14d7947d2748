/* opts.h -- command-line options from one table, which also makes --help.
 *
 * A program describes each option once; the table says where its value goes, so after opts_read() the
 * program's own struct is filled and the operands are what is left of argv. Every option may also
 * come from the environment as MEARI_<NAME> ("--idle-timeout" is MEARI_IDLE_TIMEOUT). What is explicit
 * wins over a preset (--classic) from the same place, and the command line wins over the environment. A
 * mistake is blamed on where it was made.
 * There are no abbreviations, a value given twice is a mistake (but for OPT_TEXTS), and --help and
 * --version need not be in the table.
 *
 *     struct opt table[] = {
 *         {'b', "backlog", "N", OPT_COUNT, &config.backlog, .max = INT_MAX, .help = "..."},
 *     };
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_OPTS_H
#define BASE_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum opt_kind {
    OPT_SWITCH,   /* bool: true when given */
    OPT_LEVEL,    /* uint64_t: how many times given */
    OPT_COUNT,    /* uint64_t: 10k = 10000 */
    OPT_BYTES,    /* uint64_t: 10k = 10240 */
    OPT_DURATION, /* int64_t, nanoseconds: 200ms, bare = seconds */
    OPT_CHOICE,   /* int: the index in 'choices' */
    OPT_TEXT,     /* const char *: as it is */
    OPT_TEXTS,    /* struct opt_texts: as they are; may be given several times */
};

#define OPT_TEXTS_MAX 64

struct opt_texts {
    const char *list[OPT_TEXTS_MAX];
    size_t n;
};

struct opt {
    char letter;      /* the short name, or 0 */
    const char *name; /* the long name */
    const char
        *arg; /* what --help calls the argument; NULL: takes none. "[=X]": may be left out, and then
                         the value is "-"; it cannot stand apart: --json=X, -J=X */
    enum opt_kind kind;
    void *value;                /* where it goes; the type as listed above */
    uint64_t min, max;          /* of a number, in the smallest unit; max 0: no bound */
    const char *const *choices; /* of OPT_CHOICE, ended by NULL */
    const char *help;           /* one line; "\n" continues it below */
    const char *const
        *preset; /* of OPT_SWITCH: what it stands for, pairs of name and value, NULL */
};

struct opts {
    const char *program;  /* "meari-server" */
    const char *synopsis; /* what follows the program's name in the usage line */
    const char *about;    /* one sentence on top of --help */
    const char *notes;    /* what --help says below the table: operands, units, exit codes */
    const char *version;  /* what --version prints after the program's name */
    const struct opt *table;
    size_t n; /* at most OPTS_MAX */
};

#define OPTS_MAX 60

/* Reads argv and the environment. Returns
 *   0   go on: the operands are argv[*ret_operand] to argv[argc - 1] (argv is reordered for that)
 *   1   --help or --version was asked for, and printed to stdout
 *   -EINVAL   'err' says which option is wrong, and how
 *   another -errno   --help or --version could not be written */
int opts_read(const struct opts *opts, int argc, char **argv, int *ret_operand, struct err *err);

#endif
