"""The matrix and who holds it: matrix.py [--check] [RESULTS]

Rows come from tests/matrix.md. Claims come from the tests, and from the tools that run programs over them:
a comment `rows: P16 P17` belongs to the test function that follows it (with nothing but decorators and
comments between), or else to the whole file. A row marked ×2 wants a test on both engines: one that takes
the `engine` or `echo` fixture, or a claim that says so, as in `rows: R05 R06 (both engines)`.

RESULTS is the folder of a test run (tests/tally.py); with it a row whose tests failed is shown as failing.
With --check only what is wrong is printed, and the exit code is 1 where a row of severity S1 that applies
has no test or failed, an S1 or S2 row ×2 lacks an engine, or a claim names a row that does not exist.
"""

import collections
import pathlib
import re
import sys
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ID = r"[A-Z]\d\d[a-z]?"
CLAIM = re.compile(rf"(?:^|[#*/\s])rows: ((?:{ID}[ ,]*)+)(\(both engines\))?")
FUNCTION = re.compile(r"(?:def|static void|static int|int|void) (\w+)\(([^)]*)")
BETWEEN = re.compile(r"[#@)\]\s/*\"']|$")

Row = collections.namedtuple("Row", "id severity who fault when")
Claim = collections.namedtuple("Claim", "test path both")


def read_rows(path):
    rows = []
    for line in path.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(ID, cells[0]):
            rows.append(Row(cells[0], cells[1], cells[2], cells[3], cells[5]))
    return rows


def function_after(lines, start):
    """The function that a claim in line `start` stands above, as (name, arguments), or None."""
    for line in lines[start + 1:]:
        match = FUNCTION.match(line)
        if match:
            return match.groups()
        if not BETWEEN.match(line):
            return None
    return None


def read_claims(root):
    """Row -> the claims on it."""
    claims = collections.defaultdict(list)
    folders = [root / "tests", root / "tools"]
    files = (p for f in folders for suffix in ("py", "c", "sh") for p in f.rglob(f"*.{suffix}"))
    for path in sorted(files):
        if path.samefile(__file__):
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            match = CLAIM.search(line)
            if not match:
                continue
            name, arguments = function_after(lines, number) or (path.name, "")
            both = bool(match[2]) or bool(re.search(r"\b(echo|engine)\b", arguments))
            for row in re.findall(ID, match[1]):
                claims[row].append(Claim(name, path.relative_to(root), both))
    return claims


def read_failures(results):
    """Names of test functions and programs that failed in that run."""
    failed = set()
    for path in results.glob("*/*.xml"):
        text = re.sub("[\0-\b\v\f\x0e-\x1f\ufffe\uffff]", "?", path.read_text("utf-8", "replace"))
        for case in xml.etree.ElementTree.fromstring(text).iter("testcase"):
            if any(child.tag in ("failure", "error") for child in case):
                failed.add(case.get("name").split("[")[0])
    for path in results.glob("*/*.exit"):
        if path.read_text().strip() not in ("0", "77"):
            failed.add(path.stem)
    return failed


def state(row, claims, failed):
    """held, failing, open, one engine, or what it waits for."""
    if any(c.test in failed or pathlib.Path(c.test).stem in failed for c in claims):
        return "failing"
    if claims:
        return "held" if "×2" not in row.who or any(c.both for c in claims) else "one engine"
    return f"with {row.when}" if row.when else "open"


def wrong(row, row_state):
    if row_state in ("open", "failing"):
        return row.severity == "S1"
    return row_state == "one engine" and row.severity in ("S1", "S2")


def main():
    check = "--check" in sys.argv
    folders = [pathlib.Path(a) for a in sys.argv[1:] if a != "--check"]
    rows = read_rows(HERE / "matrix.md")
    claims = read_claims(HERE.parent)
    failed = set().union(*(read_failures(folder) for folder in folders))
    count = collections.Counter()
    bad = [f"{claim.path}: {claim.test} claims {name}, and there is no such row"
           for name in sorted(set(claims) - {row.id for row in rows}) for claim in claims[name]]
    bad += [f"{name} stands twice" for name, n in collections.Counter(r.id for r in rows).items() if n > 1]
    for row in rows:
        row_state = state(row, claims[row.id], failed)
        count[row_state.split()[0]] += 1
        tests = sorted({c.test for c in claims[row.id]})
        if wrong(row, row_state):
            bad.append(f"{row.id} ({row.severity}) is {row_state}: {row.fault}")
        if not check:
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            print(f"{row.id:5}{row.severity}  {row_state:22.22}  {row.fault[:60]:60}  "
                  f"{tests[0] + more if tests else ''}")
    if not rows:
        bad.append("there is no row at all")
    print(*bad, sep="\n", end="\n" if bad else "")
    if not check:
        print(f"{len(rows)} rows: {count['held']} held, {count['with']} wait for a feature, "
              f"{count['open']} open, {count['one']} on one engine only, {count['failing']} failing")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
