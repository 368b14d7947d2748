/* trace.h -- what happens in a run, line by line, and how a run fails.
 *
 * A line begins with the virtual time. By default nothing is written; a replay prints the lines, and
 * to compare two runs their hash is enough.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_mode { TRACE_OFF, TRACE_HASH, TRACE_PRINT };

extern enum trace_mode trace_mode;

void trace_begin(enum trace_mode mode);

/* FNV-1a of every line since trace_begin(). */
uint64_t trace_hash(void);

void trace_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define trace(...) (trace_mode == TRACE_OFF ? (void)0 : trace_line(__VA_ARGS__))

/* The run broke a promise: says so in one line, by way of 'fail_handler', which does not return. */
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern void (*fail_handler)(const char *complaint);

#endif
