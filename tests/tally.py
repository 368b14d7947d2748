"""Sums up a test run: tally.py RESULTS ALLOWED-SKIPS

Under RESULTS each part of the run is a folder, and each program that ran there left NAME.exit (its exit
code), perhaps NAME.log (its output) and, where it tells single tests apart, NAME*.xml (JUnit's format,
as cmocka and pytest write it). Without XML the program is one test: 0 passed, 77 skipped, all else
failed. With it each test case counts, and a bad exit code that no test case explains counts as one more
failure: the program crashed, hung, or wrote too little.

Where CI=true a skip is a failure unless ALLOWED-SKIPS names it. The last line printed is the sum; the
exit code is 0 only when nothing failed.
"""

import os
import pathlib
import re
import sys
import xml.etree.ElementTree

SKIP = 77
SANITIZER, TIMEOUT, SIGNAL = 99, 124, 128  # exit codes that no failed test case explains (and above)
TAIL = 15  # lines of a failed program's output that are shown
SHOWN = 6  # lines of a failed test case's message


def read_cases(path):
    """The test cases of a JUnit file as (name, outcome, message)."""
    # what a test printed may be no XML: control characters, bytes that are no UTF-8
    text = re.sub("[\0-\b\v\f\x0e-\x1f\ufffe\uffff]", "?", path.read_text("utf-8", "replace"))
    for case in xml.etree.ElementTree.fromstring(text).iter("testcase"):
        scope = case.get("classname")
        name = f"{scope}.{case.get('name')}" if scope else case.get("name")
        outcome, message = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, message = "failed", child.get("message") or child.text or ""
            elif child.tag == "skipped":
                outcome, message = "skipped", child.get("message") or child.text or ""
        yield name, outcome, "\n".join(message.strip().splitlines()[:SHOWN])


def read_program(exit_path):
    """What one program's files say: a list of (name, outcome, message)."""
    folder, name = exit_path.parent, exit_path.stem
    code = int(exit_path.read_text())
    log = exit_path.with_suffix(".log")
    tail = log.read_text("utf-8", "replace").splitlines()[-TAIL:] if log.exists() else []
    reports = sorted(folder.glob(f"{name}.xml")) + sorted(folder.glob(f"{name}.*.xml"))
    if not reports:
        outcome = {0: "passed", SKIP: "skipped"}.get(code, "failed")
        if outcome == "failed":
            tail.append(f"(exit code {code})")
        return [(name, outcome, "\n".join(tail))]

    cases = []
    broken = []
    for report in reports:
        try:
            cases += [(f"{name}: {case}", *rest) for case, *rest in read_cases(report)]
        except xml.etree.ElementTree.ParseError as e:
            broken.append(f"{report.name}: {e}")
    explained = code == 0 or any(outcome == "failed" for _, outcome, _ in cases)
    ended_badly = code in (SANITIZER, TIMEOUT) or code >= SIGNAL
    if not explained or ended_badly or broken:
        cases.append((name, "failed", "\n".join(tail + broken + [f"(exit code {code})"])))
    return cases


def read_allowed(path):
    """The lines 'NAME | REASON' of the list; a name may end in * for all that begin so."""
    names = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, bar, reason = line.partition("|")
        if not bar or not reason.strip():
            sys.exit(f"{path}: no reason is given in '{line}'")
        names.append(name.strip())
    return names


def is_allowed(name, allowed):
    return any(name == a or (a.endswith("*") and name.startswith(a[:-1])) for a in allowed)


def report(outcome, cases):
    """Lists the cases with this outcome, each with what was said about it."""
    for name, _, message in (case for case in cases if case[1] == outcome):
        lines = message.splitlines() or ["no reason given"]
        if outcome == "skipped":
            print(f"skipped  {name}: {lines[-1]}")
        else:
            print(f"failed   {name}", *(f"         {line}" for line in lines), sep="\n")


def main():
    results, allowed_path = map(pathlib.Path, sys.argv[1:])
    allowed = read_allowed(allowed_path)
    strict = os.environ.get("CI") == "true"
    cases = []
    for exit_path in sorted(results.glob("*/*.exit")):
        for name, outcome, message in read_program(exit_path):
            if strict and outcome == "skipped" and not is_allowed(name, allowed):
                outcome, message = "failed", "skipped in CI: " + (message or "no reason given")
            cases.append((f"{exit_path.parent.name}/{name}", outcome, message))
    print()
    report("skipped", cases)
    report("failed", cases)
    count = {o: sum(c[1] == o for c in cases) for o in ("passed", "failed", "skipped")}
    print("tests: {passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
