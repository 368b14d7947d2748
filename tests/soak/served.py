"""served.py -- one server of the soak: its process, the processes that load it, its books, its memory.

SPDX-License-Identifier: MIT
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

from ledger import Ledger, Tail

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "harness"))
import procfs  # noqa: E402

MIB = 1 << 20
PROCESSES = 3      # that load each server
TARGET = 30        # connections that each keeps going
CROWD = 60         # and idle ones beside them
PATIENCE = 90      # until a cycle's end has come, after its load has ended
GROWTH = 64 * MIB  # that the memory may show in any case; a sanitizer alone can take that
STEEP = MIB        # bytes an hour that it may grow by,
STEADY = 3600      # once it was measured for so many seconds
TELLING = 300      # below so many, a slope says nothing
# the kernel ends a child whose parent is gone, however that went
TETHERED = ["setpriv", "--pdeathsig", "KILL", "--"]


class CannotStart(Exception):
    """Words for the user."""


class CannotGoOn(Exception):
    """Words for the user: a promise was broken so thoroughly that nothing is left to soak."""


def slope(samples):
    """Bytes an hour, by least squares."""
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_b = sum(b for _, b in samples) / len(samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return 3600 * sum((t - mean_t) * (b - mean_b) for t, b in samples) / spread


class Served:
    """One server, its load, its books."""

    def __init__(self, soak, engine, server):
        self.soak, self.engine = soak, engine
        self.log_path = soak.folder / f"{engine}.log"
        # appending: after each cycle the file is emptied under the server
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.proc = subprocess.Popen(
            [*TETHERED, server, "--engine", engine, "-v", "--log-format", "json", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        os.close(log)
        self.log = Tail(self.log_path)
        self.ledger = Ledger(self.violation, TARGET + CROWD)
        self.load = {}  # by source address: a process, and the Tail of its reports
        self.cycles = 0
        self.samples = []  # (seconds, bytes), each taken when nobody was connected
        self.peak = 0
        self.port = self.wait_for_port()
        self.fds, self.threads = procfs.fds(self.proc.pid), procfs.threads(self.proc.pid)

    def violation(self, words):
        self.soak.violation(f"{self.engine}: {words}")

    def wait_for_port(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.proc.poll() is None:
            for line in self.log.lines():
                if line.get("event") == "listening":
                    return int(line["address"].rsplit(":", 1)[1])
            time.sleep(0.01)
        raise CannotStart(f"the server did not start: {self.log_path.read_text(errors='replace').strip()}")

    def start_load(self, seconds):
        for i in range(PROCESSES):
            number = self.cycles * PROCESSES + i
            source = "127.%d.%d.%d" % (1 + number // 62500 % 250, number // 250 % 250, 1 + number % 250)
            path = self.soak.folder / f"{self.engine}-{i}.reports"
            words = {"port": self.port, "source": source, "seed": f"{self.soak.seed}/{self.engine}",
                     "number": number, "seconds": seconds, "target": TARGET, "crowd": CROWD}
            with open(path, "wb") as out:
                proc = subprocess.Popen([*TETHERED, sys.executable, str(HERE / "load.py"), json.dumps(words)],
                                        stdin=subprocess.DEVNULL, stdout=out, start_new_session=True)
            self.load[source] = (proc, Tail(path))
        self.cycles += 1

    def kill_a_process(self, draw):
        source = draw.choice(list(self.load))
        self.load[source][0].kill()
        self.ledger.killed.add(source)

    def a_process(self, draw):
        return draw.choice([proc for proc, _ in self.load.values()])

    def memory(self):
        return 0 if self.proc.poll() is not None else procfs.memory(self.proc.pid)

    def take_down(self):
        """Reads what the log and the reports have to say since the last time."""
        for line in self.log.lines():
            self.ledger.log_line(line)
        for _, tail in self.load.values():
            for line in tail.lines():
                self.ledger.report(line)
        if self.proc.poll() is not None:
            raise CannotGoOn(f"the {self.engine} server ended with {self.proc.returncode}")
        self.peak = max(self.peak, self.memory())

    def wind_up(self):
        """Waits for the load's end, then for quiet, and audits."""
        for source, (proc, _) in self.load.items():
            try:
                code = proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise CannotGoOn(f"{self.engine}: a load process does not end") from None
            if code != 0 and source not in self.ledger.killed:
                self.violation(f"a load process ended with {code}")
        self.wait_until("clients are left", self.nobody_here)
        self.wait_until("descriptors are left over", lambda: procfs.fds(self.proc.pid) == self.fds)
        self.wait_until("threads are left over", lambda: procfs.threads(self.proc.pid) == self.threads)
        self.wait_until("it does not sleep", self.asleep)
        self.take_down()
        self.ledger.audit()
        self.samples.append((time.monotonic(), self.memory()))
        for _, tail in self.load.values():
            tail.close()
        self.load = {}
        os.truncate(self.log_path, 0)
        self.log.rewind()

    def wait_until(self, otherwise, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                self.violation(f"{PATIENCE} s after the load {otherwise}")
                return
            time.sleep(0.02)

    def nobody_here(self):
        self.take_down()
        return not self.ledger.here

    def asleep(self):
        before = procfs.switches(self.proc.pid)
        time.sleep(0.1)
        return procfs.switches(self.proc.pid) == before

    def end(self):
        """After the last audit: the server's own sum must be ours."""
        self.proc.terminate()
        try:
            code = self.proc.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise CannotGoOn(f"SIGTERM does not end the {self.engine} server") from None
        lines = {line.get("event"): line for line in self.log.lines()}
        ours = (0, self.ledger.clients, self.ledger.bytes, 0, 0)
        sums = lines.get("summary", collections.defaultdict(lambda: None))
        theirs = (code, sums["clients"], sums["bytes"], sums["cut"], sums["left_waiting"])
        if ours != theirs:
            self.violation("exit code, clients, bytes, cut, left waiting should have been "
                           f"{ours}, and are {theirs}")

    def judge_memory(self):
        """What became of it, in words; a violation when it grew too much."""
        if not self.samples:
            return "memory was not measured"
        steady = self.samples[len(self.samples) // 4:]  # the first quarter is warm-up
        span = steady[-1][0] - steady[0][0]
        first, last = self.samples[0][1], self.samples[-1][1]
        words = f"memory when quiet {first / MIB:.1f} MiB first, {last / MIB:.1f} MiB last"
        if last - first > GROWTH:
            self.violation(f"its memory has grown by {(last - first) / MIB:.1f} MiB")
        if span >= TELLING:
            rise = slope(steady)
            words += f", slope {rise / MIB:+.2f} MiB an hour over {span / 60:.0f} min"
            if span >= STEADY and rise > STEEP:
                self.violation(f"its memory grows by {rise / MIB:.2f} MiB an hour")
        return f"{words}; {self.peak / MIB:.1f} MiB at the most"

    def sum_up(self):
        book = self.ledger
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(book.kinds.items()))
        return (f"{self.engine}: {self.cycles} cycles; {book.clients:,} clients announced, {book.left:,} left; "
                f"{book.bytes / 1e6:,.0f} MB echoed by the log, {book.checked / 1e6:,.0f} MB checked\n"
                f"    {kinds}\n    {self.judge_memory()}")

    def abandon(self):
        for proc in [self.proc, *(proc for proc, _ in self.load.values())]:
            if proc.poll() is None:
                proc.kill()
                proc.wait()
