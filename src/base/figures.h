/* figures.h -- measured numbers as people read them: as many digits as mean something, and a unit that suits.
 *
 * Each returns 'out'.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_FIGURES_H
#define BASE_FIGURES_H

#include <stdint.h>

#define FIGURE_MAX 32

/* Three significant digits: "950 ns", "1.23 us", "45.6 ms", "123 s". */
const char *time_text(char out[static FIGURE_MAX], int64_t span_ns);

/* "1,234,567" */
const char *count_text(char out[static FIGURE_MAX], uint64_t count);

/* "123,457", "45.6", "0.123" */
const char *rate_text(char out[static FIGURE_MAX], double rate);

/* "75.3 MiB/s" */
const char *bytes_rate_text(char out[static FIGURE_MAX], double bytes_per_s);

#endif
