/* report_style.h -- the style sheet of the page that report_html.c writes; the plots have their own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_STYLE_H
#define REPORT_REPORT_STYLE_H

static const char page_style[] =
    ":root{color-scheme:light dark;--paper:#fff;--card:#f6f8fa;--good:#116329;--bad:#b42318}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--card:#161b22;--good:#56d364;"
    "--bad:#ff8a80}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--plot-ink);font:16px/1.5 "
    "system-ui,sans-serif;-webkit-text-size-adjust:100%}\n"
    "main{max-width:912px;margin:0 auto;padding:16px 16px 48px}\n"
    "@media(max-width:400px){main{padding:12px 12px 32px}}\n"
    "h1{margin:0;font-size:1.6rem;line-height:1.25;overflow-wrap:anywhere}\n"
    "h2{margin:40px 0 8px;font-size:1.2rem}\n"
    "p{margin:6px 0}.soft,header p{color:var(--plot-soft);font-size:.9rem}\n"
    "figure{margin:16px 0}figcaption{color:var(--plot-soft);font-size:.9rem}\n"
    ".narrow{display:none;max-width:560px}\n"
    "@media(max-width:700px){.wide{display:none}.narrow{display:block}}\n"
    ".note{margin:12px 0;padding:8px 12px;background:var(--card);border-left:4px solid}\n"
    ".note.good{border-color:var(--good)}.note.good strong{color:var(--good)}\n"
    ".note.bad{border-color:var(--bad)}.note.bad strong{color:var(--bad)}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:8px;margin:16px 0}\n"
    ".cards div{flex:1 1 190px;padding:10px 12px;background:var(--card);border-radius:6px}\n"
    "@media(max-width:700px){.cards div{flex-basis:140px}}\n"
    ".cards dt{color:var(--plot-soft);font-size:.8rem}\n"
    ".cards dd{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums;"
    "white-space:nowrap}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:4px 16px 4px 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--plot-grid);overflow-wrap:anywhere}\n"
    "tbody th,table>tr>th{font-weight:400;color:var(--plot-soft);overflow-wrap:normal}\n"
    ".times th,.times td{text-align:right;padding:4px 0 4px 28px}.times tbody th{text-align:left;"
    "padding-left:0}\n"
    "ol{padding-left:1.5em}li{overflow-wrap:anywhere}\n"
    "@media print{.narrow{display:none}.wide{display:block}section{break-inside:avoid}}\n";

#endif
