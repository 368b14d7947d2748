/* report_sections.h -- what report_html.c's page holds below the headline figures.
 *
 * Each writes a section of its own, or nothing where a run has nothing of it. Returns 0 or -ENOMEM.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_SECTIONS_H
#define REPORT_REPORT_SECTIONS_H

#include <stdio.h>

struct percentiles;
struct result;

int section_latency(FILE *out, const struct result *r, const struct percentiles *percentiles);
int section_timeline(FILE *out, const struct result *r);
int section_connects(FILE *out, const struct result *r);
void section_troubles(FILE *out, const struct result *r);
void section_plan(FILE *out, const struct result *r);
void section_machine(FILE *out, const struct result *r);

#endif
