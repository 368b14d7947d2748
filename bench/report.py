"""The report of a comparison: the words around the tables and plots of page.py, and where they are written.

SPDX-License-Identifier: MIT
"""

import datetime
import os
import pathlib
import platform
import re
import resource
import subprocess

import page
import pairs
import servers
from servers import OURS

ITSELF = f"{OURS} again"


class Machine:
    """What it is measured on. Made before the runs and read after them, as it watches what the host takes."""

    def __init__(self):
        self.begun = datetime.datetime.now(datetime.timezone.utc)
        self.before = self.ticks()

    @staticmethod
    def ticks():
        """Of all CPUs since the start, as proc(5) counts them: all, stolen by the host, busy with other processes."""
        user, nice, system, idle, iowait, irq, softirq, steal = map(
            int, open("/proc/stat").readline().split()[1:9])
        own = sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, (
            resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        busy = user + nice + system + irq + softirq
        return busy + idle + iowait + steal, steal, busy - own * os.sysconf("SC_CLK_TCK")

    def describe(self):
        total, stolen, others = (now - before for now, before in zip(self.ticks(), self.before))
        text = pathlib.Path("/proc/cpuinfo").read_text()
        cpu = re.search(r"^model name\s*: (.*)$", text, re.M)
        congestion = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
        compiler = subprocess.run(["cc", "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]
        virtual = ", virtual" if re.search(r"^flags\s*:.*\bhypervisor\b", text, re.M) else ""
        return (f"{self.begun:%Y-%m-%d %H:%M} UTC, Linux {platform.release()}, "
                f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} CPUs{virtual}, {congestion}, "
                f"{compiler}. Of the CPU time, {100 * max(0, others) / total:.0f} % went to other processes and "
                f"{100 * stolen / total:.1f} % to the host")


def places(place):
    if place.server_cpu == place.load_cpu:
        return "There is only one CPU, and server and load share it"
    shared = siblings(place.server_cpu) & {place.load_cpu}
    return (f"The server runs on CPU {place.server_cpu}, the load on CPU {place.load_cpu}"
            + (", a thread of the same core" if shared else ""))


def siblings(cpu):
    path = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    found = set()
    for part in path.read_text().strip().split(",") if path.exists() else []:
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def rivals_table(comparison):
    lines = ["| rival | what it is | version | threads | echoes exactly |", "|---|---|---|---|---|"]
    for name in comparison.rivals:
        what, version, threads = servers.describe(name)
        lines.append(f"| {name} | {what} | {version} | {threads} | {comparison.out.get(name, 'yes')} |")
    return "\n".join(lines)


def workload_part(comparison, workload):
    """The table of one workload with the sentence on what it can tell, and its plot."""
    found = comparison.found[workload.key]
    rows = []
    for name in [n for n in comparison.rivals if n in found and n not in comparison.out] + [OURS]:
        cpu = pairs.estimate(pairs.ratios(found[name], "server_us"))
        p50 = pairs.estimate(pairs.ratios(found[name], "p50_us"))
        p99 = pairs.estimate(pairs.ratios(found[name], "p99_us"))
        label, words = (ITSELF, page.NO_RIVAL) if name == OURS else (name, page.verdict(cpu))
        rows.append(page.Row(label, [rival for _, rival in pairs.flat(found[name])], cpu, p50, p99, words))
    own = [run for each in found.values() for run, _ in pairs.flat(each)]
    itself = rows[-1].cpu
    told = (f"Our server against itself: {page.interval(itself)}, which "
            + ("holds 1" if itself.holds(1) else "does not hold 1, so these figures are off by as much")
            + f"; its half-width is {100 * itself.half_width:.1f} %.")
    return f"{page.table(OURS, own, rows)}\n\n{told}", page.plot(workload.title, OURS, own, rows)


def cost_table(comparison):
    lines = ["| load | its CPU µs per message | its server's | its ÷ its server's (95 %) |", "|---|---|---|---|"]
    for title, runs in comparison.costs.items():
        ratio = pairs.estimate(pairs.alone(run["bench_per_server"] for run in runs))
        lines.append(f"| {title} | {page.median_of(runs, 'bench_us'):.2f} | "
                     f"{page.median_of(runs, 'server_us'):.2f} | {page.interval(ratio)} |")
    return "\n".join(lines)


def repeats(comparison):
    every = [run for found in comparison.found.values() for each in found.values()
             for pair in pairs.flat(each) for run in pair]
    again = sum(run["retransmitted"] for run in every)
    limited = sum(run["limited"] is not None for run in every)
    return (f"{len(every)} runs, none left out; {again} segments were sent again in them, and in {limited} the "
            "load was at its own limit or had to wait for its CPU"
            + (f". {comparison.repeated} more had to be made again, as the server had no CPU in them"
               if comparison.repeated else ""))


def section(comparison, machine, plots):
    """All that stands between the markers. `plots` gets the text of each plot by the name of its file."""
    place = comparison.place
    parts = [f"""## Side by side

```
./dev bench
```

*What does an echo cost, and what would it cost in another server?* Server CPU per message. Each rival and
ours were started beside each other {comparison.starts} times, with {comparison.pairs} pairs of runs of {place.seconds:g} s (after {place.warm_up:g} s of
warm-up) each time; its figure is divided by ours within each pair: **above 1 we cost less**. Given is the median with its 95 % interval. How it is measured
stands in [README.md](README.md).
{places(place)}. {machine.describe()}.
{repeats(comparison)}.
""", rivals_table(comparison)]
    for workload in comparison.workloads:
        text, plot = workload_part(comparison, workload)
        name = f"side-by-side-{workload.key}.svg"
        plots[name] = plot
        parts.append(f"\n### {workload.title}\n\n![CPU per message, relative to {OURS}]({name})\n\n{text}")
    parts.append(f"\n### What the load costs\n\n{cost_table(comparison)}")
    return "\n".join(parts)


def write(comparison, machine, folder):
    """RESULTS.md and the plots in that folder; what is outside the markers stays."""
    plots = {}
    text = section(comparison, machine, plots)
    path = folder / "RESULTS.md"
    path.write_text(page.replace(path.read_text() if path.exists() else "# Results\n", text))
    for name, plot in plots.items():
        (folder / name).write_text(plot)
    print(f"{text}\n\nwritten: {os.path.relpath(path)}")
