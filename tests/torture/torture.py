"""Torture: torture.py --build FOLDER [--once] [--xml FILE] [SCENARIO [FAULT]]

Every fallible call of the programs fails once: the 1st, the 2nd, ... nth, until a run passes in which
nothing failed any more; and likewise from the nth on for ever. This is done for each scenario
(scenarios.py, upgrades.py) with each error that the call may report (faults.py). After each run:

  - no crash, no sanitizer's word, no hang;
  - at the start, one line that tells the reason and exit code 2; or it goes on, where that is tolerated;
  - what clients get is a prefix of what they sent. A fault that passes may cost one client its connection
    where it says that this connection is gone, and nobody anything otherwise; afterwards a fresh client
    is served, and SIGTERM ends the server with 0;
  - EINTR is no failure at all;
  - a client succeeds only with every byte, or says in one line what failed; a bench likewise, or in its report;
  - memory and descriptors are given back, as in a run without a fault.

With --once only faults that pass are tried. A failure is printed with the command that repeats it. FAULT is
CALL:N:ERROR:once or CALL:N:ERROR:ever.

rows: R02 R03 R04 R05 (both engines)

SPDX-License-Identifier: MIT
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time
import xml.sax.saxutils

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import faults  # noqa: E402
import process  # noqa: E402
import scenarios  # noqa: E402
import upgrades  # noqa: E402

NTH_MAX = 2000  # of one call: more means that the scenario makes no end of it
LANE = 40  # calls that one process goes through; where there are more, several share them
SCENARIOS = {s.name: s for s in [*scenarios.SERVERS, *upgrades.UPGRADES, *scenarios.CLIENTS,
                                *scenarios.BENCHES]}
PARALLEL = 4 * (os.cpu_count() or 1)  # a run waits most of its time


def check(scenario, build, fault, usual):
    """One run. Returns its process and all complaints."""
    run = scenario.run(build, fault)
    p = run.process
    return p, [*p.crashes(), *run.complaints, *p.leaks(usual)]


def chain(name, build, call, code, mode, usual, first, step):
    """The nth-failure loop of one call, every step-th. Returns the number of runs and the failures."""
    scenario, failures = SCENARIOS[name], []
    for runs, nth in enumerate(range(first, NTH_MAX, step), 1):
        fault = faults.Fault(call, nth, code, mode)
        p, complaints = check(scenario, build, fault, usual)
        if complaints:
            failures.append((fault, p.report.fired_at, complaints, p.err))
        if not p.report.fired and p.report.ended_by:
            return runs, failures
    failures.append((fault, None, ["the loop finds no end"], b""))
    return runs, failures


def baseline(scenario, build):
    """A run without a fault must be perfect; it tells what is called, and what is never given back."""
    p, complaints = check(scenario, build, None, [])
    usual = p.report.left
    complaints = [c for c in complaints if not c.startswith("not given back")]
    if any(left.what == "block" for left in usual):
        complaints += [f"memory is left without any fault: {usual}"]
    return p, usual, complaints


def chains_of(scenario, p):
    """The loops that this scenario wants: every call it makes, every error, both ways."""
    for call, codes in faults.FAULTS.items():
        if p.report.count(call) == 0 or (scenario.calls and call not in scenario.calls):
            continue
        for code in codes:
            yield call, code, "once"
            if (call, code) in getattr(scenario, "not_for_ever", ()):
                continue
            if code != "EINTR" and code in faults.FOR_EVER.get(call, codes):
                yield call, code, "ever"


def where(build, program, place):
    """The line of the source that made the call, for people."""
    if not place or "+" not in place:
        return place or "?"
    try:
        out = subprocess.run(["addr2line", "-e", build.folder / program, place.split("+")[1]],
                             capture_output=True, text=True, timeout=20).stdout.strip()
    except OSError:
        return place
    return f"{place} ({out.split('/src/')[-1]})"


def show(scenario, build, failure):
    fault, place, complaints, err = failure
    lines = [f"{scenario.name} {faults.text(fault)}: {'; '.join(complaints)}",
             f"    failed: {where(build, scenario.program, place)}",
             *(f"    {line}" for line in err.decode(errors='replace').splitlines()[-6:]),
             f"    again: ./dev torture {scenario.name} {faults.text(fault)}"]
    return "\n".join(lines)


def replay(scenario, build, words):
    """One fault by itself, with everything there is to see."""
    fault = faults.parse(words)
    _, usual, _ = baseline(scenario, build)
    p, complaints = check(scenario, build, fault, usual)
    print(" ".join([*(f"{k}={v}" for k, v in p.shim.items()), *p.words]))
    print(f"exit code {p.code}, fired {p.report.fired} at"
          f" {where(build, scenario.program, p.report.fired_at)}")
    sys.stdout.write(p.err.decode(errors="replace"))
    print(*(complaints or ["no complaint"]), sep="\n")
    return 1 if complaints else 0


def torture(names, build, modes):
    """All loops of these scenarios, in parallel. Returns {name: (runs, [text of a failure])}."""
    results = {name: [0, []] for name in names}
    with concurrent.futures.ProcessPoolExecutor(PARALLEL) as pool:
        waiting = {}
        for name in names:
            scenario = SCENARIOS[name]
            if scenario.root_only and os.geteuid() != 0:
                continue
            p, usual, complaints = baseline(scenario, build)
            if complaints:
                results[name][1].append(f"{name} without any fault: {'; '.join(complaints)}\n"
                                        + p.err.decode(errors="replace"))
                continue
            for call, code, mode in chains_of(scenario, p):
                if mode not in modes:
                    continue
                lanes = 1 + p.report.count(call) // LANE
                for first in range(1, lanes + 1):
                    waiting[pool.submit(chain, name, build, call, code, mode, usual, first, lanes)] = name
        for future in concurrent.futures.as_completed(waiting):
            name = waiting[future]
            runs, failures = future.result()
            results[name][0] += runs
            results[name][1] += [show(SCENARIOS[name], build, f) for f in failures]
    return results


def write_xml(path, results):
    quote = xml.sax.saxutils.quoteattr
    with open(path, "w") as out:
        out.write("<testsuite>\n")
        for name, (_, failures) in results.items():
            out.write(f"<testcase name={quote(name)}>")
            if failures:
                out.write(f"<failure message={quote(failures[0])}/>")
            out.write("</testcase>\n")
        out.write("</testsuite>\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--xml", type=pathlib.Path)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    build = process.Build(args.build.resolve())
    unknown = [w for w in args.words[:1] if w not in SCENARIOS]
    if unknown or len(args.words) > 2:
        sys.exit(f"no such scenario: {args.words}; there are {' '.join(SCENARIOS)}")
    if len(args.words) == 2:
        return replay(SCENARIOS[args.words[0]], build, args.words[1])
    start = time.monotonic()
    results = torture(args.words or list(SCENARIOS), build,
                      ["once"] if args.once else ["once", "ever"])
    for name, (runs, failures) in results.items():
        print(f"{name:20} {runs:6} runs, {len(failures)} failed")
    for _, failures in results.values():
        print(*failures, sep="\n", end="\n" if failures else "")
    print(f"{sum(r for r, _ in results.values())} runs in {time.monotonic() - start:.0f} s")
    if args.xml:
        write_xml(args.xml, results)
    return 1 if any(failures for _, failures in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
