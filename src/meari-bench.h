/* meari-bench.h -- what meari-bench does besides loading a server, each a little program of its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef MEARI_BENCH_H
#define MEARI_BENCH_H

/* Exit codes of them all. Wrong: the echo was, or a threshold was missed. */
enum { DONE = 0, WRONG = 1, CANNOT_RUN = 2, INTERRUPTED = 130 };

/* What follows "meari-bench"; argv[0] is the word. Each prints what it has to say and returns the exit code. */
int merge_main(int argc, char **argv);
int diff_main(int argc, char **argv);

/* --backlog-probe. Returns the exit code. */
struct options;
struct plan;
int probe_main(const struct plan *plan, const struct options *o);

#endif
