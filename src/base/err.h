/* err.h -- why something failed, in one sentence that a user can act on.
 *
 * The library explains, the program prints: a function that can fail takes a struct err, fills it
 * where the cause is known, and returns -errno; main() prints the sentence after the program's name.
 * Grammar: lower case, what failed first, the subject in single quotes, the system's reason last,
 * no full stop:
 *
 *     cannot bind to '[::]:7': Address already in use
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_ERR_H
#define BASE_ERR_H

struct err {
    int code;       /* the errno behind it, positive */
    char text[512]; /* the sentence; a longer one is cut with "..." */
};

/* Stores the sentence and appends ": " and the system's words for 'code'. Returns -code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for a mistake of the user's, where no errno says more: nothing is appended, the code is
 * EINVAL. Returns -EINVAL. */
int err_usage(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for a quoted piece of somebody else's text. */
#define ERR_QUOTE_MAX 160

/* 'text' made fit for a message: control, invalid and invisible characters escaped (escape.h), a long
 * one cut. Returns 'out'. */
const char *err_quote(char out[static ERR_QUOTE_MAX], const char *text);

#endif
