"""Holds a coverage run to its goal: coverage.py REPORT UNCOVERED

REPORT is what `gcovr --json` wrote. UNCOVERED lists what no test reaches, each with the reason:

    FILE FUNCTION LINES | why

LINES is how many of the function's lines may stay uncovered. Prints lines and branches of each file and of all;
fails below the goal, where a line is uncovered that no entry allows, and where an entry names what is not
there or is covered by now.
"""

import collections
import json
import pathlib
import re
import sys

GOAL = {"lines": 95.0, "branches": 90.0}  # per cent
NAME = re.compile(r"(\w+)\(")


def function_at(source, number):
    """The name of the function that line `number` is in: its body begins with a brace in column one."""
    if re.match(r"\w.*\(", source[number - 1]):
        return NAME.search(source[number - 1])[1]
    for i in range(number - 1, 0, -1):
        if source[i].startswith("{"):
            while not NAME.search(source[i]):
                i -= 1
            while source[i].startswith(" "):  # the arguments went on
                i -= 1
            return NAME.search(source[i])[1]
    return "?"


def read_allowed(path):
    allowed = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        place, bar, reason = line.partition("|")
        words = place.split()
        if len(words) != 3 or not words[2].isdigit() or not reason.strip():
            sys.exit(f"{path}: not 'FILE FUNCTION LINES | why': {line}")
        allowed[words[0], words[1]] = int(words[2])
    return allowed


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def read_report(path):
    """(counts per file, the uncovered lines of each function)."""
    counts, uncovered = {}, collections.defaultdict(list)
    for entry in json.loads(path.read_text())["files"]:
        name = entry["file"]
        lines = [line for line in entry["lines"] if not line.get("gcovr/noncode")]
        branches = [branch for line in lines for branch in line["branches"]]
        counts[name] = {"lines": (sum(line["count"] > 0 for line in lines), len(lines)),
                        "branches": (sum(b["count"] > 0 for b in branches), len(branches))}
        source = pathlib.Path(name).read_text().splitlines()
        for line in lines:
            if line["count"] == 0:
                uncovered[name, function_at(source, line["line_number"])].append(line["line_number"])
    return counts, uncovered


def show(name, count):
    cells = (f"{percent(*count[kind]):5.1f} % of {count[kind][1]:4} {kind}" for kind in GOAL)
    print(f"{name:32}", *cells, sep="  ")


def main():
    report, allowed_path = map(pathlib.Path, sys.argv[1:])
    allowed = read_allowed(allowed_path)
    counts, uncovered = read_report(report)
    for name in sorted(counts):
        show(name, counts[name])
    total = {kind: tuple(map(sum, zip(*(c[kind] for c in counts.values())))) for kind in GOAL}
    show("all", total)

    wrong = [f"only {percent(*total[kind]):.1f} % of {kind}: the goal is {GOAL[kind]} %"
             for kind in GOAL if percent(*total[kind]) < GOAL[kind]]
    for (name, function), lines in sorted(uncovered.items()):
        if len(lines) > allowed.get((name, function), 0):
            wrong.append(f"{name}: {function}: lines {', '.join(map(str, lines))} are never reached, and "
                         f"{allowed_path} does not say why")
    stale = [f"{allowed_path}: {name} {function} is covered: take it out"
             for name, function in allowed if (name, function) not in uncovered]
    print(*wrong, *stale, sep="\n", end="\n" if wrong or stale else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
