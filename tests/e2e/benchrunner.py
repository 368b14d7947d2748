"""Runs the real meari-bench, reads its JSON, and holds every run to the rules of the house.

Whatever a test is about, a report must be valid JSON (RFC 8259: no NaN) whose figures fit together, the exit
code must follow from it, and two things may never be: success with a wrong echo, and connections that are
missing without a word (Report.check).
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading

from conftest import PATIENCE, PREFIX, SANITIZER

BUILD = pathlib.Path(os.environ.get("MEARI_BUILD",
                                    pathlib.Path(__file__).resolve().parents[2] / "build"))
BENCH = str(BUILD / "meari-bench")
CODES = {"right": 0, "wrong": 1, "interrupted": 130, "unconnected": 2}


def bench_env(**changes):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MEARI_")}
    env["LC_ALL"] = "C.UTF-8"
    env["MEARI_TIMEOUT"] = "15s"  # an echo of the test's own may be late: nothing is wrong with the bench then
    env.update(changes)
    return env


def no_constant(word):
    raise ValueError(f"{word} is not JSON")


def load_json(text):
    return json.loads(text, parse_constant=no_constant)


class Report:
    """What a run said: its JSON's parts as attributes, and how it ended."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        assert not SANITIZER.search(stderr), stderr
        self.json = load_json(stdout)
        for name, value in self.json.items():
            setattr(self, name, value)
        self.check()

    def kinds(self):
        """How many of each kind of trouble there were, without those of which there were none."""
        return {kind: n for kind, n in self.troubles["counts"].items() if n}

    def percentile(self, view, percent):
        return self.json[view]["percentiles_ns"][f"p{percent}"]

    def check(self):
        outcome, plan = self.outcome, self.plan
        assert self.schema == {"name": "meari-bench", "version": 1}
        assert sum(self.kinds().values()) == self.troubles["total"]
        for view in "response", "service", "connect", "lag":
            self.check_view(self.json[view])
        assert self.response["count"] == self.service["count"] == outcome["messages"]
        measured = [span for span in self.intervals if span["begin_ns"] >= 0]
        assert sum(span["messages"] for span in measured) == outcome["messages"]
        # nobody is missing without a word
        wanted = plan["connections"] + plan["idle"]
        if plan["mode"] != "connect" and not outcome["interrupted"]:
            assert outcome["connections"] + self.troubles["counts"]["connect"] >= wanted
        # and the exit code is the verdict, unless a threshold was missed or no rate would do
        missed = "--fail-if" in self.stderr or (outcome["search"] and not outcome["search"]["found_rate"])
        assert self.code == CODES[outcome["verdict"]] or (self.code == 1 and missed)
        if self.troubles["total"] or outcome["lost_messages"] or outcome["cut_short"]:
            assert self.code not in (0, 130)

    @staticmethod
    def check_view(view):
        """The figures of one histogram."""
        figures = [view["min_ns"], *view["percentiles_ns"].values(), view["max_ns"]]
        if view["count"] == 0:
            assert set(figures) == {None}
        else:
            assert figures == sorted(figures) and figures[0] >= 0
            assert figures[0] <= view["mean_ns"] <= figures[-1]


def start_bench(*args, prefix=(), env=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how):
    return subprocess.Popen([*prefix, *PREFIX, BENCH, *map(str, args)], env=bench_env(**(env or {})),
                            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True,
                            **how)


def finish(proc):
    """Waits for its end. Returns (exit code, standard output, standard error)."""
    try:
        out, err = proc.communicate(timeout=2 * PATIENCE)
    except subprocess.TimeoutExpired:
        proc.kill()
        out, err = proc.communicate()
        raise AssertionError(f"the bench did not end; stderr: {err!r}") from None
    assert not SANITIZER.search(err or ""), err
    return proc.returncode, out, err


def run_plain(*args, **how):
    """Runs the bench with these arguments and no others."""
    return finish(start_bench(*args, **how))


def run_bench(*args, code=0, **how):
    """Runs the bench to its end, and returns its report; the exit code must be `code`."""
    ended, out, err = run_plain("-J", *args, **how)
    assert out, f"exit code {ended}, no report; stderr: {err}"
    report = Report(ended, out, err)
    assert ended == code, (ended, report.outcome["verdict"], report.troubles, err)
    return report


def refused(*args, **how):
    """Runs a bench that cannot be: exit code 2 and one line, which is returned."""
    code, out, err = run_plain(*args, **how)
    assert (code, out) == (2, ""), (code, out, err)
    assert err.startswith("meari-bench: ") and err.count("\n") <= 2, err
    return err


class Running:
    """A bench under way: once this is made, it has measured some, as its live report (-i) says."""

    def __init__(self, *args, **how):
        self.out = tempfile.TemporaryFile("w+")
        self.proc = start_bench("-J", "-i", "100ms", *args, stdout=self.out, **how)
        self.lines = []
        self.measuring = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.measuring.wait(PATIENCE), f"no live report in {self.lines}"

    def _read(self):
        for line in self.proc.stderr:
            self.lines.append(line)
            if re.search(r"[1-9]\S* messages/s ", line):
                self.measuring.set()

    def report(self):
        """Waits for its end."""
        try:
            self.proc.wait(2 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            raise AssertionError(f"the bench did not end; it said {self.lines}") from None
        self.reader.join(PATIENCE)
        self.out.seek(0)
        out = self.out.read()
        assert out, (self.proc.returncode, self.lines)
        return Report(self.proc.returncode, out, "".join(self.lines))
