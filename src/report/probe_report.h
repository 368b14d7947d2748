/* probe_report.h -- what a probe of the backlog found: one sentence, and what it rests on; or JSON (docs/bench-json.md).
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_PROBE_REPORT_H
#define REPORT_PROBE_REPORT_H

#include "../bench/probe.h"

#include <stdio.h>

#define PROBE_TEXT_MAX 256

/* "served 3, waiting 6 (backlog 5 + 1), then no answer", "accepts as fast as we connect", ... Returns 'out'. */
const char *probe_sentence(char out[static PROBE_TEXT_MAX], const struct probe_result *r);

/* "full", "room", "keeps_up", "failed", "interrupted" */
const char *probe_word(enum probe_end end);

/* Did every byte come back that came back at all, and was nobody sent away? */
bool probe_good(const struct probe_result *r);

/* As those of report.h. */
void probe_text(FILE *out, const struct probe_result *r);
int probe_json(FILE *out, const struct probe_result *r, const char *version);

#endif
