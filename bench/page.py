"""What a comparison found, as a part of RESULTS.md and as plots in SVG.

The page belongs to people; between two markers stands what the runner writes. The plots are plain SVG with
the reader's light or dark colours, and show what the tables say: each rival's CPU per message relative to ours.

SPDX-License-Identifier: MIT
"""

import dataclasses
import statistics
from xml.sax.saxutils import escape

BEGIN = "<!-- written by ./dev bench: do not edit between these two lines -->"
END = "<!-- end of what ./dev bench writes -->"


def replace(page, text):
    """The page with the text between its markers; a page without markers gets them at its end."""
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        before, after = page.rstrip("\n") + "\n\n", "\n"
    return f"{before}{BEGIN}\n{text.strip()}\n{END}{after}"


NO_RIVAL = "the method"  # the row of our server against itself


def verdict(estimate):
    """What the interval of rival / ours says about us."""
    if estimate.low > 1:
        return "we cost less"
    if estimate.high < 1:
        return "we cost more"
    return "no difference told"


def interval(estimate):
    return f"{estimate.median:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def median_of(runs, what):
    return statistics.median(run[what] for run in runs)


@dataclasses.dataclass(frozen=True)
class Row:
    """One rival in one workload."""
    label: str
    runs: list  # its own
    cpu: object  # estimate of its CPU per message / ours
    p50: object  # and of its median round trip / ours
    p99: object
    words: str  # what that says about us


def figures(runs):
    """The cells that stand for themselves: cost, rate and utilisation, latencies."""
    return (f"{median_of(runs, 'server_us'):.2f} | {median_of(runs, 'rate'):,.0f} | "
            f"{100 * median_of(runs, 'busy'):.0f} % | {median_of(runs, 'p50_us'):.0f} | "
            f"{median_of(runs, 'p99_us'):.0f}")


def table(ours, own, rows):
    """Of one workload; `own` are all runs of our server."""
    lines = ["| server | CPU µs per message | messages/s | CPU used | p50 µs | p99 µs | CPU, ÷ ours (95 %) "
             "| p50, ÷ ours (95 %) | p99, ÷ ours (95 %) | verdict on CPU |",
             "|---|---|---|---|---|---|---|---|---|---|",
             f"| {ours} | {figures(own)} | | | | |"]
    for row in rows:
        lines.append(f"| {row.label} | {figures(row.runs)} | {interval(row.cpu)} | {interval(row.p50)} | "
                     f"{interval(row.p99)} | {row.words} |")
    return "\n".join(lines)


STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .quiet { fill: #656d76 }
.page { fill: #ffffff } .grid { stroke: #d0d7de } .one { stroke: #656d76; stroke-dasharray: 4 3 }
.less { stroke: #1a7f37; fill: #1a7f37 } .more { stroke: #bc4c00; fill: #bc4c00 }
.same { stroke: #57606a; fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #8d96a0 } .page { fill: #0d1117 } .grid { stroke: #30363d }
  .one { stroke: #8d96a0 } .less { stroke: #3fb950; fill: #3fb950 } .more { stroke: #f0883e; fill: #f0883e }
  .same { stroke: #9ea7b3; fill: #9ea7b3 }
}
"""
COLOURS = {"we cost less": "less", "we cost more": "more"}
WIDTH, LEFT, RIGHT, TOP, ROW = 760, 170, 110, 64, 30


def ticks(low, high):
    """About six round values that span the two."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if (high - low) / s <= 7)
    first, last = int(low / step), -int(-high // step)
    return [i * step for i in range(first, last + 1)]


def plot(title, ours, own, rows):
    """Each rival's CPU per message relative to ours, as a dot with its interval."""
    marks = ticks(min(0.95, *(row.cpu.low for row in rows)), max(1.05, *(row.cpu.high for row in rows)))
    height = TOP + ROW * len(rows) + 44

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - marks[0]) / (marks[-1] - marks[0])

    bottom = TOP + ROW * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" role="img">',
             f"<title>{escape(title)}: CPU per message relative to {ours}</title>",
             f"<style>{STYLE}</style>", f'<rect class="page" width="{WIDTH}" height="{height}"/>',
             f'<text class="title" x="16" y="26">{escape(title)}</text>',
             f'<text class="quiet" x="16" y="46">server CPU per message ÷ {ours}\'s '
             f"({median_of(own, 'server_us'):.2f} µs), 95 % interval; right of 1, {ours} costs less</text>"]
    for mark in marks:
        parts.append(f'<line class="grid" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{TOP}" y2="{bottom}"/>'
                     f'<text class="quiet" text-anchor="middle" x="{x(mark):.1f}" y="{bottom + 20}">'
                     f"{mark:.4g}</text>")
    parts.append(f'<line class="one" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{TOP}" y2="{bottom}"/>')
    for i, row in enumerate(rows):
        y, low, high = TOP + ROW * i + ROW / 2, x(row.cpu.low), x(row.cpu.high)
        parts.append(
            f'<text text-anchor="end" x="{LEFT - 12}" y="{y + 4}">{escape(row.label)}</text>'
            f'<g class="{COLOURS.get(row.words, "same")}">'
            f'<path stroke-width="2" d="M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 6}v12M{high:.1f} {y - 6}v12"/>'
            f'<circle cx="{x(row.cpu.median):.1f}" cy="{y}" r="4"/></g>'
            f'<text class="quiet" text-anchor="end" x="{WIDTH - 16}" y="{y + 4}">'
            f"{median_of(row.runs, 'server_us'):.2f} µs</text>")
    return "\n".join([*parts, "</svg>", ""])
