"""A program that runs under the shim (tests/harness/shim/shim.h), and what is known of it afterwards.

SPDX-License-Identifier: MIT
"""

import collections
import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time

import faults
import shim

HANG = 15  # seconds after which a run that does not end is a failure; never waited for in full
SANITIZER = re.compile(rb"Sanitizer|runtime error:|Assertion")

Left = collections.namedtuple("Left", "what call place")


class Report:
    """What the shim wrote at the end."""

    def __init__(self, text):
        self.calls, self.fired, self.left = {}, 0, []
        self.fired_call = self.fired_at = self.option = None
        self.ended_by = None
        for line in text.rpartition("report\n")[2].splitlines():
            word, *rest = line.split(" ")
            if word == "calls":
                self.calls[rest[0]] = int(rest[1])
            elif word == "fired":
                self.fired = int(rest[0])
                if self.fired:
                    self.fired_call, self.option = rest[1], (int(rest[-2]), int(rest[-1]))
                    self.fired_at = " ".join(rest[2:-2])
            elif word == "ended":
                self.ended_by = rest[1]
            elif word in ("fd", "block"):
                self.left.append(Left(word, rest[1], " ".join(rest[2:])))
            elif word == "lost":
                self.left.append(Left("more blocks than the shim can note", "", ""))

    def count(self, call):
        if call != "alloc":
            return self.calls.get(call, 0)
        return sum(self.calls.get(name, 0) for name in faults.ALLOCATIONS)


class Process:
    def __init__(self, build, program, args, fault=None, libraries=None,
                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="torture.")
        self.report_path = pathlib.Path(self.folder.name, "report")
        ready, told = os.pipe()
        settings = {"report": self.report_path, "ready": told}
        if fault:
            settings["fail"] = faults.for_shim(fault)
        if libraries:
            settings["from"] = libraries
        self.shim = shim.environment(build.environment, **settings)
        self.words = [str(build.folder / program), *map(str, args)]
        self.proc = subprocess.Popen(self.words, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                                     env={**build.environment, **(env or {}), **self.shim}, pass_fds=(told,))
        os.close(told)
        self.ready = ready
        self.err = b""
        self.hung = False
        self.report = None

    def port(self):
        """The port it listens on, once SIGTERM would drain it; None when it has ended instead."""
        told = b""
        while not told.endswith(b"\n"):
            if not select.select([self.ready], [], [], HANG)[0]:
                self.hung = True
                return None
            more = os.read(self.ready, 64)
            if not more:
                return None
            told += more
        if not self._until(self._catches_sigterm):
            return None
        return int(told.split()[0])

    def _catches_sigterm(self):
        status = pathlib.Path(f"/proc/{self.proc.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.M)
        return caught and int(caught.group(1), 16) & 1 << (signal.SIGTERM - 1)

    def _until(self, condition):
        """Waits for it; returns whether it came before the process's end."""
        end = time.monotonic() + HANG
        while self.proc.poll() is None and time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.0005)
        return False

    def finish(self):
        """Waits for the end, takes the report. Kills it when it hangs."""
        try:
            out, err = self.proc.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            self.hung = True
            self.proc.kill()
            out, err = self.proc.communicate()
        os.close(self.ready)
        self.out, self.err, self.code = out or b"", err, self.proc.returncode
        self.report = Report(self.report_path.read_text() if self.report_path.exists() else "")
        self.folder.cleanup()
        return self

    def crashes(self):
        """What must never be seen, whatever fails."""
        if self.hung:
            yield "it hangs"
        elif self.code < 0:
            yield f"it was ended by {signal.Signals(-self.code).name}"
        elif not self.report.ended_by:
            yield "it left no report"
        if SANITIZER.search(self.err):
            yield "a sanitizer speaks, or an assertion"

    def leaks(self, usual):
        """What was not given back, beyond what never is."""
        if self.report.ended_by != "return":
            return
        more = collections.Counter(self.report.left)
        more.subtract(collections.Counter(usual))
        for left, n in sorted(more.items()):
            if n > 0:
                yield f"not given back: {n} {left.what} from {left.call} at {left.place}"


class Build:
    """Where the programs are, and the environment they get."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith(("MEARI_", "SHIM_")) and k != "LD_PRELOAD"}
